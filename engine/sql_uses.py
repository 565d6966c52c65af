"""What a query does with frames and files before there are any: pass them on, and no more.

In a plan a call of `video_read` or `video_remux` is a request: a struct of what to make once
the plan has run. DataFusion would compare, sort and take apart such structs without a word, and
give answers about requests where frames were asked about. So the plan is searched for that.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from datafusion import Expr
from datafusion.plan import LogicalPlan

from ..errors import UnsupportedError
from ..expressions.dtypes import HANDLE, DataType, is_request
from ..expressions.sql_messages import shown_calls

Fields = Callable[[LogicalPlan], Iterator[tuple[str, DataType]]]
"""Names and types of what a plan gives."""

_REQUESTS = ("__marey_read", "__marey_read_every", "__marey_remux", "__marey_remux_every")
# A request in an array is refused later on, in words of its own.
_PASS_ON = frozenset(
    {"coalesce", "nvl", "ifnull", "nvl2", "named_struct", "struct", "row", "make_array"}
)
_PASS_ON_AGGREGATES = (
    *("first_value(", "last_value(", "nth_value(", "any_value("),
    *("count(", "array_agg("),
)
_MAY_HOLD = frozenset({"Alias", "IsNull", "IsNotNull", "Case", "Column", "ScalarFunction"})
"""Kinds of expressions that give one of their operands as it is, or only ask if it is there."""

_UNNESTED = "__unnest_placeholder("


def refuse_use_of_frames(plan: LogicalPlan, fields: Fields) -> None:
    """Check that a plan looks into nothing that is made after it has run.

    Args:
        plan: As it was parsed, before it is optimized.
        fields: Names and types of what a plan gives.

    Raises:
        UnsupportedError: It does; the message says what to write instead.
    """
    for node in _nodes(plan):
        inputs = [field for below in node.inputs() for field in fields(below)]
        requests = _names(inputs, is_request)
        step: Any = node.to_variant()
        match type(step).__name__:
            case "Projection":
                _check_all(step.projections(), requests)
            case "Filter":
                _check(step.predicate(), requests)
            case "Sort":
                keys = [key.expr() for key in step.sort_exprs()]
                _check_keys(keys, requests, "ORDER BY")
            case "Aggregate":
                _check_keys(step.group_by_exprs(), requests, "GROUP BY")
                _check_all(step.aggregate_exprs(), requests)
            case "Distinct" if requests:
                name = shown_calls(min(requests))
                raise UnsupportedError(
                    f"DISTINCT and UNION compare whole rows, and {name!r} {_LATER}: "
                    "select distinct keys in a subquery, or write UNION ALL"
                )
            case "Unnest":
                _check_unnest(inputs)


_LATER = "is made after the query has run"


def _nodes(plan: LogicalPlan) -> Iterator[LogicalPlan]:
    waiting = [plan]
    while waiting:
        node = waiting.pop()
        yield node
        waiting += node.inputs()


def _names(
    inputs: list[tuple[str, DataType]], holds: Callable[[DataType], bool]
) -> frozenset[str]:
    """The names that stand for nothing but columns of a kind."""
    others = {name for name, dtype in inputs if not holds(dtype)}
    return frozenset(name for name, _ in inputs) - others


def _check_all(exprs: list[Any], requests: frozenset[str]) -> None:
    for expr in exprs:
        _check(expr, requests)


def _check_keys(keys: list[Any], requests: frozenset[str], clause: str) -> None:
    for key in keys:
        if _is_request(key, requests):
            raise UnsupportedError(
                f"{clause} {_shown(key)}: it {_LATER}; write columns, or frame numbers"
            )
        _check(key, requests)


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


def _check(expr: Any, requests: frozenset[str]) -> None:
    kind = expr.variant_name()
    operands = _operands(expr)
    if not _passes_on(expr, kind):
        for operand in operands:
            if _is_request(operand, requests):
                raise UnsupportedError(
                    f"{_shown(expr)}: {_shown(operand)} {_LATER}; select it whole, and work on "
                    "the result (to count frames, count the frame numbers)"
                )
    for operand in operands:
        _check(operand, requests)


def _passes_on(expr: Any, kind: str) -> bool:
    if kind == "ScalarFunction":
        return expr.rex_call_operator() in _PASS_ON
    if kind == "AggregateFunction":
        name = expr.canonical_name()
        return bool(name.startswith(_PASS_ON_AGGREGATES)) and "(DISTINCT " not in name
    return kind in _MAY_HOLD


def _is_request(expr: Any, requests: frozenset[str]) -> bool:
    """Whether the value of an expression is a request."""
    match expr.variant_name():
        case "Column":
            return expr.to_variant().name() in requests
        case "ScalarFunction":
            called = expr.rex_call_operator()
            return called in _REQUESTS or (
                called in ("coalesce", "nvl", "ifnull", "nvl2")
                and any(_is_request(operand, requests) for operand in _operands(expr))
            )
        case "Alias" | "Case" | "AggregateFunction":
            if expr.canonical_name().startswith(("count(", "array_agg(")):
                return False
            return any(_is_request(operand, requests) for operand in _operands(expr))
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
