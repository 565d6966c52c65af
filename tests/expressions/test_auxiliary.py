"""`aux`: declared by name and type."""

from __future__ import annotations

import pyarrow as pa
import pytest

from marey.errors import ExpressionError
from marey.expressions import aux
from marey.expressions.dtypes import READ_REQUEST


def test_name_and_type() -> None:
    found = aux("label", pa.string())
    assert found.name == "label"
    assert found.dtype == pa.string()
    assert found.flat_name != "label"  # a stored column of that name is another one


@pytest.mark.parametrize(
    ("name", "dtype"),
    [("", pa.string()), (3, pa.string()), ("n", "int64"), ("n", None), ("n", READ_REQUEST)],
)
def test_refused(name: object, dtype: object) -> None:
    with pytest.raises(ExpressionError):
        aux(name, dtype)  # type: ignore[arg-type]
