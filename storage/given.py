"""Rows given to a write, checked on their own and then against the table that they are for."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from lance import Blob

from ..errors import InputError, SourceChangedError
from .blobs import build_videos
from .columns import check_keys, fit_column, fit_keys
from .files import file_tag
from .keys import Int64s, KeyCodes
from .schema import (
    FRAME_GRAPH,
    INDEX,
    INDEX_FIELDS,
    LOGICAL_VIDEO_TYPE,
    SOURCE,
    BlobReference,
    FileCopy,
    VideoValue,
    check_names,
    is_video,
    to_column_type,
)


@dataclass(frozen=True, slots=True)
class GivenVideos:
    """The values of one video column."""

    sources: list[bytes | BlobReference | FileCopy | None]
    """Each video's bytes or reference; None where there is no video."""
    index: pa.StructArray
    """The scalars of each video's index."""
    frame_graphs: pa.Array
    """Each video's frame graph."""

    def take(self, rows: Int64s) -> pa.StructArray:
        """Some of them as Lance takes them."""
        blobs = [to_lance_blob(self.sources[row]) for row in rows.tolist()]
        references = [_reference(self.sources[row]) for row in rows.tolist()]
        return build_videos(
            blobs, self.index.take(rows), self.frame_graphs.take(rows), references
        )


@dataclass(frozen=True, slots=True)
class GivenRows:
    """Rows whose keys are sound: whole, of the right types, each there once."""

    keys: pa.Table
    """The key columns."""
    codes: KeyCodes
    """A number for each of the keys."""
    columns: pa.Table
    """The ordinary columns."""
    videos: Mapping[str, GivenVideos]
    """The video columns."""

    def fit(self, schema: pa.Schema) -> GivenRows:
        """The same rows in the types that the table stores, or will store.

        Raises:
            InputError: A value does not fit, or a video column is given as another or the
                reverse. UnsupportedError: A new column's values cannot be stored.
        """
        for name in self.videos:
            at = schema.get_field_index(name)
            if at >= 0 and not is_video(schema.field(at)):
                found = schema.field(at).type
                raise InputError(
                    f"column {name!r}: expected {found}, found videos. A column becomes a "
                    "video column by its first write, of videos and not of paths or bytes: "
                    "give these another column, or drop the table and write them first"
                )
        fields = [_stored_field(schema, field) for field in self.columns.schema]
        columns = [
            fit_column(column, field)
            for column, field in zip(self.columns.columns, fields, strict=True)
        ]
        fitted = pa.Table.from_arrays(columns, schema=pa.schema(fields))
        return GivenRows(self.keys, self.codes, fitted, self.videos)

    def new_fields(self, schema: pa.Schema) -> list[pa.Field]:
        """The columns, logical, that the table does not have."""
        given = [*self.columns.schema]
        given += [pa.field(name, LOGICAL_VIDEO_TYPE) for name in self.videos]
        return [field for field in given if field.name not in schema.names]

    @property
    def names(self) -> list[str]:
        """Every column that is given."""
        return [*self.keys.column_names, *self.columns.column_names, *self.videos]

    def media_bytes(self) -> npt.NDArray[np.int64]:
        """For each row the bytes of video that it brings along."""
        total = np.zeros(self.keys.num_rows, np.int64)
        for videos in self.videos.values():
            total += [_media_bytes(source) for source in videos.sources]
        return total

    def check_files(self) -> None:
        """Refuse files that have changed since they were indexed, after they were copied.

        Raises:
            SourceChangedError: One has.
        """
        for videos in self.videos.values():
            for source in videos.sources:
                if isinstance(source, FileCopy) and _tag(source.path) != source.tag:
                    raise SourceChangedError(
                        f"it was changed while it was read: {source.path!r}"
                    )


