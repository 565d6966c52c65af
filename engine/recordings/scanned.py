"""A table for DataFusion that a function reads: what it asks for goes down to storage.

datafusion-python takes any `pyarrow.dataset.Dataset` and calls four methods in all. There is
one partition: with more, DataFusion reads ahead of its consumer without bound. DataFusion
relies on the whole filter being applied: what storage cannot say is evaluated here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as pds

from .. import pushdown

Read = Callable[[Sequence[str], pushdown.Node | None], Iterator[pa.RecordBatch]]
"""Batches of some columns, for rows that pass as much of a filter as can be pushed down."""


class ScannedTable(pds.Dataset):  # type: ignore[misc]  # pyarrow ships no types
    """A table of a schema, read by a function."""

    def __init__(self, schema: pa.Schema, read: Read) -> None:
        self._schema = schema
        self.read = read

    @property
    def schema(self) -> pa.Schema:
        """Its columns."""
        return self._schema

    def scanner(self, columns: Sequence[str] | None = None, **_: Any) -> Any:
        """What DataFusion asks while it plans: the schema of a projection."""
        return _Scan(self, columns, None)

    def get_fragments(self, filter: pc.Expression | None = None) -> Iterator[Any]:
        """The partitions: one."""
        yield _Fragment(self)


class _Fragment:
    """The one partition."""

    def __init__(self, table: ScannedTable) -> None:
        self._table = table

    def scanner(
        self,
        schema: pa.Schema | None = None,
        columns: Sequence[str] | None = None,
        filter: pc.Expression | None = None,
        **_: Any,
    ) -> _Scan:
        return _Scan(self._table, columns, filter)


class _Scan:
    """One reading of some columns of some rows."""

    def __init__(
        self, table: ScannedTable, columns: Sequence[str] | None, filter: pc.Expression | None
    ) -> None:
        self._table = table
        self._names = table.schema.names if columns is None else list(columns)
        self._filter = filter
        self.projected_schema = pa.schema([table.schema.field(name) for name in self._names])

    def to_batches(self) -> Iterator[pa.RecordBatch]:
        """The rows that the filter lets through."""
        tree, needed = None, self._names
        if self._filter is not None:
            tree = pushdown.read_expression(self._filter)
            used = self._table.schema.names
            if tree is not None:
                used = sorted(pushdown.field_names(tree))
            needed = list(dict.fromkeys([*needed, *used]))
        for batch in self._table.read(needed, tree):
            rows = batch
            if tree is not None:
                rows = rows.filter(pushdown.evaluate(tree, rows))
            elif self._filter is not None:
                rows = rows.filter(self._filter)
            if rows.num_rows:
                yield rows.select(self._names)
