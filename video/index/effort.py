"""A budget for indexing: no file may cost much more than an honest one of its size.

What a byte can cost differs by a factor of a thousand: eight bytes can be a picture with
sixteen references that leaves a gap in frame_num, sixteen can be a list reordered 32 times. So
the pass over a file counts what it does, in units that each take about a microsecond, and stops
where the sum is out of proportion to the file. Work is counted, not time: the same file always
gives the same answer.
"""

from __future__ import annotations

from ...errors import UnsupportedError
from ..h264.slice_header import SliceHeader

# Coded video of a kilobyte a picture costs a tenth of a unit a byte; a picture in which nothing
# moves, 40 to 50 bytes in the file, costs one and a half.
_FREE = 1_200_000
_A_BYTE = 1.5

READ_BYTES = 1024
"""Bytes that are read for one unit."""
SAMPLE = 8
"""A sample, whatever is in it."""
NAL_UNIT = 3
"""A NAL unit that is passed over."""
MESSAGE = 6
"""An SEI NAL unit, and one more for every `MESSAGE_BYTES` of it."""
MESSAGE_BYTES = 2
DAMAGED_SLICE = 200
"""A slice header that turns out to be damaged, at its end perhaps."""
PARAMETER_SET = 20
"""A parameter set that is parsed, and some more for every byte of it."""
PARAMETER_SET_BYTE = 4
PICTURE = 40
"""A frame or field that goes through a decoded picture buffer."""
GAP_FRAME = 5
"""A frame made up to fill a gap in frame_num."""

_SLICE = 14
_LIST_ENTRIES = 2  # that cost one unit
_OPERATION = 3
_SHORT_HEADER_BITS = 64
_LONGEST_SET = 4096


class Effort:
    """What one file may still cost.

    Args:
        source_bytes: Bytes of the file.
    """

    def __init__(self, source_bytes: int) -> None:
        self._source_bytes = source_bytes
        self._most = self._left = _FREE + int(_A_BYTE * source_bytes)

    def spend(self, units: int) -> None:
        """Count some work.

        Raises:
            UnsupportedError: It is more than a file of this size may cost.
        """
        self._left -= units
        if self._left < 0:
            raise UnsupportedError(
                f"indexing {self._source_bytes} bytes takes more than "
                f"{self._most} steps: more pictures, slices, lists "
                "or parameter sets than a video of this size has"
            )


def of_parameter_set(size: int) -> int:
    """The units of parsing a parameter set of so many bytes."""
    return PARAMETER_SET + PARAMETER_SET_BYTE * min(size, _LONGEST_SET)


def of_header(header: SliceHeader) -> int:
    """The units of parsing a slice header: some, and one for every bit of a long one."""
    return _SLICE + max(0, header.header_bits - _SHORT_HEADER_BITS)


def of_lists(header: SliceHeader) -> int:
    """The units of making the reference lists of a slice once."""
    units = (header.num_ref_idx_l0_active + header.num_ref_idx_l1_active) // _LIST_ENTRIES
    for operations in header.ref_pic_list_modification:
        if operations:
            units += _OPERATION * len(operations)
    return units
