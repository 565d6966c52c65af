"""Which lower frame rates a file holds as a prefix of its samples: every second frame, every
third.

A file laid out for it (`marey.video.transcode`) has the samples of its lowest rate first, in
one stretch, then those that the next rate adds. What is asked of a rate here is what a reader
gains from it: its frames are every r-th of a clip of constant rate, they refer to none but each
other, and their samples are the first of the file, without a gap.
"""

from __future__ import annotations

import numpy as np

from .frames import FrameIndex, Int64s


def cadence_steps(index: FrameIndex) -> list[int]:
    """The steps from frame to frame of the lower rates, ascending; none in ordinary files.

    A step of 3 stands for the frames 0, 3, 6, ...
    """
    count = index.frame_count
    if count < 3 or ticks_a_frame(index) is None:
        return []
    if len(np.unique(index.frame_sample)) < count:
        return []  # an edit list shows pictures twice
    order = np.argsort(index.offset, kind="stable")
    rank = np.empty(index.sample_count, np.int64)
    rank[order] = np.arange(index.sample_count)
    rank = rank[index.frame_sample]
    steps = np.arange(2, count)
    lengths = -(-count // steps)
    # Necessary, and quickly seen: the step's first and last frames are among the first samples,
    # and the frame after the first is not.
    likely = (np.maximum(rank[steps], rank[(lengths - 1) * steps]) < lengths) & (
        rank[1] >= lengths
    )
    return [
        step
        for step, length in zip(steps[likely].tolist(), lengths[likely].tolist(), strict=True)
        if _is_prefix(index, step, order[:length])
    ]


def holds_cadence(index: FrameIndex, step: int) -> bool:
    """Whether every `step`-th frame is a closed prefix of the file; one frame alone can be."""
    length = -(-index.frame_count // step)
    if index.frame_count > 1 and ticks_a_frame(index) is None:
        return False
    return _is_prefix(index, step, np.argsort(index.offset, kind="stable")[:length])


def cadences(index: FrameIndex) -> list[float]:
    """The lower rates in frames a second, falling: what `cadence_steps` finds."""
    ticks = ticks_a_frame(index)
    if ticks is None:
        return []
    timebase = index.timebase
    return [
        timebase.denominator / (timebase.numerator * ticks * step)
        for step in cadence_steps(index)
    ]


def ticks_a_frame(index: FrameIndex) -> int | None:
    """The time from any frame to the next, where it is always the same."""
    if index.frame_count < 2:
        return None
    ticks = np.diff(index.pts_ticks)
    return int(ticks[0]) if ticks[0] > 0 and bool((ticks == ticks[0]).all()) else None


def _is_prefix(index: FrameIndex, step: int, first: Int64s) -> bool:
    """Whether the first samples of the file are those of every `step`-th frame, and closed."""
    wanted = np.sort(index.frame_sample[::step].astype(np.int64))
    if not np.array_equal(np.sort(first), wanted):
        return False
    ends = (index.offset + index.size)[first]
    if not np.array_equal(index.offset[first[1:]], ends[:-1]):
        return False
    held = np.zeros(index.sample_count, np.bool_)
    held[wanted] = True
    by = np.repeat(held, np.diff(index.reference_start))
    return bool(held[index.references[by]].all())
