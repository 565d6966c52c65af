"""Where NAL units lie, in byte streams and in MP4 samples."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from marey.errors import BitstreamError
from marey.video.bits.rbsp import escape
from marey.video.h264.nal import split_annexb, split_length_prefixed

# NAL unit bytes as a stream may hold them: no start code inside, no zero at the end.
units = st.one_of(
    st.binary(max_size=40), st.lists(st.sampled_from([0, 1, 2, 3]), max_size=20).map(bytes)
).map(lambda rbsp: b"\x65" + escape(rbsp))


@given(
    st.lists(st.tuples(units, st.integers(0, 3), st.booleans())),
    st.sampled_from([b"", b"\0", b"\xff\x10", b"\0\0\0"]),
)
def test_annexb_units_come_back(items: list[tuple[bytes, int, bool]], leading: bytes) -> None:
    stream = bytearray(leading)
    for unit, zeros, long_code in items:
        stream += (b"\0\0\0\1" if long_code else b"\0\0\1") + unit + bytes(zeros)
    expected = [unit for unit, _, _ in items]
    assert [bytes(stream[start:end]) for start, end in split_annexb(stream)] == expected
    view = memoryview(bytes(stream))
    assert [bytes(view[start:end]) for start, end in split_annexb(view)] == expected


@pytest.mark.parametrize(
    ("stream", "spans"),
    [
        ("", []),
        ("000001", []),
        ("00000165", [(3, 4)]),
        ("000001000001", []),
        ("000000000165000000000168", [(5, 6), (11, 12)]),
        ("6742c01e", []),
        ("0000016500", [(3, 4)]),
    ],
)
def test_annexb_edges(stream: str, spans: list[tuple[int, int]]) -> None:
    assert split_annexb(bytes.fromhex(stream)) == spans


def test_long_runs_of_zeros_are_no_trap() -> None:
    stream = b"\0\0\1\x65" + bytes(3_000_000) + b"\0\0\1\x68" + bytes(3_000_000)
    assert split_annexb(stream) == [(3, 4), (3_000_007, 3_000_008)]


@given(st.lists(st.binary(min_size=1, max_size=40)), st.sampled_from([1, 2, 3, 4]))
def test_length_prefixed_units_come_back(items: list[bytes], length_size: int) -> None:
    sample = b"".join(len(unit).to_bytes(length_size) + unit for unit in items)
    for padding in range(length_size):
        spans = split_length_prefixed(memoryview(sample + bytes(padding)), length_size)
        assert [sample[start:end] for start, end in spans] == items


@pytest.mark.parametrize(
    ("sample", "where"),
    [
        ("00000005 65888400", "byte 0 of a sample: its size is 5, 4 bytes are left"),
        ("00000001 65 00000002 41", "byte 5 of a sample: its size is 2, 1 bytes are left"),
        ("00000001 65 ffffffff 65", "byte 5 of a sample: its size is 4294967295, 1 bytes"),
        ("00000000 00000001 65", "byte 0 of a sample: its size is 0, 5 bytes are left"),
    ],
)
def test_a_size_that_cannot_be_is_refused(sample: str, where: str) -> None:
    with pytest.raises(BitstreamError, match=where):
        split_length_prefixed(bytes.fromhex(sample), 4)
