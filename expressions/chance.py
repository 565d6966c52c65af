"""Numbers drawn by chance that depend on nothing but a few whole numbers.

What is drawn for a row must be the same in every process, in whatever order and company rows
are made, and in every version: so each row has a stream of its own, made by SplitMix64 (Steele,
Lea and Flood, 2014) of its seeds.
"""

from __future__ import annotations

_MASK = (1 << 64) - 1
_PRIME = (1 << 64) - 59
_STEP = 0x9E3779B97F4A7C15


class Chance:
    """A stream of numbers.

    >>> chance = Chance(7, 0, 42)
    >>> [chance.below(10) for _ in range(8)]
    [9, 3, 9, 7, 3, 5, 9, 4]
    """

    def __init__(self, *seeds: int) -> None:
        """A stream of its own for each tuple of seeds."""
        self._state = 0
        for seed in seeds:
            self._state = _mixed(self._state + _STEP ^ seed % _PRIME)

    def below(self, limit: int) -> int:
        """A number from 0 to below `limit`, each as likely as any other."""
        self._state = (self._state + _STEP) & _MASK
        return _mixed(self._state) * limit >> 64


def _mixed(value: int) -> int:
    value &= _MASK
    value = (value ^ value >> 30) * 0xBF58476D1CE4E5B9 & _MASK
    value = (value ^ value >> 27) * 0x94D049BB133111EB & _MASK
    return value ^ value >> 31
