"""`aux`: a value that comes with each row of the key table, not from the stored table."""

from __future__ import annotations

from dataclasses import dataclass

import pyarrow as pa

from ..errors import ExpressionError
from .dtypes import RESERVED_PREFIX, DataType, contains_request
from .literal import quoted, shown
from .node import Expr


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Aux(Expr):
    """A column of the key table, under its own name and type."""

    name: str

    @property
    def flat_name(self) -> str:
        """The DataFusion column that carries it: a stored column may have the same name."""
        return f"{RESERVED_PREFIX}aux.{self.name}"


def aux(name: str, dtype: DataType) -> Aux:
    """A value that the key table gives for each row.

    >>> aux("frame_indices", pa.list_(pa.uint32()))
    aux("frame_indices")

    Args:
        name: The key-table column.
        dtype: The Arrow type that it has in the scan; the key table's column is fitted to it.

    Raises:
        ExpressionError: The name is no name, or the type no Arrow type.
    """
    if not isinstance(name, str) or not name:
        raise ExpressionError(f"aux takes the name of a key-table column, found {shown(name)}")
    if not isinstance(dtype, pa.DataType) or contains_request(dtype):
        raise ExpressionError(
            f"aux({quoted(name)}) needs an Arrow type such as pa.list_(pa.uint32()), "
            f"found {shown(dtype)}"
        )
    return Aux(name, dtype=dtype)
