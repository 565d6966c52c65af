"""Supplemental enhancement information (7.3.2.3, Annex D): recovery points and user data.

No picture decodes differently for an SEI message, and decoders pass over a damaged one; so do
these functions. The messages before the damage count.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from ...errors import BitstreamError
from ..bits.rbsp import escape, unescape
from ..bits.reader import BitReader
from .nal import NAL_SEI

PAYLOAD_USER_DATA_UNREGISTERED = 5
PAYLOAD_RECOVERY_POINT = 6

X264_UUID = bytes.fromhex("dc45e9bde6d948b7962cd820d923eeef")
"""Marks the user data in which x264 tells its version. Decoders work around the faults of old
versions, so a stream that is cut out of another must keep it."""

# No encoder writes nearly as many; a hostile NAL unit could hold millions of empty ones.
_MAX_MESSAGES = 1000
# Nor does any message that is looked for here lie farther in.
_MAX_BYTES = 1 << 18

# The largest frame_num is 2 ** 16 - 1, and a recovery point lies less than that ahead (D.2.8).
_MAX_RECOVERY_FRAME_CNT = (1 << 16) - 1

_LONG_SIZE = re.compile(rb"\xff*")


@dataclass(frozen=True, slots=True)
class RecoveryPoint:
    """From where on a decoder that starts here shows correct pictures (D.2.8)."""

    recovery_frame_cnt: int
    """frame_num increments from this picture to the first correct one in output order."""
    exact_match_flag: bool
    """Pictures from there on are exactly those of a decoder that started at an IDR picture."""
    broken_link_flag: bool
    """Pictures before the recovery point refer to what is not there: do not show them."""
    changing_slice_group_idc: int


def sei_messages(nal: bytes | memoryview) -> Iterator[tuple[int, bytes]]:
    """The messages in an SEI NAL unit (type 6, its header byte included): type and payload.

    At most 1000 are looked at, and those that end within the first 256 KiB.
    """
    rbsp = unescape(nal[1:_MAX_BYTES])
    position, end = 0, len(rbsp)
    # 7.3.2.3.1: type and size are each a run of FF, 255 a byte, and a last byte.
    for _ in range(_MAX_MESSAGES):
        if position + 1 >= end:
            return
        payload_type, position = _run(rbsp, position)
        size, position = _run(rbsp, position)
        if size > end - position:
            return
        yield payload_type, rbsp[position : position + size]
        position += size


def recovery_point(nal: bytes | memoryview) -> RecoveryPoint | None:
    """The recovery point that an SEI NAL unit holds, if it does."""
    data = bytes(nal[:_MAX_BYTES])
    if data.find(PAYLOAD_RECOVERY_POINT, 1) < 0:  # the byte of its type is nowhere
        return None
    for payload_type, payload in sei_messages(data):
        if payload_type == PAYLOAD_RECOVERY_POINT:
            reader = BitReader(payload, what="recovery point SEI")
            try:
                return RecoveryPoint(
                    reader.ue_up_to(_MAX_RECOVERY_FRAME_CNT, "recovery_frame_cnt"),
                    reader.flag(),
                    reader.flag(),
                    reader.u(2),
                )
            except BitstreamError:
                continue
    return None


def user_data_unregistered(nal: bytes | memoryview, uuid: bytes = X264_UUID) -> bytes | None:
    """The first user data under `uuid` in an SEI NAL unit, without the identifier."""
    for payload_type, payload in sei_messages(nal):
        if payload_type == PAYLOAD_USER_DATA_UNREGISTERED and payload[:16] == uuid:
            return payload[16:]
    return None


def build_sei(messages: Iterable[tuple[int, bytes]]) -> bytes:
    """An SEI NAL unit with these messages: type and payload.

    >>> nal = build_sei([(PAYLOAD_RECOVERY_POINT, bytes([0b1_1_0_00_100]))])
    >>> recovery_point(nal)
    RecoveryPoint(recovery_frame_cnt=0, exact_match_flag=True, broken_link_flag=False, \
changing_slice_group_idc=0)
    """
    rbsp = bytearray()
    for payload_type, payload in messages:
        for number in (payload_type, len(payload)):
            rbsp += b"\xff" * (number // 255) + bytes([number % 255])
        rbsp += payload
    rbsp.append(0x80)  # rbsp_trailing_bits: the messages end on a byte
    return bytes([NAL_SEI]) + escape(rbsp)


def _run(rbsp: bytes, position: int) -> tuple[int, int]:
    """A number written as FF bytes and a last byte, and the position after it."""
    last = position
    if rbsp[position : position + 1] == b"\xff":
        match = _LONG_SIZE.match(rbsp, position)
        last = match.end() if match else position
    value = rbsp[last] if last < len(rbsp) else 0
    return 255 * (last - position) + value, last + 1
