"""What a scan asks for, checked and typed, and the DataFusion plan that it becomes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import pyarrow as pa
from datafusion import DataFrame, col
from datafusion import Expr as Plan

from ..errors import ExpressionError
from ..expressions.check import resolve_condition, resolve_outputs
from ..expressions.columns import Relation
from ..expressions.compile import to_condition, to_datafusion
from ..expressions.dtypes import HANDLE, RESERVED_PREFIX, DataType, is_video
from ..expressions.evaluate import needs_no_plan
from ..expressions.node import Call, Expr
from ..expressions.references import aux_used, columns_used, single_relation, walk
from ..expressions.udf import VideoFunctions
from .config import whole_number
from .planning import BATCH_ROWS, VIDEO_BATCH_ROWS

MISSING = RESERVED_PREFIX + "missing"
"""Whether a row of a keyed scan has a key that the table lacks: no condition drops it."""

_WATCHED = RESERVED_PREFIX + "watched."


@dataclass(frozen=True)
class Query:
    """Outputs, a condition and a limit over one table."""

    relation: Relation
    """The table."""
    outputs: Mapping[str, Expr]
    """By name, resolved."""
    where: Expr | None
    """Which rows, resolved."""
    limit: int | None
    """The most rows."""

    @cached_property
    def aux(self) -> dict[str, DataType]:
        """What the key table must bring, by name."""
        return aux_used(self._expressions)

    @cached_property
    def columns(self) -> set[str]:
        """The flat columns that are read."""
        return columns_used(self._expressions)

    @property
    def label(self) -> str:
        """The table's name, for people."""
        return f"{self.relation.project}.{self.relation.name}"

    @cached_property
    def batch_rows(self) -> int:
        """How many rows its plan handles at once."""
        calls = any(isinstance(node, Call) for node in walk(self._expressions))
        return VIDEO_BATCH_ROWS if calls else BATCH_ROWS

    @cached_property
    def needs_plan(self) -> bool:
        """Whether it takes DataFusion; otherwise its outputs are evaluated as they stand."""
        return self.where is not None or not all(map(needs_no_plan, self.outputs.values()))

    @cached_property
    def handed_videos(self) -> set[str]:
        """The video columns that functions on videos alone see: those read frame indexes."""
        videos = self.columns & set(self.relation.video_columns)
        shown = [output for output in self.outputs.values() if not isinstance(output, Call)]
        return videos - columns_used(shown) if shown else videos

    @property
    def _expressions(self) -> list[Expr]:
        return [*self.outputs.values(), *([] if self.where is None else [self.where])]

    def watched(self) -> dict[str, str]:
        """For each video column that is read, the name under which a plan carries it along."""
        videos = sorted(self.columns & set(self.relation.video_columns))
        return {video: _WATCHED + video for video in videos}

    def schema(self, watched: Sequence[str] = ()) -> pa.Schema:
        """What the plan gives, requests and handles included."""
        fields = [
            pa.field(name, _small_type(expr.dtype)) for name, expr in self.outputs.items()
        ]
        return pa.schema([*fields, *(pa.field(name, HANDLE) for name in watched)])


def build_query(
    outputs: Mapping[str, object], *, where: object = None, limit: int | None = None
) -> Query:
    """Check what a scan is given.

    Raises:
        ExpressionError: Types do not fit, `where` is no condition, or not one table is read.
        ConfigError: The limit is no number of rows.
    """
    if limit is not None:
        limit = whole_number("limit", limit, 0)
    resolved = resolve_outputs(outputs)
    condition = None if where is None else resolve_condition(where)
    conditions = [] if condition is None else [condition]
    relation = single_relation([*resolved.values(), *conditions])
    if relation is None:
        raise ExpressionError("a scan reads a table: give at least one output a column of it")
    return Query(relation, resolved, condition, limit)


def shape_plan(
    frame: DataFrame, query: Query, functions: VideoFunctions, watched: Mapping[str, str]
) -> DataFrame:
    """The plan of a query over a frame of its flat columns."""
    outputs = [
        to_datafusion(expr, functions).alias(name) for name, expr in query.outputs.items()
    ]
    carried = [named(video).alias(name) for video, name in watched.items()]
    return filter_plan(frame, query, functions).select(*outputs, *carried)


def filter_plan(frame: DataFrame, query: Query, functions: VideoFunctions) -> DataFrame:
    """The rows that the condition lets through, and those whose keys are missing."""
    if query.where is None:
        return frame
    condition = to_condition(query.where, functions)
    if MISSING in frame.schema().names:
        condition = named(MISSING) | condition
    return frame.filter(condition)


def named(name: str) -> Plan:
    """A column of a plan; unquoted, its name would be folded and split at dots."""
    return col('"' + name.replace('"', '""') + '"')


def _small_type(dtype: DataType) -> DataType:
    return HANDLE if is_video(dtype) else dtype
