"""Rows out of a table: scans, rows by key and rows by row id; never the bytes of a video.

A column is asked for by name, a field within by a dotted path, and comes back flat under that
very name. `video` alone gives its index scalars, `video.index` the frame graph as well.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.types as pat

from ..errors import (
    ColumnNotFoundError,
    InputError,
    NotFoundError,
    QueryError,
    UnsupportedError,
)
from .cache import Cache
from .columns import fit_keys
from .handle import Handle, translate_errors
from .keys import UNKNOWN, Int64s, KeptKeys, KeyCodes, KeyMap, Unkept
from .schema import FRAME_GRAPH, INDEX, INDEX_TYPE, SOURCE, is_video, no_column

ROW_ID = "_rowid"
ROW_ADDRESS = "_rowaddr"

RowIds: TypeAlias = Sequence[int] | npt.NDArray[np.uint64] | pa.Array | pa.ChunkedArray

_PART = "__marey."
_BATCH_BYTES = 32 << 20
_READAHEAD = 2
_KEY_BATCH_ROWS = 1 << 18
KEEP_AT_ONCE_ROWS = 1 << 16
"""The keys of a larger table are kept from the second lookup in a version on: that costs half
as much again as going through them."""

_TAKE_ROWS = 4096
"""Row ids in one filter: planning it takes 7 microseconds each."""


@dataclass(frozen=True, slots=True)
class _Asked:
    """One column of a scan."""

    name: str
    """As it was asked for, and as it comes back."""
    parts: dict[str, str]
    """What Lance is asked for: names, and the stored paths behind them."""

    def shape(self, batch: pa.RecordBatch) -> pa.Array:
        """The column out of the parts."""
        if list(self.parts) == [self.name]:
            return batch.column(self.name)
        index, *graphs = (batch.column(part) for part in self.parts)
        absent = index.is_null()
        if not graphs:
            inner = pa.field(INDEX, index.type)
            return pa.StructArray.from_arrays([index], fields=[inner], mask=absent)
        arrays = [*index.flatten(), *graphs]
        return pa.StructArray.from_arrays(arrays, fields=list(INDEX_TYPE), mask=absent)


def scan(
    handle: Handle,
    columns: Sequence[str],
    *,
    filter: str | None = None,
    limit: int | None = None,
    batch_rows: int = 1024,
    with_row_id: bool = True,
) -> Iterator[pa.RecordBatch]:
    """Rows in stored order; see `Dataset.scan`."""
    asked = _check_columns(handle.schema, columns)
    projection = _projection(asked)
    doing = f"scan of {handle.uri}"
    with translate_errors(doing, bad_input=QueryError):
        scanner = handle.lance.scanner(
            columns=projection,
            filter=filter,
            limit=limit,
            batch_size=batch_rows,
            batch_size_bytes=_BATCH_BYTES,
            batch_readahead=_READAHEAD,
            fragment_readahead=_READAHEAD,
            # Without a column Lance would count no rows.
            with_row_id=with_row_id or not projection,
        )
        batches = iter(scanner.to_reader())
    return _shaped(batches, asked, doing, with_row_id=with_row_id)


def _shaped(
    batches: Iterator[pa.RecordBatch],
    asked: Sequence[_Asked],
    doing: str,
    *,
    with_row_id: bool,
) -> Iterator[pa.RecordBatch]:
    while True:
        with translate_errors(doing, bad_input=QueryError):
            batch = next(batches, None)
        if batch is None:
            return
        yield _shape(batch, asked, with_row_id=with_row_id)


def _shape(
    batch: pa.RecordBatch, asked: Sequence[_Asked], *, with_row_id: bool
) -> pa.RecordBatch:
    if not asked:
        return batch.select([ROW_ID] if with_row_id else [])
    names = [one.name for one in asked]
    arrays = [one.shape(batch) for one in asked]
    if with_row_id:
        names.append(ROW_ID)
        arrays.append(batch.column(ROW_ID))
    return pa.RecordBatch.from_arrays(arrays, names=names)


def _check_columns(schema: pa.Schema, columns: Sequence[str]) -> list[_Asked]:
    if len(set(columns)) < len(columns):
        raise InputError(f"a column is asked for twice: {', '.join(columns)}")
    return [_check_column(schema, path) for path in columns]


def _check_column(schema: pa.Schema, path: str) -> _Asked:
    name, *within = path.split(".")
    at = schema.get_field_index(name)
    if at < 0:
        raise no_column(name, schema.names)
    field = schema.field(at)
    if is_video(field):
        return _check_video_path(field, path, within)
    for step in within:
        field = _field_within(field, step, path)
    return _Asked(path, {path: path})


def _check_video_path(field: pa.Field, path: str, within: list[str]) -> _Asked:
    name = field.name
    if within and within[0] == SOURCE:
        raise UnsupportedError(f"column {path!r}: the bytes of a video are read by range")
    for step in within:
        field = _field_within(field, step, path)
    index, graph = f"{name}.{INDEX}", f"{name}.{FRAME_GRAPH.name}"
    match within:
        case []:
            return _Asked(path, {_PART + index: index})
        case [_]:
            return _Asked(path, {_PART + index: index, _PART + graph: graph})
        case [_, FRAME_GRAPH.name]:
            return _Asked(path, {path: graph})
    return _Asked(path, {path: path})


def _field_within(field: pa.Field, step: str, path: str) -> pa.Field:
    if not pat.is_struct(field.type):
        raise ColumnNotFoundError(
            f"column {path!r}: {field.name!r} is {field.type}, not a struct"
        )
    at = field.type.get_field_index(step)
    if at < 0:
        raise no_column(step, [f.name for f in field.type])
    return field.type.field(at)


def _projection(asked: Sequence[_Asked]) -> dict[str, str]:
    return {part: quote(path) for one in asked for part, path in one.parts.items()}


def quote(path: str) -> str:
    """A dotted path as Lance's SQL wants it.

    >>> quote("my clip.index.width")
    '`my clip`.`index`.`width`'
    """
    return ".".join(f"`{step}`" for step in path.split("."))


def find_keys(handle: Handle, keys: pa.Table, maps: Cache[KeptKeys]) -> pa.Array:
    """Row ids in the order of the keys; see `Dataset.find_keys`."""
    wanted = fit_keys(keys, handle.key_schema)
    found = _find(handle, wanted, maps) if wanted.num_rows else np.empty(0, np.int64)
    return pa.array(found.astype(np.uint64), pa.uint64(), mask=found == UNKNOWN)


def _find(handle: Handle, wanted: pa.Table, maps: Cache[KeptKeys]) -> Int64s:
    version = (handle.table_id, handle.version)
    kept = maps.get(version)
    if isinstance(kept, KeyMap):
        return kept.find(wanted)
    with translate_errors(f"count of {handle.uri}"):
        rows = handle.lance.count_rows()
    if kept is Unkept.SEEN_ONCE or (kept is None and rows <= KEEP_AT_ONCE_ROWS):
        if (read := _read_key_map(handle, rows, maps.most_lasting)) is not None:
            maps.put(version, read, size=read.size, lasting=True)
            return read.find(wanted)
        kept = Unkept.TOO_MANY
    maps.put(version, kept or Unkept.SEEN_ONCE, size=64, lasting=True)
    return locate_keys(handle, KeyCodes(wanted))[0]


def _read_key_map(handle: Handle, rows: int, max_bytes: int) -> KeyMap | None:
    """The keys of a version, None if they take too many bytes."""
    size = rows * 3 * 8
    if size > max_bytes:
        return None
    batches: list[pa.RecordBatch] = []
    for batch in scan(handle, handle.key_schema.names, batch_rows=_KEY_BATCH_ROWS):
        batches.append(batch)
        size += batch.nbytes - 8 * batch.num_rows
        if size > max_bytes:
            return None
    schema = handle.key_schema.append(pa.field(ROW_ID, pa.uint64()))
    table = pa.Table.from_batches(batches, schema=schema if not batches else None)
    return KeyMap(table.drop_columns([ROW_ID]), table[ROW_ID].to_numpy())


def locate_keys(handle: Handle, wanted: KeyCodes) -> tuple[Int64s, Int64s]:
    """Row id and row address of each wanted key, by one scan of the key columns.

    The address, fragment above and row within it below, is where the row lies in this version.
    """
    row_ids = np.full(wanted.count, UNKNOWN, np.int64)
    addresses = np.full(wanted.count, UNKNOWN, np.int64)
    with translate_errors(f"scan of the keys of {handle.uri}"):
        scanner = handle.lance.scanner(
            columns={name: quote(name) for name in handle.key_schema.names},
            batch_size=_KEY_BATCH_ROWS,
            with_row_id=True,
            with_row_address=True,
        )
        for batch in scanner.to_batches():
            columns = [batch.column(name) for name in handle.key_schema.names]
            rows, codes = wanted.find(columns)
            row_ids[codes] = batch.column(ROW_ID).to_numpy()[rows]
            addresses[codes] = batch.column(ROW_ADDRESS).to_numpy()[rows]
    return row_ids[wanted.own], addresses[wanted.own]


def take(handle: Handle, row_ids: RowIds, columns: Sequence[str]) -> pa.Table:
    """Rows in the order of their ids; see `Dataset.take`."""
    wanted = to_row_ids(row_ids)
    distinct, place = np.unique(wanted, return_inverse=True)
    batches: list[pa.RecordBatch] = []
    for start in range(0, len(distinct), _TAKE_ROWS):
        ids = distinct[start : start + _TAKE_ROWS]
        batches += scan(handle, columns, filter=rows_filter(ids), batch_rows=_TAKE_ROWS)
    if not batches:
        # A filter that nothing passes still says the types.
        batches += _no_rows(handle, columns)
    rows = pa.Table.from_batches(batches).combine_chunks()
    order = order_rows(handle, rows[ROW_ID].to_numpy(), distinct)
    return rows.drop_columns([ROW_ID]).take(pa.array(order[place], pa.int64()))


def order_rows(
    handle: Handle, found: npt.NDArray[np.uint64], distinct: npt.NDArray[np.uint64]
) -> npt.NDArray[np.int64]:
    """Where each of some sorted row ids stands among those that were found: all of them."""
    if len(found) < len(distinct):
        gone = np.setdiff1d(distinct, found)
        raise NotFoundError(
            f"row id {gone[0]} is not in version {handle.version} of {handle.uri} "
            f"({len(gone)} of {len(distinct)} are not)"
        )
    return np.argsort(found)


def _no_rows(handle: Handle, columns: Sequence[str]) -> list[pa.RecordBatch]:
    asked = _check_columns(handle.schema, columns)
    projection = _projection(asked)
    with translate_errors(f"scan of {handle.uri}"):
        scanner = handle.lance.scanner(columns=projection, with_row_id=True)
        empty = scanner.projected_schema.empty_table().to_batches()
    batch = empty[0] if empty else pa.RecordBatch.from_pylist([], scanner.projected_schema)
    return [_shape(batch, asked, with_row_id=True)]


def rows_filter(row_ids: npt.NDArray[np.uint64]) -> str:
    """A filter that these rows pass and no others.

    >>> rows_filter(np.array([3, 5], np.uint64))
    '_rowid IN (3,5)'
    """
    return f"{ROW_ID} IN ({','.join(map(str, row_ids.tolist()))})"


def select_rows(
    handle: Handle, row_ids: npt.NDArray[np.uint64], columns: Mapping[str, str]
) -> pa.Table:
    """Stored columns of rows as Lance has them, with row ids and addresses; not `take`n into
    order, and without the rows that are not there.

    Args:
        handle: The version.
        row_ids: Each once.
        columns: Names to give them, and the stored paths behind them.
    """
    projection = {name: quote(path) for name, path in columns.items()}
    parts = []
    with translate_errors(f"read of {handle.uri}"):
        for start in range(0, max(1, len(row_ids)), _TAKE_ROWS):
            chosen = row_ids[start : start + _TAKE_ROWS]
            scanner = handle.lance.scanner(
                columns=projection,
                filter=rows_filter(chosen) if len(chosen) else "false",
                with_row_id=True,
                with_row_address=True,
            )
            parts.append(scanner.to_table())
    return pa.concat_tables(parts)


def to_row_ids(row_ids: RowIds) -> npt.NDArray[np.uint64]:
    """Row ids as an array.

    Raises:
        InputError: One is null.
    """
    if isinstance(row_ids, pa.Array):
        return _from_arrow(pa.chunked_array([row_ids]))
    if isinstance(row_ids, pa.ChunkedArray):
        return _from_arrow(row_ids)
    return np.asarray(row_ids, np.uint64).reshape(-1)


def _from_arrow(row_ids: pa.ChunkedArray) -> npt.NDArray[np.uint64]:
    if row_ids.null_count:
        raise InputError(f"{row_ids.null_count} of {len(row_ids)} row ids are null")
    return np.asarray(row_ids.cast(pa.uint64()).to_numpy())
