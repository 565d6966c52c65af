"""The bytes of videos, by range and by range only.

Lance has a call for a batch of ranges (`read_blob_ranges`) and a handle for one blob
(`take_blobs`). The batch call looks every blob up again and fails as a whole; a handle is
looked up once, and fails alone. So a few rows are read through handles, which are kept, and
many rows in one call; what fails as a batch is read again row by row, so that only rows at
fault carry an error.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from lance import Blob, BlobFile, blob_array

from ..errors import (
    ColumnNotFoundError,
    CorruptVideoError,
    MareyError,
    NotFoundError,
    SourceNotFoundError,
    StorageError,
    UnsupportedError,
)
from .cache import Cache
from .handle import Handle, lance_message, translate_errors
from .read import ROW_ID, quote, rows_filter
from .schema import FRAME_GRAPH, INDEX, SOURCE, VIDEO_TYPE

Request = tuple[int, int, int]
"""Row id, first byte, one past the last byte."""

FEW_ROWS = 4
"""Up to so many rows of a local table are quicker through handles: measured, see decision 3."""

_FILE_BYTES = 2048
_LANCE_ERRORS = (OSError, ValueError, RuntimeError, OverflowError)
_EXTERNAL = 3
_ABSOLUTE = 0


def read_ranges(
    handle: Handle, column: str, requests: Sequence[Request], files: Cache[BlobFile]
) -> list[memoryview | MareyError]:
    """The bytes of each range, or what is wrong with it; see `Dataset.read_ranges`."""
    if column not in handle.video_columns:
        raise ColumnNotFoundError(f"no video column {column!r} in {handle.uri}")
    rows = {row for row, _, _ in requests}
    # Handles are read one after the other: where each read waits for a network, only one is.
    if len(rows) > (1 if "://" in handle.uri else FEW_ROWS):
        batch = _read_batch(handle, column, requests)
        if batch is not None:
            return batch
    results: list[memoryview | MareyError] = [memoryview(b"")] * len(requests)
    for row in rows:
        at = [i for i, request in enumerate(requests) if request[0] == row]
        read = _read_row(handle, column, row, [requests[i][1:] for i in at], files)
        for i, result in zip(at, read, strict=True):
            results[i] = result
    return results


def _read_batch(
    handle: Handle, column: str, requests: Sequence[Request]
) -> list[memoryview | MareyError] | None:
    if any(not 0 <= start <= end for _, start, end in requests):
        return None
    wanted = [(row, start, end - start) for row, start, end in requests]
    try:
        read = handle.lance.read_blob_ranges(_path(column), wanted, selector="ids")
    except _LANCE_ERRORS:
        return None
    found = [memoryview(data) for _, _, data in read if data is not None]
    return [*found] if len(found) == len(requests) else None


def _read_row(
    handle: Handle,
    column: str,
    row: int,
    ranges: Sequence[tuple[int, int]],
    files: Cache[BlobFile],
) -> list[memoryview | MareyError]:
    try:
        file = _open_blob(handle, column, row, files)
        size = file.size()
        inside = [(start, end - start) for start, end in ranges if 0 <= start <= end <= size]
        read = iter(_read_file(handle, column, row, file, inside))
    except MareyError as error:
        return [error] * len(ranges)
    return [
        memoryview(next(read))
        if 0 <= start <= end <= size
        else CorruptVideoError(
            f"column {column!r}, row id {row}: bytes {start} to {end} were asked for, "
            f"the video has {size}"
        )
        for start, end in ranges
    ]


def _open_blob(handle: Handle, column: str, row: int, files: Cache[BlobFile]) -> BlobFile:
    key = (handle.table_id, handle.version, column, row)
    file = files.get(key)
    if file is None:
        file = _find_blob(handle, column, row)
        files.put(key, file, size=_FILE_BYTES)
    return file


def _find_blob(handle: Handle, column: str, row: int) -> BlobFile:
    where = f"column {column!r}, row id {row} in version {handle.version} of {handle.uri}"
    try:
        (file,) = handle.lance.take_blobs(_path(column), ids=[row])
    except _LANCE_ERRORS as error:
        if "deleted or not found" in str(error):
            raise NotFoundError(f"{where}: there is no such row") from error
        raise StorageError(f"{where}: {lance_message(error)}") from error
    if file is None:
        raise NotFoundError(f"{where}: the video is null")
    return file


def _read_file(
    handle: Handle, column: str, row: int, file: BlobFile, ranges: list[tuple[int, int]]
) -> list[bytes]:
    read: list[bytes]
    try:
        read = file.read_ranges(ranges)
        return read
    except _LANCE_ERRORS:
        # Lance merges what threads read at once through one handle, and what fails for one of
        # them fails for all: with a handle of its own, this read fails for itself only.
        file = _find_blob(handle, column, row)
    try:
        read = file.read_ranges(ranges)
        return read
    except _LANCE_ERRORS as error:
        raise _source_error(handle, column, row, error) from error


def _source_error(handle: Handle, column: str, row: int, error: Exception) -> MareyError:
    descriptor = _descriptors(handle, column, np.array([row], np.uint64))[0].as_py()
    uri = descriptor["blob_uri"] if descriptor["kind"] == _EXTERNAL else handle.uri
    where = f"column {column!r}, row id {row}"
    text = str(error)
    if "Not found" in text:
        return SourceNotFoundError(f"{where}: the source is gone: {uri}")
    if "failed to fill whole buffer" in text:
        return CorruptVideoError(
            f"{where}: the source is shorter than when it was written: {uri}"
        )
    return StorageError(f"{where}: {lance_message(error)}: {uri}")


def stored_bytes(
    handle: Handle, column: str, row_ids: npt.NDArray[np.uint64]
) -> npt.NDArray[np.int64]:
    """Bytes that each row's video takes within the table: none for a reference."""
    descriptors = _descriptors(handle, column, row_ids)
    sizes = descriptors.field("size").fill_null(0).to_numpy().astype(np.int64)
    kinds = descriptors.field("kind").fill_null(_EXTERNAL).to_numpy()
    return np.where(kinds == _EXTERNAL, 0, sizes)


