"""Tables for DataFusion that are read batch by batch, as a plan asks for them.

datafusion-python takes any `pyarrow.dataset.Dataset` and calls four methods in all, so a
subclass and two small objects are enough to be a table. There is one partition: with more,
DataFusion reads ahead of its consumer without bound.

DataFusion relies on the whole filter being applied. Storage evaluates what it can, so a filter
is evaluated again on what storage gives.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator, Sequence
from typing import Any, Protocol

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as pds

from . import pushdown


class PartitionScan(Protocol):
    """One reading of some columns of some rows."""

    @property
    def projected_schema(self) -> pa.Schema:
        """Those columns."""
        ...

    def to_batches(self) -> Iterator[pa.RecordBatch]:
        """The rows that the filter lets through."""
        ...


class OnePartition(pds.Dataset):  # type: ignore[misc]  # pyarrow ships no types
    """A table of one partition; who extends it says how it is read."""

    def __init__(self, schema: pa.Schema) -> None:
        self._schema = schema

    @property
    def schema(self) -> pa.Schema:
        """Its columns."""
        return self._schema

    @abstractmethod
    def scan(
        self, columns: Sequence[str] | None, filter: pc.Expression | None
    ) -> PartitionScan:
        """Some columns, or all, of the rows that a filter lets through."""

    def scanner(self, columns: Sequence[str] | None = None, **_: Any) -> PartitionScan:
        """What DataFusion asks while it plans: the schema of a projection."""
        return self.scan(columns, None)

    def get_fragments(self, filter: pc.Expression | None = None) -> Iterator[Any]:
        """The partitions: one."""
        yield _Fragment(self)


class _Fragment:
    """The one partition."""

    def __init__(self, table: OnePartition) -> None:
        self._table = table

    def scanner(
        self,
        schema: pa.Schema | None = None,
        columns: Sequence[str] | None = None,
        filter: pc.Expression | None = None,
        **_: Any,
    ) -> PartitionScan:
        return self._table.scan(columns, filter)


class RowFilter:
    """A filter of DataFusion's, or none."""

    def __init__(self, expression: pc.Expression | None) -> None:
        self.expression = expression
        """As DataFusion gives it."""
        self.tree = None if expression is None else pushdown.read_expression(expression)
        """What it says, where that can be read."""

    def needed(self, wanted: Sequence[str], schema: pa.Schema) -> list[str]:
        """The columns wanted, then those that the filter uses beside them."""
        if self.expression is None:
            return list(wanted)
        used = schema.names if self.tree is None else sorted(pushdown.field_names(self.tree))
        return list(dict.fromkeys([*wanted, *used]))

    def keep(self, rows: pa.RecordBatch) -> pa.RecordBatch:
        """The rows that it lets through."""
        if self.tree is not None:
            return rows.filter(pushdown.evaluate(self.tree, rows))
        return rows if self.expression is None else rows.filter(self.expression)
