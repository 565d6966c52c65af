"""Expression trees: what a node is, and how operators build them.

A node is fields and, once `check.resolve` has seen it, a type. What is done to nodes (checking,
rendering, compiling) is a function over nodes, in its own module. Comparisons build nodes too,
so an expression has no truth value, is equal to nothing but itself, and hashes by identity.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal, NoReturn, TypeAlias

import numpy as np
import pyarrow as pa

from ..errors import ExpressionError
from .dtypes import RESERVED_PREFIX, DataType
from .literal import Scalar, shown, to_scalar

CompareOperator: TypeAlias = Literal["==", "!=", "<", "<=", ">", ">="]
BooleanOperator: TypeAlias = Literal["&", "|"]
ArithmeticOperator: TypeAlias = Literal["+", "-", "*", "/", "//", "%"]


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Expr:
    """A value for each row, not yet computed.

    Write `==`, `<`, `+`, `&`, `|`, `~` between expressions and plain Python values. Comparisons
    bind looser than `&` and `|` in Python: put them in parentheses.
    """

    dtype: DataType = field(default=None, kw_only=True)
    """The Arrow type; None where `check.resolve` has yet to find it."""

    __array_ufunc__: ClassVar[None] = None  # numpy leaves `scalar + expr` to us

    def __eq__(self, other: object) -> Expr:  # type: ignore[override]  # builds a node
        return Comparison("==", self, as_expr(other))

    def __ne__(self, other: object) -> Expr:  # type: ignore[override]  # builds a node
        return Comparison("!=", self, as_expr(other))

    def __lt__(self, other: object) -> Expr:
        return Comparison("<", self, as_expr(other))

    def __le__(self, other: object) -> Expr:
        return Comparison("<=", self, as_expr(other))

    def __gt__(self, other: object) -> Expr:
        return Comparison(">", self, as_expr(other))

    def __ge__(self, other: object) -> Expr:
        return Comparison(">=", self, as_expr(other))

    def __and__(self, other: object) -> Expr:
        return _boolean("&", self, as_expr(other))

    def __rand__(self, other: object) -> Expr:
        return _boolean("&", as_expr(other), self)

    def __or__(self, other: object) -> Expr:
        return _boolean("|", self, as_expr(other))

    def __ror__(self, other: object) -> Expr:
        return _boolean("|", as_expr(other), self)

    def __invert__(self) -> Expr:
        return Not(self)

    def __add__(self, other: object) -> Expr:
        return Arithmetic("+", self, as_expr(other))

    def __radd__(self, other: object) -> Expr:
        return Arithmetic("+", as_expr(other), self)

    def __sub__(self, other: object) -> Expr:
        return Arithmetic("-", self, as_expr(other))

    def __rsub__(self, other: object) -> Expr:
        return Arithmetic("-", as_expr(other), self)

    def __mul__(self, other: object) -> Expr:
        return Arithmetic("*", self, as_expr(other))

    def __rmul__(self, other: object) -> Expr:
        return Arithmetic("*", as_expr(other), self)

    def __truediv__(self, other: object) -> Expr:
        return Arithmetic("/", self, as_expr(other))

    def __rtruediv__(self, other: object) -> Expr:
        return Arithmetic("/", as_expr(other), self)

    def __floordiv__(self, other: object) -> Expr:
        return Arithmetic("//", self, as_expr(other))

    def __rfloordiv__(self, other: object) -> Expr:
        return Arithmetic("//", as_expr(other), self)

    def __mod__(self, other: object) -> Expr:
        return Arithmetic("%", self, as_expr(other))

    def __rmod__(self, other: object) -> Expr:
        return Arithmetic("%", as_expr(other), self)

    def __neg__(self) -> Expr:
        return Negation(self)

    def __getitem__(self, name: str) -> Expr:
        if not isinstance(name, str):
            raise ExpressionError(f"a field is taken by its name, found {shown(name)}")
        return Field(self, name)

    def is_null(self) -> Expr:
        """Whether the value is missing; never null itself."""
        return IsNull(self, missing=True)

    def is_not_null(self) -> Expr:
        """Whether there is a value; never null itself."""
        return IsNull(self, missing=False)

    def isin(self, values: Iterable[Any]) -> Expr:
        """Whether the value is one of a list; a None in the list matches missing values.

        Args:
            values: A list, tuple, set, range, numpy or Arrow array of plain values.
        """
        if isinstance(values, (str, bytes, Expr, Mapping)):
            raise ExpressionError(f"isin takes a list of plain values, found {shown(values)}")
        if not isinstance(values, (list, tuple, range, np.ndarray, pa.Array, pa.ChunkedArray)):
            try:
                values = list(values)
            except TypeError as error:
                raise ExpressionError(
                    f"isin takes a list of plain values, found {shown(values)}"
                ) from error
        return IsIn(self, to_scalar(values).values)

    def cast(self, dtype: DataType) -> Expr:
        """The value as another Arrow type; a value that the type cannot hold fails the scan."""
        if not isinstance(dtype, pa.DataType):
            raise ExpressionError(
                f"cast takes an Arrow type such as pa.int64(), found {shown(dtype)}"
            )
        return Cast(self, dtype)

    __hash__ = object.__hash__
    __iter__: ClassVar[None] = None  # or Python would try self[0], self[1], ...
    __contains__: ClassVar[None] = None

    def __bool__(self) -> NoReturn:
        raise ExpressionError(
            f"{self!r} has no truth value until a scan runs: combine conditions with & | ~ "
            "(not `and`, `or`, `not`), each in parentheses, and chains as (a < b) & (b < c)"
        )

    def __repr__(self) -> str:
        from .render import render  # above this module: only people need it

        return render(self)


def as_expr(value: object) -> Expr:
    """The expression itself, or a plain value as a constant.

    Raises:
        ExpressionError: The value cannot be a constant.
    """
    return value if isinstance(value, Expr) else lit(value)


def lit(value: object, dtype: DataType | None = None) -> Expr:
    """A constant.

    >>> lit("kitchen")
    "kitchen"

    Args:
        value: A number, string, bytes, date or time, None, or a list or dict of such.
        dtype: The Arrow type that it must have; otherwise the type follows from the value.
    """
    if isinstance(value, Expr):
        raise ExpressionError(f"{value!r} is an expression already, not a constant")
    scalar = to_scalar(value, dtype)
    weak = dtype is None and type(value) in (int, float)
    return Constant(scalar, weak=weak, dtype=scalar.type)


def struct(fields: Mapping[str, object]) -> Expr:
    """Several values as one, under names.

    >>> struct({"clip": 7, "label": "kitchen"})
    struct({"clip": 7, "label": "kitchen"})
    """
    if not isinstance(fields, Mapping) or not fields:
        raise ExpressionError(
            f"struct takes a dict of names and expressions, found {shown(fields)}"
        )
    for name in fields:
        if not isinstance(name, str) or not name:
            raise ExpressionError(f"a field of a struct has a name, found {shown(name)}")
        if name.startswith(RESERVED_PREFIX):
            raise ExpressionError(f"a field name cannot begin with {RESERVED_PREFIX}: {name!r}")
    return Struct(tuple(fields), tuple(as_expr(value) for value in fields.values()))


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Constant(Expr):
    """The same value in every row."""

    value: Scalar
    """An Arrow scalar, possibly null."""
    weak: bool = False
    """A plain Python number: beside a column it takes the column's type where it fits."""


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Field(Expr):
    """One field of a struct."""

    operand: Expr
    name: str


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Comparison(Expr):
    """Null where either side is."""

    operator: CompareOperator
    left: Expr
    right: Expr


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Boolean(Expr):
    """Two or more conditions in one: a chain is one node, however long."""

    operator: BooleanOperator
    operands: tuple[Expr, ...]


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Not(Expr):
    """Null where the operand is."""

    operand: Expr


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Arithmetic(Expr):
    """As Python does it: `/` is true division, `//` and `%` round down."""

    operator: ArithmeticOperator
    left: Expr
    right: Expr


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Negation(Expr):
    """Unary minus."""

    operand: Expr


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class IsNull(Expr):
    """A test for a missing value, or for one that is there."""

    operand: Expr
    missing: bool


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class IsIn(Expr):
    """Membership in a fixed list."""

    operand: Expr
    values: Any
    """An Arrow array; nulls in it match nulls."""


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Cast(Expr):
    """A change of type."""

    operand: Expr
    target: DataType


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Struct(Expr):
    """Values under names."""

    names: tuple[str, ...]
    values: tuple[Expr, ...]


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Call(Expr):
    """A call of one of the functions in `functions.FUNCTIONS`."""

    function: str
    """Its name there."""
    arguments: tuple[Expr | None, ...]
    """One for each parameter, None where it was left out."""
    timed: bool = False
    """It gives or takes times of a clock: found out when it is resolved."""
    numbered: bool = False
    """It takes times as whole numbers: likewise."""


def _boolean(operator: BooleanOperator, left: Expr, right: Expr) -> Expr:
    parts: list[Expr] = []
    for side in (left, right):
        if isinstance(side, Boolean) and side.operator == operator:
            parts.extend(side.operands)
        else:
            parts.append(side)
    return Boolean(operator, tuple(parts))


def children(expr: Expr) -> Iterator[Expr]:
    """The nodes directly below one, left to right."""
    names: tuple[str, ...] = expr.__match_args__  # its fields; `fields` takes longer
    for name in names:
        value = getattr(expr, name)
        if isinstance(value, Expr):
            yield value
        elif isinstance(value, tuple):
            yield from (part for part in value if isinstance(part, Expr))
