"""Big-endian fields and the reads that are refused."""

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from marey.errors import BoxError
from marey.video.bits.cursor import Cursor

FORMATS = {
    "u8": ">B",
    "u16": ">H",
    "u32": ">I",
    "u64": ">Q",
    "i16": ">h",
    "i32": ">i",
    "i64": ">q",
}


@given(st.lists(st.tuples(st.sampled_from(sorted(FORMATS)), st.binary(min_size=8, max_size=8))))
def test_fields_are_what_struct_reads(fields: list[tuple[str, bytes]]) -> None:
    sized = [(name, raw[: struct.calcsize(FORMATS[name])]) for name, raw in fields]
    data = b"".join(raw for _, raw in sized)
    cursor = Cursor(data, base=7)
    for name, raw in sized:
        assert getattr(cursor, name)() == struct.unpack(FORMATS[name], raw)[0]
    assert (cursor.remaining, cursor.position, cursor.offset) == (0, len(data), 7 + len(data))


def test_u24() -> None:
    assert Cursor(bytes([1, 2, 3])).u24() == 0x010203


@pytest.mark.parametrize("name", [*sorted(FORMATS), "u24"])
def test_a_short_read_is_refused_and_moves_nothing(name: str) -> None:
    cursor = Cursor(b"\x01\x02\x03\x04\x05\x06\x07\x08"[:0], what="stsz", base=40)
    with pytest.raises(BoxError, match=rf"stsz at 40: expected \d bytes for {name}, 0 left"):
        getattr(cursor, name)()
    assert cursor.position == 0


@given(st.binary(max_size=20), st.integers(-(2**70), 2**70))
def test_take_gives_exactly_what_is_there(data: bytes, size: int) -> None:
    cursor = Cursor(data)
    if 0 <= size <= len(data):
        assert bytes(cursor.take(size)) == data[:size]
        assert cursor.remaining == len(data) - size
    else:
        with pytest.raises(BoxError, match=f"expected {size} bytes"):
            cursor.take(size)
        with pytest.raises(BoxError, match=f"expected {size} bytes"):
            cursor.skip(size)
        assert cursor.position == 0


def test_take_is_a_view_of_the_input() -> None:
    data = bytearray(b"abcdef")
    cursor = Cursor(data)
    cursor.skip(2)
    view = cursor.take(2)
    data[2] = ord("X")
    assert bytes(view) == b"Xd"


def test_a_view_of_wider_items_is_read_as_bytes() -> None:
    assert Cursor(memoryview(b"\0\0\0\x05\0\0\0\x06").cast("I")).u32() == 5
