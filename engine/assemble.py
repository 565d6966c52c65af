"""Arrow arrays of frames over one buffer that decoders have filled.

::

    buffer   | row 0: frame frame frame | row 1: frame | row 3: frame frame |   (row 2: null)
    data       offsets into it, one a frame                     large_binary
    frames     offsets into data, one a row                     list<struct<data, ...>>
"""

from __future__ import annotations

from collections.abc import Collection, Sequence

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from ..expressions.dtypes import FRAMES, TIMED_FRAMES, DataType
from ..video.index.frames import Int64s
from ..video.timing import NANOSECONDS, to_seconds
from .wanted import WantedFrames

_TIME = pa.timestamp("ns")


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
    failed: Collection[int],
    dtype: DataType = FRAMES,
) -> pa.StructArray:
    """The column of a slot.

    Args:
        rows: What each row holds; None where it is null.
        offsets: From `frame_offsets`.
        pixels: The frames, one after the other.
        failed: Rows whose pixels were not made: they become null.
        dtype: `FRAMES`, or `TIMED_FRAMES`.
    """
    listed = dtype.field("frames").type
    there = [row for row in rows if row is not None]
    data = pa.LargeBinaryArray.from_buffers(
        pa.large_binary(), len(offsets) - 1, [None, pa.py_buffer(offsets), pixels]
    )
    columns = [
        data,
        pa.array(_joined([row.frames for row in there], np.uint32)),
        pa.array(_joined([_pts_seconds(row) for row in there], np.float64)),
        pa.array(_joined([_duration_seconds(row) for row in there], np.float64)),
    ]
    if dtype == TIMED_FRAMES:
        columns.append(_times(there))
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
        mask=pa.array(absent, pa.bool_()),
    )


def _pts_seconds(row: WantedFrames) -> npt.NDArray[np.float64]:
    return to_seconds(row.index.pts_ticks[row.frames], row.index.timebase)


def _duration_seconds(row: WantedFrames) -> npt.NDArray[np.float64]:
    return to_seconds(row.index.duration_ticks[row.frames], row.index.timebase)


def _times(rows: Sequence[WantedFrames]) -> pa.Array:
    """When each frame begins by the stream's clock; null where its timeline is none."""
    ticks = _joined([row.index.pts_ticks[row.frames] for row in rows], np.int64)
    none = [np.full(len(row.frames), row.index.timebase != NANOSECONDS) for row in rows]
    return pa.array(ticks, pa.int64(), mask=_joined(none, np.bool_)).view(_TIME)


def _joined(
    parts: Sequence[npt.NDArray[np.generic]], dtype: npt.DTypeLike
) -> npt.NDArray[np.generic]:
    return np.concatenate(parts).astype(dtype) if parts else np.empty(0, dtype)
