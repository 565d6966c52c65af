"""Byte ranges of blobs as Lance reads them: for what lies where only Lance finds it.

Lance reads many ranges in one call, which fails as a whole. What fails so is read again row by
row, so that only rows at fault carry an error.
"""

from __future__ import annotations

from collections.abc import Sequence

from ..errors import MareyError, SourceNotFoundError, StorageError
from .files import PADDING_BYTES
from .handle import LANCE_ERRORS, Handle, lance_message
from .schema import blob_path

_Request = tuple[int, int, int]


def read_by_lance(
    handle: Handle, column: str, requests: Sequence[_Request]
) -> list[memoryview | MareyError]:
    """The bytes of each range, padded, or what is wrong with its row.

    Args:
        handle: The version.
        column: The video column.
        requests: Row id, first byte, one past the last byte; within the row's video.
    """
    if not requests:
        return []
    try:
        return [*_read(handle, column, requests)]
    except LANCE_ERRORS as error:
        if len({row for row, _, _ in requests}) == 1:
            return [_failure(handle, column, requests[0][0], error)] * len(requests)
    results: list[memoryview | MareyError] = [memoryview(b"")] * len(requests)
    for row in {row for row, _, _ in requests}:
        at = [i for i, request in enumerate(requests) if request[0] == row]
        read = read_by_lance(handle, column, [requests[i] for i in at])
        for i, result in zip(at, read, strict=True):
            results[i] = result
    return results


def _read(handle: Handle, column: str, requests: Sequence[_Request]) -> list[memoryview]:
    wanted = [(row, start, end - start) for row, start, end in requests]
    read = handle.lance.read_blob_ranges(blob_path(column), wanted, selector="ids")
    found = [data for _, _, data in read if data is not None]
    if len(found) < len(requests):
        raise OSError(f"{len(found)} of {len(requests)} ranges were read")
    return [memoryview(data + bytes(PADDING_BYTES))[: len(data)] for data in found]


def _failure(handle: Handle, column: str, row: int, error: Exception) -> MareyError:
    where = f"column {column!r}, row id {row} in version {handle.version} of {handle.uri}"
    if "Not found" in str(error):
        return SourceNotFoundError(f"{where}: the source is gone: {lance_message(error)}")
    return StorageError(f"{where}: {lance_message(error)}")
