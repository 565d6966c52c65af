"""Resolved expressions as DataFusion expressions.

Types are settled by `check.resolve`. What is left is what DataFusion does otherwise than
promised: integers wrap around when they overflow, `/` drops the rest of integers, `%` has the
sign of the left side, and a field of a null struct may come out as 0.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping
from functools import reduce
from types import MappingProxyType
from typing import Any, assert_never

import pyarrow as pa
import pyarrow.types as pat
from datafusion import Expr as Plan
from datafusion import col
from datafusion import functions as f
from datafusion import lit as literal

from .auxiliary import Aux
from .columns import Column
from .dtypes import HANDLE, DataType, is_list
from .functions import FUNCTIONS, Parameter
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
)
from .udf import VideoFunctions

_OPERATORS: Mapping[str, Callable[[Any, Any], Any]] = MappingProxyType(
    {
        "==": operator.eq,
        "!=": operator.ne,
        "<": operator.lt,
        "<=": operator.le,
        ">": operator.gt,
        ">=": operator.ge,
        "&": operator.and_,
        "|": operator.or_,
        "+": operator.add,
        "-": operator.sub,
        "*": operator.mul,
    }
)

_ANY_INT64 = pa.decimal128(19, 0)
"""Holds every int64; sums and products of two are exact in the decimals that they make."""

_INT64_BITS = 63


def to_datafusion(expr: Expr, functions: VideoFunctions) -> Plan:
    """The plan of a resolved expression.

    Args:
        expr: What `check.resolve` gave.
        functions: The video functions of the query that it is for.
    """

    def compiled(child: Expr) -> Plan:
        return to_datafusion(child, functions)

    match expr:
        case Constant(value=value):
            return _constant(value)
        case Column():
            return _column(expr)
        case Aux():
            return _named(expr.flat_name)
        case Field(operand=operand, name=name):
            return _field(compiled(operand), name)
        case Comparison(left=left, right=right):
            return _apply(expr.operator, compiled(left), compiled(right))
        case Boolean(operands=operands):
            return reduce(lambda a, b: _apply(expr.operator, a, b), map(compiled, operands))
        case Not(operand=operand):
            return ~compiled(operand)
        case Arithmetic(left=left, right=right):
            return _arithmetic(expr, compiled(left), compiled(right))
        case Negation(operand=operand):
            return compiled(_product(operand, -1, expr.dtype))
        case IsNull(operand=operand, missing=missing):
            plan = compiled(operand)
            return plan.is_null() if missing else plan.is_not_null()
        case IsIn(operand=operand, values=values):
            return _isin(compiled(operand), values)
        case Cast(operand=operand, target=target):
            return compiled(operand).cast(target)
        case Struct(names=names, values=values):
            return f.named_struct(list(zip(names, map(compiled, values), strict=True)))
        case Call():
            return _call(expr, functions)
        case _:
            raise TypeError(f"not a node: {type(expr).__name__}")


def _product(operand: Expr, factor: int, dtype: DataType) -> Expr:
    constant = Constant(pa.scalar(factor, dtype), dtype=dtype)
    return Arithmetic("*", operand, constant, dtype=dtype)


def _apply(symbol: str, left: Plan, right: Plan) -> Plan:
    plan: Plan = _OPERATORS[symbol](left, right)
    return plan


def _named(name: str) -> Plan:
    # Unquoted names are folded to lower case, and their dots taken for qualifiers.
    return col('"' + name.replace('"', '""') + '"')


def _column(column: Column) -> Plan:
    plan = _named(column.flat_name)
    inside = () if column.flat_name == ".".join(column.path) else column.path[1:]
    return reduce(_field, inside, plan)


def _field(struct: Plan, name: str) -> Plan:
    # https://github.com/apache/datafusion/issues/25120: a field of a null struct is not null.
    return f.when(struct.is_not_null(), struct[name]).end()


def _constant(value: Any) -> Plan:
    # A null list cannot be a literal of its own.
    return literal(value) if value.is_valid else literal(None).cast(value.type)


def _isin(plan: Plan, values: Any) -> Plan:
    present = [literal(value) for value in values.drop_null()]
    if not present:
        return plan.is_null() if values.null_count else literal(False)
    found = f.in_list(plan, present)
    return found | plan.is_null() if values.null_count else found


def _arithmetic(expr: Arithmetic, left: Plan, right: Plan) -> Plan:
    dtype = expr.dtype
    left, right = left.cast(dtype), right.cast(dtype)
    match expr.operator:
        case "+" | "-" | "*" as symbol if _may_overflow(expr):
            exact = _apply(symbol, left.cast(_ANY_INT64), right.cast(_ANY_INT64))
            return exact.cast(dtype)  # fails where the result is no int64
        case "+" | "-" | "*" as symbol:
            return _apply(symbol, left, right)
        case "/":
            return left / right
        case "%":
            return _modulo(left, right)
        case "//" if pat.is_integer(dtype):
            quotient = left / right
            return f.when(_rounds_up(left, right), quotient - literal(1)).otherwise(quotient)
        case "//":
            return f.round((left - _modulo(left, right)) / right)
        case _:
            assert_never(expr.operator)


def _modulo(left: Plan, right: Plan) -> Plan:
    """What is left over, with the sign of the right side."""
    rest = left % right
    return f.when(_rounds_up(left, right), rest + right).otherwise(rest)


def _rounds_up(left: Plan, right: Plan) -> Plan:
    """Whether cutting off the rest makes the quotient larger: signs differ, a rest is there."""
    rest = left % right
    zero = literal(0)
    return (rest != zero) & ((rest < zero) != (right < zero))


def _may_overflow(expr: Arithmetic) -> bool:
    """Whether 64 bits might not hold what comes out."""
    if not pat.is_integer(expr.dtype):
        return False
    bits = [
        side.dtype.bit_width - bool(pat.is_signed_integer(side.dtype))
        for side in (expr.left, expr.right)
    ]
    needed: int = sum(bits) if expr.operator == "*" else max(bits) + 1
    return needed > _INT64_BITS


def _call(expr: Call, functions: VideoFunctions) -> Plan:
    function = FUNCTIONS[expr.function]
    given = {
        parameter.name: argument
        for parameter, argument in zip(function.parameters, expr.arguments, strict=True)
        if argument is not None
    }
    every_frame = function.every_frame and "frame_indices" not in given
    name, parameters = function.internal(every_frame=every_frame)
    arguments = [_argument(p, given.get(p.name), functions) for p in parameters]
    return functions.call(name, *arguments)


def _argument(parameter: Parameter, argument: Expr | None, functions: VideoFunctions) -> Plan:
    wanted = parameter.wire_type
    if argument is None:
        return literal(None).cast(wanted)
    plan = to_datafusion(argument, functions)
    if parameter.dtype == HANDLE:
        return plan
    if is_list(wanted) and not is_list(argument.dtype):
        one = f.make_array(plan.cast(wanted.value_type))
        return f.when(plan.is_not_null(), one).end()  # not a list of one null
    return plan if argument.dtype == wanted else plan.cast(wanted)
