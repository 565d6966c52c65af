"""A slice with another header, the slow and obvious way: all of it as one string of bits.

What `marey.video.h264.reheading` does cleverly at the join is done here over the whole slice,
so the two can be compared; and streams that no encoder makes are built with it.
"""

from __future__ import annotations

import re

from marey.video.bits.rbsp import unescape
from marey.video.h264.pps import Pps
from marey.video.h264.slice_header import SliceHeader
from marey.video.h264.slice_header_build import build_slice_header
from marey.video.h264.sps import Sps


def splice(nal: bytes, old: SliceHeader, new: SliceHeader, sps: Sps, pps: Pps) -> bytes:
    """`nal`, whose header is `old`, with the header `new` written for `sps` and `pps`."""
    rbsp = unescape(nal[1:])
    bits = f"{int.from_bytes(rbsp, 'big'):0{8 * len(rbsp)}b}"
    written = build_slice_header(new, sps, pps)
    header = f"{int.from_bytes(written.to_bytes(), 'big'):0{8 * len(written.to_bytes())}b}"
    header = header[: written.position]
    at = old.header_bits
    if pps.entropy_coding_mode_flag:
        at += -at % 8
        header += "1" * (-len(header) % 8)
    # Without the rbsp_slice_trailing_bits, which come anew.
    data = bits[at:].rstrip("0")[:-1]
    payload = header + data + "1"
    payload += "0" * (-len(payload) % 8)
    whole = int(payload, 2).to_bytes(len(payload) // 8, "big")
    first = bytes([new.nal_ref_idc << 5 | new.nal_unit_type])
    return first + re.sub(rb"\0\0(?=[\0-\3])", b"\0\0\3", whole)
