"""How pictures are shown, as a stored index holds it: one byte whether anything is said, then
the fields.
"""

from __future__ import annotations

import struct

from .columns import ColumnReader, require
from .frames import Display

_FIELDS = struct.Struct("<9iIIH")
_FIXED_POINT = 1 << 16


def pack_display(display: Display | None) -> bytes:
    """One byte where nothing is said."""
    if display is None:
        return b"\0"
    fields = _FIELDS.pack(
        *display.matrix,
        round(display.width * _FIXED_POINT),
        round(display.height * _FIXED_POINT),
        len(display.entry_boxes),
    )
    return b"\1" + fields + display.entry_boxes


def unpack_display(body: ColumnReader) -> Display | None:
    """The inverse of `pack_display`.

    Raises:
        FrameIndexError: There are fewer bytes than that, or the first is neither 0 nor 1.
    """
    said = body.u(1)
    require(said <= 1, f"{said} where 0 or 1 tells how pictures are shown")
    if not said:
        return None
    a, b, u, c, d, v, x, y, w, width, height, length = _FIELDS.unpack(body.take(_FIELDS.size))
    return Display(
        matrix=(a, b, u, c, d, v, x, y, w),
        width=width / _FIXED_POINT,
        height=height / _FIXED_POINT,
        entry_boxes=bytes(body.take(length)),
    )
