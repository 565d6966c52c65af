"""Types for expressions, before any data is read: what fits is resolved, the rest is refused.

`resolve` gives a tree in which every node has its type, constants have the type of what they
stand beside, and arguments of functions are as the functions take them. Errors name the
expression as its author wrote it.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from typing import NoReturn

import pyarrow as pa
import pyarrow.types as pat

from ..errors import ColumnNotFoundError, ExpressionError, UnsupportedError
from .arguments import is_clock, is_numbers, resolve_argument
from .auxiliary import Aux
from .columns import Column, index_fields, is_index
from .dtypes import (
    READ_REQUEST,
    TIMED_READ_REQUEST,
    DataType,
    contains_request,
    is_request,
    is_stream,
    is_video,
    name_of,
)
from .functions import FUNCTIONS
from .kinds import COMPARABLE, arithmetic_type, castable, kind
from .literal import is_unicode
from .near import near_names
from .node import (
    Arithmetic,
    Boolean,
    Call,
    Cast,
    Comparison,
    Constant,
    Expr,
    Field,
    IsIn,
    IsNull,
    Negation,
    Not,
    Struct,
    as_expr,
    children,
)
from .render import render

MAX_DEPTH = 150
"""Levels of nesting; a chain of `&` or of `|` is one level."""

MAX_NODES = 100_000
"""Nodes, counted once for each place where they stand."""

_SHOWN = 160
"""Characters of an expression in an error message."""


def resolve(expr: object) -> Expr:
    """The expression, or a plain value, with every type known.

    >>> resolve(as_expr(1) + 2).dtype
    DataType(int64)

    Raises:
        ExpressionError: Types do not fit together.
        FrameRangeError: A constant frame number that no clip can have.
        ColumnNotFoundError: A struct has no such field.
        UnsupportedError: What is made only after the query has run is used within it.
    """
    tree = as_expr(expr)
    _check_size(tree)
    return _resolve(tree)


def resolve_condition(expr: object) -> Expr:
    """A condition on rows, such as `where`: as `resolve`, and it must be bool."""
    resolved = resolve(expr)
    if kind(resolved.dtype) != "bool":
        advice = ""
        if kind(resolved.dtype) == "string" and isinstance(resolved, Constant):
            advice = '; write table["label"] == "kitchen", or a query in SQL with db.sql'
        _refuse(resolved, f"a condition must be bool, found {name_of(resolved.dtype)}{advice}")
    return resolved


def resolve_outputs(outputs: Mapping[str, object]) -> dict[str, Expr]:
    """The named outputs of a scan, each resolved.

    Raises:
        ExpressionError: There is none, a name is no string, or types do not fit together.
    """
    if not isinstance(outputs, Mapping) or not outputs:
        raise ExpressionError("a scan takes a dict of names and expressions, at least one")
    for name in outputs:
        if not isinstance(name, str) or not name:
            raise ExpressionError(f"an output of a scan has a name, found {name!r}")
        if not is_unicode(name):
            raise ExpressionError(f"the name of an output must be Unicode, found {name!r}")
    return {name: resolve(expr) for name, expr in outputs.items()}


def _check_size(expr: Expr) -> None:
    """Refuse trees too deep or too large for the steps that recurse over them."""
    depth = 0
    level = {id(expr): expr}
    while level and depth <= MAX_DEPTH:
        depth += 1
        level = {id(child): child for node in level.values() for child in children(node)}
    if depth > MAX_DEPTH or _count_nodes(expr, {}) > MAX_NODES:
        raise ExpressionError(
            f"an expression of more than {MAX_DEPTH} levels or {MAX_NODES} nodes: "
            "for many values of one column use isin([...])"
        )


def _count_nodes(expr: Expr, counted: dict[int, int]) -> int:
    """Nodes, one that stands in several places counted in each, but looked at once."""
    if id(expr) not in counted:
        counted[id(expr)] = 1 + sum(_count_nodes(child, counted) for child in children(expr))
    return counted[id(expr)]


def _resolve(expr: Expr) -> Expr:
    match expr:
        case Constant() | Aux():
            return expr
        case Column():
            return _resolve_column(expr)
        case Call():
            return _resolve_call(expr)
        case Field():
            return _resolve_field(expr)
        case Comparison():
            return _resolve_comparison(expr)
        case Boolean(operands=operands):
            resolved = tuple(_resolve(operand) for operand in operands)
            for operand in resolved:
                _check_bool(expr, operand, expr.operator)
            return replace(expr, operands=resolved, dtype=pa.bool_())
        case Not(operand=operand):
            inner = _resolve(operand)
            _check_bool(expr, inner, "~")
            return replace(expr, operand=inner, dtype=pa.bool_())
        case Arithmetic(left=left, right=right):
            left, right = _resolve(left), _resolve(right)
            # Beside a float32 a constant is one; beside an integer 2.0 stays what it is.
            if pat.is_floating(right.dtype):
                left = _adopt(left, right)
            if pat.is_floating(left.dtype):
                right = _adopt(right, left)
            dtype = arithmetic_type(expr.operator, left.dtype, right.dtype)
            if dtype is None:
                _refuse_operands(expr, expr.operator, "two numbers", left, right)
            return replace(expr, left=left, right=right, dtype=dtype)
        case Negation(operand=operand):
            inner = _resolve(operand)
            dtype = arithmetic_type("-", inner.dtype, inner.dtype)
            if dtype is None:
                _refuse(expr, f"- needs a number, found {name_of(inner.dtype)}{_advice(inner)}")
            return replace(expr, operand=inner, dtype=dtype)
        case IsNull(operand=operand):
            return replace(expr, operand=_resolve(operand), dtype=pa.bool_())
        case IsIn():
            return _resolve_isin(expr)
        case Cast(operand=operand, target=target):
            inner = _resolve(operand)
            if contains_request(target) or not castable(inner.dtype, target):
                found = f"{name_of(inner.dtype)} does not cast to {name_of(target)}"
                _refuse(expr, found + _advice(inner))
            return replace(expr, operand=inner, dtype=target)
        case Struct(names=names, values=values):
            values = tuple(_resolve(value) for value in values)
            for value in values:
                if is_video(value.dtype):
                    _refuse(expr, f"{render(value)} has no value of its own{_advice(value)}")
            fields = zip(names, (value.dtype for value in values), strict=True)
            return replace(expr, values=values, dtype=pa.struct(list(fields)))
        case _:
            raise ExpressionError(f"not an expression: {type(expr).__name__}")


def _resolve_column(column: Column) -> Expr:
    if is_index(column):
        fields = ", ".join(index_fields(column.relation.schema.field(column.path[0]).type))
        _refuse(column, f"name one of its fields: {fields}")
    return column


def _resolve_field(expr: Field) -> Expr:
    operand = _resolve(expr.operand)
    dtype = operand.dtype
    if is_request(dtype):
        raise UnsupportedError(
            f"{render(expr, _SHOWN)}: {name_of(dtype)} are made after the query has run: "
            f"make {render(operand, _SHOWN)} an output, and take the field from the result"
        )
    if kind(dtype) != "struct":
        _refuse(expr, f"only a struct has fields, {render(operand)} is {name_of(dtype)}")
    names = [field.name for field in dtype or ()]
    if expr.name not in names:
        near = near_names(expr.name, names)
        raise ColumnNotFoundError(f"{render(operand, _SHOWN)} has no field {expr.name!r}{near}")
    return replace(expr, operand=operand, dtype=_field_type(dtype, expr.name))


def _field_type(dtype: DataType, name: str) -> DataType:
    return dtype.field(name).type


def _resolve_comparison(expr: Comparison) -> Expr:
    left, right = _resolve(expr.left), _resolve(expr.right)
    for side in (left, right):
        if isinstance(side, Constant) and not side.value.is_valid:
            _refuse(
                expr, f"{expr.operator} None is never true: write .is_null() or .is_not_null()"
            )
    left, right = _adopt(left, right), _adopt(right, left)
    kinds = {kind(left.dtype), kind(right.dtype)}
    if len(kinds) == 1 and not kinds <= COMPARABLE:
        _refuse(expr, f"{name_of(left.dtype)} does not compare{_advice(left)}")
    if len(kinds) > 1:
        _refuse_operands(expr, expr.operator, "two values of one kind", left, right)
    return replace(expr, left=left, right=right, dtype=pa.bool_())


def _resolve_isin(expr: IsIn) -> Expr:
    operand, values = _resolve(expr.operand), expr.values
    kinds = kind(operand.dtype), kind(values.type)
    if kinds[0] not in COMPARABLE or kinds[1] not in (kinds[0], "null"):
        found = f"{name_of(operand.dtype)} in a list of {values.type}"
        _refuse(expr, f"isin needs values of one kind, found {found}{_advice(operand)}")
    # Where a value does not fit the operand's type, DataFusion compares both in a wider one.
    with suppress(pa.ArrowInvalid):
        values = values.cast(_plain(operand.dtype))
    return replace(expr, operand=operand, values=values, dtype=pa.bool_())


def _resolve_call(expr: Call) -> Expr:
    function = FUNCTIONS[expr.function]
    given = [None if argument is None else _resolve(argument) for argument in expr.arguments]
    stream = any(argument is not None and is_stream(argument.dtype) for argument in given)
    arguments = [
        None
        if argument is None
        else resolve_argument(function, parameter, argument, stream=stream)
        for parameter, argument in zip(function.parameters, given, strict=True)
    ]
    call = replace(expr, arguments=tuple(arguments), dtype=function.returns)
    return _resolve_timed(call, stream)


def _resolve_timed(call: Call, stream: bool) -> Expr:
    """The call as one that gives or takes times of a clock or whole numbers, if it does."""
    given = [argument for argument in call.arguments if argument is not None]
    dtypes = [argument.dtype for argument in given]
    if any(is_clock(dtype) for dtype in dtypes):
        if not stream:
            _refuse(call, "frames of a file have no time of a clock: give seconds")
        return replace(call, timed=True)
    if stream and call.dtype == READ_REQUEST:
        return replace(call, timed=True, dtype=TIMED_READ_REQUEST)
    parameters = FUNCTIONS[call.function].parameters
    if stream and any(map(is_numbers, parameters, dtypes)):
        return replace(call, numbered=True)
    return call


def _adopt(side: Expr, other: Expr) -> Expr:
    """A constant in the type of what it stands beside, where that holds it."""
    dtype = _plain(other.dtype)
    if not isinstance(side, Constant) or isinstance(other, Constant) or side.dtype == dtype:
        return side
    if kind(side.dtype) != kind(dtype) or kind(dtype) not in COMPARABLE:
        return side
    if pat.is_floating(side.dtype) and not side.weak:
        return side  # float32(0.1) is another number than 0.1: only a plain 0.1 means either
    try:
        value = side.value.cast(dtype)
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError):
        return side
    return replace(side, value=value, dtype=dtype)


def _plain(dtype: DataType) -> DataType:
    return dtype.value_type if pat.is_dictionary(dtype) else dtype


def _check_bool(expr: Expr, operand: Expr, operator: str) -> None:
    if kind(operand.dtype) == "bool":
        return
    _refuse(
        expr,
        f"{operator} needs bool, {render(operand, _SHOWN)} is {name_of(operand.dtype)}"
        + (_advice(operand) or "; put comparisons in parentheses: (a == 1) & (b > 2)"),
    )


def _refuse_operands(
    expr: Expr, operator: str, expected: str, left: Expr, right: Expr
) -> NoReturn:
    found = f"{name_of(left.dtype)} and {name_of(right.dtype)}"
    advice = _advice(left) or _advice(right) or _kind_advice(left, right)
    _refuse(expr, f"{operator} needs {expected}, found {found}{advice}")


def _kind_advice(left: Expr, right: Expr) -> str:
    kinds = {kind(left.dtype), kind(right.dtype)}
    if "string" in kinds and kinds & {"date", "date with time zone"}:
        return "; give a datetime instead of a string"
    if kinds == {"date", "date with time zone"}:
        return "; one has a time zone, the other has none: cast one of them"
    if pat.is_decimal(left.dtype) or pat.is_decimal(right.dtype):
        return "; cast decimals to pa.float64() first"
    return ""


def _advice(operand: Expr) -> str:
    """What to do with a value that no operator takes."""
    if is_video(operand.dtype):
        return "; a video is read with video.read or tested with .is_null()"
    if is_request(operand.dtype):
        return "; frames are made after the query has run: make them an output, use the result"
    return ""


def _refuse(expr: Expr, why: str) -> NoReturn:
    raise ExpressionError(f"{render(expr, _SHOWN)}: {why}")
