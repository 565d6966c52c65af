"""Rows given to `Table.write`: ordinary columns apart, videos indexed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from os import PathLike
from typing import Any

import pyarrow as pa
import pyarrow.types as pat

from ..errors import InputError, MareyError
from ..expressions.blob import Blob, Video
from ..expressions.dtypes import is_video
from ..storage.addresses import shown_uri
from ..storage.columns import describe_key
from ..storage.given import check_rows
from ..storage.objects import Objects
from ..storage.schema import VideoValue
from ..video.index.build import build_frame_index
from ..video.index.encode import encode_index
from ..video.source import BytesReader
from .failures import prefixed
from .progress import LONG_SECONDS, progress
from .references import is_distant, open_reference
from .tabular import check_values, to_arrow

_WHAT = "the data to write"
_INDEXED_AT_ONCE = 4
"""Videos behind a network: each waits for its bytes most of the time, and holds some 16 MB."""


@dataclass(frozen=True, slots=True)
class Given:
    """What a write was given, in the form that storage takes."""

    table: pa.Table
    """Key columns and other ordinary ones."""
    videos: Mapping[str, Sequence[VideoValue | None]]
    """Video columns: a value a row, each indexed."""


def prepare_rows(
    data: Any,
    *,
    schema: pa.Schema,
    key_schema: pa.Schema,
    objects: Objects,
    show_progress: bool = False,
) -> Given:
    """Check what a write is given and index its videos; nothing is stored yet.

    Args:
        data: A dict of columns, an Arrow table, batch or reader, a list of dicts, a pandas or a
            polars frame. A column with `se.Video` values is a video column; one that is a video
            column already takes plain bytes too.
        schema: Of the table.
        key_schema: Its key columns.
        objects: Reads what videos refer to.
        show_progress: Whether a terminal gets a bar if indexing takes long.

    Raises:
        InputError: What is given is no table, or a value does not fit.
        DuplicateKeyError: A key stands twice.
        VideoError: A video cannot be indexed; the error names column, row and key.
        UnsupportedError: Likewise.
        SourceNotFoundError: What a video refers to is not there.
        StorageError: It cannot be read.
    """
    stored = {field.name for field in schema if is_video(field.type)}
    table, videos = _split(data, stored)
    # Keys are checked first: that is quick, and an error of a video names its key.
    check_rows(table, {}, key_schema)
    keys = table.select(key_schema.names)
    indexed: dict[str, list[VideoValue | None]] = {}
    with progress(
        "videos",
        sum(map(len, videos.values())),
        after_seconds=LONG_SECONDS,
        wanted=show_progress,
    ) as advance:
        for name, values in videos.items():
            column = indexed[name] = []
            for value in _index_all(name, values, keys, objects):
                column.append(value)
                advance(1)
    return Given(table, indexed)


def _index_all(
    name: str, videos: Sequence[Video | None], keys: pa.Table, objects: Objects
) -> Iterator[VideoValue | None]:
    """The values of one column; those behind a network several at a time, as they wait."""

    def index(row: int) -> VideoValue | None:
        video = videos[row]
        try:
            return None if video is None else _index_blob(video.blob, objects)
        except MareyError as error:
            where = f"row {row} ({describe_key(keys, row)}), column {name!r}"
            raise prefixed(error, where) from error

    if not any(video is not None and is_distant(video.blob.uri) for video in videos):
        yield from map(index, range(len(videos)))
        return
    pool = ThreadPoolExecutor(_INDEXED_AT_ONCE, thread_name_prefix="marey-index")
    try:
        yield from pool.map(index, range(len(videos)))
    finally:
        pool.shutdown(cancel_futures=True)


def _split(data: Any, stored: set[str]) -> tuple[pa.Table, dict[str, list[Video | None]]]:
    """Ordinary columns as a table, and video columns as lists."""
    columns = _python_columns(data)
    if columns is None:
        table = to_arrow(data, what=_WHAT)
        columns = {name: table[name] for name in table.column_names if name in stored}
        ordinary = table.drop_columns(list(columns))
        videos = {name: _videos(name, values) for name, values in columns.items()}
        return ordinary, videos
    lengths = {name: len(values) for name, values in columns.items()}
    if len(set(lengths.values())) > 1:
        raise InputError(f"{_WHAT}: columns differ in length: {lengths}")
    videos = {
        name: _videos(name, values)
        for name, values in columns.items()
        if name in stored or _has_videos(values)
    }
    rest = {name: values for name, values in columns.items() if name not in videos}
    return to_arrow(rest, what=_WHAT), videos


def _python_columns(data: Any) -> dict[str, Any] | None:
    """Columns, where there may be `se.Video` values among them; else None."""
    if isinstance(data, Mapping):
        columns = {str(name): values for name, values in data.items()}
        for name, values in columns.items():
            check_values(values, where=f"column {name!r} of {_WHAT}")
        return columns
    if isinstance(data, list):
        return _transposed(data)
    if type(data).__module__.partition(".")[0] in ("pandas", "polars") and hasattr(
        data, "columns"
    ):
        return {str(name): _frame_column(name, data[name]) for name in data.columns}
    return None


def _frame_column(name: Any, series: Any) -> Any:
    """A column of a pandas or polars frame: a list where it holds videos, else Arrow."""
    if str(series.dtype).lower() == "object" and _has_videos(values := list(series)):
        return values
    if hasattr(series, "to_arrow"):
        column = series.to_arrow()
        if pat.is_struct(column.type) and [f.name for f in column.type] == ["blob"]:
            raise InputError(
                f"column {name!r}: polars made structs of its videos: make the column with "
                "polars.Series(values, dtype=polars.Object), or write a dict of columns"
            )
        return column
    return pa.Array.from_pandas(series)


def _transposed(rows: list[Any]) -> dict[str, list[Any]]:
    for number, row in enumerate(rows):
        if not isinstance(row, Mapping):
            raise InputError(f"row {number}: expected a dict, got {type(row).__name__}")
        if row.keys() != rows[0].keys():
            odd = sorted(map(str, row.keys() ^ rows[0].keys()))
            raise InputError(
                f"row {number} and row 0 differ in their columns {odd}: a missing column would "
                "keep what is stored in one row and a None clear it in another"
            )
    names = rows[0].keys() if rows else ()
    return {str(name): [row[name] for row in rows] for name in names}


def _has_videos(values: Any) -> bool:
    if isinstance(values, pa.Array | pa.ChunkedArray):
        return False
    return any(isinstance(value, Video | Blob) for value in values)


def _videos(name: str, values: Any) -> list[Video | None]:
    """The values of a video column, each checked."""
    if isinstance(values, pa.Array | pa.ChunkedArray):
        values = values.to_pylist()
    return [_video(name, row, value) for row, value in enumerate(values)]


def _video(name: str, row: int, value: Any) -> Video | None:
    match value:
        case None | Video():
            return value
        case bytes() | bytearray() | memoryview():
            return Video(Blob(bytes(value)))
        case Blob():
            found = "a Blob: write se.Video(blob)"
        case str() | PathLike():
            kind = type(value).__name__
            found = f"{kind}: for a path write se.Video(se.Blob.from_uri(path))"
        case _:
            found = type(value).__name__
    raise InputError(
        f"row {row}, column {name!r}: expected se.Video, bytes or None, got {found}"
    )


def _index_blob(blob: Blob, objects: Objects) -> VideoValue:
    if blob.data is not None:
        built = build_frame_index(BytesReader(blob.data))
        return VideoValue(blob.data, built.scalars, encode_index(built.index))
    with open_reference(blob.uri or "", objects) as source:
        if blob.size is not None and blob.size != source.reader.size:
            raise InputError(
                f"{shown_uri(source.uri)} has {source.reader.size} bytes, size={blob.size} was "
                "given"
            )
        built = build_frame_index(source.reader)
        stored = source.copy() if blob.is_copied else source.finish()
    return VideoValue(stored, built.scalars, encode_index(built.index))