def stored_videos(
    handle: Handle, column: str, row_ids: npt.NDArray[np.uint64]
) -> pa.StructArray:
    """Whole videos, to be written again unchanged; references stay references."""
    stored = _stored(handle, column, row_ids)
    plain = stored[SOURCE].to_pylist()
    inner = [
        (int(row), 0, described["size"])
        for row, described in zip(row_ids, plain, strict=True)
        if described is not None and described["kind"] != _EXTERNAL
    ]
    with translate_errors(f"read of column {column!r} of {handle.uri}"):
        read = handle.lance.read_blob_ranges(_path(column), inner, selector="ids")
    data = iter(read)
    blobs: list[Blob | None] = []
    for described in plain:
        if described is None:
            blobs.append(None)
        elif described["kind"] != _EXTERNAL:
            blobs.append(Blob(data=next(data)[2]))
        elif described["blob_id"] != _ABSOLUTE:
            raise UnsupportedError(f"{handle.uri}: a source relative to a base path of Lance")
        else:
            blobs.append(
                Blob.from_uri(described["blob_uri"], described["position"], described["size"])
            )
    index, graphs = stored[INDEX], stored[FRAME_GRAPH.name]
    return build_videos(blobs, index.combine_chunks(), graphs.combine_chunks())


def build_videos(
    blobs: Sequence[Blob | None], index: pa.StructArray, frame_graphs: pa.Array
) -> pa.StructArray:
    """A video column as Lance takes it; a video without a blob is null."""
    absent = pa.array([blob is None for blob in blobs], pa.bool_())
    return pa.StructArray.from_arrays(
        [blob_array(list(blobs)), index, frame_graphs], fields=list(VIDEO_TYPE), mask=absent
    )


def null_videos(count: int) -> pa.StructArray:
    """Videos that are not there."""
    _, index, graph = VIDEO_TYPE
    return build_videos(
        [None] * count, pa.nulls(count, index.type), pa.nulls(count, graph.type)
    )


def _descriptors(
    handle: Handle, column: str, row_ids: npt.NDArray[np.uint64]
) -> pa.StructArray:
    return _stored(handle, column, row_ids, parts=[SOURCE])[SOURCE].combine_chunks()


def _stored(
    handle: Handle,
    column: str,
    row_ids: npt.NDArray[np.uint64],
    parts: Sequence[str] = (SOURCE, INDEX, FRAME_GRAPH.name),
) -> pa.Table:
    """Parts of videos as Lance keeps them, in the order of the row ids."""
    with translate_errors(f"read of column {column!r} of {handle.uri}"):
        table = handle.lance.scanner(
            columns={part: quote(f"{column}.{part}") for part in parts},
            filter=rows_filter(row_ids),
            with_row_id=True,
        ).to_table()
    order = np.argsort(table[ROW_ID].to_numpy())[np.argsort(np.argsort(row_ids))]
    return table.take(pa.array(order, pa.int64()))


def _path(column: str) -> str:
    return f"{column}.{SOURCE}"
