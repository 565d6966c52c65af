"""Which types go together: what compares with what, what arithmetic gives, what casts.

Values of one *kind* compare with each other: all numbers are one kind, all strings are, and so
on. Nothing becomes another kind unless a cast says so.
"""

from __future__ import annotations

import pyarrow as pa
import pyarrow.types as pat

from ..storage.columns import is_list
from .dtypes import DataType, is_request, is_video

_KINDS = (
    ("video", is_video),
    ("frames", is_request),
    ("null", pat.is_null),
    ("bool", pat.is_boolean),
    ("number", pat.is_integer),
    ("number", pat.is_floating),
    ("number", pat.is_decimal),
    ("string", pat.is_string),
    ("string", pat.is_large_string),
    ("string", pat.is_string_view),
    ("binary", pat.is_binary),
    ("binary", pat.is_large_binary),
    ("binary", pat.is_binary_view),
    ("binary", pat.is_fixed_size_binary),
    ("date", pat.is_date),
    ("time", pat.is_time),
    ("duration", pat.is_duration),
    ("list", is_list),
    ("struct", pat.is_struct),
)


def kind(dtype: DataType) -> str:
    """The kind of a type; a type that has none is its own.

    >>> kind(pa.int8()), kind(pa.large_string()), kind(pa.timestamp("us", "UTC"))
    ('number', 'string', 'date with time zone')
    """
    if pat.is_dictionary(dtype):
        return kind(dtype.value_type)
    if pat.is_timestamp(dtype):
        return "date" if dtype.tz is None else "date with time zone"
    for name, belongs in _KINDS:
        if belongs(dtype):
            return name
    return str(dtype)


COMPARABLE = frozenset(
    {"bool", "number", "string", "binary", "date", "date with time zone", "time", "duration"}
)
"""Kinds whose values compare with each other."""


def arithmetic_type(operator: str, left: DataType, right: DataType) -> DataType | None:
    """The type that arithmetic computes in and gives; None where it is not for such types.

    Integers of any width give int64, their quotient is a float.

    >>> arithmetic_type("+", pa.int8(), pa.uint16()), arithmetic_type("/", pa.int8(), pa.int8())
    (DataType(int64), DataType(double))
    """
    sides = (left, right)
    if all(pat.is_integer(side) for side in sides):
        return pa.float64() if operator == "/" else pa.int64()
    if not all(pat.is_integer(side) or pat.is_floating(side) for side in sides):
        return None
    narrow = all(pat.is_float16(side) or pat.is_float32(side) for side in sides)
    return pa.float32() if narrow else pa.float64()


def castable(found: DataType, target: DataType) -> bool:
    """Whether an explicit cast makes sense; a single value may still fail it.

    >>> castable(pa.string(), pa.int64()), castable(pa.bool_(), pa.timestamp("us"))
    (True, False)
    """
    if pat.is_null(found) or found == target:
        return True
    if is_list(found) and is_list(target):
        return castable(found.value_type, target.value_type)
    return kind(target) in _CASTS.get(kind(found), frozenset())


_DATES = frozenset({"date", "date with time zone"})
_CASTS = {
    "bool": frozenset({"bool", "number", "string"}),
    "number": frozenset({"bool", "number", "string", "duration"}) | _DATES,
    "string": frozenset({"bool", "number", "string", "binary", "time"}) | _DATES,
    "binary": frozenset({"binary", "string"}),
    "date": frozenset({"number", "string", "time"}) | _DATES,
    "date with time zone": frozenset({"number", "string", "time"}) | _DATES,
    "time": frozenset({"time", "string"}),
    "duration": frozenset({"duration", "number"}),
}
