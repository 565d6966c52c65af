"""Bits and Exp-Golomb codes, written and read back."""

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from marey.errors import BitstreamError
from marey.video.bits.reader import BitReader
from marey.video.bits.writer import BitWriter

MAX_UE = 2**32 - 2
MAX_SE = 2**31 - 1

unsigned = st.one_of(st.integers(0, 40), st.integers(0, MAX_UE))
fixed = st.integers(0, 200).flatmap(
    lambda bits: st.tuples(st.just(bits), st.integers(0, (1 << bits) - 1))
)
fields = st.one_of(
    st.tuples(st.just("u"), fixed),
    st.tuples(st.just("ue"), unsigned),
    st.tuples(st.just("se"), st.one_of(st.integers(-9, 9), st.integers(-MAX_SE, MAX_SE))),
    st.tuples(st.just("flag"), st.booleans()),
)


def write(items: list[Any]) -> BitWriter:
    writer = BitWriter()
    for kind, value in items:
        if kind == "u":
            writer.u(*value)
        else:
            getattr(writer, kind)(value)
    return writer


@given(st.lists(fields, max_size=120))
def test_what_is_written_is_read_back(items: list[Any]) -> None:
    writer = write(items)
    size = writer.position
    writer.trailing_bits()
    data = writer.to_bytes()
    reader = BitReader(data)
    for kind, value in items:
        if kind == "u":
            assert reader.u(value[0]) == value[1]
        else:
            assert getattr(reader, kind)() == value
    assert reader.position == size == reader.stop_position
    assert not reader.more_rbsp_data()
    assert reader.remaining == len(data) * 8 - size


@pytest.mark.parametrize(
    ("value", "bits"),
    [
        (0, "1"),
        (1, "010"),
        (2, "011"),
        (3, "00100"),
        (7, "0001000"),
        (31, "00000100000"),
        (MAX_UE, "0" * 31 + "1" * 32),
    ],
)
def test_unsigned_codes_of_table_9_2(value: int, bits: str) -> None:
    writer = BitWriter()
    writer.ue(value)
    assert writer.position == len(bits)
    padded = bits + "0" * (-len(bits) % 8)
    assert writer.to_bytes() == int(padded, 2).to_bytes(len(padded) // 8)


@pytest.mark.parametrize(("code", "value"), [(0, 0), (1, 1), (2, -1), (3, 2), (4, -2), (9, 5)])
def test_signed_codes_of_table_9_3(code: int, value: int) -> None:
    writer = BitWriter()
    writer.ue(code)
    assert BitReader(writer.to_bytes()).se() == value


@given(
    st.binary(max_size=300),
    st.lists(st.sampled_from(["u1", "u32", "u150", "flag", "ue", "se"]), max_size=60),
)
def test_a_read_past_the_end_is_refused_and_moves_nothing(
    data: bytes, reads: list[str]
) -> None:
    reader = BitReader(data, what="PPS")
    for read in reads:
        before = reader.position
        call: Callable[[], int] = {
            "u1": lambda: reader.u(1),
            "u32": lambda: reader.u(32),
            "u150": lambda: reader.u(150),
            "flag": reader.flag,
            "ue": reader.ue,
            "se": reader.se,
        }[read]
        try:
            call()
            refusal = ""
        except BitstreamError as error:
            refusal = str(error)
        if refusal:
            assert refusal.startswith(f"PPS at bit {before}: ")
            assert reader.position == before
        assert reader.position + reader.remaining == len(data) * 8


def test_a_code_that_is_too_long_is_refused() -> None:
    with pytest.raises(BitstreamError, match="more than 31 leading zeros"):
        BitReader(bytes(4) + b"\xff" * 8).ue()
    with pytest.raises(BitstreamError, match="more than 31 leading zeros"):
        BitReader(bytes(1_000_000)).ue()


@given(st.binary(min_size=1, max_size=400), st.data())
def test_seek_goes_back_to_any_bit(data: bytes, draw: st.DataObject) -> None:
    reader = BitReader(data)
    reader.u(len(data) * 8)
    position = draw.draw(st.integers(0, len(data) * 8))
    reader.seek(position)
    assert reader.position == position
    rest = len(data) * 8 - position
    assert reader.u(rest) == int.from_bytes(data) & ((1 << rest) - 1)


@pytest.mark.parametrize(
    ("data", "read", "more"),
    [
        ("", 0, False),
        ("00", 0, False),
        ("80", 0, False),
        ("c0", 0, True),
        ("c0", 1, False),
        ("018000", 7, True),
        ("018000", 8, False),
        ("800000", 0, False),
    ],
)
def test_more_rbsp_data(data: str, read: int, more: bool) -> None:
    reader = BitReader(bytes.fromhex(data))
    reader.u(read)
    assert reader.more_rbsp_data() is more


def test_values_out_of_range_are_named() -> None:
    writer = write([("ue", 40), ("se", -13)])
    reader = BitReader(writer.to_bytes(), what="SPS")
    with pytest.raises(BitstreamError, match="SPS: level is 40, expected at most 12"):
        reader.ue_up_to(12, "level")
    with pytest.raises(BitstreamError, match="SPS: offset is -13, expected -12 to 12"):
        reader.se_within(-12, 12, "offset")


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        ("u", (3, 8)),
        ("u", (3, -1)),
        ("u", (0, 1)),
        ("ue", -1),
        ("ue", MAX_UE + 1),
        ("se", 2**31),
    ],
)
def test_what_does_not_fit_is_not_written(kind: str, value: object) -> None:
    with pytest.raises(BitstreamError):
        write([(kind, value)])


@pytest.mark.parametrize(("bits", "aligned"), [(0, ""), (1, "7f"), (7, "01"), (8, "00")])
def test_align_with_ones(bits: int, aligned: str) -> None:
    writer = BitWriter()
    writer.u(bits, 0)
    writer.align_with_ones()
    assert writer.to_bytes().hex() == aligned
