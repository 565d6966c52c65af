"""The bytes of videos: ranges of them, their frame graphs, and whole ones to be written again.

A range is read from where the video lies (`places`), each file opened once a call; what has no
known place is read by Lance. What fails, fails for its row only.
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import Future
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from lance import Blob, blob_array

from ..errors import (
    ColumnNotFoundError,
    CorruptVideoError,
    MareyError,
    SourceChangedError,
    SourceNotFoundError,
    UnsupportedError,
)
from .addresses import shown_uri, source_kind
from .files import FileState, read_file
from .handle import Handle, translate_errors
from .lance_ranges import read_by_lance
from .objects import ObjectRange
from .places import (
    EXTERNAL,
    InsidePlace,
    LancePlace,
    OutsidePlace,
    Place,
    Places,
    find_places,
    keep_places,
    place_parts,
)
from .read import ROW_ID, RowIds, order_rows, select_rows, to_row_ids
from .schema import FRAME_GRAPH, INDEX, REFERENCE, SOURCE, VIDEO_TYPE, blob_path

Request = tuple[int, int, int]
"""Row id, first byte, one past the last byte."""

_NOTHING = memoryview(b"")


@dataclass(frozen=True, slots=True)
class Sent:
    """A range on its way from an object store."""

    handle: Handle
    """The version."""
    column: str
    """The video column."""
    request: Request
    """What was asked for."""
    reference: str
    """The URI by which the row refers to the object; empty for one of the table's own."""
    coming: Future[memoryview | MareyError]
    """The bytes, or what is wrong with the object."""

    def result(self) -> memoryview | MareyError:
        """The bytes, or what is wrong with the row; waits for them."""
        read = self.coming.result()
        if not isinstance(read, MareyError):
            return read
        if self.reference:
            return _source_error(read, self.column, self.request[0], self.reference)
        return read_by_lance(self.handle, self.column, [self.request])[0]


def read_ranges(
    handle: Handle, column: str, requests: Sequence[Request], known: Places
) -> list[memoryview | MareyError]:
    """The bytes of each range, or what is wrong with it; see `Dataset.read_ranges`."""
    started = start_ranges(handle, column, requests, known)
    return [range.result() if isinstance(range, Sent) else range for range in started]


def start_ranges(
    handle: Handle, column: str, requests: Sequence[Request], known: Places
) -> list[memoryview | MareyError | Sent]:
    """What is on this machine is read, and the rest sent for; see `Dataset.start_ranges`."""
    if column not in handle.video_columns:
        raise ColumnNotFoundError(f"no video column {column!r} in {handle.uri}")
    places = find_places(handle, column, {row for row, _, _ in requests}, known)
    results: list[memoryview | MareyError | Sent] = [_NOTHING] * len(requests)
    by_file: dict[tuple[str, FileState | None], list[int]] = {}
    by_lance: list[int] = []
    distant: list[int] = []
    local = source_kind(handle.uri) == "file"
    for at, (row, start, end) in enumerate(requests):
        place = places[row]
        if isinstance(place, MareyError):
            results[at] = place
        elif not 0 <= start <= end <= place.size:
            results[at] = _beyond(column, requests[at], place)
        elif isinstance(place, InsidePlace) and local:
            by_file.setdefault((place.where, None), []).append(at)
        elif isinstance(place, OutsidePlace) and place.path is not None:
            state = FileState(place.uri, place.size, place.tag)
            by_file.setdefault((place.path, state), []).append(at)
        else:
            (by_lance if isinstance(place, LancePlace) else distant).append(at)
    ranges = [_object_range(places[requests[at][0]], requests[at]) for at in distant]
    for at, coming in zip(distant, known.objects.start(ranges), strict=True):
        reference = _reference(places[requests[at][0]])
        results[at] = Sent(handle, column, requests[at], reference, coming)
    for (path, recorded), wanted in by_file.items():
        own = [places[requests[at][0]] for at in wanted]
        spans = [_span(place, requests[at]) for at, place in zip(wanted, own, strict=True)]
        for at, read in zip(wanted, read_file(path, spans, recorded), strict=True):
            if not isinstance(read, MareyError):
                results[at] = read
            elif recorded is not None:
                row = requests[at][0]
                results[at] = _source_error(read, column, row, _reference(places[row]))
            else:
                by_lance.append(at)
    told = read_by_lance(handle, column, [requests[at] for at in by_lance])
    for at, result in zip(by_lance, told, strict=True):
        results[at] = result
    return results


