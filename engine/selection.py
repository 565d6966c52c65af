"""Rows chosen ahead of a scan, in the order in which it gives them: by keys, or by a condition.

A selection is small whatever the table holds: a row id for each row, and what the key table
brought along. A scan over one reads the stored columns that it needs chunk by chunk.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from ..expressions.auxiliary import Aux
from ..expressions.dtypes import is_video
from .context import QueryContext, TableRead, VideoColumn
from .flat import PLACE, choose, flat_schema
from .keys import BoundKeys
from .query import MISSING, Query
from .snapshot import Snapshot

_CHUNK_ROWS = 4096


@dataclass(frozen=True, slots=True)
class Selection:
    """Some rows of a snapshot, in order; a row may stand there more than once."""

    dataset: Snapshot
    """The snapshot."""
    label: str
    """The table's name, for people."""
    row_ids: pa.Array
    """Stored row ids; null where the table lacks the key."""
    bound: BoundKeys | None = None
    """The key table, where there is one: a row for each row id."""

    def __len__(self) -> int:
        return len(self.row_ids)

    def take(self, places: npt.NDArray[np.int64]) -> Selection:
        """Some of the rows, in another order."""
        at = pa.array(places)
        bound = None
        if self.bound is not None:
            bound = BoundKeys(self.bound.keys.take(at), self.bound.aux.take(at))
        return Selection(self.dataset, self.label, self.row_ids.take(at), bound)


class SelectionReader:
    """The flat columns of a selection, for one query."""

    def __init__(
        self,
        selection: Selection,
        query: Query,
        context: QueryContext,
        *,
        unseen: Collection[str] = (),
    ) -> None:
        """Prepare to read.

        Args:
            selection: The rows.
            query: Says which columns.
            context: Of the run.
            unseen: Video columns whose handles may stand in rows without a video too.
        """
        self._selection = selection
        self._aux = query.aux
        row_ids = selection.row_ids
        ids = (row_ids.fill_null(0) if row_ids.null_count else row_ids).to_numpy()
        tables = {
            field.name: context.add(
                VideoColumn(selection.dataset, selection.label, field.name, ids)
            )
            for field in selection.dataset.schema
            if is_video(field.type)
        }
        known = set() if selection.bound is None else set(selection.bound.keys.column_names)
        self._keys = sorted(query.columns & known)
        stored = sorted(query.columns - known)
        self._flat = choose(flat_schema(selection.dataset.schema), stored, tables, unseen)
        context.reads.append(
            TableRead(
                selection.label,
                selection.dataset.version,
                tuple(self._flat.stored),
                by_row_id=True,
            )
        )

    def columns(self, most_rows: int) -> Iterator[tuple[int, dict[str, pa.Array]]]:
        """The rows in order, at most so many at a time: how many, and their columns by name."""
        for start, stop in self._chunks():
            columns = self._columns(start, stop)
            for at in range(0, stop - start, most_rows):
                rows = min(most_rows, stop - start - at)
                yield rows, {name: array.slice(at, rows) for name, array in columns.items()}

    def tables(self) -> Iterator[pa.Table]:
        """The rows in order, a bounded number at a time, for plans: with their places in the
        selection, and whether the table lacks them.
        """
        for start, stop in self._chunks():
            missing = self._selection.row_ids.slice(start, stop - start).is_null()
            more = {MISSING: missing, PLACE: _places(start, stop)}
            yield pa.table(self._columns(start, stop) | more)

    def _chunks(self) -> Iterator[tuple[int, int]]:
        count = len(self._selection)
        for start in range(0, count, _CHUNK_ROWS):
            yield start, min(start + _CHUNK_ROWS, count)

    def _columns(self, start: int, stop: int) -> dict[str, pa.Array]:
        count = stop - start
        columns: dict[str, pa.Array] = {}
        if len(self._flat.schema):
            places = _places(start, stop)
            row_ids = self._selection.row_ids.slice(start, count)
            stored = self._take(row_ids)
            there = places
            if row_ids.null_count:
                there = pc.if_else(row_ids.is_valid(), places, None)
            flat = self._flat.assemble(stored, there)
            columns = dict(zip(flat.schema.names, flat.columns, strict=True))
        bound = self._selection.bound
        if bound is not None:
            keys, aux = bound.keys.slice(start, count), bound.aux.slice(start, count)
            columns |= {name: _in_one(keys[name]) for name in self._keys}
            columns |= {
                Aux(name, dtype=dtype).flat_name: _in_one(aux[name])
                for name, dtype in self._aux.items()
            }
        return columns

    def _take(self, row_ids: pa.Array) -> pa.RecordBatch:
        """Stored columns of some rows; null in rows that are missing."""
        if not self._flat.stored:
            return _no_columns(len(row_ids))
        found = row_ids.drop_null()
        taken = self._selection.dataset.take(found, self._flat.stored)
        if row_ids.null_count:
            valid = row_ids.is_valid().to_numpy(zero_copy_only=False)
            place = np.cumsum(valid) - 1
            taken = taken.take(pa.array(place, pa.int64(), mask=~valid))
        (batch,) = taken.combine_chunks().to_batches() or [_empty_batch(taken.schema)]
        return batch


def _places(start: int, stop: int) -> pa.Array:
    return pa.array(np.arange(start, stop, dtype=np.uint64))


def _in_one(column: pa.ChunkedArray) -> pa.Array:
    return column.chunk(0) if column.num_chunks == 1 else column.combine_chunks()


def _no_columns(rows: int) -> pa.RecordBatch:
    return pa.RecordBatch.from_struct_array(pa.nulls(rows, pa.struct([])))


def _empty_batch(schema: pa.Schema) -> pa.RecordBatch:
    return pa.RecordBatch.from_pylist([], schema)
