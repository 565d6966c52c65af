"""Emulation prevention: RBSP bytes to the bytes of a NAL unit, and back (7.3.1, 7.4.1).

In a NAL unit 00 00 00, 00 00 01 and 00 00 02 may not stand, for a start code looks like that:
after two zero bytes an 03 is put before any byte up to 03. Both ways the pairs of zeros are
found from left to right without overlap, which is what `bytes.replace` and `re.sub` do.
"""

from __future__ import annotations

import re

_NEEDS_PREVENTION = re.compile(rb"\x00\x00(?=[\x00-\x03])")


def unescape(data: bytes | bytearray | memoryview) -> bytes:
    """The RBSP inside NAL unit bytes (without their header byte): each 00 00 03 loses its 03.

    >>> unescape(bytes.fromhex("6500000301")).hex()
    '65000001'
    """
    return bytes(data).replace(b"\0\0\3", b"\0\0")


def escape(rbsp: bytes | bytearray | memoryview) -> bytes:
    """NAL unit bytes that carry this RBSP.

    An RBSP that ends in a zero byte (cabac_zero_words do) gets a last 03, so that the NAL unit
    does not end in zeros.

    >>> escape(bytes.fromhex("80000000")).hex(" ")
    '80 00 00 03 00 03'
    """
    escaped = _NEEDS_PREVENTION.sub(b"\0\0\3", rbsp)
    return escaped + b"\3" if escaped.endswith(b"\0") else escaped
