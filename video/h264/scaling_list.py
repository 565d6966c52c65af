"""Scaling lists as they are written in parameter sets (7.3.2.1.1.1).

Kept are the `delta_scale` values, not the weights that they work out to: an encoder may write
the same weights in several ways, and what is rebuilt must be what was read.
"""

from __future__ import annotations

from ..bits.reader import BitReader
from ..bits.writer import BitWriter

ScalingLists = tuple[tuple[int, ...] | None, ...]
"""One entry a list, in the order of Table 7-2: its `delta_scale` values, None for a list that
is not there (the fall-back rule applies)."""


def parse_scaling_lists(reader: BitReader, count: int) -> ScalingLists:
    """The next `count` lists with their present flags; the first six have 16 weights."""
    return tuple(
        _parse_deltas(reader, 16 if index < 6 else 64) if reader.flag() else None
        for index in range(count)
    )


def build_scaling_lists(writer: BitWriter, lists: ScalingLists) -> None:
    """Write the lists with their present flags."""
    for deltas in lists:
        writer.flag(deltas is not None)
        for delta in deltas or ():
            writer.se(delta)


def _parse_deltas(reader: BitReader, size: int) -> tuple[int, ...]:
    deltas = []
    last = 8
    for _ in range(size):
        delta = reader.se_within(-128, 127, "delta_scale")
        deltas.append(delta)
        last = (last + delta) % 256
        if last == 0:  # the weights that follow repeat the one before: nothing more is written
            break
    return tuple(deltas)
