"""Times of a clock as an MP4 file carries them: exactly where its ticks can, else nearly.

A file counts in ticks of which a whole number makes a second. Its length may have 64 bits, but
what one sample takes, and how far composition is from decoding, have 32, of which players read
31. So nanoseconds fit as they are where frames are less than two seconds apart; and most clocks
tick more coarsely than they are read: ticks as long as all durations allow carry the same
times. Where even those are too many, times are rounded by less than a microsecond. Each is
rounded by itself, so that none drifts.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from ...errors import UnsupportedError
from ..index.frames import FrameIndex, Int64s, SampleFlag
from ..timing import NANOSECONDS, Timebase, rescale
from .plan import RemuxPlan, RemuxRun

_MOST_TICKS = 0x7FFF_FFFF
_MOST_NANOSECONDS = 1 << 61
_SECOND = NANOSECONDS.denominator
_FINE = 1_000_000
_COARSEST = 500_001
"""Half a tick of these is less than a microsecond."""
_HIDDEN_STEP = 2000
"""Nanoseconds from one dependency to the next, behind what is shown."""


def on_file_clock(plan: RemuxPlan) -> tuple[RemuxPlan, bool]:
    """The plan in ticks that a file of its frames can have.

    Args:
        plan: Of any timebase; only nanoseconds are changed. Of the index that comes back the
            durations of the plan's frames hold, and no other time.

    Returns:
        The plan, and whether its frames are shown exactly when they were: frames of one time
        cannot be. `times` has them stand a tick apart.

    Raises:
        UnsupportedError: Frames are further apart than ticks of two microseconds can tell.
    """
    index = plan.index
    durations = index.duration_ticks[plan.frames]
    apart = bool((durations[:-1] > 0).all())
    if index.timebase != NANOSECONDS:
        return plan, apart
    if sum(durations.tolist()) > _MOST_NANOSECONDS:
        raise UnsupportedError("a file of times that are centuries apart")
    longest = max(int(durations.max()), _longest_offset(plan, durations), 1)
    # Each sample may be decoded a tick later than it was, by rounding.
    most = _MOST_TICKS - 4 * sum(len(run.samples) for run in plan.runs)
    tick = int(np.gcd.reduce(np.append(durations, _SECOND)))
    finer = most // -(-longest // tick)
    if finer and apart:
        return _restated(plan, durations // tick, _SECOND // tick), True
    # Frames of one time stand a tick apart: of ticks that hold the others, the shortest do.
    finer = min(finer, tick)
    if finer * _SECOND // tick >= _COARSEST:
        return _restated(plan, durations // tick * finer, _SECOND // tick * finer), False
    rate = min(_FINE, most * _SECOND // longest)
    if rate < _COARSEST:
        raise UnsupportedError(
            f"a file in which {longest / _SECOND:.0f} s lie between two frames, or between "
            "what is decoded first and a picture that is not shown: its times cannot be held "
            "to a microsecond; a range that begins with a keyframe hides none"
        )
    ends = rescale(np.cumsum(durations), NANOSECONDS, Timebase(1, rate))
    return _restated(plan, np.diff(ends, prepend=0), rate), False


def _longest_offset(plan: RemuxPlan, durations: Int64s) -> int:
    """The longest time from decoding to composition, as `times` lays them out."""
    frame = np.concatenate([_shown_as(plan.index, run) for run in plan.runs])
    shown = frame >= 0
    place = np.searchsorted(plan.frames, frame[shown])
    lasts = np.full(len(frame), np.sort(durations)[len(durations) // 2])
    lasts[shown] = durations[place]
    decoded = np.cumsum(lasts) - lasts
    hidden = int((~shown).sum())
    composed = np.full(len(frame), int(durations.sum()) + _HIDDEN_STEP * (hidden + 1))
    composed[shown] = (np.cumsum(durations) - durations)[place]
    if not shown[0]:
        composed[0] = -_HIDDEN_STEP
    start = max(0, int((decoded - composed).max()))
    return start + int((composed - decoded).max())


def _shown_as(index: FrameIndex, run: RemuxRun) -> Int64s:
    """For each sample of the file the frame that it is shown as, -1 for none."""
    found = np.full(len(run.samples), -1, np.int64)
    found[np.searchsorted(run.samples, run.targets)] = run.frames
    # Second fields become part of their frames' samples.
    kept: Int64s = found[index.flags[run.samples] & SampleFlag.SECOND_FIELD == 0]
    return kept


def _restated(plan: RemuxPlan, durations: Int64s, rate: int) -> RemuxPlan:
    every = np.zeros(plan.index.frame_count, np.int64)
    every[plan.frames] = durations
    index: FrameIndex = replace(
        plan.index,
        pts_ticks=np.cumsum(every) - every,
        last_duration_ticks=int(every[-1]),
        timebase=Timebase(1, rate),
    )
    return replace(plan, index=index)
