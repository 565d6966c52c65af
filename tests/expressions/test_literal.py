"""Constants: their Arrow types, what is refused, and how they are shown."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from marey.errors import ExpressionError
from marey.expressions.literal import shown, to_scalar

UTC = dt.UTC


@pytest.mark.parametrize(
    ("value", "dtype"),
    [
        (7, pa.int64()),
        (1 << 63, pa.uint64()),
        (1.5, pa.float64()),
        (True, pa.bool_()),
        (None, pa.null()),
        ("kitchen", pa.string()),
        (b"abc", pa.binary()),
        (bytearray(b"abc"), pa.binary()),
        (memoryview(b"abc"), pa.binary()),
        (dt.date(2024, 5, 1), pa.date32()),
        (dt.datetime(2024, 5, 1), pa.timestamp("us")),
        (dt.datetime(2024, 5, 1, tzinfo=UTC), pa.timestamp("us", "UTC")),
        (dt.timedelta(seconds=1), pa.duration("us")),
        (Decimal("1.50"), pa.decimal128(3, 2)),
        ([0, 8], pa.list_(pa.int64())),
        ((0, 8), pa.list_(pa.int64())),
        (range(0, 16, 4), pa.list_(pa.int64())),
        ([], pa.list_(pa.null())),
        ([[1], [2]], pa.list_(pa.list_(pa.int64()))),
        ({"a": 1}, pa.struct([("a", pa.int64())])),
        (np.uint8(3), pa.uint8()),
        (np.float32(0.5), pa.float32()),
        (np.array(3, np.int16), pa.int16()),
        (np.array([1, 2], np.uint32), pa.list_(pa.uint32())),
        (np.datetime64("2024-05-01T00:00", "ns"), pa.timestamp("ns")),
        (pa.array([1, 2], pa.uint8()), pa.list_(pa.uint8())),
        (pa.chunked_array([[1], [2]]), pa.list_(pa.int64())),
        (pa.scalar(3, pa.int8()), pa.int8()),
    ],
)
def test_type_follows_from_value(value: object, dtype: pa.DataType) -> None:
    assert to_scalar(value).type == dtype


@pytest.mark.parametrize(
    "value",
    [
        object(),
        {1, 2},
        (x for x in [1]),
        1j,
        1 << 64,
        -(1 << 63) - 1,
        [1, "a"],
        np.zeros((2, 2)),
        [object()],
        int,
    ],
    ids=lambda value: type(value).__name__,
)
def test_what_is_no_constant(value: object) -> None:
    with pytest.raises(ExpressionError, match=r"cannot be a constant|at most 64 bits"):
        to_scalar(value)


@pytest.mark.parametrize(
    ("value", "dtype"),
    [
        (1.5, pa.int32()),
        (-1, pa.uint8()),
        (300, pa.int8()),
        ("x", pa.int32()),
        ([1, -1], pa.list_(pa.uint32())),
        (3, pa.list_(pa.int64())),
        ([3], pa.int64()),
    ],
)
def test_a_type_that_does_not_hold_the_value(value: object, dtype: pa.DataType) -> None:
    with pytest.raises(ExpressionError, match="is no"):
        to_scalar(value, dtype)


def test_a_type_that_is_none() -> None:
    with pytest.raises(ExpressionError, match="expected an Arrow type"):
        to_scalar(3, "int64")


def test_shown_never_prints_bytes_and_is_cut() -> None:
    assert shown(b"secret") == "<6 bytes>"
    assert shown({"data": b"secret"}) == '{"data": <6 bytes>}'
    assert shown("a" * 1000, limit=10) == '"aaaaaaaaa…'
    assert shown(np.arange(1000), limit=8) == "[0, 1, 2, … 1000 in all]"


@given(st.lists(st.one_of(st.integers(-9, 9), st.none()), max_size=9))
def test_short_lists_are_shown_whole(values: list[int | None]) -> None:
    assert shown(values) == str(values)
