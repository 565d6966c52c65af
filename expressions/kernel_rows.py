"""The rows of one call of a function on videos: which of them have a value, and the arguments.

Arrays may be slices of longer ones, and null lists may have elements under them.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.types as pat

from ..errors import ExpressionError, FrameRangeError, InputError, MareyError
from ..video.index.clip import ClipIndex
from .arguments import MAX_FRAME, check_constant
from .chance import Chance
from .dtypes import FRAME_LIST, HANDLE
from .functions import FUNCTIONS, Function
from .literal import shown

Array = Any
"""A `pyarrow.Array`: pyarrow ships no types."""

Bools = npt.NDArray[np.bool_]
Doubles = npt.NDArray[np.float64]
Int64s = npt.NDArray[np.int64]

_INT64_MAX = (1 << 63) - 1


class IndexSource(Protocol):
    """What one query knows of the videos behind its handles."""

    raised: BaseException | None
    """The first exception that left a function: DataFusion passes on its text alone."""

    def frame_indexes(self, handles: Array) -> list[ClipIndex | None]:
        """The frame index of each handle; None for a null one, and for a row that failed."""
        ...

    def fail(self, table: int, row: int, error: MareyError) -> None:
        """Raise the error, or note it for that row."""
        ...

    def stored_row(self, table: int, row: int) -> tuple[int, int]:
        """The epoch, and the number under which storage knows the row behind a handle."""
        ...


class Rows:
    """The rows of one call, and which of them have a value so far."""

    def __init__(self, source: IndexSource, function: Function, handles: Array) -> None:
        self.handles = handles
        self.has_value = is_there(handles)
        self._source = source
        self._function = function

    def fail(self, row: int, error: MareyError) -> None:
        """A row has no value because of an error."""
        self._source.fail(*self._handle(row), error)
        self.has_value[row] = False

    def chance(self, row: int, seed: int) -> Chance:
        """What is drawn for a row: of its seed, the epoch, and which stored row it is."""
        return Chance(seed, *self._source.stored_row(*self._handle(row)))

    def indexes(self) -> list[ClipIndex | None]:
        """The frame index of each row that has a value so far; no other is read."""
        null = pa.scalar(None, HANDLE)
        return self._source.frame_indexes(
            pc.if_else(pa.array(self.has_value), self.handles, null)
        )

    def values(self, name: str, array: Array) -> Array:
        """A parameter's values, checked, in its own type: null is its default.

        Rows whose value is wrong fail, and so do those that lack a required one, quietly.
        """
        parameter = self._function.parameter(name)
        if parameter.required:
            self.has_value &= is_there(array)
        if array.null_count == len(array):
            if parameter.default is None:
                return pa.nulls(len(array), parameter.dtype)
            return pa.array([parameter.default] * len(array), parameter.dtype)
        values = array.to_pylist()
        typed: dict[Any, Any] = {None: parameter.default}
        for value in dict.fromkeys(values):  # few values in many rows: each is checked once
            if value is None:
                continue
            try:
                typed[value] = _typed(self._function.name, name, value)
            except MareyError as error:
                typed[value] = parameter.default
                wrong = isinstance(error, ExpressionError)
                for row in np.flatnonzero(self.has_value).tolist():
                    if values[row] is value or values[row] == value:
                        self.fail(row, InputError(str(error)) if wrong else error)
        return pa.array([typed[value] for value in values], parameter.dtype)

    def _handle(self, row: int) -> tuple[int, int]:
        table, number = (self.handles.field(i)[row].as_py() for i in (0, 1))
        return table, number

    def frame_numbers(self, lists: Array) -> Array:
        """`frame_indices` as list<uint32>; rows with none, or a wrong one, have no value.

        What is of that type already holds no wrong number.
        """
        self.has_value &= is_there(lists)
        if lists.type == FRAME_LIST:
            if not lists.values.null_count:
                return lists
            lists = lists.cast(pa.list_(pa.float64()))
        numbers, lengths = flat_values(lists)
        with np.errstate(invalid="ignore"):
            wrong = ~((numbers >= 0) & (numbers <= MAX_FRAME) & (numbers == np.floor(numbers)))
        if wrong.any():
            self._fail_frames(numbers, lengths, wrong)
        values = np.where(wrong, 0, numbers).astype(np.uint32)
        return frame_lists(values, lengths, ~is_there(lists))

    def _fail_frames(self, numbers: Doubles, lengths: Int64s, wrong: Bools) -> None:
        row_of = np.repeat(np.arange(len(lengths)), lengths)
        first = np.cumsum(lengths) - lengths
        rows, at = np.unique(row_of[wrong], return_index=True)
        places = np.flatnonzero(wrong)[at]
        for row, place in zip(rows.tolist(), places.tolist(), strict=True):
            if not self.has_value[row]:
                continue
            found = "null" if np.isnan(numbers[place]) else f"{numbers[place]:.17g}"
            self.fail(
                row,
                FrameRangeError(
                    f"{self._function.name}: frame_indices holds {found} at position "
                    f"{place - first[row]}: frames are whole numbers from 0"
                ),
            )

    def select(self, choose: Callable[[int, ClipIndex], Int64s]) -> Array:
        """The frames that a selection chooses in each row."""
        chosen: list[Int64s] = []
        none = np.empty(0, np.int64)
        for row, index in enumerate(self.indexes()):
            self.has_value[row] &= index is not None
            frames = none
            if index is not None:
                try:
                    frames = choose(row, index)
                except MareyError as error:
                    self.fail(row, error)
            chosen.append(frames)
        flat = np.concatenate([none, *chosen]).astype(np.uint32)
        lengths = np.array([len(frames) for frames in chosen], np.int64)
        return frame_lists(flat, lengths, ~self.has_value)


@lru_cache
def _typed(function: str, name: str, value: Any) -> Any:
    """A plain value for a parameter, checked and in its type."""
    parameter = FUNCTIONS[function].parameter(name)
    where = f"{function}: {name}"
    if pat.is_integer(parameter.dtype):
        if not value.is_integer():
            raise ExpressionError(f"{where} must be a whole number, found {shown(value)}")
        value = min(int(value), _INT64_MAX)  # the largest int64 came as 2**63
    return check_constant(where, parameter, pa.scalar(value)).as_py()


def flat_values(lists: Array) -> tuple[Doubles, Int64s]:
    """The elements of all lists, nulls as NaN, and the length of each list, 0 for a null."""
    lengths = pc.list_value_length(lists)
    values = lists.flatten()  # leaves out what lies under null lists
    if lengths.null_count:
        lengths = lengths.fill_null(0)
    if values.null_count:
        values = values.fill_null(np.nan)
    # Kernels of Arrow take longer to call than small arrays take to go through.
    return values.to_numpy(zero_copy_only=False), lengths.to_numpy().astype(np.int64)


def frame_lists(values: npt.NDArray[np.uint32], lengths: Int64s, null: Bools) -> Array:
    """Lists of frame numbers: their elements one after the other, and how long each is."""
    offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int32)
    return pa.ListArray.from_arrays(offsets, values, type=FRAME_LIST, mask=pa.array(null))


def is_there(array: Array) -> Bools:
    """Which elements are not null."""
    if not array.null_count:
        return np.ones(len(array), np.bool_)
    return np.array(array.is_valid())
