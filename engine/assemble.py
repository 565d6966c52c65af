"""Arrow arrays of frames over one buffer that decoders have filled.

::

    buffer   | row 0: frame frame frame | row 1: frame | row 3: frame frame |   (row 2: null)
    data       offsets into it, one a frame                     large_binary
    frames     offsets into data, one a row                     list<struct<data, ...>>
"""

from __future__ import annotations

from collections.abc import Collection, Sequence

import numpy as np
import pyarrow as pa

from ..expressions.dtypes import FRAMES, TIMED_FRAMES, DataType
from ..video.index.frames import FrameIndex, Int64s
from ..video.timing import NANOSECONDS, to_seconds
from .wanted import WantedFrames

_TIME = pa.timestamp("ns")


class Moments:
    """When the frames of a slot are shown, each in its place.

    Args:
        count: How many frames there are.
    """

    def __init__(self, count: int) -> None:
        self.pts_seconds = np.zeros(count)
        """On the presentation timeline."""
        self.duration_seconds = np.zeros(count)
        """Until the next frame."""
        self._clock = np.zeros(count, np.int64)
        self._has_none = np.ones(count, np.bool_)

    def note(self, places: Int64s, index: FrameIndex, frames: Int64s) -> None:
        """Some places are those of frames of an index."""
        ticks = index.pts_ticks[frames]
        self.pts_seconds[places] = to_seconds(ticks, index.timebase)
        duration = index.duration_ticks[frames]
        self.duration_seconds[places] = to_seconds(duration, index.timebase)
        self._clock[places] = ticks
        self._has_none[places] = index.timebase != NANOSECONDS

    def times(self) -> pa.Array:
        """By the stream's clock; null where its timeline is none."""
        return pa.array(self._clock, pa.int64(), mask=self._has_none).view(_TIME)


def frame_offsets(rows: Sequence[WantedFrames | None]) -> Int64s:
    """Where each frame of the rows begins in their buffer, and where the last one ends."""
    counts = [len(row.frames) if row else 0 for row in rows]
    sizes = [row.shape.frame_bytes if row else 0 for row in rows]
    offsets = np.zeros(sum(counts) + 1, np.int64)
    np.cumsum(np.repeat(np.array(sizes, np.int64), counts), out=offsets[1:])
    return offsets


def frames_array(
    rows: Sequence[WantedFrames | None],
    offsets: Int64s,
    pixels: pa.Buffer,
    *,
    moments: Moments,
    failed: Collection[int],
    dtype: DataType = FRAMES,
) -> pa.StructArray:
    """The column of a slot.

    Args:
        rows: What each row holds; None where it is null.
        offsets: From `frame_offsets`.
        pixels: The frames, one after the other.
        moments: When they are shown.
        failed: Rows whose pixels were not made: they become null.
        dtype: `FRAMES`, or `TIMED_FRAMES`.
    """
    listed = dtype.field("frames").type
    numbers = [row.frames for row in rows if row is not None]
    data = pa.LargeBinaryArray.from_buffers(
        pa.large_binary(), len(offsets) - 1, [None, pa.py_buffer(offsets), pixels]
    )
    columns = [
        data,
        pa.array(np.concatenate([*numbers, np.empty(0, np.int64)]).astype(np.uint32)),
        pa.array(moments.pts_seconds),
        pa.array(moments.duration_seconds),
    ]
    if dtype == TIMED_FRAMES:
        columns.append(moments.times())
    frames = pa.StructArray.from_arrays(columns, fields=list(listed.value_type))
    counts = np.array([len(row.frames) if row else 0 for row in rows], np.int64)
    gone = np.array(sorted(failed), np.int64)
    if len(gone):
        # Unfilled pixels are left out rather than hidden behind a null.
        kept = np.ones(len(rows), np.bool_)
        kept[gone] = False
        frames = frames.filter(pa.array(np.repeat(kept, counts)))
        counts[gone] = 0
    ends = np.zeros(len(rows) + 1, np.int32)
    np.cumsum(counts, out=ends[1:])
    absent = [row is None or i in failed for i, row in enumerate(rows)]
    shapes = [None if row is None else list(row.shape.frame_shape) for row in rows]
    return pa.StructArray.from_arrays(
        [
            pa.ListArray.from_arrays(pa.array(ends), frames, type=listed),
            pa.array(shapes, dtype.field("frame_shape").type),
        ],
        fields=list(dtype),
        mask=pa.array(absent, pa.bool_()) if any(absent) else None,
    )
