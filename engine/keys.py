"""Key tables: which rows a keyed scan reads, in which order, and with which `aux` values.

A key table is not joined by DataFusion, which would read the whole stored table for it. Its
keys are looked up first; the scan then runs over the rows found, in key-table order, duplicates
kept.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import pyarrow as pa

from ..errors import InputError, KeyNotFoundError, UnboundAuxError
from ..expressions.near import near_names
from ..storage.columns import describe_key
from .tabular import fit_column, to_arrow

OnMissing = Literal["raise", "null", "skip"]

_SHOWN_KEYS = 5
_IN_INDEX = ": it is the frame's index, which is no column: give frame.reset_index()"


@dataclass(frozen=True, slots=True)
class BoundKeys:
    """A key table whose columns are all there and have the right types."""

    keys: pa.Table
    """The key columns, in the order and types of the table."""
    aux: pa.Table
    """One column for each `aux`."""


def bind_key_table(
    key_table: Any, *, key_schema: pa.Schema, aux: Mapping[str, pa.DataType]
) -> BoundKeys:
    """Check a key table against the table and the scan that it is for.

    Args:
        key_table: Anything that `to_arrow` takes.
        key_schema: The key columns of the table.
        aux: Name and type of each `aux` in the scan.

    Raises:
        UnboundAuxError: No column for an `aux`.
        InputError: A key column is missing or null, a column is of no use or of the wrong type.
    """
    table = to_arrow(key_table, what="the key table")
    given = table.column_names
    for name in given:
        if given.count(name) > 1:
            raise InputError(f"the key table has two columns {name!r}")
    for name in aux:
        if name not in given:
            raise UnboundAuxError(
                f"aux {name!r} has no column in the key table{near_names(name, given)}"
            )
    for name in key_schema.names:
        if name not in given:
            raise InputError(
                f"the key table lacks key column {name!r}"
                + (_IN_INDEX if _is_indexed_by(key_table, name) else near_names(name, given))
            )
    wanted = [*key_schema.names, *aux]
    for name in given:
        if name not in wanted:
            raise InputError(
                f"column {name!r} of the key table is neither a key of the table nor an aux of "
                f"the scan{near_names(name, wanted)}"
            )
    keys = {f.name: _fit(table, f.name, f.type) for f in key_schema}
    for name, column in keys.items():
        if column.null_count:
            row = column.is_null().combine_chunks().index(True).as_py()
            raise InputError(f"row {row} of the key table: key column {name!r} is null")
    bound = {name: _fit(table, name, dtype) for name, dtype in aux.items()}
    return BoundKeys(_table(keys, len(table)), _table(bound, len(table)))


def require_no_aux(aux: Mapping[str, pa.DataType]) -> None:
    """Refuse to run without a key table when an `aux` needs one.

    Raises:
        UnboundAuxError: Naming the first.
    """
    for name in aux:
        raise UnboundAuxError(
            f"aux {name!r} takes its values from a key table, and there is none: "
            f"pass key_table= with the key columns and a column {name!r}"
        )


def settle_missing(
    bound: BoundKeys, row_ids: pa.Array, on_missing: OnMissing
) -> tuple[BoundKeys, pa.Array, int]:
    """Deal with the keys that the table does not hold.

    Args:
        bound: The key table.
        row_ids: For each of its rows the row that was found, null where there is none.
        on_missing: `null` keeps those rows, `skip` drops them.

    Returns:
        Keys and row ids that remain, and how many were dropped.

    Raises:
        KeyNotFoundError: With `raise`, naming the first few.
    """
    missing = row_ids.null_count
    if not missing or on_missing == "null":
        return bound, row_ids, 0
    if on_missing == "raise":
        raise KeyNotFoundError(_missing_message(bound.keys, row_ids))
    found = row_ids.is_valid()
    kept = BoundKeys(bound.keys.filter(found), bound.aux.filter(found))
    return kept, row_ids.drop_null(), missing


def _missing_message(keys: pa.Table, row_ids: pa.Array) -> str:
    rows = [row for row, found in enumerate(row_ids.is_valid().to_pylist()) if not found]
    shown = "; ".join(describe_key(keys, row) for row in rows[:_SHOWN_KEYS])
    more = f" and {len(rows) - _SHOWN_KEYS} more" if len(rows) > _SHOWN_KEYS else ""
    return (
        f"{len(rows)} of {len(row_ids)} keys are not in the table: {shown}{more} "
        '(on_missing="null" or "skip" allows for that)'
    )


def _fit(table: pa.Table, name: str, dtype: pa.DataType) -> pa.ChunkedArray:
    return fit_column(table[name], dtype, where=f"column {name!r} of the key table")


def _is_indexed_by(data: Any, name: str) -> bool:
    """Whether a pandas frame has its column `name` as its index."""
    return name in getattr(getattr(data, "index", None), "names", ())


def _table(columns: Mapping[str, pa.ChunkedArray], rows: int) -> pa.Table:
    if columns:
        return pa.table(dict(columns)).combine_chunks()
    # A table without columns still has rows: as many null structs as there are.
    return pa.Table.from_struct_array(pa.array([{}] * rows, pa.struct([])))
