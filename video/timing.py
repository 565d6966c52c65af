"""Exact arithmetic on ticks: a time is a whole number of ticks and a timebase, never a float.

Everything here takes one tick count or an int64 array of them, and gives back the same kind.
Arrays go the fast way where no product can leave 64 bits, and through Python's integers where
one could: a result is exact, or it is refused.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import gcd
from typing import Literal, overload

import numpy as np
import numpy.typing as npt

from ..errors import CorruptVideoError

Int64s = npt.NDArray[np.int64]
Rounding = Literal["floor", "nearest", "ceil"]
"""To which whole tick a time between two goes; halves of `nearest` go away from zero."""

_INT64_MAX = (1 << 63) - 1
_EXACT_IN_FLOAT = 1 << 53


@dataclass(frozen=True, slots=True)
class Timebase:
    """Seconds a tick, as a fraction.

    >>> Timebase(1, 90_000)
    Timebase(numerator=1, denominator=90000)
    """

    numerator: int
    """Seconds, at least 1."""
    denominator: int
    """Ticks that those seconds have, at least 1."""

    def __post_init__(self) -> None:
        if self.numerator < 1 or self.denominator < 1:
            raise CorruptVideoError(
                f"timebase {self.numerator}/{self.denominator}: both must be at least 1"
            )


NANOSECONDS = Timebase(1, 1_000_000_000)
"""One tick a nanosecond."""


@overload
def rescale(
    ticks: int, source: Timebase, target: Timebase, rounding: Rounding = ...
) -> int: ...
@overload
def rescale(
    ticks: Int64s, source: Timebase, target: Timebase, rounding: Rounding = ...
) -> Int64s: ...
def rescale(
    ticks: int | Int64s, source: Timebase, target: Timebase, rounding: Rounding = "nearest"
) -> int | Int64s:
    """The same times counted in ticks of another timebase.

    Raises:
        CorruptVideoError: An array's result does not fit in 64 bits.

    >>> rescale(1001, Timebase(1, 30_000), Timebase(1, 1000))
    33
    >>> rescale(np.array([-1, 1]), Timebase(1, 2), Timebase(1, 1), "ceil").tolist()
    [0, 1]
    """
    numerator = source.numerator * target.denominator
    denominator = source.denominator * target.numerator
    common = gcd(numerator, denominator)
    numerator, denominator = numerator // common, denominator // common
    if isinstance(ticks, int):
        return _divide(ticks * numerator, denominator, rounding)
    if max(_magnitude(ticks), 1) * numerator + denominator <= _INT64_MAX:
        return _divide_array(ticks * np.int64(numerator), denominator, rounding)
    exact = [_divide(t * numerator, denominator, rounding) for t in ticks.tolist()]
    return _to_int64(exact)


@overload
def to_seconds(ticks: int, timebase: Timebase) -> float: ...
@overload
def to_seconds(ticks: Int64s, timebase: Timebase) -> npt.NDArray[np.float64]: ...
def to_seconds(ticks: int | Int64s, timebase: Timebase) -> float | npt.NDArray[np.float64]:
    """The nearest double to the time in seconds: for the public edge only.

    >>> to_seconds(3, Timebase(1001, 30_000))
    0.1001
    """
    if isinstance(ticks, int):
        return ticks * timebase.numerator / timebase.denominator
    most = max(_magnitude(ticks), 1) * timebase.numerator
    if max(most, timebase.denominator) <= _EXACT_IN_FLOAT:
        return ticks * np.int64(timebase.numerator) / np.float64(timebase.denominator)
    exact = [t * timebase.numerator / timebase.denominator for t in ticks.tolist()]
    return np.array(exact, np.float64)


@overload
def to_nanoseconds(ticks: int, timebase: Timebase) -> int: ...
@overload
def to_nanoseconds(ticks: Int64s, timebase: Timebase) -> Int64s: ...
def to_nanoseconds(ticks: int | Int64s, timebase: Timebase) -> int | Int64s:
    """The time in whole nanoseconds, the nearest.

    >>> to_nanoseconds(1, Timebase(1, 3))
    333333333
    """
    return rescale(ticks, timebase, NANOSECONDS)


def _divide(dividend: int, divisor: int, rounding: Rounding) -> int:
    match rounding:
        case "floor":
            return dividend // divisor
        case "ceil":
            return -(-dividend // divisor)
        case "nearest":
            nearest = (abs(dividend) + divisor // 2) // divisor
            return nearest if dividend >= 0 else -nearest


def _divide_array(dividend: Int64s, divisor: int, rounding: Rounding) -> Int64s:
    by = np.int64(divisor)
    match rounding:
        case "floor":
            return dividend // by
        case "ceil":
            return -(-dividend // by)
        case "nearest":
            nearest = (np.abs(dividend) + by // 2) // by
            return np.where(dividend < 0, -nearest, nearest)


def _magnitude(ticks: Int64s) -> int:
    return max(abs(int(ticks.min())), abs(int(ticks.max()))) if ticks.size else 0


def _to_int64(values: list[int]) -> Int64s:
    outside = next((v for v in values if not -_INT64_MAX - 1 <= v <= _INT64_MAX), None)
    if outside is not None:
        raise CorruptVideoError(f"time {outside} does not fit in 64 bits")
    return np.array(values, np.int64)
