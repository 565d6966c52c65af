"""Segments as files."""

from __future__ import annotations

import os
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa

from ...errors import FrameRangeError, InputError, KeyNotFoundError, MareyError, StorageError
from ...expressions.near import near_names
from ...storage.recordings.schema import SEGMENT, check_segment
from ...video.index.frames import FrameIndex, Int64s
from ...video.remux import RemuxPlan, on_file_clock, plan_remux, write_remux
from ...video.source import ByteRange
from .segments import VIDEO, SegmentTable
from .times import fit_column


@dataclass(frozen=True, slots=True)
class Exported:
    """A file that was written."""

    path: Path
    """Where it is."""
    frames: int
    """Frames that it presents."""
    size: int
    """Its bytes."""
    exact_times: bool
    """Whether its ticks hold the frames' times exactly; otherwise each is rounded by less than
    a microsecond, and frames of one time stand a tick apart."""


def export_mp4(
    table: SegmentTable,
    timeline: pa.DataType,
    segment: str,
    path: str | os.PathLike[str],
    start: object,
    end: object,
) -> Exported:
    """Write an MP4 of a segment's frames; see `RecordingDataset.export_mp4`."""
    check_segment(segment)
    try:
        target = Path(path)
    except TypeError as error:
        raise InputError(f"path: expected that of a file, got {path!r}") from error
    (row,) = table.find_keys(pa.table({SEGMENT: pa.array([segment], pa.string())})).to_pylist()
    if row is None:
        known = [name.segment for name in table.names]
        raise KeyNotFoundError(
            f"no segment {segment!r} has this entity{near_names(segment, known)}"
        )
    index = table.frame_index(row)
    frames = _within(index, _ticks("start", start, timeline), _ticks("end", end, timeline))
    if not len(frames):
        raise FrameRangeError(
            f"segment {segment!r} has no frame"
            + ("" if start is None else f" from {start}")
            + ("" if end is None else f" to {end}")
            + (f": its frames are from {_span(index, timeline)}" if index.frame_count else "")
        )
    plan, exact = on_file_clock(plan_remux(index, frames))
    size = _write(target, plan, _StreamReader(table, row, index.source_bytes))
    return Exported(target, len(frames), size, exact)


def _ticks(name: str, time: object, timeline: pa.DataType) -> int | None:
    if time is None:
        return None
    try:
        column = fit_column(name, [time], 1, timeline)
    except InputError as error:
        raise InputError(f"{name}: expected {_kind_of(timeline)}, got {time!r}") from error
    ticks: int | None = column.view(pa.int64())[0].as_py()
    if ticks is None:
        raise InputError(f"{name}: expected {_kind_of(timeline)}, got {time!r}")
    return ticks


def _kind_of(timeline: pa.DataType) -> str:
    if pa.types.is_integer(timeline):
        return "a whole number"
    what = "timestamp" if pa.types.is_timestamp(timeline) else "duration"
    return f"a {what}, or a whole number of nanoseconds"


def _within(index: FrameIndex, start: int | None, end: int | None) -> Int64s:
    """The frames on screen from `start` on, up to those that begin before `end`."""
    pts = index.pts_ticks
    if not len(pts) or (start is not None and start >= _shown_until(index)):
        return np.empty(0, np.int64)
    first = 0 if start is None else max(0, int(np.searchsorted(pts, start, side="right")) - 1)
    stop = len(pts) if end is None else int(np.searchsorted(pts, end, side="left"))
    if start is not None and end is not None and end <= start:
        stop = first
    return np.arange(first, max(first, stop))


def _shown_until(index: FrameIndex) -> int:
    """When the last frame is not on screen any more: a frame is for a tick at least."""
    return int(index.pts_ticks[-1]) + max(1, int(index.duration_ticks[-1]))


def _span(index: FrameIndex, timeline: pa.DataType) -> str:
    """From when to when frames are shown, for people."""
    ends = pa.array([int(index.pts_ticks[0]), _shown_until(index)], pa.int64())
    if pa.types.is_timestamp(timeline):
        first, last = np.asarray(ends).astype("datetime64[ns]")
        return f"{first} to {last}"
    unit = "" if pa.types.is_integer(timeline) else " ns"
    return f"{ends[0]} to {ends[1]}{unit}"


class _StreamReader:
    """The bytes of one segment's stream; a `Reader` of `marey.video`."""

    def __init__(self, table: SegmentTable, row: int, size: int) -> None:
        self._table = table
        self._row = row
        self._size = size

    @property
    def size(self) -> int:
        """Bytes of all samples."""
        return self._size

    def read(self, ranges: Sequence[ByteRange]) -> list[memoryview]:
        """The bytes of each range."""
        wanted = [(self._row, r.start, r.end) for r in ranges]
        found = []
        for data in self._table.read_ranges(VIDEO, wanted):
            if isinstance(data, Exception):
                raise data
            found.append(data)
        return found


def _write(target: Path, plan: RemuxPlan, reader: _StreamReader) -> int:
    """Write a file under its name once it is whole; how many bytes it has."""
    part = target.with_name(f".{target.name}.{uuid.uuid4().hex}.part")
    try:
        with part.open("xb") as file:
            size: int = write_remux(plan, reader, file)
        part.replace(target)
    except MareyError:
        raise
    except OSError as error:
        raise StorageError(f"cannot write {str(target)!r}: {error.strerror}") from error
    finally:
        part.unlink(missing_ok=True)
    return size
