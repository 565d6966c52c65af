"""Tick arithmetic against fractions."""

import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from marey.errors import CorruptVideoError
from marey.video.timing import Rounding, Timebase, rescale, to_nanoseconds, to_seconds

timebases = st.builds(Timebase, st.integers(1, 1 << 32), st.integers(1, 1 << 32))
int64s = st.integers(-(1 << 63), (1 << 63) - 1)
small = st.integers(-(1 << 20), 1 << 20)
roundings = st.sampled_from(["floor", "nearest", "ceil"])


def fraction(timebase: Timebase) -> Fraction:
    return Fraction(timebase.numerator, timebase.denominator)


def rounded(value: Fraction, rounding: str) -> int:
    if rounding == "floor":
        return math.floor(value)
    if rounding == "ceil":
        return math.ceil(value)
    away = math.floor(abs(value) + Fraction(1, 2))
    return away if value >= 0 else -away


@given(int64s, timebases, timebases, roundings)
def test_rescale_is_the_rounded_fraction(
    ticks: int, source: Timebase, target: Timebase, rounding: Rounding
) -> None:
    exact = ticks * fraction(source) / fraction(target)
    assert rescale(ticks, source, target, rounding) == rounded(exact, rounding)


@given(st.lists(st.one_of(small, int64s)), timebases, timebases, roundings)
@example([0], Timebase(1 << 32, 1), Timebase(1, 1 << 32), "floor")
@example([], Timebase(1 << 32, 1), Timebase(1, 1 << 32), "nearest")
def test_arrays_give_what_single_ticks_give_or_are_refused(
    ticks: list[int], source: Timebase, target: Timebase, rounding: Rounding
) -> None:
    expected = [rescale(t, source, target, rounding) for t in ticks]
    array = np.array(ticks, np.int64)
    if all(-(1 << 63) <= e < 1 << 63 for e in expected):
        result = rescale(array, source, target, rounding)
        assert (result.dtype, result.tolist()) == (np.int64, expected)
    else:
        with pytest.raises(CorruptVideoError, match="does not fit in 64 bits"):
            rescale(array, source, target, rounding)


@given(st.lists(st.one_of(small, int64s), max_size=5), timebases)
@example([0], Timebase(1 << 64, 1))
def test_seconds_are_the_nearest_double(ticks: list[int], timebase: Timebase) -> None:
    expected = [float(t * fraction(timebase)) for t in ticks]
    assert [to_seconds(t, timebase) for t in ticks] == expected
    assert to_seconds(np.array(ticks, np.int64), timebase).tolist() == expected


@given(small, timebases)
def test_finer_ticks_and_back_lose_nothing(ticks: int, timebase: Timebase) -> None:
    finer = Timebase(timebase.numerator, timebase.denominator * 1001)
    assert rescale(rescale(ticks, timebase, finer), finer, timebase) == ticks


@pytest.mark.parametrize(
    ("ticks", "timebase", "nanoseconds"),
    [
        (1, Timebase(1, 90_000), 11_111),
        (-1, Timebase(1, 2_000_000_000), -1),
        (1001, Timebase(1, 30_000), 33_366_667),
        (1 << 62, Timebase(1, 1_000_000_000), 1 << 62),
    ],
)
def test_nanoseconds(ticks: int, timebase: Timebase, nanoseconds: int) -> None:
    assert to_nanoseconds(ticks, timebase) == nanoseconds
    assert to_nanoseconds(np.array([ticks]), timebase).tolist() == [nanoseconds]


@pytest.mark.parametrize(("numerator", "denominator"), [(0, 1), (1, 0), (-1, 25)])
def test_a_timebase_is_positive(numerator: int, denominator: int) -> None:
    with pytest.raises(CorruptVideoError, match="both must be at least 1"):
        Timebase(numerator, denominator)
