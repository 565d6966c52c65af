"""Whatever holds rows as an Arrow table, and columns fitted to the types that a table has."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pyarrow as pa
import pyarrow.types as pat

from ..errors import InputError

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
                return pa.table({str(name): _column(values) for name, values in data.items()})
            case list():
                return pa.Table.from_pylist(data)
        if type(data).__module__.partition(".")[0] == "pandas":
            return pa.Table.from_pandas(data, preserve_index=False)
        if hasattr(data, "__arrow_c_stream__"):
            return pa.RecordBatchReader.from_stream(data).read_all()
    except _REFUSED as error:
        raise InputError(f"{what} does not make an Arrow table: {error}") from error
    raise InputError(
        f"{what}: expected an Arrow table, a frame, a dict of columns or a list of dicts, "
        f"got {type(data).__name__}"
    )


def _column(values: Any) -> Any:
    if isinstance(values, str | bytes) or not hasattr(values, "__len__"):
        raise TypeError(f"a column is a list or an array, got {type(values).__name__}")
    return values if isinstance(values, pa.Array | pa.ChunkedArray) else pa.array(values)


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
        raise InputError(f"{where}: expected {dtype}, got {column.type}")
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
    if _is_list(wanted):
        return _is_list(given) and _same_kind(given.value_type, wanted.value_type)
    if pat.is_struct(wanted):
        return bool(pat.is_struct(given)) and {f.name for f in given} <= {
            f.name for f in wanted
        }
    return any(kind(given) and kind(wanted) for kind in _KINDS)


def _is_list(dtype: pa.DataType) -> bool:
    return bool(
        pat.is_list(dtype)
        or pat.is_large_list(dtype)
        or pat.is_fixed_size_list(dtype)
        or pat.is_list_view(dtype)
        or pat.is_large_list_view(dtype)
    )
