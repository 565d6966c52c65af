"""A table for DataFusion that a function reads: what it asks for goes down to storage."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import pyarrow as pa
import pyarrow.compute as pc

from .. import pushdown
from ..one_partition import OnePartition, RowFilter

Read = Callable[[Sequence[str], pushdown.Node | None], Iterator[pa.RecordBatch]]
"""Batches of some columns, for rows that pass as much of a filter as can be pushed down."""


class ScannedTable(OnePartition):
    """A table of a schema, read by a function."""

    def __init__(self, schema: pa.Schema, read: Read) -> None:
        super().__init__(schema)
        self.read = read

    def scan(self, columns: Sequence[str] | None, filter: pc.Expression | None) -> _Scan:
        """Some columns, or all, of the rows that a filter lets through."""
        return _Scan(self, columns, RowFilter(filter))


class _Scan:
    """One reading of some columns of some rows."""

    def __init__(
        self, table: ScannedTable, columns: Sequence[str] | None, filter: RowFilter
    ) -> None:
        self._table = table
        self._names = table.schema.names if columns is None else list(columns)
        self._filter = filter
        self.projected_schema = pa.schema([table.schema.field(name) for name in self._names])

    def to_batches(self) -> Iterator[pa.RecordBatch]:
        """The rows that the filter lets through."""
        needed = self._filter.needed(self._names, self._table.schema)
        for batch in self._table.read(needed, self._filter.tree):
            rows = self._filter.keep(batch)
            if rows.num_rows:
                yield rows.select(self._names)
