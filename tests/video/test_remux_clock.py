"""Files of any times: exact where ticks can be, else within a microsecond, never drifting."""

from __future__ import annotations

from dataclasses import replace
from io import BytesIO

import av
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from marey.video.clips import ClipRecipe, make_clip
from marey.video.index.build import build_frame_index
from marey.video.index.frames import FrameIndex
from marey.video.remux import on_file_clock, plan_remux, remux_frames
from marey.video.source import BytesReader
from marey.video.timing import NANOSECONDS, Timebase

DATA = make_clip(ClipRecipe("times", 64, 48, 24))
INDEX = build_frame_index(BytesReader(DATA)).index
MICROSECOND = 1000
"""In nanoseconds."""

# Equal times, bursts, steady clocks and gaps, in nanoseconds.
STEP = st.one_of(
    st.just(0),
    st.integers(0, 5),
    st.integers(0, 3 * MICROSECOND),
    st.sampled_from([40_000_000, 40_000_001, 33_333_333]),
    st.integers(0, 2 * 10**9),
    st.integers(0, 10 * 60 * 10**9),
)
STEPS = st.one_of(
    st.lists(STEP, min_size=INDEX.frame_count, max_size=INDEX.frame_count),
    st.lists(STEP, min_size=1, max_size=3).map(lambda few: (few * 24)[:24]),
)


def timed(durations: list[int], timebase: Timebase = NANOSECONDS) -> FrameIndex:
    """The clip with other times."""
    ends = np.cumsum(np.array(durations, np.int64))
    return replace(
        INDEX,
        pts_ticks=ends - durations,
        last_duration_ticks=durations[-1],
        timebase=timebase,
    )


def presented(index: FrameIndex) -> tuple[np.ndarray, float]:
    """When FFmpeg presents the frames of the file, and how long a tick is, in nanoseconds."""
    file = remux_frames(index, np.arange(index.frame_count), BytesReader(DATA))
    with av.open(BytesIO(file)) as container:
        base = container.streams.video[0].time_base
        assert base is not None
        ticks = sorted(p.pts for p in container.demux(video=0) if p.pts is not None)
    assert len(ticks) == index.frame_count
    nanoseconds = base * 10**9
    return np.array([float(t * nanoseconds) for t in ticks]), float(nanoseconds)


def soonest(times: np.ndarray, tick: float) -> np.ndarray:
    """When each can be shown at the soonest: at its time, or a tick after the one before."""
    found = times.astype(np.float64)
    for k in range(1, len(found)):
        found[k] = max(found[k], found[k - 1] + tick)
    return found


@settings(max_examples=60, deadline=None)
@given(STEPS)
def test_times_never_drift(durations: list[int]) -> None:
    index = timed(durations)
    times, steps = index.pts_ticks, np.diff(index.pts_ticks)
    _, exact = on_file_clock(plan_remux(index, np.arange(index.frame_count)))
    found, tick = presented(index)
    assert tick < 2 * MICROSECOND or exact
    assert (np.diff(found) > 0).all()
    if exact:
        assert np.abs(found - times).max() < 1
    assert exact or not (steps > 0).all() or max(durations) > 10**9
    assert not exact or (steps > 0).all()
    late = found - soonest(times, tick)
    assert np.abs(late).max() < MICROSECOND


@pytest.mark.parametrize(
    ("durations", "most_late"),
    [
        ([40_000_000] * 8 + [0] * 7 + [320_000_000] + [40_000_000] * 8, 7),
        ([0, 40_000_001] * 12, 1),
        ([101, 100_000_001] * 12, 0),
        ([0] * 24, 23),
    ],
    ids=["stall", "pairs of one time", "pairs", "one time"],
)
def test_only_frames_of_one_time_are_late(durations: list[int], most_late: int) -> None:
    index = timed(durations)
    found, tick = presented(index)
    late = found - index.pts_ticks
    crowded = np.concatenate(([False], np.diff(index.pts_ticks) == 0))
    assert (late[~crowded] == 0).all()
    assert late.max() == pytest.approx(most_late * tick)


@pytest.mark.parametrize("timebase", [Timebase(1, 1), Timebase(1, 90_000)], ids=str)
def test_frames_of_one_time_in_whole_numbers(timebase: Timebase) -> None:
    durations = [1] * 8 + [0] * 7 + [8] + [3000, 0] * 4
    index = timed(durations, timebase)
    plan = plan_remux(index, np.arange(index.frame_count))
    assert not on_file_clock(plan)[1]
    found, tick = presented(index)
    expected = soonest(index.pts_ticks * (10**9 / timebase.denominator), tick)
    assert found == pytest.approx(expected, abs=1)


def test_the_end_of_the_last_frame_is_no_time() -> None:
    durations = [40_000_001] * 23 + [0]
    plan = plan_remux(timed(durations), np.arange(24))
    assert on_file_clock(plan)[1]