def check_rows(
    table: pa.Table, videos: Mapping[str, Sequence[VideoValue | None]], key_schema: pa.Schema
) -> GivenRows:
    """Check rows to be written without looking at what is stored.

    Raises:
        InputError: A key is missing or null, a name cannot be one, a video column has another
            number of rows, or an index value is not of its field's type.
        DuplicateKeyError: A key stands twice.
    """
    check_names([*table.column_names, *videos])
    keys = fit_keys(table, key_schema)
    check_keys(keys)
    columns = table.drop_columns(key_schema.names)
    checked = {name: _check_videos(name, values) for name, values in videos.items()}
    for name, values in checked.items():
        if len(values.sources) != keys.num_rows:
            raise InputError(
                f"column {name!r}: expected {keys.num_rows} videos, one a row, "
                f"found {len(values.sources)}"
            )
    return GivenRows(keys, KeyCodes(keys), columns, checked)


def to_lance_blob(source: bytes | BlobReference | FileCopy | None) -> Blob | None:
    """One source as Lance takes it."""
    match source:
        case None:
            return None
        case BlobReference():
            return Blob(data=b"")
        case FileCopy(path, size):
            return Blob.from_uri(Path(path).as_uri(), 0, size) if size else Blob(data=b"")
        case _:
            return Blob(data=source)


def _media_bytes(source: bytes | BlobReference | FileCopy | None) -> int:
    match source:
        case bytes():
            return len(source)
        case FileCopy():
            return source.size
    return 0


def _tag(path: str) -> str | None:
    try:
        return file_tag(os.stat(path))
    except OSError:
        return None


def _reference(source: bytes | BlobReference | FileCopy | None) -> str | None:
    return source.to_json() if isinstance(source, BlobReference) else None


def _stored_field(schema: pa.Schema, given: pa.Field) -> pa.Field:
    at = schema.get_field_index(given.name)
    if at < 0:
        return pa.field(given.name, to_column_type(given.name, given.type))
    stored = schema.field(at)
    if is_video(stored):
        raise InputError(f"column {given.name!r}: expected videos, found {given.type}")
    return stored


def _check_videos(column: str, values: Sequence[VideoValue | None]) -> GivenVideos:
    sources: list[bytes | BlobReference | FileCopy | None] = []
    for row, value in enumerate(values):
        if value is not None and not isinstance(value, VideoValue):
            raise InputError(
                f"column {column!r}, row {row}: expected a VideoValue or None, "
                f"found {type(value).__name__}"
            )
        sources.append(None if value is None else _check_source(column, row, value.source))
        unknown = set(value.scalars) - set(INDEX_FIELDS.names) if value is not None else set()
        if unknown:
            raise InputError(f"column {column!r}, row {row}: no index field {min(unknown)!r}")
    scalars = [
        _array(column, field, [v and v.scalars.get(field.name) for v in values])
        for field in INDEX_FIELDS
    ]
    absent = pa.array([value is None for value in values], pa.bool_())
    index = pa.StructArray.from_arrays(scalars, fields=list(INDEX_FIELDS), mask=absent)
    graphs = _array(column, FRAME_GRAPH, [v and v.frame_graph for v in values])
    return GivenVideos(sources, index, graphs)


def _check_source(
    column: str, row: int, source: bytes | bytearray | memoryview | BlobReference | FileCopy
) -> bytes | BlobReference | FileCopy:
    if isinstance(source, bytearray | memoryview):
        return bytes(source)
    if not isinstance(source, bytes | BlobReference | FileCopy):
        raise InputError(
            f"column {column!r}, row {row}: expected bytes or a reference as {SOURCE}, "
            f"found {type(source).__name__}"
        )
    return source


def _array(column: str, field: pa.Field, values: list[object]) -> pa.Array:
    try:
        return pa.array(values, field.type)
    except (pa.ArrowException, ValueError, TypeError, OverflowError) as error:
        raise InputError(
            f"column {column!r}: {INDEX}.{field.name} is {field.type}: {error}"
        ) from error
