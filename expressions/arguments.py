"""What each parameter of a function on videos accepts."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, NoReturn

import numpy as np
import pyarrow as pa
import pyarrow.types as pat

from ..errors import ExpressionError, FrameRangeError
from ..storage.columns import is_list
from .dtypes import FRAME_LIST, HANDLE, DataType, is_video, name_of
from .functions import NUMBERS_LIST, SECONDS_LIST, TIMES_LIST, Function, Parameter
from .kinds import kind
from .literal import shown, to_scalar
from .node import Constant, Expr

MAX_FRAME = (1 << 32) - 1
"""The largest frame number that a frame list can hold."""


def resolve_argument(
    function: Function, parameter: Parameter, argument: Expr, *, stream: bool = False
) -> Expr:
    """The argument as the function takes it; a constant is checked, and put in its type.

    Args:
        function: The function called.
        parameter: Which of its parameters.
        argument: An expression whose type is known.
        stream: Whether the video is a recorded stream: whole numbers stay whole.

    Raises:
        ExpressionError: Its type, or a constant's value, is not for this parameter.
        FrameRangeError: A constant frame number that no clip can have.
    """
    where = f"video.{function.python_name}: {parameter.name}"
    if pat.is_null(argument.dtype):
        if parameter.required:
            raise ExpressionError(f"{where} is required, found None")
        return Constant(pa.scalar(None, parameter.dtype), dtype=parameter.dtype)
    if isinstance(argument, Constant) and argument.value.is_valid:
        value = check_constant(where, parameter, argument.value, stream=stream)
        return replace(argument, value=value, dtype=value.type)
    if not _accepts(parameter.dtype, argument.dtype):
        _refuse(where, parameter.dtype, argument.dtype, name_of(argument.dtype))
    return argument


def check_constant(
    where: str, parameter: Parameter, value: Any, *, stream: bool = False
) -> Any:
    """An Arrow scalar that is not null, checked and in the parameter's type; see above.

    Raises:
        ExpressionError: Its type or value is not for this parameter.
        FrameRangeError: A frame number that no clip can have, or no frame for a file.
        UnsupportedError: What is not offered yet.
    """
    if parameter.dtype == FRAME_LIST and is_list(value.type):
        _check_frame_numbers(where, value.values)
    elif not _accepts(parameter.dtype, value.type):
        _refuse(where, parameter.dtype, value.type, shown(value))
    if parameter.dtype == SECONDS_LIST and is_clock(value.type):
        return _to_clock(value)
    if parameter.dtype == SECONDS_LIST and not is_list(value.type):
        value = to_scalar([value.as_py()])
    wanted = NUMBERS_LIST if stream and is_numbers(parameter, value.type) else parameter.dtype
    try:
        typed = to_scalar(value, wanted)
    except ExpressionError as error:
        raise ExpressionError(f"{where}: {error}") from None
    condition = parameter.condition
    if condition is not None and not condition.holds(typed.as_py()):
        raise condition.error(f"{where} must be {condition.text}, found {shown(typed)}")
    return typed


def is_numbers(parameter: Parameter, dtype: DataType) -> bool:
    """Whether these are times as whole numbers, or a list of them."""
    inner = dtype.value_type if is_list(dtype) else dtype
    return parameter.dtype == SECONDS_LIST and bool(pat.is_integer(inner))


def is_clock(dtype: DataType) -> bool:
    """Whether these are times of a clock, or a list of them."""
    return bool(pat.is_timestamp(dtype.value_type if is_list(dtype) else dtype))


def _to_clock(value: Any) -> Any:
    """A time, or a list of them, as a list of nanoseconds."""
    values = value.values if is_list(value.type) else pa.array([value], value.type)
    zone = values.type.tz
    exact = values.cast(pa.timestamp("ns", zone)).cast(TIMES_LIST.value_type)
    return pa.scalar(exact, TIMES_LIST)


def _check_frame_numbers(where: str, values: Any) -> None:
    if values.null_count:
        at = values.is_null().index(True).as_py()
        raise FrameRangeError(f"{where} holds a null at position {at}")
    if pat.is_null(values.type):
        return
    if not pat.is_integer(values.type):
        raise ExpressionError(f"{where} must hold whole numbers, found {_first_odd(values)}")
    numbers = values.to_numpy(zero_copy_only=False)
    outside = np.flatnonzero((numbers < 0) | (numbers > MAX_FRAME))
    if len(outside):
        at = int(outside[0])
        raise FrameRangeError(
            f"{where} holds {numbers[at]} at position {at}: frames are numbered "
            f"from 0, to at most {MAX_FRAME}"
        )


def _first_odd(values: Any) -> str:
    """The value to name of a list that is not of integers: one with a fraction if there is."""
    numbers = values.drop_null().to_pylist() if pat.is_floating(values.type) else []
    odd = [number for number in numbers if not number.is_integer()]
    return shown(odd[0] if odd else values[0])


def _accepts(wanted: DataType, found: DataType) -> bool:
    if wanted == HANDLE:
        return is_video(found)
    if wanted == FRAME_LIST:
        return is_list(found) and bool(
            pat.is_integer(found.value_type) or pat.is_null(found.value_type)
        )
    if wanted == SECONDS_LIST:
        inner = found.value_type if is_list(found) else found
        return kind(inner) in ("number", "null") or is_clock(found)
    if pat.is_integer(wanted):
        return bool(pat.is_integer(found))
    return kind(found) == kind(wanted)


def _refuse(where: str, wanted: DataType, found: DataType, text: str) -> NoReturn:
    expected, advice = name_of(wanted), ""
    if wanted == HANDLE:
        expected = "a video column"
        if pat.is_binary(found) or pat.is_large_binary(found) or pat.is_string(found):
            advice = ": a column is one if its first write is of se.Video(se.Blob(...)) values"
    elif wanted == FRAME_LIST and pat.is_integer(found):
        advice = ": write [...] around a single one"
    elif pat.is_integer(wanted):
        expected = "a whole number"
    raise ExpressionError(f"{where} must be {expected}, found {text}{advice}")
