"""A scan: outputs over one table, run over all its rows or over those of a key table."""

from __future__ import annotations

from collections.abc import Mapping
from time import perf_counter
from typing import Any

import pyarrow as pa

from ..expressions.render import render
from .context import QueryContext
from .estimate import estimate
from .explain import Explained
from .failures import OnError
from .keys import OnMissing, bind_key_table, require_no_aux, settle_missing
from .loading.chosen import ChosenRows
from .loading.selected import SelectedRows
from .query import Query, build_query
from .requests import finished_schema
from .result import Readable
from .run import finish_batches
from .selection import Selection
from .small import read_selected, read_stored, select_among, select_stored
from .snapshot import Snapshot
from .started import Started
from .workspace import Workspace


class Scan(Readable):
    """Expressions over a table, by name; it does not change, and runs any number of times."""

    def __init__(self, workspace: Workspace, query: Query) -> None:
        super().__init__(workspace)
        self._query = query
        self._schema = finished_schema(query.schema())

    @property
    def schema(self) -> pa.Schema:
        """The columns of the result."""
        return self._schema

    def _start(self, key_table: Any, on_error: OnError, on_missing: OnMissing) -> Started:
        begin = perf_counter()
        context = self._workspace.context(on_error)
        dataset = self._workspace.snapshot(self._query.relation)
        if key_table is None:
            require_no_aux(self._query.aux)
            small = read_stored(self._query, dataset, context)
            rows = dataset.count() if self._query.where is None else None
        else:
            selection = self._select(dataset, key_table, on_missing, context)
            small = read_selected(self._query, selection, context)
            rows = len(selection)
        if rows is not None and self._query.limit is not None:
            rows = min(rows, self._query.limit)
        context.metrics.add(plan_seconds=perf_counter() - begin)
        batches = finish_batches(small, self._workspace.engine, context)
        return Started(self._schema, batches, context, rows)

    def _explain(self, key_table: Any) -> Explained:
        query, engine = self._query, self._workspace.engine
        context = self._workspace.context("null")
        dataset = self._workspace.snapshot(query.relation)
        facts = [] if query.where is None else [("where", render(query.where))]
        facts += [] if query.limit is None else [("limit", f"{query.limit:,}")]
        small = None
        if key_table is not None:
            selection = self._select(dataset, key_table, "null", context)
            facts.append(("keys", _describe_keys(selection)))
            small = read_selected(query, selection, context)
        elif query.aux:
            names = ", ".join(map(repr, query.aux))
            facts.append(("aux", f"{names}: give a key table to have reads estimated"))
        else:
            small = read_stored(query, dataset, context)
        return Explained(
            title=f"scan of {query.label}, version {dataset.version}",
            facts=facts,
            outputs=query.outputs,
            estimate=None if small is None else estimate(small, engine, context),
            context=context,
        )

    def _failed_keys(self, context: QueryContext, since: int) -> pa.Table:
        if len(context.failures) > since:
            return context.failed_keys(since)
        return self._workspace.snapshot(self._query.relation).key_schema.empty_table()

    @property
    def query(self) -> Query:
        """What it asks for."""
        return self._query

    def _choose(
        self, key_table: Any, on_missing: OnMissing, context: QueryContext
    ) -> ChosenRows:
        query = self._query
        dataset = self._workspace.snapshot(query.relation)
        if key_table is None:
            require_no_aux(query.aux)
            selection = select_stored(query, dataset, context)
        else:
            selection = self._select(dataset, key_table, on_missing, context)
            selection = select_among(query, selection, context)
        return SelectedRows(self, selection, epoch=context.epoch, lost=self._lost(context))

    def _select(
        self, dataset: Snapshot, key_table: Any, on_missing: OnMissing, context: QueryContext
    ) -> Selection:
        """The rows that a key table asks for."""
        query = self._query
        bound = bind_key_table(key_table, key_schema=dataset.key_schema, aux=query.aux)
        row_ids = dataset.find_keys(bound.keys)
        bound, row_ids, dropped = settle_missing(bound, row_ids, on_missing)
        context.metrics.add(rows_skipped=dropped)
        return Selection(dataset, query.label, row_ids, bound)

    def __repr__(self) -> str:
        outputs = ", ".join(f"{name}: {expr!r}" for name, expr in self._query.outputs.items())
        where = "" if self._query.where is None else f", where={self._query.where!r}"
        limit = "" if self._query.limit is None else f", limit={self._query.limit}"
        return f"Scan({{{outputs}}}{where}{limit})"


def _describe_keys(selection: Selection) -> str:
    rows, missing = len(selection), selection.row_ids.null_count
    lacking = f", {missing:,} with keys that the table lacks" if missing else ""
    return f"{rows:,} rows of the key table{lacking}"


def make_scan(
    workspace: Workspace,
    outputs: Mapping[str, object],
    *,
    where: object = None,
    limit: int | None = None,
) -> Scan:
    """A checked scan; see `Marey.scan`."""
    return Scan(workspace, build_query(outputs, where=where, limit=limit))
