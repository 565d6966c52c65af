"""The small part of a scan: conditions and outputs, over stored rows or chosen ones.

Nothing here touches media. What comes out holds requests and handles.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping

import pyarrow as pa
from datafusion import DataFrame
from datafusion.catalog import Table as PlanTable

from ..errors import MareyError, QueryError
from ..expressions.evaluate import evaluate
from ..expressions.sql_messages import plan_error
from ..expressions.sql_text import RewrittenSql
from ..expressions.udf import VideoFunctions
from .context import QueryContext
from .flat import PLACE
from .planning import VIDEO_BATCH_ROWS, new_session, stream
from .provider import StoredTable
from .query import Query, filter_plan, named, shape_plan
from .run import SmallResult
from .selection import Selection, SelectionReader
from .snapshot import Snapshot

_TABLE = "stored"


def read_stored(query: Query, dataset: Snapshot, context: QueryContext) -> SmallResult:
    """The rows of a whole table, in stored order."""
    watched = query.watched() if context.on_error == "skip" else {}
    functions = VideoFunctions(context)

    def plan() -> DataFrame:
        frame = _stored_frame(query, dataset, context)
        shaped = shape_plan(frame, query, functions, watched)
        return shaped if query.limit is None else shaped.limit(query.limit)

    if query.needs_plan:
        batches = stream(plan, context)
    else:
        table = _stored_table(query, dataset, context)
        rows = table.read(sorted(query.columns), unseen=query.handed_videos)
        batches = _evaluated(query, map(_by_name, rows), context, watched)
    return _small_result(query, batches, watched)


def read_selected(query: Query, selection: Selection, context: QueryContext) -> SmallResult:
    """The rows of a selection, in its order."""
    watched = query.watched() if context.on_error == "skip" else {}
    if query.needs_plan:
        functions = VideoFunctions(context)
        batches = _over_chunks(
            query,
            selection,
            context,
            lambda frame: shape_plan(frame, query, functions, watched),
        )
    else:
        reader = SelectionReader(selection, query, context, unseen=query.handed_videos)
        batches = _evaluated(query, reader.columns(query.batch_rows), context, watched)
    return _small_result(query, batches, watched)


def select_stored(query: Query, dataset: Snapshot, context: QueryContext) -> Selection:
    """The rows that the condition and the limit leave of a whole table."""
    functions = VideoFunctions(context)

    def plan() -> DataFrame:
        frame = _stored_frame(query, dataset, context)
        rows = filter_plan(frame, query, functions).select(named(PLACE))
        return rows if query.limit is None else rows.limit(query.limit)

    return Selection(dataset, query.label, _places(stream(plan, context)))


def select_by_sql(
    condition: RewrittenSql, dataset: Snapshot, context: QueryContext, *, label: str
) -> Selection:
    """The rows of a whole table that satisfy a condition in SQL."""

    def plan() -> DataFrame:
        table = StoredTable(
            dataset, context, label=label, batch_rows=VIDEO_BATCH_ROWS, numbered=True
        )
        session = new_session(VIDEO_BATCH_ROWS)
        VideoFunctions(context).register(session)
        session.register_table(_TABLE, PlanTable(table))
        return session.table(_TABLE).filter(condition.text).select(named(PLACE))

    def translate(message: str) -> MareyError:
        return plan_error(condition, message)

    batches = stream(plan, context, translate=translate)
    return Selection(dataset, label, _places(batches))


def select_among(query: Query, selection: Selection, context: QueryContext) -> Selection:
    """The rows that the condition and the limit leave of a selection."""
    if query.where is None and query.limit is None:
        return selection
    functions = VideoFunctions(context)
    batches = _over_chunks(
        query,
        selection,
        context,
        lambda frame: filter_plan(frame, query, functions).select(named(PLACE)),
    )
    return selection.take(_places(batches).cast(pa.int64()).to_numpy())


def _stored_table(query: Query, dataset: Snapshot, context: QueryContext) -> StoredTable:
    return StoredTable(
        dataset, context, label=query.label, batch_rows=query.batch_rows, numbered=True
    )


def _stored_frame(query: Query, dataset: Snapshot, context: QueryContext) -> DataFrame:
    session = new_session(query.batch_rows)
    session.register_table(_TABLE, PlanTable(_stored_table(query, dataset, context)))
    return session.table(_TABLE)


def _over_chunks(
    query: Query,
    selection: Selection,
    context: QueryContext,
    shape: Callable[[DataFrame], DataFrame],
) -> Iterator[pa.RecordBatch]:
    """A plan over one chunk after the other, up to the limit."""
    session = new_session(query.batch_rows)
    left = len(selection) if query.limit is None else query.limit
    for chunk in SelectionReader(selection, query, context).tables():
        if not left:
            return
        batches = chunk.to_batches(max_chunksize=query.batch_rows)

        def plan(batches: list[pa.RecordBatch] = batches, most: int = left) -> DataFrame:
            return shape(session.create_dataframe([batches])).limit(most)

        for batch in stream(plan, context):
            left -= batch.num_rows
            yield batch


def _evaluated(
    query: Query,
    given: Iterator[tuple[int, dict[str, pa.Array]]],
    context: QueryContext,
    watched: Mapping[str, str],
) -> Iterator[pa.RecordBatch]:
    """The outputs of a query that needs no plan, up to the limit.

    Args:
        query: The query.
        given: Numbers of rows, and their flat columns by name; handles of its `handed_videos`
            may stand in rows without a video too.
        context: Of the run.
        watched: As `Query.watched` has them.
    """
    names = [*query.outputs, *watched.values()]
    left = sys.maxsize if query.limit is None else query.limit
    for there, columns in given:
        rows = min(left, there)
        if not rows:
            return
        left -= rows
        part = {name: array.slice(0, rows) for name, array in columns.items()}
        part |= {name: context.present(part[name]) for name in query.handed_videos}
        arrays = [evaluate(output, part, rows, context) for output in query.outputs.values()]
        arrays += [part[name] for name in watched]
        yield pa.RecordBatch.from_arrays(arrays, names=names)


def _by_name(batch: pa.RecordBatch) -> tuple[int, dict[str, pa.Array]]:
    return batch.num_rows, dict(zip(batch.schema.names, batch.columns, strict=True))


def _small_result(
    query: Query, batches: Iterator[pa.RecordBatch], watched: Mapping[str, str]
) -> SmallResult:
    carried = list(watched.values())
    schema = query.schema(carried)
    return SmallResult(schema, _fit(batches, schema), carried)


def _fit(batches: Iterator[pa.RecordBatch], schema: pa.Schema) -> Iterator[pa.RecordBatch]:
    """The batches in the types that the query was checked to give."""
    for batch in batches:
        try:
            fitted = batch if batch.schema.equals(schema) else batch.cast(schema)
        except (pa.ArrowException, ValueError) as error:
            raise QueryError(
                f"the table has columns of other types than when the scan was made: {error}"
            ) from error
        yield fitted


def _places(batches: Iterator[pa.RecordBatch]) -> pa.Array:
    columns = [batch.column(0) for batch in batches]
    return pa.chunked_array(columns, pa.uint64()).combine_chunks()
