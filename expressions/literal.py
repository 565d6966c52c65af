"""Python values as Arrow scalars: the constants of an expression."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Mapping
from fractions import Fraction
from typing import Any

import numpy as np
import pyarrow as pa

from ..errors import ExpressionError
from .dtypes import DataType

Scalar = Any
"""A `pyarrow.Scalar`: pyarrow ships no types."""

_REFUSED = (pa.ArrowException, TypeError, ValueError, OverflowError)


def to_scalar(value: object, dtype: DataType | None = None) -> Scalar:
    """The Arrow scalar of a Python, numpy or Arrow value.

    >>> to_scalar(7)
    <pyarrow.Int64Scalar: 7>
    >>> to_scalar([0, 8], pa.list_(pa.uint32())).type
    ListType(list<item: uint32>)

    Args:
        value: A number, string, bytes, date or time, None, or a list or mapping of such.
        dtype: The Arrow type that it must have; otherwise the type follows from the value.

    Raises:
        ExpressionError: The value is of no such kind, or does not fit the type.
    """
    if dtype is not None and not isinstance(dtype, pa.DataType):
        raise ExpressionError(f"expected an Arrow type such as pa.int64(), found {dtype!r}")
    try:
        scalar = _infer(value)
    except OverflowError as error:
        raise ExpressionError(f"{shown(value)}: numbers have at most 64 bits") from error
    except _REFUSED as error:
        raise ExpressionError(
            f"{shown(value)} ({type(value).__name__}) cannot be a constant of an expression: "
            "expected a number, string, bytes, date or time, None, or a list or dict of those"
        ) from error
    try:
        # A cast, not pa.scalar(value, dtype): that takes 1.5 for the integer 1.
        return scalar if dtype is None else scalar.cast(dtype)
    except _REFUSED as error:
        raise ExpressionError(f"{shown(value)} is no {dtype}: {error}") from error


def _infer(value: object) -> Scalar:
    match value:
        case pa.Scalar():
            return value
        case bytearray() | memoryview():
            return pa.scalar(bytes(value))
        case np.generic():
            return pa.array(np.array([value]))[0]
        case np.ndarray() if value.ndim == 0:
            return pa.array(value.reshape(1))[0]
        case list() | tuple() | range() | np.ndarray() | pa.Array() | pa.ChunkedArray():
            values = _values(value)
            return pa.scalar(values, pa.list_(values.type))
        case Fraction():
            return pa.scalar(float(value))
        case int() if value >= 1 << 63:
            return pa.scalar(value, pa.uint64())
        case str() | bytes() | Mapping():
            return pa.scalar(value)
        case _ if hasattr(value, "__iter__"):
            # pyarrow takes a set for a list, and an iterable of pairs for a map.
            raise TypeError("neither a list nor a dict")
        case _:
            return pa.scalar(value)


def _values(value: Any) -> Any:
    match value:
        case pa.Array():
            return value
        case pa.ChunkedArray():
            return value.combine_chunks()
        case range():
            return pa.array(np.arange(value.start, value.stop, value.step))
        case _:
            return pa.array(value)


def shown(value: object, limit: int = 60) -> str:
    """The value as a person would write it, cut where it gets long; never the bytes of a blob.

    >>> print(shown("kitchen"), shown(b"abc"), shown(list(range(100)), limit=20))
    "kitchen" <3 bytes> [0, 1, 2, 3, 4, 5, 6, … 100 in all]
    """
    if isinstance(value, pa.Scalar):
        try:
            value = value.as_py()
        except (ValueError, OverflowError, pa.ArrowException):
            return _shown_time(value)
    if isinstance(value, (bytes, bytearray, memoryview)):
        return f"<{len(value)} bytes>"
    if isinstance(value, (list, tuple)) and value:
        return _shown_list(value, limit)
    if isinstance(value, (np.generic, np.ndarray)):
        return shown(value.tolist(), limit)
    if isinstance(value, Mapping):
        text = (
            "{" + ", ".join(f"{quoted(k)}: {shown(v, limit)}" for k, v in value.items()) + "}"
        )
    elif isinstance(value, dt.date):
        text = str(value)
    else:
        text = quoted(value) if isinstance(value, str) else repr(value)
    return text if len(text) <= limit else text[:limit] + "…"


def _shown_time(value: Scalar) -> str:
    """A time that Python has no value for: nanoseconds without pandas, the year 10000."""
    try:
        return str(value.cast(pa.string()).as_py())
    except pa.ArrowException:
        return str(value.cast(pa.int64()).as_py())


def is_unicode(text: str) -> bool:
    r"""Whether a string is text that can be stored and written: no lone surrogates.

    >>> is_unicode("Zürich"), is_unicode("\ud800")
    (True, False)
    """
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def quoted(text: object) -> str:
    """A string in double quotes, as code is written here."""
    return json.dumps(str(text), ensure_ascii=False)


def _shown_list(values: Any, limit: int) -> str:
    parts: list[str] = []
    length = 0
    for value in values:
        parts.append(shown(value, limit))
        length += len(parts[-1]) + 2
        if length > limit and len(parts) < len(values):
            return f"[{', '.join(parts)}, … {len(values)} in all]"
    return f"[{', '.join(parts)}]"
