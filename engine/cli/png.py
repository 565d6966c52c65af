"""PNG files from arrays: RGB, 8 bits a sample (ISO/IEC 15948)."""

from __future__ import annotations

import struct
import zlib

import numpy as np
import numpy.typing as npt

_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_RGB = 2  # 11.2.2 Colour type: truecolour
_UP = 2  # 9.2 Filter type


def build_png(pixels: npt.NDArray[np.uint8]) -> bytes:
    """The file of one picture.

    Args:
        pixels: `[height, width, 3]`, none of them 0.

    >>> build_png(np.zeros((2, 3, 3), np.uint8))[12:24].hex(" ")
    '49 48 44 52 00 00 00 03 00 00 00 02'
    """
    height, width, _ = pixels.shape
    # 11.2.2 IHDR: bit depth 8, deflate, adaptive filtering, not interlaced
    header = struct.pack(">IIBBBBB", width, height, 8, _RGB, 0, 0, 0)
    return b"".join(
        (
            _SIGNATURE,
            _chunk(b"IHDR", header),
            _chunk(b"IDAT", zlib.compress(_filtered(pixels), level=6)),
            _chunk(b"IEND", b""),
        )
    )


def _filtered(pixels: npt.NDArray[np.uint8]) -> bytes:
    """9.2 Filter type 2 (Up): each row less the one above, modulo 256."""
    rows = pixels.reshape(len(pixels), -1)
    lines = np.empty((rows.shape[0], rows.shape[1] + 1), np.uint8)
    lines[:, 0] = _UP
    lines[0, 1:] = rows[0]
    np.subtract(rows[1:], rows[:-1], out=lines[1:, 1:])
    return lines.tobytes()


def _chunk(kind: bytes, data: bytes) -> bytes:
    """5.3 Chunk layout: length, type, data, CRC of type and data."""
    return (
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
    )
