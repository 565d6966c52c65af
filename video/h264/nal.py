"""NAL units: their types (Table 7-1), and where they lie in a stream.

A NAL unit here is its header byte and what follows, without start code or length, emulation
prevention bytes still in. Spans are (start, end) positions: nothing is copied.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from ...errors import BitstreamError

NAL_SLICE = 1
"""A coded slice of a picture that is not an IDR picture."""
NAL_SLICE_PARTITION_A = 2
"""The headers and motion of a slice in data partitions (Extended profile)."""
NAL_SLICE_PARTITION_B = 3
"""Its intra residual."""
NAL_SLICE_PARTITION_C = 4
"""Its inter residual."""
NAL_SLICE_IDR = 5
"""A coded slice of an IDR picture."""
NAL_SEI = 6
"""Supplemental enhancement information."""
NAL_SPS = 7
"""A sequence parameter set."""
NAL_PPS = 8
"""A picture parameter set."""
NAL_ACCESS_UNIT_DELIMITER = 9
"""The optional first NAL unit of an access unit."""
NAL_END_OF_SEQUENCE = 10
"""The next picture is an IDR picture."""
NAL_END_OF_STREAM = 11
"""Nothing follows."""
NAL_FILLER_DATA = 12
"""Bytes to keep up a bit rate."""
NAL_SPS_EXTENSION = 13
"""The auxiliary (alpha) pictures' part of a sequence parameter set."""
NAL_PREFIX = 14
"""What SVC and MVC say about the NAL unit that follows."""
NAL_SUBSET_SPS = 15
"""A sequence parameter set for SVC or MVC layers."""
NAL_SLICE_AUXILIARY = 19
"""A slice of an auxiliary coded picture."""
NAL_SLICE_EXTENSION = 20
"""A slice of an SVC or MVC layer."""
NAL_SLICE_EXTENSION_DEPTH = 21
"""A slice of a depth view."""

CODED_SLICES = frozenset((NAL_SLICE, NAL_SLICE_IDR))
"""Slices of a primary or redundant picture that are in one piece."""
DATA_PARTITIONS = frozenset(
    (NAL_SLICE_PARTITION_A, NAL_SLICE_PARTITION_B, NAL_SLICE_PARTITION_C)
)
"""Slices in pieces."""
ACCESS_UNIT_STARTERS = frozenset((6, 7, 8, 9, *range(14, 19)))
"""After the slices of a picture these types begin the next access unit (7.4.1.2.3)."""

START_CODE = re.compile(rb"\x00\x00\x01")
"""What stands before each NAL unit of a byte stream (B.1.1)."""
# A slice for each macroblock of the largest frame at level 5.2 makes a little more than half.
_MAX_NAL_UNITS = 1 << 16


def iterate_annexb(data: bytes | bytearray | memoryview) -> Iterator[tuple[int, int]]:
    """The NAL units of a byte stream, one span after the other (B.1.1).

    Bytes before the first start code are passed over, empty NAL units too.
    """
    start = -1
    for match in START_CODE.finditer(data):
        if start >= 0:
            end = without_zeros(data, start, match.start())
            if end > start:
                yield start, end
        start = match.end()
    if start >= 0:
        end = without_zeros(data, start, len(data))
        if end > start:
            yield start, end


def split_annexb(data: bytes | bytearray | memoryview) -> list[tuple[int, int]]:
    """The spans of all NAL units of a byte stream, without start codes and trailing zeros.

    >>> split_annexb(bytes.fromhex("00000001 67 42 00 000001 68 ce"))
    [(4, 6), (10, 12)]
    """
    return list(iterate_annexb(data))


def split_length_prefixed(
    data: bytes | bytearray | memoryview, length_size: int
) -> list[tuple[int, int]]:
    """The spans of the NAL units of an MP4 sample, each behind its size in `length_size` bytes.

    As decoders have it, a last piece too short for a size is passed over, but a size of 0
    spoils the whole sample.

    Raises:
        BitstreamError: A size is 0 or runs past the end, or there are more than 65536.

    >>> split_length_prefixed(bytes.fromhex("0002 41 9a 0001 0c"), 2)
    [(2, 4), (6, 7)]
    """
    spans: list[tuple[int, int]] = []
    position, end = 0, len(data)
    while position + length_size <= end:
        start = position + length_size
        size = int.from_bytes(data[position:start])
        if not 0 < size <= end - start:
            raise BitstreamError(
                f"NAL unit at byte {position} of a sample: its size is {size}, "
                f"{end - start} bytes are left"
            )
        if len(spans) == _MAX_NAL_UNITS:
            raise BitstreamError(f"more than {_MAX_NAL_UNITS} NAL units in a sample")
        position = start + size
        spans.append((start, position))
    return spans


def without_zeros(data: bytes | bytearray | memoryview, start: int, end: int) -> int:
    """The end of a span, moved before its trailing_zero_8bits (B.1.1)."""
    while end > start and data[end - 1] == 0:
        block = max(start, end - 4096)
        end = block + len(bytes(data[block:end]).rstrip(b"\0"))
    return end
