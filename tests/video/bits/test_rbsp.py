"""Emulation prevention against a word-for-word reading of 7.3.1 and 7.4.1."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from marey.video.bits.rbsp import escape, unescape

# Bytes among which every overlap of zeros and threes is likely.
tricky = st.lists(st.sampled_from([0, 0, 0, 1, 2, 3, 4, 0x80]), max_size=60).map(bytes)


def escape_byte_by_byte(rbsp: bytes) -> bytes:
    out = bytearray()
    zeros = 0
    for byte in rbsp:
        if zeros == 2 and byte <= 3:
            out.append(3)
            zeros = 0
        out.append(byte)
        zeros = zeros + 1 if byte == 0 else 0
    if out and out[-1] == 0:
        out.append(3)
    return bytes(out)


def unescape_byte_by_byte(data: bytes) -> bytes:
    out = bytearray()
    zeros = 0
    for byte in data:
        if zeros >= 2 and byte == 3:
            zeros = 0
            continue
        out.append(byte)
        zeros = zeros + 1 if byte == 0 else 0
    return bytes(out)


@given(st.one_of(tricky, st.binary()))
def test_escape_is_7_4_1(rbsp: bytes) -> None:
    assert escape(rbsp) == escape_byte_by_byte(rbsp)


@given(st.one_of(tricky, st.binary()))
def test_unescape_is_7_3_1(data: bytes) -> None:
    assert unescape(data) == unescape_byte_by_byte(data)


@given(st.one_of(tricky, st.binary()))
def test_no_start_code_comes_of_it_and_it_comes_back(rbsp: bytes) -> None:
    escaped = escape(rbsp)
    assert not any(bytes((0, 0, code)) in escaped for code in range(3))
    assert not escaped.endswith(b"\0")
    if not rbsp.endswith(b"\0"):
        assert unescape(escaped) == rbsp


@given(tricky)
def test_an_rbsp_that_ends_as_the_standard_has_it_comes_back(rbsp: bytes) -> None:
    # rbsp_trailing_bits, then cabac_zero_words of two bytes or none (7.3.2.8, 7.4.2.10).
    for words in range(4):
        whole = rbsp + b"\x80" + b"\0\0" * words
        assert unescape(escape(whole)) == whole


@pytest.mark.parametrize(
    ("rbsp", "escaped"),
    [
        ("", ""),
        ("000000", "00000300 03"),
        ("00000000", "0000030000 03"),
        ("000003", "00000303"),
        ("0000000001", "000003000003 01"),
        ("000004", "000004"),
        ("80 0000 0000", "80 000003 000003"),
    ],
)
def test_overlaps(rbsp: str, escaped: str) -> None:
    assert escape(bytes.fromhex(rbsp)) == bytes.fromhex(escaped)


def test_views_are_taken() -> None:
    assert unescape(memoryview(b"\1\0\0\3\1")[1:]) == b"\0\0\1"
    assert escape(bytearray(b"\0\0\1")) == b"\0\0\3\1"
