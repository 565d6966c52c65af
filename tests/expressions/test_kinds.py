"""Which types go together."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from marey.expressions.kinds import arithmetic_type, castable, kind

INTEGERS = [
    t() for t in (pa.int8, pa.int16, pa.int32, pa.int64, pa.uint8, pa.uint32, pa.uint64)
]
FLOATS = [pa.float16(), pa.float32(), pa.float64()]


@pytest.mark.parametrize(
    ("dtype", "expected"),
    [
        (pa.uint8(), "number"),
        (pa.decimal128(5, 2), "number"),
        (pa.large_string(), "string"),
        (pa.string_view(), "string"),
        (pa.dictionary(pa.int8(), pa.string()), "string"),
        (pa.binary(3), "binary"),
        (pa.date32(), "date"),
        (pa.timestamp("ns"), "date"),
        (pa.timestamp("ns", "UTC"), "date with time zone"),
        (pa.list_view(pa.int8()), "list"),
        (pa.map_(pa.string(), pa.int8()), "map<string, int8>"),
    ],
    ids=str,
)
def test_kind(dtype: pa.DataType, expected: str) -> None:
    assert kind(dtype) == expected


@given(
    st.sampled_from(["+", "-", "*", "/", "//", "%"]),
    st.sampled_from(INTEGERS + FLOATS),
    st.sampled_from(INTEGERS + FLOATS),
)
def test_arithmetic_is_symmetric_and_never_narrower(symbol: str, left: Any, right: Any) -> None:
    found = arithmetic_type(symbol, left, right)
    assert found == arithmetic_type(symbol, right, left)
    both_integers = left in INTEGERS and right in INTEGERS
    assert pa.types.is_integer(found) == (both_integers and symbol != "/")
    if not both_integers:
        wider = np.result_type(left.to_pandas_dtype(), right.to_pandas_dtype())
        assert found.bit_width >= min(8 * wider.itemsize, 64)


@pytest.mark.parametrize(
    "other",
    [pa.string(), pa.bool_(), pa.date32(), pa.decimal128(5, 2), pa.list_(pa.int8())],
    ids=str,
)
def test_arithmetic_is_for_numbers(other: pa.DataType) -> None:
    assert arithmetic_type("+", pa.int64(), other) is None


@pytest.mark.parametrize(
    ("found", "target", "allowed"),
    [
        (pa.int64(), pa.uint8(), True),
        (pa.string(), pa.timestamp("us"), True),
        (pa.list_(pa.int64()), pa.large_list(pa.uint8()), True),
        (pa.list_(pa.int64()), pa.list_(pa.date32()), True),
        (pa.null(), pa.list_(pa.uint32()), True),
        (pa.int64(), pa.list_(pa.int64()), False),
        (pa.bool_(), pa.date32(), False),
        (pa.struct([("a", pa.int8())]), pa.string(), False),
        (pa.binary(), pa.int64(), False),
    ],
    ids=str,
)
def test_castable(found: pa.DataType, target: pa.DataType, allowed: bool) -> None:
    assert castable(found, target) is allowed
