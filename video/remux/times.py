"""When the samples of a new file are decoded and composed: construction R of decision 0006.

With T ticks of chosen frames, and E where the edit begins: a chosen frame is composed at E plus
the durations of those before it, or a tick after the last one where that is later; a dependency
after E + T, one step of two microseconds each. A first sample that is a dependency stands one
step before E. E is the least with which no sample is composed before it is decoded.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ...errors import UnsupportedError
from ..index.frames import FrameIndex, Int64s
from ..mp4.headers import Edit
from ..timing import Timebase
from .plan import RemuxPlan
from .reordering import output_ranks
from .samples import CarriedSample

# Chromium tells frames apart by microseconds: dependencies stand two apart.
_STEPS_PER_SECOND = 500_000
_MOST_TICKS = 0x7FFF_FFFF
_MOST_TOTAL = 1 << 61


@dataclass(frozen=True, slots=True, eq=False)
class CarriedTimes:
    """The times of a file's samples, `[n]` in decode order."""

    timescale: int
    """Ticks a second."""
    durations_ticks: Int64s
    """Decoding time from each sample to the next."""
    composition_offsets_ticks: Int64s
    """From decoding to composition time, never negative."""
    edit: Edit
    """What is shown."""
    frame: Int64s
    """The frame that the edit shows it as, -1 for none."""


def carried_times(plan: RemuxPlan, samples: Sequence[CarriedSample]) -> CarriedTimes:
    """Lay out the times of a file.

    Raises:
        UnsupportedError: One does not fit in 31 bits.
    """
    scale = _scale(plan.index, plan.frames)
    timebase = plan.index.timebase
    timescale = timebase.denominator * scale // timebase.numerator
    lasts = _lasts(plan, scale, timescale)
    frame = _frames_of(plan, samples)
    shown = frame >= 0
    place = np.searchsorted(plan.frames, frame[shown])
    decode_durations = np.full(len(samples), np.sort(lasts)[len(lasts) // 2])
    decode_durations[shown] = lasts[place]
    decode_times = np.cumsum(decode_durations) - decode_durations

    total = int(lasts.sum())
    step = -(-timescale // _STEPS_PER_SECOND)
    composition = np.empty(len(samples), np.int64)
    composition[shown] = (np.cumsum(lasts) - lasts)[place]
    hidden = _in_output_order(plan.index, samples, np.flatnonzero(~shown))
    composition[hidden] = total + (np.arange(len(hidden)) + 1) * step
    if not shown[0]:
        composition[0] = -step
    start = max(0, int((decode_times - composition).max()))
    offsets = start + composition - decode_times
    if int(offsets.max()) > _MOST_TICKS:
        raise _too_long(total, timescale)
    return CarriedTimes(
        timescale=timescale,
        durations_ticks=decode_durations,
        composition_offsets_ticks=offsets,
        edit=Edit(duration_ticks=total, media_time_ticks=start),
        frame=frame,
    )


def _lasts(plan: RemuxPlan, scale: int, timescale: int) -> Int64s:
    """How long each frame is shown, in the file's ticks."""
    durations = plan.index.duration_ticks[plan.frames].tolist()
    # Times of a clip may be any: refused before they come near 64 bits.
    exact = [max(0, ticks * scale) for ticks in durations]
    if max(*exact, timescale) > _MOST_TICKS or sum(exact) > _MOST_TOTAL:
        raise _too_long(sum(exact), timescale)
    # Each is shown for a tick at least, and no longer late than those before it make it.
    steps = np.arange(1, len(exact) + 1)
    ends = np.maximum.accumulate(np.maximum(np.cumsum(exact) - steps, 0)) + steps
    lasts: Int64s = np.diff(ends, prepend=0)
    return lasts


def _frames_of(plan: RemuxPlan, samples: Sequence[CarriedSample]) -> Int64s:
    """The frame that each sample is shown as, -1 for none."""
    frame_of = [
        dict(zip(run.targets.tolist(), run.frames.tolist(), strict=True)) for run in plan.runs
    ]
    return np.array([frame_of[s.run].get(s.source, -1) for s in samples], np.int64)


def _in_output_order(
    index: FrameIndex, samples: Sequence[CarriedSample], which: Int64s
) -> Int64s:
    """Some of the samples in the order in which a decoder puts them out."""
    run = np.array([samples[i].run for i in which.tolist()], np.int64)
    source = np.array([samples[i].source for i in which.tolist()], np.int64)
    ordered: Int64s = which[np.lexsort((next(iter(output_ranks(index, source)), source), run))]
    return ordered


def _too_long(ticks: int, timescale: int) -> UnsupportedError:
    return UnsupportedError(
        f"a file of {ticks / timescale:.0f} s with times of 1/{timescale} s is too long"
    )


def _scale(index: FrameIndex, frames: Int64s) -> int:
    """How much finer the file counts time than the clip: about two microseconds a tick.

    A tick must be a whole part of a second. Where it can, the whole file fits in 31 bits.
    """
    timebase: Timebase = index.timebase
    seconds = float(index.duration_ticks[frames].sum()) * timebase.numerator
    seconds /= timebase.denominator
    finest = min(_STEPS_PER_SECOND, int(_MOST_TICKS / 4 / max(seconds, 1.0)))
    scale = max(1, finest * timebase.numerator // timebase.denominator)
    return -(-scale // timebase.numerator) * timebase.numerator
