"""Given columns fitted to the types that a table stores, where no value changes by it.

Integers of any width fit each other as long as the values do; so do strings, bytes and lists of
any layout, and times of any unit. An integer fits a float, a float fits no integer.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pyarrow as pa
import pyarrow.types as pat

from ..errors import DuplicateKeyError, InputError
from .keys import KeyCodes

_SHOWN = 5
_SHOWN_CHARACTERS = 200

_FAMILIES: tuple[Callable[[pa.DataType], bool], ...] = (
    pat.is_integer,
    pat.is_boolean,
    lambda t: pat.is_string(t) or pat.is_large_string(t) or pat.is_string_view(t),
    lambda t: (
        pat.is_binary(t)
        or pat.is_large_binary(t)
        or pat.is_binary_view(t)
        or pat.is_fixed_size_binary(t)
    ),
    pat.is_date,
    pat.is_time,
    pat.is_duration,
)


def fit_column(column: pa.ChunkedArray, field: pa.Field) -> pa.ChunkedArray:
    """A column in the type of a stored field.

    Raises:
        InputError: The type is of another kind, or a value does not fit.

    >>> fit_column(pa.chunked_array([[1, 2]]), pa.field("n", pa.int32())).type
    DataType(int32)
    """
    if column.type == field.type:
        return column
    where = f"column {field.name!r}: expected {field.type}, found {column.type}"
    if not _fits(column.type, field.type):
        raise InputError(where)
    try:
        return _undictionary(column).cast(field.type)
    except (pa.ArrowException, ValueError) as error:
        raise InputError(f"{where}: {error}") from error


def fit_keys(table: pa.Table, key_schema: pa.Schema) -> pa.Table:
    """The key columns of a table, in the types and the order of the schema.

    Raises:
        InputError: A key column is not there, or does not fit.
    """
    for name in key_schema.names:
        if name not in table.column_names:
            raise InputError(f"key column {name!r} is missing")
    columns = [fit_column(table[field.name], field) for field in key_schema]
    return pa.Table.from_arrays(columns, names=key_schema.names)


def check_keys(keys: pa.Table) -> None:
    """Refuse keys to be written that are null, or that stand there twice.

    Raises:
        InputError: A key is null.
        DuplicateKeyError: A key stands twice; the message names the first few, with their rows.
    """
    for name in keys.column_names:
        if keys[name].null_count:
            nulls = np.flatnonzero(keys[name].is_null().to_numpy())
            raise InputError(f"key column {name!r} is null in {_rows(nulls.tolist())}")
    codes = KeyCodes(keys)
    if codes.count == keys.num_rows:
        return
    counts = np.bincount(codes.own, minlength=codes.count)
    _, firsts = np.unique(codes.own, return_index=True)
    repeated = sorted(np.flatnonzero(counts > 1).tolist(), key=lambda code: firsts[code])
    shown = [
        f"{describe_key(keys, int(firsts[code]))} in "
        f"{_rows(np.flatnonzero(codes.own == code).tolist())}"
        for code in repeated[:_SHOWN]
    ]
    more = f" and {len(repeated) - _SHOWN} more" if len(repeated) > _SHOWN else ""
    raise DuplicateKeyError(f"the same key stands twice in one write: {'; '.join(shown)}{more}")


def describe_key(keys: pa.Table, row: int) -> str:
    """One key as text.

    >>> describe_key(pa.table({"camera": ["a"], "clip_id": [7]}), 0)
    "camera='a', clip_id=7"
    """
    return ", ".join(f"{name}={_shown(keys[name][row])}" for name in keys.column_names)


def _shown(value: pa.Scalar) -> str:
    if not (pat.is_timestamp(value.type) or pat.is_date(value.type)):
        text = repr(value.as_py())
        return text if len(text) <= _SHOWN_CHARACTERS else text[:_SHOWN_CHARACTERS] + "…"
    # Python has no nanoseconds without pandas, no year 10000 and not every time zone.
    try:
        return str(value.cast(pa.string()).as_py())
    except pa.ArrowException:
        return str(value.cast(pa.int64()).as_py())


def _rows(rows: list[int]) -> str:
    shown = ", ".join(map(str, rows[:_SHOWN]))
    more = f" and {len(rows) - _SHOWN} more" if len(rows) > _SHOWN else ""
    return f"row {shown}" if len(rows) == 1 else f"rows {shown}{more}"


def _undictionary(column: pa.ChunkedArray) -> pa.ChunkedArray:
    return column.cast(column.type.value_type) if pat.is_dictionary(column.type) else column


def _fits(given: pa.DataType, stored: pa.DataType) -> bool:
    """Whether values of one type can be values of another at all, each being checked later."""
    if pat.is_null(given) or given == stored:
        return True
    if pat.is_dictionary(given):
        return _fits(given.value_type, stored)
    if pat.is_floating(stored):
        return bool(pat.is_floating(given) or pat.is_integer(given))
    if pat.is_decimal(stored):
        return bool(pat.is_decimal(given) or pat.is_integer(given))
    if pat.is_timestamp(stored):
        # With a zone it is a point in time, without one it is a clock's reading.
        return bool(pat.is_timestamp(given)) and (given.tz is None) == (stored.tz is None)
    if is_list(stored):
        return is_list(given) and _fits(given.value_type, stored.value_type)
    if pat.is_map(stored):
        return bool(pat.is_map(given)) and (
            _fits(given.key_type, stored.key_type) and _fits(given.item_type, stored.item_type)
        )
    if pat.is_struct(stored):
        return bool(pat.is_struct(given)) and all(
            (at := stored.get_field_index(f.name)) >= 0 and _fits(f.type, stored[at].type)
            for f in given
        )
    return any(family(given) and family(stored) for family in _FAMILIES)


def is_list(dtype: pa.DataType) -> bool:
    """Whether this is a list of any layout."""
    return bool(
        pat.is_list(dtype)
        or pat.is_large_list(dtype)
        or pat.is_fixed_size_list(dtype)
        or pat.is_list_view(dtype)
        or pat.is_large_list_view(dtype)
    )
