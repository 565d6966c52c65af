"""Expressions as text: the Python that builds them, for people and for error messages."""

from __future__ import annotations

from collections.abc import Callable

from .auxiliary import Aux
from .columns import Column
from .dtypes import name_of
from .functions import FUNCTIONS
from .literal import quoted, shown
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

_DEEPEST = 40
"""Levels shown; what lies below is `…`."""

# What binds tighter in Python has the larger number.
_ATOM, _UNARY, _COMPARISON = 9, 7, 2
_BINARY = {"*": 6, "/": 6, "//": 6, "%": 6, "+": 5, "-": 5, "&": 4, "|": 3}

_POSITIONAL = ("frame_indices", "stop")
"""Optional parameters that people write without their names."""


def render(expr: Expr, limit: int | None = None) -> str:
    """The expression as its author would write it.

    >>> from marey.expressions import aux
    >>> import pyarrow as pa
    >>> render((aux("n", pa.int64()) + 1 > 3) & ~aux("seen", pa.bool_()))
    '(aux("n") + 1 > 3) & ~aux("seen")'

    Args:
        expr: The expression.
        limit: Characters to cut it at.
    """
    text = _render(expr, 0)[0]
    return text if limit is None or len(text) <= limit else text[:limit] + "…"


def _render(expr: Expr, depth: int) -> tuple[str, int]:
    """The text, and how tightly its outermost operator binds."""
    if depth > _DEEPEST:
        return "…", _ATOM

    def inner(child: Expr, least: int = 0) -> str:
        text, binding = _render(child, depth + 1)
        return text if binding >= least else f"({text})"

    def method(child: Expr) -> str:
        return f"lit({inner(child)})" if isinstance(child, Constant) else inner(child, _ATOM)

    match expr:
        case Constant(value=value):
            text = shown(value)
            return text, _UNARY if text.startswith("-") else _ATOM
        case Column(relation=relation, path=path):
            return relation.name + "".join(f"[{quoted(name)}]" for name in path), _ATOM
        case Aux(name=name):
            return f"aux({quoted(name)})", _ATOM
        case Field(operand=operand, name=name):
            return f"{method(operand)}[{quoted(name)}]", _ATOM
        case Comparison(operator=operator, left=left, right=right):
            sides = inner(left, _COMPARISON + 1), inner(right, _COMPARISON + 1)
            return f"{sides[0]} {operator} {sides[1]}", _COMPARISON
        case Boolean(operator=operator, operands=operands):
            binding = _BINARY[operator]
            return f" {operator} ".join(inner(part, binding + 1) for part in operands), binding
        case Arithmetic(operator=operator, left=left, right=right):
            binding = _BINARY[operator]
            return f"{inner(left, binding)} {operator} {inner(right, binding + 1)}", binding
        case Not(operand=operand):
            return "~" + inner(operand, _UNARY), _UNARY
        case Negation(operand=operand):
            return "-" + inner(operand, _UNARY + 1), _UNARY
        case IsNull(operand=operand, missing=missing):
            return f"{method(operand)}.{'is_null' if missing else 'is_not_null'}()", _ATOM
        case IsIn(operand=operand, values=values):
            return f"{method(operand)}.isin({shown(list(values))})", _ATOM
        case Cast(operand=operand, target=target):
            return f"{method(operand)}.cast({name_of(target)})", _ATOM
        case Struct(names=names, values=values):
            pairs = zip(names, values, strict=True)
            inside = ", ".join(f"{quoted(name)}: {inner(value)}" for name, value in pairs)
            return f"struct({{{inside}}})", _ATOM
        case Call():
            return _render_call(expr, inner), _ATOM
        case _:
            raise TypeError(f"not a node: {type(expr).__name__}")


def _render_call(call: Call, inner: Callable[[Expr], str]) -> str:
    function = FUNCTIONS[call.function]
    written: list[str] = []
    by_name = False
    for parameter, argument in zip(function.parameters, call.arguments, strict=True):
        positional = parameter.required or parameter.name in _POSITIONAL
        if argument is None or (not positional and _is_default(argument, parameter.default)):
            by_name = True
            continue
        by_name |= not positional
        written.append((f"{parameter.name}=" if by_name else "") + inner(argument))
    return f"video.{function.python_name}({', '.join(written)})"


def _is_default(argument: Expr, default: object) -> bool:
    return isinstance(argument, Constant) and argument.value.as_py() == default