def _span(place: Place | MareyError, request: Request) -> tuple[int, int]:
    """A range of a video as one of the file or object that it is in."""
    offset = place.start if isinstance(place, InsidePlace) else 0
    return offset + request[1], offset + request[2]


def _object_range(place: Place | MareyError, request: Request) -> ObjectRange:
    start, end = _span(place, request)
    if isinstance(place, OutsidePlace):
        return ObjectRange(place.uri, start, end, place.size, place.tag)
    assert isinstance(place, InsidePlace)
    return ObjectRange(place.where, start, end)


def _reference(place: Place | MareyError) -> str:
    return place.uri if isinstance(place, OutsidePlace) else ""


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
            return SourceNotFoundError(f"{where}: the source is gone: {shown_uri(uri)}")
        case SourceChangedError():
            return SourceChangedError(
                f"{where}: the source is not what was indexed, write the row again: {error}"
            )
    return type(error)(f"{where}: {error}")


def frame_graphs(
    handle: Handle, row_ids: RowIds, column: str, known: Places
) -> list[memoryview | None]:
    """The frame graphs of videos; see `Dataset.frame_graphs`.

    Who asks for them reads the videos next, so that the same read keeps their places.
    """
    distinct, at = np.unique(to_row_ids(row_ids), return_inverse=True)
    parts = {**place_parts(column), FRAME_GRAPH.name: f"{column}.{FRAME_GRAPH.name}"}
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
    there = [
        (int(row), 0, described["size"])
        for row, described in zip(row_ids, plain, strict=True)
        if described is not None
    ]
    if any(described is not None and described["kind"] == EXTERNAL for described in plain):
        raise UnsupportedError(f"{handle.uri}: a video by a reference of Lance's own kind")
    with translate_errors(f"read of column {column!r} of {handle.uri}"):
        read = handle.lance.read_blob_ranges(blob_path(column), there, selector="ids")
    data = iter(read)
    blobs = [None if described is None else Blob(data=next(data)[2]) for described in plain]
    index, graphs = stored[INDEX].combine_chunks(), stored[FRAME_GRAPH.name].combine_chunks()
    return build_videos(blobs, index, graphs, stored[REFERENCE.name].to_pylist())


def build_videos(
    blobs: Sequence[Blob | None],
    index: pa.StructArray,
    frame_graphs: pa.Array,
    references: Sequence[str | None],
) -> pa.StructArray:
    """A video column as Lance takes it; a video without a blob is null."""
    absent = pa.array([blob is None for blob in blobs], pa.bool_())
    return pa.StructArray.from_arrays(
        [blob_array(list(blobs)), index, frame_graphs, pa.array(references, REFERENCE.type)],
        fields=list(VIDEO_TYPE),
        mask=absent,
    )


def null_videos(count: int) -> pa.StructArray:
    """Videos that are not there."""
    _, index, graph, _ = VIDEO_TYPE
    nothing = [None] * count
    return build_videos(
        nothing, pa.nulls(count, index.type), pa.nulls(count, graph.type), nothing
    )


def _descriptors(
    handle: Handle, column: str, row_ids: npt.NDArray[np.uint64]
) -> pa.StructArray:
    return _stored(handle, column, row_ids, parts=[SOURCE])[SOURCE].combine_chunks()


def _stored(
    handle: Handle,
    column: str,
    row_ids: npt.NDArray[np.uint64],
    parts: Sequence[str] = (SOURCE, INDEX, FRAME_GRAPH.name, REFERENCE.name),
) -> pa.Table:
    """Parts of videos as Lance keeps them, in the order of the row ids."""
    table = select_rows(handle, row_ids, {part: f"{column}.{part}" for part in parts})
    order = np.argsort(table[ROW_ID].to_numpy())[np.argsort(np.argsort(row_ids))]
    return table.take(pa.array(order, pa.int64()))
