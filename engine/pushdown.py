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
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import reduce

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.types as pat


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
    """In order; a chain of AND or of OR is one call, however long."""
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

_CHAINS = ("and_kleene", "or_kleene")

_DEEPEST = 100
"""Levels of a tree, chains being one each."""

_DEEPEST_SQL = 12
"""Likewise for Lance, whose parser goes only so deep."""

_LONGEST_SQL = 500
"""Links of a chain for Lance, which plans each one level deeper."""


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
        node = _Listing(listing.split("\n"), batch).read_node()
    except (KeyError, ValueError, IndexError):
        return None
    return node if _is_flat(node, _DEEPEST) else None


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
    parts = [part for part in _links(node, "and_kleene") if _is_flat(part, _DEEPEST_SQL)]
    said = [sql for part in parts if (sql := _to_sql(part, paths)) is not None]
    return " AND ".join(said[:_LONGEST_SQL]) or None


def evaluate(node: Node, batch: pa.RecordBatch) -> pa.Array:
    """The filter's value for each row: true, false or null."""
    match node:
        case Field(name):
            return batch.column(name)
        case Literal(value):
            return pa.repeat(value, batch.num_rows)
        case Call("is_in", (argument,), values) if values is not None:
            return _is_in(evaluate(argument, batch), values)
        case Call(function, arguments) if function in _CHAINS:
            values = (evaluate(argument, batch) for argument in arguments)
            return reduce(lambda a, b: pc.call_function(function, [a, b]), values)
        case Call(function, arguments):
            return pc.call_function(function, [evaluate(a, batch) for a in arguments])


@dataclass(slots=True)
class _Opened:
    """A call whose end has not been read."""

    function: str
    arguments: list[Node] = field(default_factory=list)
    values: pa.Array | None = None

    def close(self, function: str) -> Call:
        if function != self.function or len(self.arguments) != _FUNCTIONS[function]:
            raise ValueError(function)
        if function not in _CHAINS:
            return Call(function, tuple(self.arguments), self.values)
        links: list[Node] = []
        for node in self.arguments:
            links += _links(node, function)
        return Call(function, tuple(links))


class _Listing:
    """The entries of a serialised expression, read from the front."""

    def __init__(self, lines: list[str], batch: pa.RecordBatch) -> None:
        self._entries = [line.split(": ", 1) for line in lines]
        self._batch = batch
        self._at = 0

    def read_node(self) -> Node:
        opened: list[_Opened] = []  # no recursion: a chain of ORs is as deep as it is long
        while True:
            kind, value = self._next()
            match kind:
                case "field_ref":
                    node: Node = Field(value)
                case "literal":
                    node = Literal(self._batch.column(int(value))[0])
                case "call" if value in _FUNCTIONS:
                    opened.append(_Opened(value))
                    continue
                case "options":
                    if opened[-1].function == "is_in":
                        options = self._batch.column(int(value))[0]
                        opened[-1].values = options["value_set"].values
                    continue
                case "end":
                    node = opened.pop().close(value)
                case _:
                    raise ValueError(f"{kind} {value}")
            if not opened:
                return node
            opened[-1].arguments.append(node)

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


def _links(node: Node, function: str) -> tuple[Node, ...]:
    """The links of a chain of AND or OR; what is no such chain is one link."""
    match node:
        case Call(name, arguments) if name == function:
            return arguments
    return (node,)


def _is_flat(node: Node, levels: int) -> bool:
    """Whether a tree has at most so many levels."""
    if not isinstance(node, Call):
        return True
    return levels > 0 and all(_is_flat(argument, levels - 1) for argument in node.arguments)


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
            if len(known) < len(said) or len(known) > _LONGEST_SQL:
                return None
            return _call(function, known, values)


def _call(function: str, arguments: list[str], values: pa.Array | None) -> str | None:
    if function in _OPERATORS:
        return f"({f' {_OPERATORS[function]} '.join(arguments)})"
    if function in _NULL_TESTS:
        return f"({arguments[0]} {_NULL_TESTS[function]})"
    if function == "invert":
        return f"(NOT {arguments[0]})"
    listed = [_literal(value) for value in values] if values is not None else [None]
    known = [sql for sql in listed if sql is not None]
    if not known or len(known) < len(listed):
        return None
    return f"({arguments[0]} IN ({', '.join(known)}))"


_NANOSECOND = pa.timestamp("ns")
_SAID = (
    pat.is_boolean,
    pat.is_integer,
    pat.is_floating,
    pat.is_string,
    pat.is_large_string,
    pat.is_string_view,
)


def _literal(value: pa.Scalar) -> str | None:
    if value.type == _NANOSECOND and value.is_valid:
        return f"cast({value.cast(pa.int64()).as_py()} as timestamp(9))"
    if not any(is_kind(value.type) for is_kind in _SAID):
        return None  # other times have no Python value without pandas, or none at all
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
