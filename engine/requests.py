"""Requests out of a batch, and their values back in: the walk over columns that hold promises.

A plan's result has request structs where frames and MP4s are to be, as columns of their own or
nested in structs. Each such place is a *slot*. `read_requests` lists what a slot asks for in
each row; `fill` puts the finished array of each slot where its requests were.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from ..errors import UnsupportedError
from ..expressions.dtypes import FRAMES, HANDLE, TIMED_FRAMES, is_request, materialised
from ..storage.schema import INDEX_FIELDS

Frames = npt.NDArray[np.int64]

VIDEO = pa.struct([("index", pa.struct(list(INDEX_FIELDS)))])
"""What a bare video is in a result: the scalars of its index."""

NULL_FRAME = -1
"""Stands for a null in a list of frame numbers, which has no negative ones."""


@dataclass(frozen=True, slots=True)
class ReadRequest:
    """One `video_read` to be kept."""

    table: int
    """Number of the video column in the query."""
    row: int
    """The clip's row in it."""
    frames: Frames | None
    """Frame numbers as asked for; None for every frame."""
    height: int | None
    """Rows of the pictures; None follows from the width, or from the clip."""
    width: int | None
    """Likewise."""
    pixel_format: str
    """`rgb24`, `gray8`, `yuv420p` or `native`."""


@dataclass(frozen=True, slots=True)
class RemuxRequest:
    """One `video_remux` to be kept."""

    table: int
    """Number of the video column in the query."""
    row: int
    """The clip's row in it."""
    frames: Frames | None
    """Frame numbers as asked for; None for every frame."""
    audio: bool
    """Whether the sound goes along."""


Request = ReadRequest | RemuxRequest


@dataclass(frozen=True, slots=True)
class Slot:
    """A place in a schema where requests stand."""

    path: tuple[str, ...]
    """The column's name, then those of the fields within."""
    dtype: pa.DataType
    """The request type."""

    @property
    def is_read(self) -> bool:
        """Whether frames are to be there; an MP4 otherwise."""
        return materialised(self.dtype) in (FRAMES, TIMED_FRAMES)

    @property
    def name(self) -> str:
        """For people: `clip.frames`."""
        return ".".join(self.path)


def find_slots(schema: pa.Schema) -> tuple[Slot, ...]:
    """Every slot of a schema, in the order in which `fill` visits them."""
    return tuple(slot for field in schema for slot in _slots((field.name,), field.type))


def finished_schema(schema: pa.Schema) -> pa.Schema:
    """The schema once every request is kept.

    Raises:
        UnsupportedError: A request or a video lies in a list or a map.
    """
    return pa.schema([field.with_type(_finished(materialised(field.type))) for field in schema])


def read_requests(batch: pa.RecordBatch, slot: Slot) -> list[Request | None]:
    """What a slot asks for in each row; None where the value is null."""
    array = batch.column(slot.path[0])
    valid = _valid(array)
    for name in slot.path[1:]:
        array = array.field(name)
        valid &= _valid(array)
    handle = array.field(0)
    lists = array.field("frame_indices")
    every = array.field("every_frame")
    valid &= _valid(handle)
    if lists.null_count:
        valid &= _valid(lists) | every.fill_null(False).to_numpy(zero_copy_only=False)
    columns = _Columns(
        table=handle.field(0).to_pylist(),
        row=handle.field(1).to_pylist(),
        frames=_frame_lists(lists, every.to_pylist()),
    )
    make = _read_maker(array, columns) if slot.is_read else _remux_maker(array, columns)
    return [make(i) if there else None for i, there in enumerate(valid.tolist())]


def fill(
    batch: pa.RecordBatch,
    schema: pa.Schema,
    arrays: Mapping[tuple[str, ...], pa.Array],
    videos: Callable[[pa.StructArray], pa.Array],
) -> pa.RecordBatch:
    """The batch in the finished schema.

    Args:
        batch: With requests and handles.
        schema: From `finished_schema`.
        arrays: By path, what takes the place of each slot's requests.
        videos: What takes the place of handles.
    """
    columns = [
        _filled((field.name,), column, field.type, arrays, videos)
        for field, column in zip(schema, batch.columns, strict=True)
    ]
    return pa.RecordBatch.from_arrays(columns, schema=schema)


def _filled(
    path: tuple[str, ...],
    array: pa.Array,
    dtype: pa.DataType,
    arrays: Mapping[tuple[str, ...], pa.Array],
    videos: Callable[[pa.StructArray], pa.Array],
) -> pa.Array:
    # Not a function in `fill` that calls itself: it would be a cycle with `arrays` in it, and
    # the frames would stay until the garbage collector runs.
    if array.type == dtype:
        return array
    if is_request(array.type):
        return arrays[path]
    if array.type == HANDLE:
        return videos(array)
    children = [
        _filled((*path, field.name), array.field(field.name), field.type, arrays, videos)
        for field in dtype
    ]
    return pa.StructArray.from_arrays(children, fields=list(dtype), mask=array.is_null())


@dataclass(frozen=True, slots=True)
class _Columns:
    table: list[int]
    row: list[int]
    frames: list[Frames | None]


def _read_maker(array: pa.StructArray, columns: _Columns) -> Callable[[int], Request]:
    heights = array.field("height").to_pylist()
    widths = array.field("width").to_pylist()
    formats = array.field("pixel_format").to_pylist()
    return lambda i: ReadRequest(
        table=columns.table[i],
        row=columns.row[i],
        frames=columns.frames[i],
        height=heights[i],
        width=widths[i],
        pixel_format=formats[i] or "rgb24",
    )


def _remux_maker(array: pa.StructArray, columns: _Columns) -> Callable[[int], Request]:
    audio = array.field("audio").to_pylist()
    return lambda i: RemuxRequest(
        table=columns.table[i],
        row=columns.row[i],
        frames=columns.frames[i],
        audio=bool(audio[i]),
    )


def _valid(array: pa.Array) -> npt.NDArray[np.bool_]:
    if not array.null_count:
        return np.ones(len(array), np.bool_)
    return np.array(array.is_valid())


def _frame_lists(lists: pa.ListArray, every: list[bool | None]) -> list[Frames | None]:
    offsets = lists.offsets.to_numpy()
    frames = lists.values.cast(pa.int64())
    values = (frames.fill_null(NULL_FRAME) if frames.null_count else frames).to_numpy()
    return [
        None if whole else values[start:end]
        for whole, start, end in zip(every, offsets[:-1], offsets[1:], strict=True)
    ]


def _slots(path: tuple[str, ...], dtype: pa.DataType) -> Iterator[Slot]:
    if is_request(dtype):
        yield Slot(path, dtype)
    elif pa.types.is_struct(dtype):
        for child in dtype:
            yield from _slots((*path, child.name), child.type)


def _finished(dtype: pa.DataType) -> pa.DataType:
    if dtype == HANDLE:
        return VIDEO
    if pa.types.is_struct(dtype):
        return pa.struct([field.with_type(_finished(field.type)) for field in dtype])
    if _holds_handle(dtype):
        raise UnsupportedError(
            "videos cannot stand inside an array or a map of a result: give each its own row"
        )
    return dtype


def _holds_handle(dtype: pa.DataType) -> bool:
    inner = (dtype.field(i).type for i in range(dtype.num_fields))
    return bool(dtype == HANDLE) or any(map(_holds_handle, inner))
