"""Where the bytes of stored videos lie: asked of Lance once a row, checked, and kept.

Lance looks a blob up again at every read of it. Here a row's *place* is found once for each
version of the table, and its bytes are then read from there directly. Lance keeps a blob in one
of these ways, which it calls kinds:

::

    0 inline      data/<file>.lance           among the columns
    1 packed      data/<file>/<blob>.blob     with other blobs, up to 4 MB each
    2 dedicated   data/<file>/<blob>.blob     alone
    3 external    a URI                       not in the table; not made by us

The layout of the first three is no contract of Lance's. So a place is only made of kinds and
file versions that are known here, and the first place of each kind in a table is held against
Lance: if one byte of the sample differs, this and all else that is not known is read by Lance.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote, urlsplit

import numpy as np
import pyarrow as pa
from lance import LanceDataset

from ..errors import MareyError, NotFoundError
from .addresses import Source, source_kind
from .cache import Cache, Room
from .files import read_file
from .handle import LANCE_ERRORS, Handle
from .objects import ObjectRange, Objects
from .read import ROW_ADDRESS, ROW_ID, select_rows
from .schema import REFERENCE, SOURCE, BlobReference, blob_path

INLINE, PACKED, DEDICATED, EXTERNAL = range(4)

_FILE_VERSION = (2, 2)
_PLACE_BYTES = 160
"""What a place takes beside the texts in it."""
_SAMPLE_BYTES = 64


@dataclass(frozen=True, slots=True)
class OutsidePlace:
    """A file or an object that a row refers to."""

    uri: str
    """By which the row refers to it."""
    size: int
    """Bytes of it, as recorded."""
    tag: str | None
    """What told its state when it was indexed."""
    path: str | None
    """The file on this machine; None for an object."""


@dataclass(frozen=True, slots=True)
class InsidePlace:
    """Bytes in one of the table's own files."""

    where: str
    """A path on this machine, or the URI of an object."""
    start: int
    """Where the video begins in it."""
    size: int
    """Bytes of the video."""


@dataclass(frozen=True, slots=True)
class LancePlace:
    """Bytes that only Lance finds."""

    size: int
    """Bytes of the video."""


Place = InsidePlace | OutsidePlace | LancePlace


@dataclass(frozen=True, slots=True)
class Places:
    """What is kept of places, for all tables of a catalog."""

    by_row: Cache[Place]
    """By table id, version, column and row id."""
    layouts: Cache[bool]
    """By table id and kind whether Lance lays blobs down as this module thinks."""
    objects: Objects
    """Reads those that are not on this machine."""

    @classmethod
    def empty(cls, room: Room, objects: Objects) -> Places:
        """Nothing known yet."""
        return cls(Cache(room), Cache(room), objects)


def find_places(
    handle: Handle, column: str, row_ids: Iterable[int], known: Places
) -> dict[int, Place | MareyError]:
    """The place of each row's video: one read for all rows that are not known yet.

    Returns:
        By row id the place, or `NotFoundError` for a row or a video that is not there.
    """
    version = (handle.table_id, handle.version, column)
    kept = {row: known.by_row.get((*version, row)) for row in row_ids}
    unknown = [row for row, place in kept.items() if place is None]
    asked: Mapping[int, Place | MareyError] = {}
    if unknown:
        selected = select_rows(handle, np.array(unknown, np.uint64), place_parts(column))
        asked = keep_places(handle, column, selected, known)
    return {
        row: place or asked.get(row) or _missing(handle, column, row, "there is no such row")
        for row, place in kept.items()
    }


def place_parts(column: str) -> dict[str, str]:
    """What `keep_places` needs of rows, by name and stored path."""
    return {SOURCE: blob_path(column), REFERENCE.name: f"{column}.{REFERENCE.name}"}


def keep_places(
    handle: Handle, column: str, selected: pa.Table, known: Places
) -> Mapping[int, Place | MareyError]:
    """The places of rows that were read by `select_rows`, kept for `find_places`.

    Args:
        handle: The version.
        column: The video column.
        selected: Rows with their ids and addresses, and `place_parts`.
        known: Where to keep them.
    """
    files = _DataFiles(handle, column)
    found: dict[int, Place | MareyError] = {}
    names = (ROW_ID, ROW_ADDRESS, SOURCE, REFERENCE.name)
    columns = (selected[name].to_pylist() for name in names)
    for row, address, blob, reference in zip(*columns, strict=True):
        if blob is None:
            found[row] = _missing(handle, column, row, "the video is null")
            continue
        place: Place
        if reference is not None:
            place = _outside(BlobReference.from_json(reference))
        else:
            place = _place(handle, blob, files.path(address >> 32))
        if not _layout_holds(handle, column, row, blob["kind"], place, known):
            place = LancePlace(place.size)
        key = (handle.table_id, handle.version, column, row)
        known.by_row.put(key, place, size=_place_bytes(place))
        found[row] = place
    return found


