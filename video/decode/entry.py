"""How a run enters a stream at a picture that is not an IDR picture.

After such an entry libavcodec marks every picture as corrupt until it believes that decoding
has recovered: at a recovery point message, or by guesses about intra pictures. The same mark
tells of damage, and PyAV does not tell the two apart. The plan knows that the entry is good, so
a message that says so (D.2.8, recovery_frame_cnt 0) is put before its first slice. From the
entry on, in display order, the mark then means damage and nothing else.
"""

from __future__ import annotations

from collections.abc import Iterable
from enum import Enum

from ...errors import BitstreamError
from ..bits.reader import BitReader
from ..h264.nal import (
    CODED_SLICES,
    DATA_PARTITIONS,
    NAL_ACCESS_UNIT_DELIMITER,
    NAL_FILLER_DATA,
    NAL_SEI,
    NAL_SLICE,
    NAL_SLICE_IDR,
    iterate_annexb,
    split_length_prefixed,
)
from ..h264.sei import PAYLOAD_RECOVERY_POINT, build_sei
from .decoder import Packet

# recovery_frame_cnt 0, exact_match_flag 1, broken_link_flag 0, changing_slice_group_idc 0,
# then the bits that end a payload.
_RECOVERED_HERE = build_sei([(PAYLOAD_RECOVERY_POINT, bytes([0b1_1_0_00_100]))])

_START_CODE = b"\0\0\0\1"

_SLICES = CODED_SLICES | DATA_PARTITIONS
_WITHOUT_SETS = _SLICES | {NAL_SEI, NAL_ACCESS_UNIT_DELIMITER, NAL_FILLER_DATA}

# slice_type of I slices, alone or in a picture of nothing else (Table 7-6).
_INTRA = (2, 7)


def nal_length_size(extradata: bytes) -> int:
    """Bytes of the length before each NAL unit, 0 for Annex B.

    >>> nal_length_size(bytes.fromhex("0164000bffe1")), nal_length_size(b"")
    (4, 0)
    """
    return (extradata[4] & 3) + 1 if len(extradata) > 4 and extradata[0] == 1 else 0


def has_slices(packet: Packet, length_size: int) -> bool:
    """Whether a packet has anything to make a picture of; damage counts as such."""
    try:
        return any(packet[start] & 31 in _SLICES for start, _ in _nals(packet, length_size))
    except BitstreamError:
        return True


def may_bring_sets(packet: Packet, length_size: int) -> bool:
    """Whether a packet could change the parameter sets that a decoder holds.

    Only what is surely without: NAL units that fill it, of kinds that hold none. libavcodec
    takes a packet that looks like an avcC for one, whose first byte is 1.
    """
    if not packet:
        return False
    if not length_size or packet[0] == 1:
        return True
    at, end = 0, len(packet)
    while at + length_size < end:
        size = int.from_bytes(packet[at : at + length_size])
        if not size or packet[at + length_size] & 31 not in _WITHOUT_SETS:
            return True
        at += length_size + size
    return at != end


class Entry(Enum):
    """What the first samples of a run turned out to be."""

    NOT_YET = 0
    """No slice, or damage before the first: the entry is still to come."""
    IDR = 1
    """An IDR picture, which needs no message."""
    MARKED = 2
    """An intra picture, and the message was put before it."""
    UNKNOWN = 3
    """A picture of other slices: nothing vouches for it."""


def marked_as_entry(packet: Packet, length_size: int) -> tuple[Packet, Entry]:
    """The first packet of a run, ready to be sent, and what it was."""
    try:
        for start, end in _nals(packet, length_size):
            kind = packet[start] & 31
            if kind == NAL_SLICE_IDR:
                return packet, Entry.IDR
            if kind == NAL_SLICE and _is_intra(bytes(packet[start + 1 : min(end, start + 16)])):
                return _insert(packet, start, length_size), Entry.MARKED
            if kind in _SLICES:
                return packet, Entry.UNKNOWN
    except BitstreamError:
        pass
    return packet, Entry.NOT_YET


def _nals(packet: Packet, length_size: int) -> Iterable[tuple[int, int]]:
    return split_length_prefixed(packet, length_size) if length_size else iterate_annexb(packet)


def _is_intra(header: bytes) -> bool:
    # 7.3.3: first_mb_in_slice, slice_type. Two numbers this short hold no emulation prevention.
    reader = BitReader(header)
    reader.ue()
    return reader.ue() in _INTRA


def _insert(packet: Packet, start: int, length_size: int) -> memoryview:
    """The packet with the message before the NAL unit at `start`, in a padded buffer."""
    if length_size:
        prefix = len(_RECOVERED_HERE).to_bytes(length_size)
        at = start - length_size
    else:
        prefix = _START_CODE
        at = start - 3
    message = prefix + _RECOVERED_HERE
    data = b"".join((packet[:at], message, packet[at:], bytes(64)))
    return memoryview(data)[: len(packet) + len(message)]
