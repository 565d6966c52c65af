"""A stored table for DataFusion, read batch by batch as a plan asks for it.

datafusion-python takes any `pyarrow.dataset.Dataset` and calls four methods in all, so a
subclass and two small objects are enough to be a table. There is one partition: with more,
DataFusion reads ahead of its consumer without bound.

Storage evaluates what it can of a filter. DataFusion relies on the whole filter being applied,
so it is evaluated again on what storage gives.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as pds

from ..expressions.dtypes import is_video
from . import pushdown
from .context import QueryContext, TableRead, VideoColumn
from .flat import PLACE, choose, flat_schema, storage_paths
from .snapshot import Snapshot

_ROW_ID = "_rowid"


class StoredTable(pds.Dataset):  # type: ignore[misc]  # pyarrow ships no types
    """One snapshot of a table, within one query."""

    def __init__(
        self,
        dataset: Snapshot,
        context: QueryContext,
        *,
        label: str,
        batch_rows: int,
        numbered: bool = False,
    ) -> None:
        """Make a table of a snapshot.

        Args:
            dataset: The snapshot.
            context: Of the query.
            label: The table's name, for people.
            batch_rows: The most rows in a batch.
            numbered: Whether there is a column `PLACE` of row ids.
        """
        self.dataset = dataset
        self.label = label
        self.batch_rows = batch_rows
        self.context = context
        self.paths = storage_paths(dataset.schema)
        self.tables = {
            field.name: context.add(VideoColumn(dataset, label, field.name))
            for field in dataset.schema
            if is_video(field.type)
        }
        self._schema = flat_schema(dataset.schema)
        if numbered:
            self._schema = self._schema.append(pa.field(PLACE, pa.uint64()))

    @property
    def schema(self) -> pa.Schema:
        """The flat columns."""
        return self._schema

    def read(
        self, columns: Sequence[str], *, unseen: Collection[str] = ()
    ) -> Iterator[pa.RecordBatch]:
        """Some columns of all rows, without DataFusion.

        Args:
            columns: Flat names.
            unseen: Video columns whose handles may stand in rows without a video too.
        """
        return _Scan(self, columns, None, unseen).read()

    def scanner(self, columns: Sequence[str] | None = None, **_: Any) -> Any:
        """What DataFusion asks while it plans: the schema of a projection."""
        return _Scan(self, columns, None)

    def get_fragments(self, filter: pc.Expression | None = None) -> Iterator[Any]:
        """The partitions: one."""
        yield _Fragment(self)


class _Fragment:
    """The one partition."""

    def __init__(self, table: StoredTable) -> None:
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
        self,
        table: StoredTable,
        columns: Sequence[str] | None,
        filter: pc.Expression | None,
        unseen: Collection[str] = (),
    ) -> None:
        self._table = table
        self._filter = filter
        self._unseen = unseen
        self._chosen = choose(table.schema, columns, table.tables)
        self.projected_schema = self._chosen.schema

    def to_batches(self) -> Iterator[pa.RecordBatch]:
        """The rows that the filter lets through."""
        try:
            yield from self.read()
        except BaseException as error:
            # DataFusion keeps the text of an exception only.
            self._table.context.raised = error
            raise

    def read(self) -> Iterator[pa.RecordBatch]:
        """Likewise, with errors as they are."""
        table, names = self._table, self._chosen.schema.names
        tree, needed, pushed = None, names, None
        if self._filter is not None:
            tree = pushdown.read_expression(self._filter)
            used = table.schema.names if tree is None else sorted(pushdown.field_names(tree))
            needed = list(dict.fromkeys([*names, *used]))
        if tree is not None:
            pushed = pushdown.to_lance_filter(tree, table.paths)
        flat = choose(table.schema, needed, table.tables, self._unseen)
        table.context.reads.append(
            TableRead(
                table.label,
                table.dataset.version,
                tuple(flat.stored),
                filter=pushed,
                refilter=self._filter is not None,
            )
        )
        stored = table.dataset.scan(
            flat.stored, filter=pushed, batch_rows=table.batch_rows, with_row_id=True
        )
        for batch in stored:
            rows = flat.assemble(batch, batch.column(_ROW_ID))
            if tree is not None:
                rows = rows.filter(pushdown.evaluate(tree, rows))
            elif self._filter is not None:
                rows = rows.filter(self._filter)
            if rows.num_rows:
                yield rows.select(names)
