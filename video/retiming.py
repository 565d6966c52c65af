"""Times of nanoseconds as an MP4 file carries them: exactly where its ticks can, else nearly.

A file counts times in ticks of which a whole number makes a second, and its whole length in 31
bits. Nanoseconds fit as they are only into two seconds. But most clocks tick more coarsely than
they are read: ticks as long as all durations allow carry the same times exactly. Where even
those are too many, times are rounded to less than a microsecond.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from .index.frames import FrameIndex, Int64s
from .timing import NANOSECONDS, Timebase, rescale

_MOST_TICKS = 0x7FFF_FFFF
_SECOND = NANOSECONDS.denominator
_FINE = 1_000_000
_COARSEST = 500_001
"""Half a tick of these is less than a microsecond."""


def carry_times(index: FrameIndex, frames: Int64s) -> tuple[FrameIndex, bool]:
    """The index with presentation times that a file of some of its frames can carry.

    Args:
        index: Of any timebase; only nanoseconds are changed.
        frames: Frame numbers, ascending, each once, at least one.

    Returns:
        The index, and whether its times are exactly those of the given one.
    """
    if index.timebase != NANOSECONDS:
        return index, True
    durations = index.duration_ticks[frames]
    tick = int(np.gcd.reduce(np.append(durations, _SECOND)))
    total = sum(durations.tolist())
    if total // tick <= _MOST_TICKS // 2:
        return _restated(index, Timebase(1, _SECOND // tick)), True
    rate = min(_FINE, max(_COARSEST, _MOST_TICKS * _SECOND // (2 * total)))
    return _restated(index, Timebase(1, rate)), False


def _restated(index: FrameIndex, timebase: Timebase) -> FrameIndex:
    # Counted from the first frame: from the beginning of a clock they might leave 64 bits.
    pts = index.pts_ticks - (index.pts_ticks[0] if index.frame_count else 0)
    last = rescale(index.last_duration_ticks, NANOSECONDS, timebase)
    return replace(
        index,
        pts_ticks=rescale(pts, NANOSECONDS, timebase),
        timebase=timebase,
        last_duration_ticks=last,
    )
