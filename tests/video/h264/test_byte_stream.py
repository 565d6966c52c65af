"""NAL units of a stream that is read in windows, against the same stream in one piece."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from marey.video.h264.byte_stream import HEAD_BYTES, ByteStream
from marey.video.h264.nal import split_annexb
from marey.video.source import ByteRange, BytesReader

# Bytes of which start codes come often, whole and nearly.
STREAMS = st.lists(
    st.sampled_from([b"\0", b"\0\0", b"\0\0\1", b"\0\0\0\1", b"\1", b"\x65", b"\x41\x42\x43"]),
    max_size=40,
).map(b"".join)


@given(STREAMS, st.integers(1, 12), st.integers(1, 5))
def test_windows_of_any_size_give_the_units_of_the_whole(
    data: bytes, window_bytes: int, head_bytes: int
) -> None:
    stream = ByteStream(BytesReader(data), window_bytes=window_bytes, head_bytes=head_bytes)
    spans = split_annexb(data)
    for _ in range(2):
        units = [(u.begin, u.end, bytes(u.head), u.code_begin) for u in stream.units()]
        assert units == [
            (
                begin,
                end,
                data[begin:end][:head_bytes],
                begin - (4 if data[begin - 4 : begin - 3] == b"\0" else 3),
            )
            for begin, end in spans
        ]


class LargeReader:
    """Many bytes that are alike, and a few at the beginning and the end that are not."""

    def __init__(self, size: int, first: bytes, filler: int, last: bytes) -> None:
        self.size = size
        self.asked: list[int] = []
        self._ends = {0: first, size - len(last): last}
        self._filler = filler

    def read(self, ranges: Sequence[ByteRange]) -> list[memoryview]:
        """The bytes of each range."""
        self.asked += [span.length for span in ranges]
        return [self._make(span) for span in ranges]

    def _make(self, span: ByteRange) -> memoryview:
        data = bytearray([self._filler]) * span.length
        for at, piece in self._ends.items():
            low, high = max(at, span.start), min(at + len(piece), span.end)
            if low < high:
                data[low - span.start : high - span.start] = piece[low - at : high - at]
        return memoryview(data)


SIZE = 40_000_000


@pytest.mark.parametrize(
    ("filler", "last", "spans"),
    [
        (0xAA, b"\0\0\1\x41\x80", [(3, SIZE - 5), (SIZE - 2, SIZE)]),
        (0xAA, b"", [(3, SIZE)]),
        (0, b"", [(3, 5)]),
        (0, b"\1\x41\x80", [(3, 5), (SIZE - 2, SIZE)]),
        (0, b"\x80", [(3, SIZE)]),
    ],
)
def test_a_unit_as_large_as_its_file_is_held_by_its_head(
    filler: int, last: bytes, spans: list[tuple[int, int]]
) -> None:
    reader = LargeReader(SIZE, b"\0\0\1\x65\xbb", filler, last)
    units = list(ByteStream(reader).units())
    assert [(unit.begin, unit.end) for unit in units] == spans
    assert all(len(unit.head) == min(HEAD_BYTES, unit.end - unit.begin) for unit in units)
    assert max(reader.asked) < 10_000_000
    assert sum(reader.asked) < 1.001 * SIZE
