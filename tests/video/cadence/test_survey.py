"""Constant rates are found on any clock, and variable ones are told by the frame."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from marey.errors import UnsupportedError
from marey.video.cadence.survey import constant_rate

RATES = [Fraction(n) for n in (5, 24, 25, 30, 50, 60)]
RATES += [Fraction(n * 1000, 1001) for n in (24, 30, 60)]
CLOCKS = [Fraction(1, n) for n in (600, 1000, 1200, 12800, 15360, 30000, 90000)]


@given(
    st.sampled_from(RATES),
    st.sampled_from(CLOCKS),
    st.integers(40, 120),
    st.integers(0, 10**9),
    st.sampled_from((0.0, 0.5)),
)
def test_rates_on_coarse_clocks(
    rate: Fraction, clock: Fraction, count: int, start: int, rounding: float
) -> None:
    exact = [Fraction(k) / rate / clock + Fraction(rounding) for k in range(count)]
    times = start + np.array([time.__floor__() for time in exact])
    assert constant_rate(times, clock, [rate], name="a clip") == rate
    found = constant_rate(times, clock, [], name="a clip")
    # Nobody stated it: what was found must agree with every time, to a tick.
    off = [start + k / found / clock - time for k, time in enumerate(times.tolist())]
    assert max(off) - min(off) <= 1


@given(st.sampled_from(RATES), st.integers(5, 200), st.data())
def test_a_frame_too_few_is_seen(rate: Fraction, count: int, data: st.DataObject) -> None:
    lost = data.draw(st.integers(1, count - 2))
    times = np.delete(np.arange(count), lost)
    with pytest.raises(UnsupportedError, match=f"constant rate: frame {lost} comes"):
        constant_rate(times, 1 / rate, [rate], name="a clip")


@pytest.mark.parametrize("times", [[0, 0, 1], [0, 2, 1], [5, 4]])
def test_times_that_do_not_rise(times: list[int]) -> None:
    with pytest.raises(UnsupportedError, match="constant rate"):
        constant_rate(np.array(times), Fraction(1, 30), [Fraction(30)], name="a clip")


def test_a_single_picture_has_the_rate_that_is_stated() -> None:
    one = np.array([7])
    assert constant_rate(one, Fraction(1, 1000), [Fraction(30)], name="a clip") == 30
    assert constant_rate(one, Fraction(1, 1000), [], name="a clip") == 25
