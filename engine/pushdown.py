"""Filters that DataFusion hands down, as a tree: for Lance as SQL, and for exactness as a mask.

DataFusion gives a table's filters as one `pyarrow.compute.Expression` and counts on them being
applied. An expression cannot be looked into, but its serialised form can: an Arrow file whose
metadata is the tree in prefix order and whose columns are the literals and options.

::

    (width > 640) and is_in(label, ["a"])

    call: and_kleene                 columns of the one batch
    call: greater                    0: int32 640
    field_ref: width                 1: struct<value_set: ["a"], ...>
    literal: 0
    end: greater
    call: is_in  field_ref: label  options: 1  end: is_in
    end: and_kleene

What Lance can do for itself goes to it as text, conjunct by conjunct (`to_lance_filter`); a
conjunct that cannot be said there is left out. The whole tree is then evaluated on what comes
back (`evaluate`), with SQL's three-valued logic: Arrow's own `is_in` says that null is not in a
list, so its `NOT IN` would keep null rows.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc


@dataclass(frozen=True, slots=True)
class Field:
    """A column, by its name."""

    name: str
    """The flat name that DataFusion knows it by."""


@dataclass(frozen=True, slots=True)
class Literal:
    """A constant."""

    value: pa.Scalar
    """With its type."""


@dataclass(frozen=True, slots=True)
class Call:
    """An Arrow compute function."""

    function: str
    """Its name in Arrow's registry."""
    arguments: tuple[Node, ...]
    """In order."""
    values: pa.Array | None = None
    """The list of `is_in`."""


Node = Field | Literal | Call

_OPERATORS = {
    "equal": "=",
    "not_equal": "!=",
    "less": "<",
    "less_equal": "<=",
    "greater": ">",
    "greater_equal": ">=",
    "and_kleene": "AND",
    "or_kleene": "OR",
}
_NULL_TESTS = {"is_null": "IS NULL", "is_valid": "IS NOT NULL"}
_FUNCTIONS = dict.fromkeys(_OPERATORS, 2) | dict.fromkeys([*_NULL_TESTS, "invert", "is_in"], 1)
"""Arrow's name of each function that DataFusion puts in a filter, and its arity."""


def read_expression(expression: pc.Expression | pa.Scalar) -> Node | None:
    """The tree of a filter, or None where its serialised form has parts that are not known.

    A condition that no row can meet comes from DataFusion as a plain scalar.
    """
    if isinstance(expression, pa.Scalar):
        return Literal(expression)
    _, (serialised,) = expression.__reduce__()
    with pa.ipc.open_file(serialised) as file:
        batch = file.get_batch(0)
    text = batch.schema.to_string(truncate_metadata=False, show_field_metadata=False)
    _, _, listing = text.partition("-- schema metadata --\n")
    try:
        return _Listing(listing.split("\n"), batch).read_node()
    except (KeyError, ValueError, IndexError, RecursionError):
        return None


def field_names(node: Node) -> set[str]:
    """The columns that a filter looks at."""
    match node:
        case Field(name):
            return {name}
        case Literal():
            return set()
        case Call(_, arguments):
            return {name for argument in arguments for name in field_names(argument)}


def to_lance_filter(node: Node, paths: Mapping[str, tuple[str, ...]]) -> str | None:
    """The part of a filter that Lance can evaluate itself, or None.

    Args:
        node: The whole filter.
        paths: Where each flat column lies in the stored schema.

    >>> tree = Call("greater", (Field("video.index.width"), Literal(pa.scalar(640))))
    >>> to_lance_filter(tree, {"video.index.width": ("video", "index", "width")})
    '(`video`.`index`.`width` > 640)'
    """
    said = [sql for part in _conjuncts(node) if (sql := _to_sql(part, paths)) is not None]
    return " AND ".join(said) or None


def evaluate(node: Node, batch: pa.RecordBatch) -> pa.Array:
    """The filter's value for each row: true, false or null."""
    match node:
        case Field(name):
            return batch.column(name)
        case Literal(value):
            return pa.repeat(value, batch.num_rows)
        case Call("is_in", (argument,), values) if values is not None:
            return _is_in(evaluate(argument, batch), values)
        case Call(function, arguments):
            return pc.call_function(function, [evaluate(a, batch) for a in arguments])


class _Listing:
    """The entries of a serialised expression, read from the front."""

    def __init__(self, lines: list[str], batch: pa.RecordBatch) -> None:
        self._entries = [line.split(": ", 1) for line in lines]
        self._batch = batch
        self._at = 0

    def read_node(self) -> Node:
        kind, value = self._next()
        match kind:
            case "field_ref":
                return Field(value)
            case "literal":
                return Literal(self._batch.column(int(value))[0])
            case "call" if value in _FUNCTIONS:
                return self._read_call(value)
        raise ValueError(f"{kind} {value}")

    def _read_call(self, function: str) -> Call:
        arguments: list[Node] = []
        values = None
        while (kind := self._entries[self._at][0]) != "end":
            if kind == "options":
                options = self._batch.column(int(self._next()[1]))[0]
                values = options["value_set"].values if function == "is_in" else None
            else:
                arguments.append(self.read_node())
        if self._next()[1] != function or len(arguments) != _FUNCTIONS[function]:
            raise ValueError(function)
        return Call(function, tuple(arguments), values)

    def _next(self) -> tuple[str, str]:
        kind, quoted = self._entries[self._at]
        self._at += 1
        if not quoted.startswith("'") or not quoted.endswith("'"):
            raise ValueError(quoted)
        return kind, quoted[1:-1]


def _is_in(array: pa.Array, values: pa.Array) -> pa.Array:
    found = pc.is_in(array, values.drop_null())
    unknown = array.is_null() if not values.null_count else pc.invert(found)
    return pc.if_else(unknown, pa.scalar(None, pa.bool_()), found)


def _conjuncts(node: Node) -> Iterator[Node]:
    match node:
        case Call("and_kleene", (left, right)):
            yield from _conjuncts(left)
            yield from _conjuncts(right)
        case _:
            yield node


def _to_sql(node: Node, paths: Mapping[str, tuple[str, ...]]) -> str | None:
    match node:
        case Field(name):
            path = paths.get(name, ())
            if not path or any("`" in part for part in path):
                return None
            return ".".join(f"`{part}`" for part in path)
        case Literal(value):
            return _literal(value)
        case Call(function, arguments, values):
            said = [_to_sql(argument, paths) for argument in arguments]
            known = [sql for sql in said if sql is not None]
            return _call(function, known, values) if len(known) == len(said) else None


def _call(function: str, arguments: list[str], values: pa.Array | None) -> str | None:
    if function in _OPERATORS:
        return f"({arguments[0]} {_OPERATORS[function]} {arguments[1]})"
    if function in _NULL_TESTS:
        return f"({arguments[0]} {_NULL_TESTS[function]})"
    if function == "invert":
        return f"(NOT {arguments[0]})"
    listed = [_literal(value) for value in values] if values is not None else [None]
    known = [sql for sql in listed if sql is not None]
    if not known or len(known) < len(listed):
        return None
    return f"({arguments[0]} IN ({', '.join(known)}))"


def _literal(value: pa.Scalar) -> str | None:
    plain = value.as_py()
    match plain:
        case bool():
            return "true" if plain else "false"
        case int():
            return str(plain)
        case float() if math.isfinite(plain):
            return repr(plain)
        case str() if "\0" not in plain:
            return "'" + plain.replace("'", "''") + "'"
    return None
