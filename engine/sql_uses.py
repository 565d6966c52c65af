"""What a query does with videos, and with frames and files before there are any: pass them on.

In a plan a call of `video_read` or `video_remux` is a request: a struct of what to make once
the plan has run; and a video is a handle: a struct that says where it lies. DataFusion would
compare, sort and take apart such structs without a word, and give answers about requests and
places where frames and videos were asked about. So the plan is searched for that.

A video may be grouped by, and DISTINCT and UNION take it for one value: that of its row.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from datafusion import Expr
from datafusion.plan import LogicalPlan

from ..errors import QueryError, UnsupportedError
from ..expressions.columns import INDEX
from ..expressions.dtypes import HANDLE, RESERVED_PREFIX, DataType, is_request
from ..expressions.functions import FUNCTIONS
from ..expressions.sql_messages import shown_calls

Fields = Callable[[LogicalPlan], Iterator[tuple[str, DataType]]]
"""Names and types of what a plan gives."""

_REQUESTS = tuple(
    name
    for function in FUNCTIONS.values()
    for name, _, returns in function.variants()
    if is_request(returns)
)
"""Calls that give requests."""
_FIRST_THERE = frozenset({"coalesce", "nvl", "ifnull", "nvl2"})
# A request in an array is refused later on, in words of its own.
_PASS_ON = _FIRST_THERE | {"named_struct", "struct", "row", "make_array"}
_PASS_ON_AGGREGATES = (
    *("first_value(", "last_value(", "nth_value(", "any_value("),
    *("count(", "array_agg("),
)
_PASS_ON_WINDOWS = frozenset(
    {"first_value", "last_value", "nth_value", "lag", "lead", "count", "array_agg"}
)
_MAY_HOLD = frozenset({"Alias", "IsNull", "IsNotNull", "Case", "Column", "ScalarFunction"})
"""Kinds of expressions that give one of their operands as it is, or only ask if it is there."""

_UNNESTED = "__unnest_placeholder("


@dataclass(frozen=True, slots=True)
class _Kept:
    """Which expressions over the inputs of a step give what is only passed on."""

    requests: frozenset[str]
    """Names of columns of requests."""
    videos: frozenset[str]
    """Names of columns of handles."""

    def may_be_in(self, expr: Any) -> bool:
        """Whether a search of the expression is worth its time."""
        text = expr.canonical_name()
        return RESERVED_PREFIX in text or any(n in text for n in self.requests | self.videos)

    def is_request(self, expr: Any) -> bool:
        """Whether the value of an expression is a request."""
        return _gives(expr, self.requests, _REQUESTS)

    def is_video(self, expr: Any) -> bool:
        """Whether it is a handle."""
        return _gives(expr, self.videos, ())


def refuse_use_of_frames(plan: LogicalPlan, fields: Fields) -> None:
    """Check that a plan looks into no video, and into nothing that is made after it has run.

    Args:
        plan: As it was parsed. The bindings do not show queries within expressions: of a plan
            with `hidden_queries` the optimized one, where they are joins, is to be checked too.
        fields: Names and types of what a plan gives.

    Raises:
        UnsupportedError: It looks into what is not made yet; the message says what to write.
        QueryError: It compares, sorts or converts videos.
    """
    waiting = [plan]
    while waiting:
        node = waiting.pop()
        inputs = [field for below in node.inputs() for field in fields(below)]
        kept = _Kept(_names(inputs, is_request), _names(inputs, HANDLE.equals))
        step: Any = node.to_variant()
        _check_step(step, kept, inputs)
        waiting += node.inputs()


def hidden_queries(plan: LogicalPlan) -> bool:
    """Whether there are queries within the expressions of a plan."""
    return "<subquery>" in plan.display_indent()


def _expressions(step: Any) -> list[Any]:
    """What a step computes of each row; sort and group keys are not among it."""
    match type(step).__name__:
        case "Projection":
            return list(step.projections())
        case "Filter":
            return [step.predicate()]
        case "Aggregate":
            return list(step.aggregate_exprs())
        case "Join":
            condition = step.filter()
            return [] if condition is None else [condition]
    return []


def _check_step(step: Any, kept: _Kept, inputs: list[tuple[str, DataType]]) -> None:
    for expr in _expressions(step):
        _check(expr, kept)
    match type(step).__name__:
        case "Sort":
            _check_keys([key.expr() for key in step.sort_exprs()], kept, "ORDER BY")
        case "Aggregate":
            _check_keys(step.group_by_exprs(), kept, "GROUP BY")
            for expr in _expressions(step):
                _check_order(expr, kept)
        case "WindowExpr":
            for expr in step.get_window_expr():
                _check_window(step, expr, kept)
        case "Join":
            for pair in step.on():
                _check_keys(list(pair), kept, "JOIN, INTERSECT and EXCEPT compare")
        case "Distinct" if kept.requests:
            name = shown_calls(min(kept.requests))
            raise UnsupportedError(
                f"DISTINCT and UNION compare whole rows, and {name!r} {_LATER}: "
                "select distinct keys in a subquery, or write UNION ALL"
            )
        case "Unnest":
            _check_unnest(inputs)


_LATER = "is made after the query has run"


def _names(
    inputs: list[tuple[str, DataType]], holds: Callable[[DataType], bool]
) -> frozenset[str]:
    """The names that stand for nothing but columns of a kind."""
    others = {name for name, dtype in inputs if not holds(dtype)}
    return frozenset(name for name, _ in inputs) - others


def _check_keys(keys: list[Any], kept: _Kept, clause: str) -> None:
    for key in keys:
        if kept.is_request(key):
            raise UnsupportedError(
                f"{clause} {_shown(key)}: it {_LATER}; write columns, or frame numbers"
            )
        if kept.is_video(key) and clause not in _GROUPS:
            raise _no_value(f"{clause} {_shown(key)}", _shown(key))
        _check(key, kept)


_GROUPS = ("GROUP BY", "PARTITION BY")


_ORDER = re.compile(r" ORDER BY \[(.*?)\]")
_DIRECTION = re.compile(r" (?:ASC|DESC) NULLS (?:FIRST|LAST)(?:, |$)")


def _check_order(aggregate: Any, kept: _Kept) -> None:
    """Check the ORDER BY within an aggregate, of which the bindings give the text alone."""
    for order in _ORDER.findall(aggregate.canonical_name()):
        for key in filter(None, _DIRECTION.split(order)):
            if key.rpartition(".")[2] in kept.requests:
                raise UnsupportedError(f"ORDER BY {key}: it {_LATER}; write columns")
            if key.rpartition(".")[2] in kept.videos and f".{INDEX}." not in key:
                raise _no_value(f"ORDER BY {key}", key)


def _check_window(step: Any, expr: Any, kept: _Kept) -> None:
    _check_keys(step.get_partition_exprs(expr), kept, "PARTITION BY")
    _check_keys([key.expr() for key in step.get_sort_exprs(expr)], kept, "ORDER BY")
    name = step.window_func_name(expr)
    for argument in step.get_args(expr):
        if name not in _PASS_ON_WINDOWS:
            _refuse(f"{name}({_shown(argument)}) OVER", argument, kept)
        _check(argument, kept)


def _check_unnest(inputs: list[tuple[str, DataType]]) -> None:
    for name, dtype in inputs:
        what = shown_calls(name.removeprefix(_UNNESTED).removesuffix(")"))
        if name.startswith(_UNNESTED) and is_request(dtype):
            raise UnsupportedError(
                f"unnest({what}): it {_LATER}; unnest the frame numbers in a subquery and read "
                "each as [n], or take the result apart"
            )
        if name.startswith(_UNNESTED) and dtype == HANDLE:
            raise UnsupportedError(
                f"unnest({what}): name the fields of a video, as in {what}.index.width"
            )


def _check(expr: Any, kept: _Kept) -> None:
    if not kept.may_be_in(expr):
        return
    waiting = [expr]
    while waiting:
        expr = waiting.pop()
        operands = _operands(expr)
        if not _passes_on(expr):
            for operand in operands:
                _refuse(_shown(expr), operand, kept)
        waiting += operands


def _refuse(what: str, operand: Any, kept: _Kept) -> None:
    """Refuse to do with an operand what is done, unless that is a plain value."""
    if kept.is_request(operand):
        raise UnsupportedError(
            f"{what}: {_shown(operand)} {_LATER}; select it whole, and work on "
            "the result (to count frames, count the frame numbers)"
        )
    if kept.is_video(operand):
        raise _no_value(what, _shown(operand))


def _no_value(what: str, video: str) -> QueryError:
    return QueryError(
        f"{what}: videos have no order and no value to compare or convert; take the key of the "
        f"table, or a field of the index, as in {video}.index.width"
    )


def _passes_on(expr: Any) -> bool:
    kind = expr.variant_name()
    if kind == "ScalarFunction":
        called = expr.rex_call_operator()
        return called in _PASS_ON or called.startswith(RESERVED_PREFIX)
    if kind == "AggregateFunction":
        name = expr.canonical_name()
        return bool(name.startswith(_PASS_ON_AGGREGATES)) and "(DISTINCT " not in name
    return kind in _MAY_HOLD


def _gives(expr: Any, names: frozenset[str], calls: tuple[str, ...]) -> bool:
    """Whether an expression gives what columns of some names hold, or what some calls give."""
    match expr.variant_name():
        case "Column":
            return expr.to_variant().name() in names
        case "ScalarFunction":
            called = expr.rex_call_operator()
            return called in calls or (
                called in _FIRST_THERE
                and any(_gives(operand, names, calls) for operand in _operands(expr))
            )
        case "Alias" | "Case" | "AggregateFunction":
            if expr.canonical_name().startswith(("count(", "array_agg(")):
                return False
            return any(_gives(operand, names, calls) for operand in _operands(expr))
    return False


def _operands(expr: Any) -> list[Expr]:
    """What an expression is made of; none where the bindings do not tell."""
    if expr.variant_name() in ("Column", "Literal"):
        return []
    try:
        operands: list[Expr] = expr.rex_call_operands()
    except Exception:  # the bindings raise no class of their own for what they lack
        return []
    return operands


def _shown(expr: Any) -> str:
    return shown_calls(expr.canonical_name())
