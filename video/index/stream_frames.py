"""From the blocks of a recorded stream to its frame index.

The source of a recorded stream is its samples, one after the other in decode order: one range
of bytes, in which each sample has a place, though no file has them so.

Frames are numbered by presentation time, which came with each sample; samples of one time stand
in output order. A sample without a time is decoded and never shown. So is what a decoder that
begins with the first sample cannot show: pictures before decoding has recovered.
"""

from __future__ import annotations

from bisect import bisect_left

import numpy as np

from ...errors import UnsupportedError
from ..h264.sps import parse_sps
from ..timing import Timebase
from .frames import FrameIndex, SampleFlag
from .output import OutputPicture, OutputQueue, Recovery
from .stream_block import BlockFlag, Bools, IndexBlock

CONTAINER = "stream"
"""What `FrameIndex.container` is of a recorded stream."""

_SAMPLE_FLAGS = BlockFlag.SHOWN - 1
_RECOVERIES = tuple(Recovery)


def stream_frames(whole: IndexBlock, timeline: str, timebase: Timebase) -> FrameIndex:
    """The frame index of a stream.

    Args:
        whole: All its blocks, joined.
        timeline: Which of its times are presentation times.
        timebase: Seconds a unit of those.

    Raises:
        UnsupportedError: The stream is of a codec that is stored and not indexed.
    """
    if not whole.parameter_sets:
        raise UnsupportedError("a stream that is not H.264 is stored and cannot be decoded")
    n = whole.count
    size, lead = whole.size.astype(np.int64), whole.lead.astype(np.int64)
    flags = (whole.flags & _SAMPLE_FLAGS).astype(np.uint16)
    starts = np.concatenate((whole.late_starts, whole.pending_starts))
    flags[starts] |= np.uint16(SampleFlag.START)
    flags[:1] |= np.uint16(SampleFlag.START)
    reference_start = np.zeros(n + 1, np.int64)
    np.cumsum(whole.reference_counts, out=reference_start[1:])
    none = np.zeros(n, np.int64), np.zeros(n, np.bool_)
    times, timed = whole.times.get(timeline, none)
    samples = np.flatnonzero(_shown(whole) & timed)
    order = np.lexsort((whole.order_count[samples], whole.last_idr[samples], times[samples]))
    samples = samples[order]
    pts = times[samples]
    return FrameIndex(
        offset=np.cumsum(size) - size + lead,
        size=size - lead,
        flags=flags,
        decode_from=_decode_from(whole, flags),
        reference_start=reference_start,
        references=whole.references.astype(np.int32),
        long_term=whole.long_term.astype(np.uint8),
        top_order_count=whole.top_order_count.astype(np.int64),
        bottom_order_delta=whole.bottom_order_delta.astype(np.int64),
        frame_sample=samples.astype(np.int32),
        pts_ticks=pts,
        last_duration_ticks=max(0, int(pts[-1]) - int(pts[-2])) if len(pts) > 1 else 0,
        timebase=timebase,
        parameter_sets=whole.parameter_sets,
        container=CONTAINER,
        nal_length_size=whole.nal_length_size,
        source_bytes=int(size.sum()),
        colour=None,
    )


def _decode_from(
    whole: IndexBlock, flags: np.ndarray[tuple[int], np.dtype[np.uint16]]
) -> np.ndarray[tuple[int], np.dtype[np.int32]]:
    """The latest start that every picture's references allow; the last IDR if unclear."""
    starts = np.flatnonzero(flags & SampleFlag.START)
    unclear = (whole.reach < 0) | ((flags & SampleFlag.UNCLOSED) != 0)
    lowest = np.where(unclear, whole.last_idr, whole.reach)
    return starts[np.searchsorted(starts, lowest, side="right") - 1].astype(np.int32)


def _shown(whole: IndexBlock) -> Bools:
    """The samples that begin a picture which a decoder puts out.

    The presentation times order them, so that no queue can lose one by guessing at the order.
    What comes before decoding has recovered is lost: after the first IDR picture nothing is.
    """
    shown: Bools = (whole.flags & BlockFlag.SHOWN) != 0
    idr = np.flatnonzero(whole.flags & SampleFlag.IDR)
    end = int(idr[0]) + 1 if len(idr) else whole.count
    if end == 1:
        return shown
    queue = OutputQueue(_reordering(whole, end))
    before = np.flatnonzero(shown[:end])
    for state, order_count in zip(
        whole.flags[before].tolist(), whole.order_count[before].tolist(), strict=True
    ):
        queue.add(_picture(state, order_count))
    queue.drain()
    shown[before[queue.lost]] = False
    return shown


def _reordering(whole: IndexBlock, end: int) -> int:
    """How far the first samples are reordered: as they state, or as their level allows."""
    states = whole.parameter_sets
    ends = [state.first_sample for state in states[1:]]
    begun = states[: bisect_left(ends, end) + 1]
    return max(parse_sps(nal).num_reorder_frames for state in begun for nal in state.sps)


def _picture(state: int, order_count: int) -> OutputPicture:
    return OutputPicture(
        order_count=order_count,
        is_b=bool(state & BlockFlag.IS_B),
        recovery=_RECOVERIES[state >> BlockFlag.RECOVERY_SHIFT & 3],
        resets_order=bool(state & BlockFlag.RESETS_ORDER),
        reorder_frames=0,
        states_reorder=False,
    )
