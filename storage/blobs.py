"""The bytes of videos: ranges of them, their frame graphs, and whole ones to be written again.

A range is read from where the video lies (`places`), each file opened once a call; what has no
known place is read by Lance. What fails, fails for its row only.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from lance import Blob, blob_array

from ..errors import (
    ColumnNotFoundError,
    CorruptVideoError,
    MareyError,
    SourceNotFoundError,
    UnsupportedError,
)
from .files import read_file
from .handle import Handle, translate_errors
from .lance_ranges import read_by_lance
from .places import EXTERNAL, FilePlace, Place, Places, find_places, keep_places
from .read import ROW_ID, RowIds, order_rows, select_rows, to_row_ids
from .schema import FRAME_GRAPH, INDEX, SOURCE, VIDEO_TYPE, blob_path

Request = tuple[int, int, int]
"""Row id, first byte, one past the last byte."""

_ABSOLUTE = 0


def read_ranges(
    handle: Handle, column: str, requests: Sequence[Request], known: Places
) -> list[memoryview | MareyError]:
    """The bytes of each range, or what is wrong with it; see `Dataset.read_ranges`."""
    if column not in handle.video_columns:
        raise ColumnNotFoundError(f"no video column {column!r} in {handle.uri}")
    places = find_places(handle, column, {row for row, _, _ in requests}, known)
    results: list[memoryview | MareyError] = [memoryview(b"")] * len(requests)
    by_file: dict[str, list[int]] = {}
    by_lance: list[int] = []
    for at, (row, start, end) in enumerate(requests):
        place = places[row]
        if isinstance(place, MareyError):
            results[at] = place
        elif not 0 <= start <= end <= place.size:
            results[at] = _beyond(column, requests[at], place)
        elif isinstance(place, FilePlace):
            by_file.setdefault(place.path, []).append(at)
        else:
            by_lance.append(at)
    for path, wanted in by_file.items():
        by_lance += _read_from_file(path, column, requests, wanted, places, results)
    read = read_by_lance(handle, column, [requests[at] for at in by_lance])
    for at, result in zip(by_lance, read, strict=True):
        results[at] = result
    return results


def _read_from_file(
    path: str,
    column: str,
    requests: Sequence[Request],
    wanted: Sequence[int],
    places: dict[int, Place | MareyError],
    results: list[memoryview | MareyError],
) -> list[int]:
    """Fill in the results of some requests; those that Lance is to be asked for instead."""
    own = [places[requests[at][0]] for at in wanted]
    ranges = [
        (place.start + requests[at][1], place.start + requests[at][2])
        for at, place in zip(wanted, own, strict=True)
        if isinstance(place, FilePlace)
    ]
    again: list[int] = []
    for at, place, result in zip(wanted, own, read_file(path, ranges), strict=True):
        if not isinstance(result, MareyError):
            results[at] = result
        elif isinstance(place, FilePlace) and place.reference:
            results[at] = _source_error(result, column, requests[at][0], place.reference)
        else:
            again.append(at)
    return again


def _beyond(column: str, request: Request, place: Place) -> CorruptVideoError:
    row, start, end = request
    return CorruptVideoError(
        f"column {column!r}, row id {row}: bytes {start} to {end} were asked for, "
        f"the video has {place.size}"
    )


def _source_error(error: MareyError, column: str, row: int, uri: str) -> MareyError:
    where = f"column {column!r}, row id {row}"
    match error:
        case SourceNotFoundError():
            return SourceNotFoundError(f"{where}: the source is gone: {uri}")
        case CorruptVideoError():
            return CorruptVideoError(
                f"{where}: the source is shorter than when it was written: {uri}"
            )
    return type(error)(f"{where}: {error}")


def frame_graphs(
    handle: Handle, row_ids: RowIds, column: str, known: Places
) -> list[memoryview | None]:
    """The frame graphs of videos; see `Dataset.frame_graphs`.

    Who asks for them reads the videos next, so that the same read keeps their places.
    """
    distinct, at = np.unique(to_row_ids(row_ids), return_inverse=True)
    parts = {SOURCE: blob_path(column), FRAME_GRAPH.name: f"{column}.{FRAME_GRAPH.name}"}
    selected = select_rows(handle, distinct, parts)
    keep_places(handle, column, selected, known)
    order = order_rows(handle, selected[ROW_ID].to_numpy(), distinct)[at]
    graphs = selected[FRAME_GRAPH.name].take(pa.array(order, pa.int64()))
    # Arrow's buffers hold signed bytes.
    return [memoryview(g.as_buffer()).cast("B") if g.is_valid else None for g in graphs]


def stored_bytes(
    handle: Handle, column: str, row_ids: npt.NDArray[np.uint64]
) -> npt.NDArray[np.int64]:
    """Bytes that each row's video takes within the table: none for a reference."""
    descriptors = _descriptors(handle, column, row_ids)
    sizes = descriptors.field("size").fill_null(0).to_numpy().astype(np.int64)
    kinds = descriptors.field("kind").fill_null(EXTERNAL).to_numpy()
    return np.where(kinds == EXTERNAL, 0, sizes)


def stored_videos(
    handle: Handle, column: str, row_ids: npt.NDArray[np.uint64]
) -> pa.StructArray:
    """Whole videos, to be written again unchanged; references stay references."""
    stored = _stored(handle, column, row_ids)
    plain = stored[SOURCE].to_pylist()
    inner = [
        (int(row), 0, described["size"])
        for row, described in zip(row_ids, plain, strict=True)
        if described is not None and described["kind"] != EXTERNAL
    ]
    with translate_errors(f"read of column {column!r} of {handle.uri}"):
        read = handle.lance.read_blob_ranges(blob_path(column), inner, selector="ids")
    data = iter(read)
    blobs: list[Blob | None] = []
    for described in plain:
        if described is None:
            blobs.append(None)
        elif described["kind"] != EXTERNAL:
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
    table = select_rows(handle, row_ids, {part: f"{column}.{part}" for part in parts})
    order = np.argsort(table[ROW_ID].to_numpy())[np.argsort(np.argsort(row_ids))]
    return table.take(pa.array(order, pa.int64()))
