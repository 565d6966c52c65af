"""Ladders: which can be, what is refused, and that the picture types close every rate."""

from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from marey.errors import ConfigError, UnsupportedError
from marey.video.cadence.ladder import (
    Ladder,
    parse_rate,
    picture_types,
    plan_ladder,
    step_to,
)

NTSC = Fraction(30000, 1001)


@st.composite
def ladders(draw: st.DrawFn) -> Ladder:
    steps = [draw(st.integers(2, 20))]
    if draw(st.booleans()):
        steps.append(steps[0] * draw(st.integers(2, 9)))
    rate = Fraction(draw(st.sampled_from((24, 25, 30, 60))))
    gop = draw(st.none() | st.integers(1, 5).map(lambda n: n * steps[-1]))
    if steps[-1] > 17:
        gop = None
    return plan_ladder(rate, [rate / step for step in steps], gop=gop)


def possible_references(types: str) -> list[set[int]]:
    """The frames that each frame can refer to: any I or P picture decoded before it in its GOP,
    and a B picture its own run's middle."""
    found: list[set[int]] = []
    for frame, letter in enumerate(types):
        start = types.rindex("I", 0, frame + 1)
        before = {k for k in range(start, frame) if types[k] in "IP"}
        if letter == "I":
            found.append(set())
        elif letter == "P":
            found.append(before)
        else:
            after = next(k for k in range(frame, len(types)) if types[k] in "IP")
            run = range(max(before) + 1, after)
            middle = {k for k in run if types[k] == "B"} if letter == "b" else set()
            found.append(before | {after} | middle)
    return found


@given(ladders(), st.integers(1, 200))
def test_every_rate_is_closed(ladder: Ladder, count: int) -> None:
    types = picture_types(ladder, count)
    assert len(types) == count
    references = possible_references(types)
    for step in ladder.steps:
        for frame in range(0, count, step):
            assert all(k % step == 0 for k in references[frame]), (frame, types)


@given(ladders(), st.integers(1, 200))
def test_x264_can_follow(ladder: Ladder, count: int) -> None:
    types = picture_types(ladder, count)
    assert [k for k, t in enumerate(types) if t == "I"] == list(range(0, count, ladder.gop))
    for gop in types.split("I")[1:]:
        assert gop == "" or gop.endswith("P")
        for run in gop.split("P"):
            assert len(run) <= min(16, ladder.longest_run)
            middle = (len(run) - 1) // 2 if ladder.pyramid and len(run) > 1 else None
            assert [k for k, t in enumerate(run) if t == "B"] == (
                [] if middle is None else [middle]
            )


@given(ladders(), st.integers(0, 300))
def test_a_frame_belongs_to_the_lowest_rate_that_contains_it(
    ladder: Ladder, frame: int
) -> None:
    containing = [step for step in (1, *ladder.steps) if frame % step == 0]
    assert ladder.step_of(frame) == max(containing)


@pytest.mark.parametrize(
    ("rate", "lower", "step"),
    [
        (Fraction(30), 10, 3),
        (Fraction(30), 7.5, 4),
        (Fraction(30), "15/2", 4),
        (Fraction(25), "5.0", 5),
        (NTSC, 9.99, 3),
        (NTSC, 9.99000999000999, 3),
        (NTSC, "10000/1001", 3),
        (Fraction(24000, 1001), 7.992, 3),
        (Fraction(24000, 1001), Fraction(12000, 1001), 2),
        (Fraction(30), 1 / 3, 90),
    ],
)
def test_rates_as_they_are_written(rate: Fraction, lower: float | str, step: int) -> None:
    assert step_to(rate, lower) == step


@pytest.mark.parametrize(
    ("rate", "lower", "message"),
    [
        (30, [7], "rate 7: expected a whole part of the 30 .*15, 10, 7.5, 6"),
        (30, [30], "rate 30"),
        (30, [60], "rate 60"),
        (NTSC, [10], "rate 10: .*9.99"),
        (30, [10, 6], "rates 10 and 6: .*beside 10 can stand 5, 3.333"),
        (30, [10, 10], "rates 10 and 10"),
        (30, [], "got 0"),
        (30, [15, 5, 1], "got 3"),
    ],
)
def test_what_cannot_be_closed_is_refused(rate: float, lower: list, message: str) -> None:
    with pytest.raises(UnsupportedError, match=message):
        plan_ladder(Fraction(rate), lower)


@pytest.mark.parametrize("text", ["", "ten", "0", "-5", "1/0", "nan", "inf", "1_0", None])
def test_what_is_no_rate(text: str) -> None:
    with pytest.raises(ConfigError, match="expected a number above 0"):
        parse_rate(text)


def test_groups_of_pictures_keep_the_lowest_rate() -> None:
    assert plan_ladder(Fraction(30), [10], gop=240).gop == 240
    with pytest.raises(UnsupportedError, match="expected a multiple of 3, such as 99"):
        plan_ladder(Fraction(30), [10], gop=100)
    with pytest.raises(UnsupportedError, match="expected 30"):
        plan_ladder(Fraction(30), [1], gop=60)
