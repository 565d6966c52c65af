"""SQL over the tables of a workspace: queries that give what scans give."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from functools import partial
from time import perf_counter
from typing import Any

import pyarrow as pa
from datafusion import DataFrame, SessionContext, SQLOptions
from datafusion.plan import LogicalPlan

from ..errors import (
    FunctionNotFoundError,
    MareyError,
    NotFoundError,
    QueryError,
    TableNotFoundError,
    UnsupportedError,
)
from ..expressions.dtypes import HANDLE, name_of
from ..expressions.sql_messages import column_name, finds_single_time, plan_error, shown_calls
from ..expressions.sql_text import RewrittenSql, require_query, rewrite_sql
from ..expressions.udf import VideoFunctions
from .context import QueryContext
from .estimate import estimate
from .explain import Explained
from .failures import OnError
from .keys import OnMissing
from .loading.chosen import ChosenRows
from .loading.planned import PlannedRows
from .planning import BATCH_ROWS, VIDEO_BATCH_ROWS, cause, new_session, stream
from .requests import finished_schema
from .result import Readable
from .run import SmallResult, finish_batches
from .sql_tables import SqlTables, find_streams, named_videos, spelt_otherwise
from .sql_uses import hidden_queries, refuse_use_of_frames
from .started import Started
from .workspace import Workspace

_CATALOG = "marey"
_NO_TABLE = re.compile(r"table '(?:marey\.)?([^']*)' not found")
_NO_FUNCTION = re.compile(r"Invalid function '([^']+)'\.?\s*")


class SqlQuery(Readable):
    """A query in SQL, planned when it is made and anew for each run.

    `project.table` names a table. A video is read with `video_read` and the other functions; a
    bare video in the result is a struct of the scalars of its index.
    """

    def __init__(self, workspace: Workspace, text: str) -> None:
        """Plan a query.

        Raises:
            QueryError: It does not parse or plan, or is no query.
            TableNotFoundError: It names a table that there is not.
            ColumnNotFoundError: Likewise a column.
            FunctionNotFoundError: Likewise a function.
            UnsupportedError: It looks into what is made after it has run.
        """
        super().__init__(workspace)
        videos = named_videos(workspace, text)
        self._sql = rewrite_sql(text, videos.columns, timed=videos.timed)
        require_query(text)
        context = workspace.context()
        session = self._session(context)
        try:
            planned = self._plan(session, context)
        except QueryError as error:
            if not finds_single_time(str(error.__cause__)):
                raise
            self._sql = rewrite_sql(text, videos.columns, timed=videos.timed, single_times=True)
            planned = self._plan(session, context)
        if context.has_videos:
            self._refuse_uses(planned, session, context)
        self._columns = _OutputColumns(self._sql, planned.schema())
        self._schema = finished_schema(self._columns.schema)

    @property
    def schema(self) -> pa.Schema:
        """The columns of the result."""
        return self._schema

    def _start(self, key_table: Any, on_error: OnError, on_missing: OnMissing) -> Started:
        context = self._workspace.context(on_error)
        small = self._small(key_table, context)
        batches = finish_batches(small, self._workspace.engine, context)
        return Started(self._schema, batches, context)

    def _small(self, key_table: Any, context: QueryContext) -> SmallResult:
        _refuse_key_table(key_table)
        begin = perf_counter()
        plan = self._plan(self._session(context), context)
        self._require_same_columns(plan.schema())
        batches = stream(lambda: plan, context, translate=self._translate)
        context.metrics.add(plan_seconds=perf_counter() - begin)
        return SmallResult(self._columns.schema, self._columns.choose(batches))

    def _choose(
        self, key_table: Any, on_missing: OnMissing, context: QueryContext
    ) -> ChosenRows:
        small = self._small(key_table, context)
        rows = pa.Table.from_batches(list(small.batches), small.schema)
        lost = self._lost(context)
        return PlannedRows(self, rows, context.columns, epoch=context.epoch, lost=lost)

    def _explain(self, key_table: Any) -> Explained:
        _refuse_key_table(key_table)
        context = self._workspace.context("null")
        plan = self._plan(self._session(context), context)
        steps = plan.optimized_logical_plan().display_indent()
        small = self._small(None, context)
        return Explained(
            title="SQL query",
            facts=[("plan", shown_calls(steps))],
            outputs={},
            estimate=estimate(small, self._workspace.engine, context),
            context=context,
        )

    def _failed_keys(self, context: QueryContext, since: int) -> pa.Table:
        keys = context.failed_keys(since)
        columns = {
            "key.table" if name == "table" else name: column
            for name, column in zip(keys.column_names, keys.columns, strict=True)
        }
        return pa.table(
            {"table": pa.array(context.failed_tables(since), pa.string())} | columns
        )

    def _session(self, context: QueryContext) -> SessionContext:
        """A session that knows the tables and the functions on videos."""
        batch_rows = VIDEO_BATCH_ROWS if self._sql.text != self._sql.given else BATCH_ROWS
        session = new_session(batch_rows, catalog=_CATALOG)
        tables = SqlTables(self._workspace, context, batch_rows=batch_rows)
        session.register_catalog_provider(_CATALOG, tables)
        VideoFunctions(context).register(session)
        return session

    def _plan(self, session: SessionContext, context: QueryContext) -> DataFrame:
        only_queries = SQLOptions().with_allow_ddl(False).with_allow_dml(False)
        try:
            return session.sql_with_options(
                self._sql.text, only_queries.with_allow_statements(False)
            )
        except Exception as error:
            raise cause(error, context, translate=self._translate) from error

    def _refuse_uses(
        self, planned: DataFrame, session: SessionContext, context: QueryContext
    ) -> None:
        """Refuse what SQL can do with handles and requests, and nobody with videos."""
        fields = partial(_fields, session)
        refuse_use_of_frames(planned.logical_plan(), fields)
        if hidden_queries(planned.logical_plan()):
            try:
                optimized = planned.optimized_logical_plan()
            except Exception as error:
                raise cause(error, context, translate=self._translate) from error
            refuse_use_of_frames(optimized, fields)

    def _require_same_columns(self, planned: pa.Schema) -> None:
        """Refuse a run of other columns than `schema` says: what `*` stands for can move."""
        found = _OutputColumns(self._sql, planned).schema
        if found != self._columns.schema:
            raise QueryError(
                "the tables have other columns than when the query was made: make it anew "
                f"(it gave {_listed(self._columns.schema)}; now {_listed(found)})"
            )

    def _translate(self, message: str) -> MareyError:
        """The error of ours that a message of DataFusion is about."""
        table = _NO_TABLE.search(message)
        if table:
            return self._no_table(table.group(1))
        function = _NO_FUNCTION.search(message)
        if function:
            offer = message[function.end() :].replace("\n", " ").strip()
            return FunctionNotFoundError(f"no function {function.group(1)!r}. {offer}".strip())
        return plan_error(self._sql, message)

    def _no_table(self, name: str) -> MareyError:
        if name.startswith("public."):
            table = name.removeprefix("public.")
            return TableNotFoundError(f"no table {table!r}: name tables as project.table")
        project, _, table = name.rpartition(".")
        try:
            if "/" in table:
                find_streams(self._workspace, project, table)
            spelt = spelt_otherwise(self._workspace, project, table)
            if spelt is not None:
                return TableNotFoundError(f"no table {name!r}; there is {spelt}")
            self._workspace.newest(project, table)
        except NotFoundError as error:
            return TableNotFoundError(str(error))
        except MareyError as error:
            return error
        return TableNotFoundError(f"no table {name!r}")

    def __repr__(self) -> str:
        return f"SqlQuery({self._sql.given!r})"


def _refuse_key_table(key_table: Any) -> None:
    if key_table is not None:
        raise UnsupportedError(
            "SQL takes no key table: name the keys in WHERE, or use Marey.scan"
        )


class _OutputColumns:
    """Which columns of a plan make the result, and under which names."""

    def __init__(self, sql: RewrittenSql, planned: pa.Schema) -> None:
        shown = [
            at for at, field in enumerate(planned) if not _is_implied(field.name, planned, sql)
        ]
        names = _unique([column_name(planned.field(at).name) for at in shown])
        self._places = shown
        self.schema = pa.schema(
            [
                pa.field(name, planned.field(at).type)
                for name, at in zip(names, shown, strict=True)
            ]
        )

    def choose(self, batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        """The batches of a result."""
        for batch in batches:
            columns = [
                batch.column(at).cast(field.type)
                for at, field in zip(self._places, self.schema, strict=True)
            ]
            yield pa.RecordBatch.from_arrays(columns, schema=self.schema)


def _is_implied(name: str, planned: pa.Schema, sql: RewrittenSql) -> bool:
    """Whether a column is there only because `*` stands for all columns.

    The scalars of an index are flat columns of their own. A video shows them too, and where it
    is left out (`* EXCLUDE (video)`), they are not what is asked for.
    """
    video, _, scalar = name.rpartition(".index.")
    if not video or not scalar or f'"{name}"' in sql.text:
        return False
    return video in sql.video_columns or any(
        field.name == video and field.type == HANDLE for field in planned
    )


def _fields(session: SessionContext, plan: LogicalPlan) -> Iterator[tuple[str, pa.DataType]]:
    """Names and types of what a plan gives."""
    schema = session.create_dataframe_from_logical_plan(plan).schema()
    return ((field.name, field.type) for field in schema)


def _listed(schema: pa.Schema) -> str:
    return ", ".join(f"{field.name}: {name_of(field.type)}" for field in schema)


def _unique(names: Sequence[str]) -> list[str]:
    """The names, a number behind those that stood there before."""
    seen: dict[str, int] = {}
    unique = []
    for name in names:
        seen[name] = seen.get(name, 0) + 1
        unique.append(name if seen[name] == 1 else f"{name}_{seen[name]}")
    return unique