def _place_bytes(place: Place) -> int:
    """About how much memory a place holds."""
    match place:
        case InsidePlace(where):
            texts: Sequence[str | None] = (where,)
        case OutsidePlace(uri, _, tag, path):
            texts = (uri, tag, path)
        case LancePlace():
            texts = ()
    return _PLACE_BYTES + sum(64 + len(text) for text in texts if text)


def _missing(handle: Handle, column: str, row: int, what: str) -> NotFoundError:
    return NotFoundError(
        f"column {column!r}, row id {row} in version {handle.version} of {handle.uri}: {what}"
    )


def sources(places: Iterable[Place | MareyError], root: str) -> list[Source]:
    """What is known of each place.

    Args:
        places: As found; where one is not, that of the table counts.
        root: Of the table.
    """
    inside = Source(source_kind(root), own=True)
    return [
        Source(source_kind(place.uri), own=False) if isinstance(place, OutsidePlace) else inside
        for place in places
    ]


def _place(handle: Handle, blob: Mapping[str, Any], data_file: str | None) -> Place:
    start, size, kind = blob["position"], blob["size"], blob["kind"]
    if data_file is None:
        return LancePlace(size)
    if kind == INLINE:
        return InsidePlace(f"{handle.uri}/data/{data_file}", start, size)
    if kind in (PACKED, DEDICATED):
        # Lance spreads objects over an object store's partitions by reversing the number.
        name = format(blob["blob_id"], "032b")[::-1]
        stem = data_file.removesuffix(".lance")
        return InsidePlace(f"{handle.uri}/data/{stem}/{name}.blob", start, size)
    return LancePlace(size)


def _outside(reference: BlobReference) -> OutsidePlace:
    uri = reference.uri
    path = unquote(urlsplit(uri).path) if source_kind(uri) == "file" else None
    return OutsidePlace(uri, reference.size, reference.tag, path)


class _DataFiles:
    """The data file that holds a column, by fragment."""

    def __init__(self, handle: Handle, column: str) -> None:
        self._dataset = handle.lance
        self._field = _source_field_id(self._dataset, column)
        self._paths: dict[int, str | None] = {}

    def path(self, fragment: int) -> str | None:
        """Its name below `data/`; None where it is not as this module knows them."""
        if fragment not in self._paths:
            self._paths[fragment] = self._find(fragment)
        return self._paths[fragment]

    def _find(self, number: int) -> str | None:
        fragment = self._dataset.get_fragment(number)
        if fragment is None or fragment.metadata.overlays:
            return None
        holding = [file for file in fragment.data_files() if self._field in file.fields]
        if len(holding) != 1 or holding[0].base_id is not None:
            return None
        (file,) = holding
        if (file.file_major_version, file.file_minor_version) != _FILE_VERSION:
            return None
        path: str = file.path
        return path if path.endswith(".lance") else None


def _source_field_id(dataset: LanceDataset, column: str) -> int:
    """Lance's number of a video column's source, by which data files say that they hold it."""
    video = dataset.lance_schema.field(column)
    numbers = {} if video is None else {child.name(): child.id() for child in video.children()}
    return numbers.get(SOURCE, -1)


def _layout_holds(
    handle: Handle, column: str, row: int, kind: int, place: Place, known: Places
) -> bool:
    """Whether Lance gives the bytes that lie at a place; asked once for each kind."""
    if not isinstance(place, InsidePlace):
        return True
    holds = known.layouts.get((handle.table_id, kind))
    if holds is None:
        holds = _same_bytes(handle, column, row, place, known.objects)
        known.layouts.put((handle.table_id, kind), holds, size=_PLACE_BYTES)
    return holds


def _same_bytes(
    handle: Handle, column: str, row: int, place: InsidePlace, objects: Objects
) -> bool:
    length = min(place.size, _SAMPLE_BYTES)
    starts: Sequence[int] = (0, place.size - length)
    try:
        told = handle.lance.read_blob_ranges(
            blob_path(column), [(row, start, length) for start in starts], selector="ids"
        )
    except LANCE_ERRORS:
        return False
    ranges = [(place.start + at, place.start + at + length) for at in starts]
    if source_kind(place.where) == "file":
        read = read_file(place.where, ranges)
    else:
        read = objects.read([ObjectRange(place.where, start, end) for start, end in ranges])
    return all(
        data is not None and not isinstance(own, MareyError) and bytes(own) == data
        for own, (_, _, data) in zip(read, told, strict=True)
    )
