"""Arrow columns as plain values to print: bytes become their sizes, and are never copied."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.types as pat

from ...expressions.dtypes import FRAMES

_BYTES = (
    pat.is_binary,
    pat.is_large_binary,
    pat.is_fixed_size_binary,
    pat.is_binary_view,
)


def summarised_rows(batches: pa.RecordBatchReader) -> Iterator[tuple[Any, ...]]:
    """The rows of a stream, as they come."""
    for batch in batches:
        yield from zip(*map(summarise, batch.columns), strict=True)


def summarise(array: pa.Array) -> list[Any]:
    """One plain value a row.

    >>> summarise(pa.array([b"abc", None]))
    [{'bytes': 3}, None]
    >>> summarise(pa.array([[b"a", b"bc"]]))
    [[{'bytes': 1}, {'bytes': 2}]]
    """
    dtype = array.type
    if isinstance(dtype, pa.ExtensionType):
        return summarise(array.storage)
    if pat.is_dictionary(dtype):
        return summarise(array.dictionary_decode())
    if any(is_bytes(dtype) for is_bytes in _BYTES):
        lengths = pc.binary_length(array.cast(pa.large_binary())).to_pylist()
        return [None if n is None else {"bytes": n} for n in lengths]
    if pat.is_struct(dtype):
        rows = _structs(array)
        return [_fold_frames(row) for row in rows] if dtype == FRAMES else rows
    if pat.is_list(dtype) or pat.is_large_list(dtype) or pat.is_fixed_size_list(dtype):
        values = iter(summarise(array.flatten()))
        lengths = pc.list_value_length(array).to_pylist()
        return [None if n is None else [next(values) for _ in range(n)] for n in lengths]
    return _scalars(array)


def _structs(array: pa.StructArray) -> list[Any]:
    names = [field.name for field in array.type]
    columns = [summarise(column) for column in array.flatten()]
    rows = zip(*columns, strict=True) if columns else iter([()] * len(array))
    return [
        dict(zip(names, row, strict=True)) if there else None
        for row, there in zip(rows, array.is_valid().to_pylist(), strict=True)
    ]


def _fold_frames(value: dict[str, Any] | None) -> dict[str, Any] | None:
    """What `video_read` gives in a few words: how many frames, of what form, and which."""
    if value is None:
        return None
    frames = value["frames"] or []
    return {
        "frames": len(frames),
        "frame_shape": value["frame_shape"],
        "frame_index": [frame["frame_index"] for frame in frames],
        "bytes": sum(frame["data"]["bytes"] for frame in frames),
    }


def _scalars(array: pa.Array) -> list[Any]:
    # Python's own times end at microseconds, so nanoseconds go as text.
    if pat.is_duration(array.type):
        counts = array.cast(pa.int64()).to_pylist()
        return [None if n is None else f"{n} {array.type.unit}" for n in counts]
    if pat.is_timestamp(array.type) or pat.is_time(array.type):
        return list(array.cast(pa.string()).to_pylist())
    return list(array.to_pylist())
