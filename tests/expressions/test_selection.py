"""Selections against their definitions, in fractions."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from marey.errors import FrameRangeError, UnsupportedError
from marey.expressions.chance import Chance
from marey.expressions.selection import (
    at,
    every,
    exact_rate,
    keyframes,
    random_clip,
    slice_frames,
    uniform,
)
from marey.video.index.clip import ClipIndex
from marey.video.index.times import FrameTimes
from marey.video.timing import Timebase, to_seconds

MakeIndex = Callable[..., ClipIndex]

TIMEBASES = st.sampled_from(
    [Timebase(1, 25), Timebase(1, 90_000), Timebase(1001, 30_000), Timebase(1, 12_800)]
)


Clip = tuple[list[int], Timebase, int]


def clips(longest: int = 9000) -> st.SearchStrategy[Clip]:
    """Presentation times of variable rate, a timebase, and the last duration."""
    steps = st.lists(st.integers(1, longest), min_size=1, max_size=12)
    starts = st.integers(-5000, 100_000)
    times = st.tuples(starts, steps).map(lambda t: np.cumsum([t[0], *t[1]]).tolist())
    return st.tuples(times, TIMEBASES, st.integers(0, longest))


def seconds_of(ticks: int, timebase: Timebase) -> Fraction:
    return Fraction(ticks * timebase.numerator, timebase.denominator)


@given(st.integers(0, 300), st.integers(1, 400))
def test_uniform_takes_the_middle_of_equal_parts(
    make_index: MakeIndex, count: int, n: int
) -> None:
    frames = uniform(make_index(range(count)), n).tolist()
    parts = min(n, count)
    assert frames == [int(Fraction(2 * i + 1, 2) * count / parts) for i in range(parts)]
    assert len(set(frames)) == parts


@given(st.integers(0, 300), st.integers(1, 400), st.integers(0, 2**64))
def test_jitter_takes_a_frame_of_each_part(
    make_index: MakeIndex, count: int, n: int, seed: int
) -> None:
    frames = uniform(make_index(range(count)), n, Chance(seed)).tolist()
    parts = min(n, count)
    assert len(frames) == parts
    for part, frame in enumerate(frames):
        assert part * count // parts <= frame < (part + 1) * count // parts


@given(st.integers(0, 60), st.integers(1, 70), st.integers(1, 70), st.integers(0, 2**64))
def test_a_random_clip_lies_in_the_clip(
    make_index: MakeIndex, count: int, frames: int, stride: int, seed: int
) -> None:
    found = random_clip(make_index(range(count)), frames, stride, Chance(seed)).tolist()
    fitting = list(range(count))[::stride][:frames]
    assert len(found) == len(fitting)
    if len(found) < frames:
        assert found == fitting
    elif found:
        assert found == list(range(found[0], found[-1] + 1, stride))
        assert found[0] >= 0
        assert found[-1] < count


def test_every_beginning_is_drawn_about_as_often(make_index: MakeIndex) -> None:
    index, draws = make_index(range(12)), 7000
    begins = [int(random_clip(index, 3, 3, Chance(5, 0, row))[0]) for row in range(draws)]
    counts = np.bincount(begins, minlength=6)
    assert len(counts) == 6
    # Six standard deviations: the draws are the same in each run.
    assert abs(counts - draws / 6).max() < 6 * (draws / 6) ** 0.5


@given(
    st.integers(0, 30),
    st.integers(-40, 40),
    st.none() | st.integers(-40, 40),
    st.integers(-9, 9).filter(bool),
)
def test_range_is_a_slice(
    make_index: MakeIndex, count: int, start: int, stop: int | None, step: int
) -> None:
    found = slice_frames(make_index(range(count)), start, stop, step).tolist()
    assert found == list(range(count))[start:stop:step]


def test_numbers_beyond_64_bits_slice_too(make_index: MakeIndex) -> None:
    assert slice_frames(make_index(range(4)), -(10**300), 10**300, 3).tolist() == [0, 3]


def test_keyframes_are_frames_whose_sample_starts(make_index: MakeIndex) -> None:
    index = make_index([0, 1, 2, 3], frame_sample=[0, 3, 2, 4], starts=[0, 1, 4])
    assert keyframes(index).tolist() == [0, 3]  # sample 1 is never shown


@settings(max_examples=60)
@given(clips(longest=20), st.sampled_from([0.5, 1.0, 12.5, 23.976, 29.97, 60.0, 1 / 3]))
def test_every_gives_the_frame_on_screen_at_each_tick(
    make_index: MakeIndex, clip: Clip, fps: float
) -> None:
    pts, timebase, last = clip
    found = every(make_index(pts, timebase, last_duration=last), fps).tolist()
    begins = [seconds_of(p, timebase) for p in pts]
    end = begins[-1] + seconds_of(last, timebase)
    expected, at_time = [], begins[0]
    while at_time < end or not expected:
        expected.append(max(i for i, b in enumerate(begins) if b <= at_time))
        at_time += 1 / exact_rate(fps)
    assert found == expected


@pytest.mark.parametrize(
    ("fps", "rate"),
    [
        (25.0, Fraction(25)),
        (29.97, Fraction(30_000, 1001)),
        (30_000 / 1001, Fraction(30_000, 1001)),
        (23.976, Fraction(24_000, 1001)),
        (23.98, Fraction(24_000, 1001)),
        (59.94, Fraction(60_000, 1001)),
        (119.88, Fraction(120_000, 1001)),
        (12.5, Fraction(25, 2)),
        (0.1, Fraction(1, 10)),
        (1 / 3, Fraction(1, 3)),
        (14.98, Fraction(1498, 100)),
        (1e-300, Fraction(1e-300)),
        (1e300, Fraction(1e300)),
    ],
)
def test_exact_rate(fps: float, rate: Fraction) -> None:
    assert exact_rate(fps) == rate


@pytest.mark.parametrize("fps", [1e9, 1e300])
def test_a_clock_that_ticks_too_often_is_refused(make_index: MakeIndex, fps: float) -> None:
    with pytest.raises(UnsupportedError, match="at most"):
        every(make_index([0, 90_000 * 3600], Timebase(1, 90_000)), fps)


def test_a_clock_that_hardly_ticks_gives_the_first_frame(make_index: MakeIndex) -> None:
    assert every(make_index([5, 6, 7]), 1e-300).tolist() == [0]


@settings(max_examples=60)
@given(clips(), st.data())
def test_at_against_its_definition(
    make_index: MakeIndex, clip: Clip, data: st.DataObject
) -> None:
    pts, timebase, last = clip
    index = make_index(pts, timebase, last_duration=last)
    begins = [seconds_of(p, timebase) for p in pts]
    low, high = float(begins[0]), float(begins[-1])
    time = data.draw(st.floats(low, high + 1))
    exact = Fraction(time)
    seconds = np.array([time])
    # A frame's own time is for the next test.
    assume(min(abs(time - float(b)) for b in begins) > 1e-6)
    assert at(index, seconds, "floor")[0] == max(i for i, b in enumerate(begins) if b <= exact)
    distances = [abs(b - exact) for b in begins]
    assert at(index, seconds, "nearest")[0] == distances.index(min(distances))
    later = [i for i, b in enumerate(begins) if b >= exact]
    if later:
        assert at(index, seconds, "ceil")[0] == later[0]
    with pytest.raises(FrameRangeError, match="not when a frame begins"):
        at(index, seconds, "exact")


@settings(max_examples=60)
@given(clips(), st.sampled_from(["floor", "nearest", "ceil", "exact"]))
def test_a_frames_own_time_finds_it_in_every_mode(
    make_index: MakeIndex, clip: Clip, mode: str
) -> None:
    pts, timebase, last = clip
    index = make_index(pts, timebase, last_duration=last)
    ticks = np.array(pts, np.int64)
    frames = np.arange(len(pts))
    reported = to_seconds(ticks, timebase)
    assert np.array_equal(at(index, reported, mode), frames)
    printed = np.array([float(f"{seconds:.6f}") for seconds in reported])  # as ffprobe does
    assert np.array_equal(at(index, printed, mode), frames)


@pytest.mark.parametrize(
    ("times", "mode", "message"),
    [
        ([0.3, 0.1], "floor", "time 0.1 s is before the first frame"),
        ([0.2, 0.9], "ceil", "time 0.9 s is after the last frame begins"),
        ([0.25], "exact", "time 0.25 s is not when a frame begins"),
        ([float("nan")], "floor", "is no time"),
        ([float("inf")], "floor", "is no time"),
    ],
)
def test_times_without_a_frame(
    make_index: MakeIndex, times: list[float], mode: str, message: str
) -> None:
    index = make_index([5, 6, 10, 20])  # 0.2 s to 0.8 s
    with pytest.raises(FrameRangeError, match=message):
        at(index, np.array(times), mode)


def test_after_the_last_frame_that_one_stays(make_index: MakeIndex) -> None:
    index = make_index([5, 6])
    assert at(index, np.array([99.0]), "floor").tolist() == [1]


def test_a_clip_without_frames(make_index: MakeIndex) -> None:
    empty = make_index([])
    assert uniform(empty, 4).tolist() == []
    assert every(empty, 25.0).tolist() == []
    assert keyframes(empty).tolist() == []
    assert slice_frames(empty, 0, None, 1).tolist() == []
    assert at(empty, np.array([]), "floor").tolist() == []
    with pytest.raises(FrameRangeError, match="no frame"):
        at(empty, np.array([0.0]), "floor")


def test_times_of_damaged_files_may_decrease(make_index: MakeIndex) -> None:
    index = make_index([0, 5, 3, 8], Timebase(1, 1))
    assert at(index, np.array([4.0, 6.0, 8.0]), "floor").tolist() == [0, 2, 3]
    assert every(index, 1.0).tolist() == [0, 0, 0, 0, 0, 2, 2, 2, 3]


@given(
    st.lists(st.integers(-20, 60), min_size=1, max_size=40),
    st.lists(st.integers(-30, 70), min_size=1, max_size=5),
)
def test_decreasing_times_are_looked_up_as_the_latest_so_far(
    make_index: MakeIndex, pts: list[int], asked: list[int]
) -> None:
    latest = np.maximum.accumulate(pts)
    times = FrameTimes(make_index(pts))
    assert times.at(np.arange(len(pts))).tolist() == latest.tolist()
    for side in ("left", "right"):
        found = times.count_before(np.array(asked), side)
        assert found.tolist() == np.searchsorted(latest, asked, side=side).tolist()
