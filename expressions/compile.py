"""Resolved expressions as DataFusion expressions.

Types are settled by `check.resolve`. What is left is what DataFusion does otherwise than
promised: integer arithmetic (see `arithmetic`), fields of null structs, and names, which it
folds.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping, Sequence
from itertools import accumulate
from types import MappingProxyType
from typing import Any

import pyarrow as pa
import pyarrow.types as pat
from datafusion import Expr as Plan
from datafusion import col
from datafusion import functions as f
from datafusion import lit as literal

from ..storage.columns import is_list
from .arithmetic import KERNELS, kernel_name
from .auxiliary import Aux
from .columns import Column
from .dtypes import HANDLE, DataType
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
        "/": operator.truediv,
    }
)


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
        case Field():
            names = []
            while isinstance(expr, Field):
                names.append(expr.name)
                expr = expr.operand
            return _fields(compiled(expr), names[::-1])
        case Comparison(left=left, right=right):
            return _apply(expr.operator, compiled(left), compiled(right))
        case Boolean(operands=operands):
            return _balanced(expr.operator, [compiled(operand) for operand in operands])
        case Not(operand=operand):
            return ~compiled(operand)
        case Arithmetic(left=left, right=right):
            return _arithmetic(expr, compiled(left), compiled(right), functions)
        case Negation(operand=operand):
            minus_one = Constant(pa.scalar(-1, expr.dtype), dtype=expr.dtype)
            return compiled(Arithmetic("*", operand, minus_one, dtype=expr.dtype))
        case IsNull(operand=operand, missing=missing):
            plan = compiled(operand)
            return plan.is_null() if missing else plan.is_not_null()
        case IsIn(operand=operand, values=values):
            plan = compiled(operand)
            return _null_of(plan, _isin(plan, values), values)
        case Cast(operand=operand, target=target):
            return compiled(operand).cast(target)
        case Struct(names=names, values=values):
            return f.named_struct(list(zip(names, map(compiled, values), strict=True)))
        case Call():
            return _call(expr, functions)
        case _:
            raise TypeError(f"not a node: {type(expr).__name__}")


def to_condition(expr: Expr, functions: VideoFunctions) -> Plan:
    """The plan of a resolved condition on rows, of which null means the same as false.

    Lists that must hold, or must not, stay in sight of what hands filters down to storage.
    """
    match expr:
        case Boolean(operator="&", operands=operands):
            return _balanced("&", [to_condition(operand, functions) for operand in operands])
        case IsIn(operand=operand, values=values):
            return _isin(to_datafusion(operand, functions), values)
        case Not(operand=IsIn(operand=operand, values=values)):
            return ~_isin(to_datafusion(operand, functions), values)
        case _:
            return to_datafusion(expr, functions)


def _apply(symbol: str, left: Plan, right: Plan) -> Plan:
    plan: Plan = _OPERATORS[symbol](left, right)
    return plan


def _balanced(symbol: str, plans: list[Plan]) -> Plan:
    """All of them in one tree as low as can be: planning takes the square of the depth."""
    while len(plans) > 1:
        last = plans[len(plans) & ~1 :]
        pairs = zip(plans[::2], plans[1::2], strict=False)
        plans = [_apply(symbol, left, right) for left, right in pairs] + last
    return plans[0]


def _named(name: str) -> Plan:
    # Unquoted names are folded to lower case, and their dots taken for qualifiers.
    return col('"' + name.replace('"', '""') + '"')


def _column(column: Column) -> Plan:
    flat = column.flat_name == ".".join(column.path)
    return _fields(_named(column.flat_name), () if flat else column.path[1:])


def _fields(plan: Plan, names: Sequence[str]) -> Plan:
    """A field of a field of ... a struct.

    https://github.com/apache/datafusion/issues/25120: the field of a null struct is not null.
    """
    structs = list(accumulate(names, operator.getitem, initial=plan))
    field = structs.pop()
    if not structs:
        return field
    there = [struct.is_not_null() for struct in structs]
    return f.when(_balanced("&", there), field).end()


def _constant(value: Any) -> Plan:
    # A null list cannot be a literal of its own.
    return literal(value) if value.is_valid else literal(None).cast(value.type)


def _null_of(plan: Plan, found: Plan, values: Any) -> Plan:
    """Whether it was found in a list: null where it is null itself, unless that was looked for.

    DataFusion says otherwise: of `a IN (1) AND a IN (2)` it makes false before it sees a null.
    """
    if values.null_count or not len(values):
        return found
    return f.when(plan.is_not_null(), found).end()


def _isin(plan: Plan, values: Any) -> Plan:
    present = [literal(value) for value in values.drop_null()]
    if not present:
        return plan.is_null() if values.null_count else literal(False)
    found = f.in_list(plan, present)
    return found | plan.is_null() if values.null_count else found


def _arithmetic(expr: Arithmetic, left: Plan, right: Plan, functions: VideoFunctions) -> Plan:
    dtype = expr.dtype
    if expr.operator in ("//", "%") and pat.is_floating(dtype):
        dtype = pa.float64()
    left, right = _as(left, expr.left.dtype, dtype), _as(right, expr.right.dtype, dtype)
    name = kernel_name(expr.operator, dtype)
    if name not in KERNELS:
        return _apply(expr.operator, left, right)
    return _as(functions.call(name, left, right), dtype, expr.dtype)


def _as(plan: Plan, found: DataType, wanted: DataType) -> Plan:
    """A cast where one is needed: planning takes the square of the depth."""
    return plan if found == wanted else plan.cast(wanted)


def _call(expr: Call, functions: VideoFunctions) -> Plan:
    function = FUNCTIONS[expr.function]
    name, given = function.bind(expr.arguments, timed=expr.timed, numbered=expr.numbered)
    return functions.call(name, *(_argument(p, argument, functions) for p, argument in given))


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
    return _as(plan, argument.dtype, wanted)
