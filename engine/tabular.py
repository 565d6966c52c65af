"""Whatever holds rows as an Arrow table, and columns fitted to the types that a table has."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pyarrow as pa
import pyarrow.types as pat

from ..errors import InputError
from ..storage.columns import is_list

_NO_COLUMNS = (str, bytes, set, frozenset, Mapping)
_REFUSED = (pa.ArrowException, TypeError, ValueError, OverflowError)


def to_arrow(data: Any, *, what: str) -> pa.Table:
    """The rows of `data` as one Arrow table.

    Args:
        data: An Arrow table, batch or reader, a pandas or polars frame, a dict of columns, a
            list of dicts, or anything else with an Arrow stream.
        what: What the data is, for errors: "the key table".

    Raises:
        InputError: It holds no rows that Arrow could read.
    """
    try:
        match data:
            case pa.Table():
                return data
            case pa.RecordBatch():
                return pa.Table.from_batches([data])
            case pa.RecordBatchReader():
                return data.read_all()
            case Mapping():
                return _from_columns(data, what)
            case list():
                return _from_rows(data, what)
        if _is_series(data):
            raise InputError(
                f"{what}: expected rows, got one column, a {type(data).__name__}: give "
                f"{{{data.name!r}: series}}, or series.to_frame()"
            )
        if type(data).__module__.partition(".")[0] == "pandas":
            return pa.Table.from_pandas(data, preserve_index=False)
        if hasattr(data, "__arrow_c_stream__"):
            return pa.RecordBatchReader.from_stream(data).read_all()
    except InputError:
        raise
    except _REFUSED as error:
        raise InputError(f"{what} does not make an Arrow table: {error}") from error
    raise InputError(
        f"{what}: expected an Arrow table, a frame, a dict of columns or a list of dicts, "
        f"got {type(data).__name__}"
    )


def _from_rows(rows: list[Any], what: str) -> pa.Table:
    for number, row in enumerate(rows):
        if not isinstance(row, Mapping):
            raise InputError(
                f"{what}, row {number}: expected a dict, got {type(row).__name__}: give a list "
                "of dicts, or a dict of columns"
            )
    names = dict.fromkeys(name for row in rows for name in row)
    return _from_columns({name: [row.get(name) for row in rows] for name in names}, what)


def _from_columns(columns: Mapping[Any, Any], what: str) -> pa.Table:
    return pa.table(
        {
            str(name): _column(values, where=f"column {name!r} of {what}")
            for name, values in columns.items()
        }
    )


def _is_series(data: Any) -> bool:
    module = type(data).__module__.partition(".")[0]
    return module in ("pandas", "polars") and type(data).__name__ == "Series"


def check_values(values: Any, *, where: str) -> None:
    """Refuse what is no column of values.

    Raises:
        InputError: It has no order, no length, or more than one dimension.
    """
    if isinstance(values, _NO_COLUMNS) or not hasattr(values, "__len__"):
        raise InputError(f"{where}: expected a list or an array, got {type(values).__name__}")
    if getattr(values, "ndim", 1) != 1:
        raise InputError(
            f"{where}: expected a list or an array of one dimension, got {values.ndim}"
            + (": list(array) makes a value of each row" if values.ndim else "")
        )


def _column(values: Any, *, where: str) -> Any:
    if isinstance(values, pa.Array | pa.ChunkedArray):
        return values
    check_values(values, where=where)
    try:
        column = pa.array(values)
    except _REFUSED as error:
        raise InputError(f"{where}: {error}") from error
    if pat.is_nested(column.type):
        for row, value in enumerate(values):
            if _holds_set(value, column.type):
                raise InputError(f"{where}, row {row}: a set has no order: give a list")
    return column


def _holds_set(value: Any, dtype: pa.DataType) -> bool:
    """Whether there is a set in what became a nested value: Arrow takes one for a list."""
    if isinstance(value, set | frozenset):
        return True
    if is_list(dtype) and pat.is_nested(dtype.value_type) and isinstance(value, list | tuple):
        return any(_holds_set(item, dtype.value_type) for item in value)
    if pat.is_struct(dtype) and isinstance(value, Mapping):
        nested = [field for field in dtype if pat.is_nested(field.type)]
        return any(_holds_set(value.get(field.name), field.type) for field in nested)
    return False


def fit_column(column: pa.ChunkedArray, dtype: pa.DataType, *, where: str) -> pa.ChunkedArray:
    """A column in the type asked for, where no value changes by it.

    Integers of any width fit each other as long as the values do, and so do strings and lists
    of any layout; an integer fits a float, a float fits no integer.

    Raises:
        InputError: The type is of another kind, or a value does not fit.

    >>> fit_column(pa.chunked_array([[1, 2]]), pa.uint32(), where="column 'n'").type
    DataType(uint32)
    """
    if column.type == dtype:
        return column
    if not _same_kind(column.type, dtype):
        one = is_list(dtype) and _same_kind(column.type, dtype.value_type)
        hint = ": give a list for each row" if one else ""
        raise InputError(f"{where}: expected {dtype}, got {column.type}{hint}")
    try:
        if pat.is_dictionary(column.type):
            column = column.cast(column.type.value_type)
        return column.cast(dtype)
    except _REFUSED as error:
        raise InputError(f"{where}: expected {dtype}, got {column.type}: {error}") from error


_KINDS: Sequence[Any] = (
    pat.is_integer,
    pat.is_boolean,
    lambda t: pat.is_string(t) or pat.is_large_string(t) or pat.is_string_view(t),
    lambda t: pat.is_binary(t) or pat.is_large_binary(t) or pat.is_binary_view(t),
    pat.is_timestamp,
    pat.is_date,
    pat.is_time,
    pat.is_duration,
    pat.is_decimal,
)


def _same_kind(given: pa.DataType, wanted: pa.DataType) -> bool:
    if pat.is_null(given):
        return True
    if pat.is_dictionary(given):
        return _same_kind(given.value_type, wanted)
    if pat.is_floating(wanted):
        return bool(pat.is_floating(given) or pat.is_integer(given))
    if is_list(wanted):
        return is_list(given) and _same_kind(given.value_type, wanted.value_type)
    if pat.is_struct(wanted):
        return bool(pat.is_struct(given)) and {f.name for f in given} <= {
            f.name for f in wanted
        }
    return any(kind(given) and kind(wanted) for kind in _KINDS)
