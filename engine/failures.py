"""Values that could not be made: how they are reported, one by one or as a table."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import pyarrow as pa

from ..errors import MareyError
from ..storage.columns import describe_key

OnError = Literal["raise", "null", "skip"]
"""What becomes of a row with a value that cannot be made: the run fails, the value is null, or
the row is left out."""


@dataclass(frozen=True, slots=True)
class RowFailure:
    """A value that could not be made."""

    table: int
    """Number of the video column."""
    row: int
    """The handle's row."""
    column: str
    """The column of the result, or the video column where a selection failed."""
    error: MareyError
    """Why."""
    frame: int | None = None
    """The frame at fault, where it is one."""


def prefixed(error: MareyError, where: str) -> MareyError:
    """The same error, saying where it happened.

    >>> prefixed(MareyError("no picture"), "row 3")
    MareyError('row 3: no picture')
    """
    return type(error)(f"{where}: {error}")


def located(failure: RowFailure, label: str, keys: pa.Table) -> MareyError:
    """The error of a failure, naming table, key and column."""
    return prefixed(
        failure.error, f"{label} ({describe_key(keys, 0)}), column {failure.column!r}"
    )


def errors_table(failures: Sequence[RowFailure], keys: pa.Table) -> pa.Table:
    """Failures as rows: key columns, then column, error class, message and frame.

    Args:
        failures: What went wrong.
        keys: What tells their rows apart, a row for each. A column of it that has the name of
            one of ours gets `key.` in front.
    """
    ours = {
        "column": pa.array([f.column for f in failures], pa.string()),
        "error": pa.array([type(f.error).__name__ for f in failures], pa.string()),
        "message": pa.array([str(f.error) for f in failures], pa.string()),
        "frame": pa.array([f.frame for f in failures], pa.uint32()),
    }
    theirs = {
        f"key.{name}" if name in ours else name: column
        for name, column in zip(keys.column_names, keys.columns, strict=True)
    }
    return pa.table(theirs | ours)


def united_rows(keys: Sequence[pa.Table]) -> pa.Table:
    """Rows of several tables below each other: columns of one name are one column.

    Where two tables have a column of one name and of different types, it is text.
    """
    fields: dict[str, pa.Field] = {}
    for field in (field for key in keys for field in key.schema):
        known = fields.setdefault(field.name, field.with_nullable(True))
        if known.type != field.type:
            fields[field.name] = pa.field(field.name, pa.string())
    schema = pa.schema(list(fields.values()))
    fitted = [_as_text(key, schema) for key in keys]
    return pa.concat_tables(fitted or [schema.empty_table()], promote_options="default")


def _as_text(key: pa.Table, schema: pa.Schema) -> pa.Table:
    wanted = [
        pa.field(f.name, schema.field(f.name).type)
        if pa.types.is_string(schema.field(f.name).type)
        else f
        for f in key.schema
    ]
    return key.cast(pa.schema(wanted))
