"""Frames as arrays: numpy views of what `video.read` returns.

The engine lays the frames of a batch out one after the other in one buffer, so a value is a
block `[frames, height, width, 3]`, for `rgb24`, and a column whose rows agree in shape and
frame count is a block `[rows, frames, height, width, 3]`. Both are views: nothing is copied
unless a column comes in several chunks, or as Python objects.

Where the bytes of a frame are more than `frame_shape` says (`yuv420p`; `native` with several
planes or above 8 bits), the last axis is the packed bytes: `[frames, bytes]`.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.types as pat

from ..errors import InputError

Bytes = npt.NDArray[np.uint8]


def to_numpy(frames: Any) -> Bytes:
    """A frames value or column as one read-only array.

    Args:
        frames: A row's value (an Arrow scalar, or the dict that `as_py` makes of it), or a
            column (an Arrow array or chunked array, a Series of pandas or polars).

    Returns:
        For a value, with `rows` before that for a column:

        - `rgb24`: `[frames, height, width, 3]`
        - `gray8`: `[frames, height, width]`
        - `yuv420p` and `native`: `[frames, bytes]`, the planes Y, U, V of each frame one after
          the other; docs/reference/expressions.md, `se.video.read`, says how to split them.

    Raises:
        InputError: It holds no frames, a row is null, or the rows of a column differ in shape.
    """
    array = _view(frames)
    array.flags.writeable = False
    return array


def frames_block(frames: Any) -> Bytes:
    """What `to_numpy` gives, writable where the Arrow data is."""
    return _view(frames)


def row_blocks(column: Any) -> list[Bytes]:
    """A block `[frames, ...]` for each row of a column, of whatever length and size.

    Raises:
        InputError: It holds no frames, or a row is null.
    """
    match column:
        case pa.ChunkedArray():
            return [block for chunk in column.chunks for block in row_blocks(chunk)]
        case pa.StructArray():
            _require_frames(column)
            lists = column.field("frames")
            offsets = lists.offsets.to_numpy()
            shapes = column.field("frame_shape").to_pylist()
            spans = zip(offsets[:-1], offsets[1:], shapes, strict=True)
            return [_block(lists.values[start:end], shape) for start, end, shape in spans]
    return _series_blocks(list(column))


def is_column(frames: Any) -> bool:
    """Whether these are the frames of several rows."""
    return isinstance(frames, pa.ChunkedArray | pa.Array) or _is_series(frames)


def _view(frames: Any) -> Bytes:
    match frames:
        case pa.ChunkedArray():
            chunks = [c for c in frames.chunks if len(c)] or [_empty_chunk(frames)]
            blocks = [_column(chunk) for chunk in chunks]
            _require_one_count([block.shape[1] for block in blocks], "each row of chunk")
            _require_one_shape([block.shape[2:] for block in blocks], "chunk")
            return blocks[0] if len(blocks) == 1 else np.concatenate(blocks)
        case pa.StructArray():
            return _column(frames)
        case pa.StructScalar():
            _require_frames_type(frames.type)
            if not frames.is_valid:
                raise InputError("the frames value is null")
            return _block(frames["frames"].values, frames["frame_shape"].as_py())
        case Mapping() if "frames" in frames and "frame_shape" in frames:
            return _objects(frames["frames"], frames["frame_shape"])
    if _is_series(frames):
        return _series(list(frames))
    kind = frames.type if isinstance(frames, pa.Array | pa.Scalar) else type(frames).__name__
    raise InputError(f"expected what video.read returns (a value or a column), got {kind}")


def _column(array: pa.Array) -> Bytes:
    _require_frames(array)
    lists = array.field("frames")
    shapes = array.field("frame_shape").to_pylist()
    offsets = lists.offsets.to_numpy()
    _require_one_shape(shapes, "row")
    _require_one_count(np.diff(offsets).tolist(), "row")
    if not shapes:
        return np.empty((0, 0, 0, 0, 3), np.uint8)
    block = _block(lists.values[offsets[0] : offsets[-1]], shapes[0])
    return block.reshape(len(array), -1, *block.shape[1:]) if len(block) else block[None]


def _is_series(frames: Any) -> bool:
    return type(frames).__name__ == "Series" and hasattr(frames, "to_list")


def _series_blocks(values: Sequence[Any]) -> list[Bytes]:
    for row, value in enumerate(values):
        # pandas has None or NaN where there is no value.
        if not isinstance(value, Mapping):
            raise InputError(f"row {row} holds no frames but {value!r}: drop such rows first")
    return [_view(value) for value in values]


def _series(values: Sequence[Any]) -> Bytes:
    blocks = _series_blocks(values)
    _require_one_count([len(block) for block in blocks], "row")
    _require_one_shape([block.shape[1:] for block in blocks], "row")
    return np.stack(blocks) if blocks else np.empty((0, 0, 0, 0, 3), np.uint8)


def _block(frames: pa.StructArray, shape: object) -> Bytes:
    axes = _axes(shape)
    data = frames.field("data")
    if not pat.is_large_binary(data.type):
        data = data.cast(pa.large_binary())
    offsets = np.frombuffer(data.buffers()[1], np.int64)[data.offset :][: len(data) + 1]
    sizes = np.diff(offsets)
    if not len(sizes):
        return np.empty((0, *axes), np.uint8)
    size = int(sizes[0])
    if (sizes != size).any():
        raise InputError("frames of one value differ in size")
    packed = np.frombuffer(data.buffers()[2], np.uint8)[offsets[0] : offsets[-1]]
    return packed.reshape(len(sizes), *_frame_axes(size, axes))


def _objects(frames: Any, shape: object) -> Bytes:
    axes = _axes(shape)
    try:
        blocks = [np.frombuffer(frame["data"], np.uint8) for frame in frames]
    except (TypeError, KeyError, ValueError) as error:
        raise InputError(
            "expected what video.read returns, got frames that are no list of dicts with "
            f"bytes under 'data': {error!r}"
        ) from error
    _require_one_shape([block.shape for block in blocks], "frame")
    if not blocks:
        return np.empty((0, *axes), np.uint8)
    packed = np.concatenate(blocks)
    return packed.reshape(len(blocks), *_frame_axes(blocks[0].size, axes))


def _axes(shape: object) -> tuple[int, ...]:
    """A `frame_shape`, checked."""
    whole = isinstance(shape, Sequence | np.ndarray) and all(
        isinstance(n, int | np.integer) and n >= 0 for n in shape
    )
    if not whole:
        raise InputError(
            f"expected what video.read returns, got frames whose frame_shape is {shape!r}"
        )
    return tuple(shape)  # type: ignore[arg-type]  # as just seen


def _frame_axes(size: int, shape: Sequence[int]) -> tuple[int, ...]:
    return tuple(shape) if math.prod(shape) == size else (size,)


def _require_one_shape(shapes: Sequence[Sequence[int]], what: str) -> None:
    for i, shape in enumerate(shapes):
        if shape != shapes[0]:
            raise InputError(
                f"{what} {i} has shape {list(shape)}, {what} 0 has {list(shapes[0])}: "
                "read with height= and width= for one shape, or convert rows one by one"
            )


def _require_one_count(counts: Sequence[int], what: str) -> None:
    for i, count in enumerate(counts):
        if count != counts[0]:
            raise InputError(
                f"{what} {i} has {count} frames, {what} 0 has {counts[0]}: choose as many of "
                'each clip, leave out short ones by where=video["index"]["frame_count"] >= n, '
                "or convert rows one by one"
            )


def _require_frames(array: pa.Array) -> None:
    """Refuse a column of something else, or with a row that is null."""
    _require_frames_type(array.type)
    if array.null_count:
        row = array.is_null().index(True).as_py()
        raise InputError(
            f"row {row} is null: leave out rows without a video by where=video.is_not_null(), "
            'and rows that fail by on_error="skip"'
        )


def _require_frames_type(dtype: pa.DataType) -> None:
    if not _has_frames(dtype):
        raise InputError(f"expected a column that video.read returns, got {dtype}")


def _has_frames(dtype: pa.DataType) -> bool:
    """Whether values of this type are laid out as `FRAMES` are, be it with shorter offsets."""
    fields = {f.name: f.type for f in dtype} if pat.is_struct(dtype) else {}
    if "frame_shape" not in fields:
        return False
    lists = fields.get("frames", pa.null())
    if not (pat.is_list(lists) or pat.is_large_list(lists)):
        return False
    frame = lists.value_type
    data = {f.name: f.type for f in frame}.get("data") if pat.is_struct(frame) else None
    return data in (pa.binary(), pa.large_binary())


def _empty_chunk(column: pa.ChunkedArray) -> pa.Array:
    return pa.array([], column.type)
