"""Expressions that need no planner: evaluated over Arrow arrays, here and now.

A scan by keys mostly asks for columns, for `aux` values, and for functions of these and of
constants. A plan for that in DataFusion takes longer than a small clip takes to decode. The
functions are those of `kernels` either way, so that both ways give the same.
"""

from __future__ import annotations

from collections.abc import Mapping

import pyarrow as pa
import pyarrow.types as pat

from .auxiliary import Aux
from .columns import Column
from .dtypes import FRAME_LIST, HANDLE
from .functions import FUNCTIONS, Parameter
from .kernel_rows import Array, IndexSource
from .kernels import KERNELS
from .node import Call, Constant, Expr, Struct


def needs_no_plan(expr: Expr) -> bool:
    """Whether `evaluate` can do it."""
    match expr:
        case Constant() | Aux():
            return True
        case Column(path=path):
            return expr.flat_name == ".".join(path)
        case Struct(values=values):
            return all(map(needs_no_plan, values))
        case Call():
            _, given = FUNCTIONS[expr.function].bind(
                expr.arguments, timed=expr.timed, numbered=expr.numbered
            )
            return all(_fits(argument, parameter) for parameter, argument in given)
        case _:
            return False


def evaluate(expr: Expr, columns: Mapping[str, Array], rows: int, source: IndexSource) -> Array:
    """The values of a resolved expression.

    Args:
        expr: One that `needs_no_plan`.
        columns: By flat name, those that it reads.
        rows: How many rows there are.
        source: For functions on videos.
    """
    match expr:
        case Constant(value=value):
            return pa.repeat(value, rows)
        case Column() | Aux():
            return columns[expr.flat_name]
        case Struct(names=names, values=values):
            arrays = [evaluate(value, columns, rows, source) for value in values]
            return pa.StructArray.from_arrays(arrays, names=list(names))
        case Call():
            return _call(expr, columns, rows, source)
        case _:
            raise TypeError(f"needs a plan: {expr!r}")


def _call(expr: Call, columns: Mapping[str, Array], rows: int, source: IndexSource) -> Array:
    name, given = FUNCTIONS[expr.function].bind(
        expr.arguments, timed=expr.timed, numbered=expr.numbered
    )
    arguments: list[Array] = []
    for parameter, argument in given:
        wanted = parameter.wire_type
        if argument is None:
            arguments.append(pa.nulls(rows, wanted))
            continue
        array = evaluate(argument, columns, rows, source)
        as_it_is = array.type == wanted or array.type == FRAME_LIST == parameter.dtype
        arguments.append(array if as_it_is else array.cast(wanted, safe=False))
    return KERNELS[name](source, *arguments)


def _fits(argument: Expr | None, parameter: Parameter) -> bool:
    """Whether an argument needs no plan, and at most a cast of plain numbers."""
    if argument is None:
        return True
    if not needs_no_plan(argument):
        return False
    found, wanted = argument.dtype, parameter.wire_type
    if found == wanted or parameter.dtype == HANDLE:
        return True
    if pat.is_list(found) and pat.is_list(wanted):
        found, wanted = found.value_type, wanted.value_type
    numbers = pat.is_integer(found) or pat.is_floating(found)
    return bool(numbers and pat.is_float64(wanted))
