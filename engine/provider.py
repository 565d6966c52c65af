"""A stored table for DataFusion: the rows of one snapshot, with handles for their videos."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence

import pyarrow as pa
import pyarrow.compute as pc

from ..expressions.dtypes import is_video
from . import pushdown
from .context import QueryContext, TableRead, VideoColumn
from .flat import PLACE, choose, flat_schema, storage_paths
from .one_partition import OnePartition, RowFilter
from .snapshot import Snapshot

_ROW_ID = "_rowid"


class StoredTable(OnePartition):
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
        schema = flat_schema(dataset.schema)
        super().__init__(schema.append(pa.field(PLACE, pa.uint64())) if numbered else schema)

    def read(
        self, columns: Sequence[str], *, unseen: Collection[str] = ()
    ) -> Iterator[pa.RecordBatch]:
        """Some columns of all rows, without DataFusion.

        Args:
            columns: Flat names.
            unseen: Video columns whose handles may stand in rows without a video too.
        """
        return _Scan(self, columns, RowFilter(None), unseen).read()

    def scan(self, columns: Sequence[str] | None, filter: pc.Expression | None) -> _Scan:
        """Some columns, or all, of the rows that a filter lets through."""
        return _Scan(self, columns, RowFilter(filter))


class _Scan:
    """One reading of some columns of some rows."""

    def __init__(
        self,
        table: StoredTable,
        columns: Sequence[str] | None,
        filter: RowFilter,
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
        tree, pushed = self._filter.tree, None
        if tree is not None:
            pushed = pushdown.to_lance_filter(tree, table.paths)
        needed = self._filter.needed(names, table.schema)
        flat = choose(table.schema, needed, table.tables, self._unseen)
        table.context.reads.append(
            TableRead(
                table.label,
                table.dataset.version,
                tuple(flat.stored),
                filter=pushed,
                refilter=self._filter.expression is not None,
            )
        )
        stored = table.dataset.scan(
            flat.stored, filter=pushed, batch_rows=table.batch_rows, with_row_id=True
        )
        for batch in stored:
            rows = self._filter.keep(flat.assemble(batch, batch.column(_ROW_ID)))
            if rows.num_rows:
                yield rows.select(names)
