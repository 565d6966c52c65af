"""Arithmetic that DataFusion does otherwise than Python, as kernels: Arrow arrays in and out.

DataFusion's integers wrap around without a word; here a result that is no int64 is an error.
Its `/` and `%` of integers round towards zero; `//` and `%` here round down, as Python's do.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping
from functools import partial
from types import MappingProxyType
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ..errors import QueryError
from .dtypes import RESERVED_PREFIX, DataType

Array = Any
"""A `pyarrow.Array`: pyarrow ships no types."""

Kernel = Callable[[Array, Array], Array]

_SMALLEST, _LARGEST = -(1 << 63), (1 << 63) - 1


def kernel_name(symbol: str, dtype: DataType) -> str:
    """What the kernel for an operator on two values of a type is called, if there is one.

    >>> kernel_name("//", pa.int64())
    '__marey_floor_divide_int64'
    """
    return f"{RESERVED_PREFIX}{_NAMES[symbol]}_{dtype}"


def checked(symbol: str, left: Array, right: Array) -> Array:
    """The sum, difference or product of int64 arrays.

    Raises:
        QueryError: A result is no int64.
    """
    try:
        return _CHECKED[symbol](left, right)
    except pa.ArrowInvalid as error:
        raise _overflow(symbol, left, right) from error


def floor_divide(left: Array, right: Array) -> Array:
    """The quotient of int64 or double arrays, rounded down.

    Raises:
        QueryError: An integer is divided by zero, or the result is no int64.
    """
    _refuse_zero("//", left, right)
    if left.type == pa.int64():
        wraps = pc.and_(pc.equal(left, _SMALLEST), pc.equal(right, -1))
        if pc.any(wraps).as_py():
            raise _overflow("//", left, right)
    return _by_numpy(np.floor_divide, left, right)


def modulo(left: Array, right: Array) -> Array:
    """What is left over of int64 or double arrays, with the sign of the right side.

    Raises:
        QueryError: An integer is divided by zero.
    """
    _refuse_zero("%", left, right)
    return _by_numpy(np.mod, left, right)


def _refuse_zero(symbol: str, left: Array, right: Array) -> None:
    if left.type != pa.int64():
        return  # floats give inf or nan
    at = pc.index(pc.and_(left.is_valid(), pc.equal(right, 0)), True).as_py()
    if at >= 0:
        raise QueryError(f"division by zero: {left[at]} {symbol} 0")


def _by_numpy(function: Callable[..., Any], left: Array, right: Array) -> Array:
    with np.errstate(all="ignore"):
        # 1 where a value is missing: nothing divides by it.
        values = function(*(np.asarray(side.fill_null(1)) for side in (left, right)))
    null = pc.or_(left.is_null(), right.is_null())
    return pa.array(values, left.type, mask=np.asarray(null))


def _overflow(symbol: str, left: Array, right: Array) -> QueryError:
    """The error for the first pair whose result is no int64."""
    for a, b in zip(left.to_pylist(), right.to_pylist(), strict=True):
        if a is not None and b is not None:
            result = _EXACT[symbol](a, b)
            if not _SMALLEST <= result <= _LARGEST:
                return QueryError(f"{a} {symbol} {b} is {result}, which is no int64")
    return QueryError(f"a result of {symbol} is no int64")


_NAMES = {
    "+": "add",
    "-": "subtract",
    "*": "multiply",
    "/": "divide",
    "//": "floor_divide",
    "%": "modulo",
}
_CHECKED = {"+": pc.add_checked, "-": pc.subtract_checked, "*": pc.multiply_checked}
_EXACT: Mapping[str, Callable[[int, int], int]] = {
    "+": operator.add,
    "-": operator.sub,
    "*": operator.mul,
    "//": operator.floordiv,
}

KERNELS: Mapping[str, tuple[DataType, Kernel]] = MappingProxyType(
    {
        **{kernel_name(s, pa.int64()): (pa.int64(), partial(checked, s)) for s in _CHECKED},
        **{
            kernel_name(symbol, dtype): (dtype, kernel)
            for symbol, kernel in (("//", floor_divide), ("%", modulo))
            for dtype in (pa.int64(), pa.float64())
        },
    }
)
"""Type of both sides and of the result, and the kernel, by internal name."""
