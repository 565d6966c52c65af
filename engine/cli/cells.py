"""One value as text or as JSON: pictures and other bytes by their size, never in full.

Text from files and tables can hold anything, terminal escapes included, so everything that is
shown goes through `printable`.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import Any

NULL = "null"


def printable(text: str) -> str:
    r"""The text with everything that is no visible character written as an escape.

    >>> printable("déjà \x1b[31m")
    'déjà \\x1b[31m'
    """
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else ascii(c)[1:-1] for c in text)


def to_text(value: object) -> str:
    """A value for people.

    >>> [to_text(v) for v in (None, True, 1234567, 0.04, "a", [1, 2], {"bytes": 5})]
    ['null', 'true', '1,234,567', '0.04', 'a', '1, 2', '5 bytes']
    """
    match value:
        case None:
            return NULL
        case bool():
            return "true" if value else "false"
        case int():
            return f"{value:,}"
        case float():
            return f"{value:.6g}"
        case {"frames": int(count), "frame_shape": shape, **rest} if "bytes" in rest:
            return f"{count} frames {'x'.join(map(str, shape or ()))}"
        case {"index": {"codec": codec, "width": width, "height": height, "frame_count": n}}:
            return f"{printable(str(codec))} {width}x{height}, {n} frames"
        case {"bytes": int(size), **rest} if not rest:
            return f"{size:,} bytes"
        case list() | tuple() if not any(isinstance(v, (list, tuple, Mapping)) for v in value):
            return ", ".join(map(to_text, value))
    return printable(value) if isinstance(value, str) else to_field(value)


def to_field(value: object) -> str:
    r"""A value for one field of a tab-separated line; numbers in full, a backslash doubled.

    >>> [to_field(v) for v in (None, 1234567, 0.1, "a\tb", [1, "x"])]
    ['', '1234567', '0.1', 'a\\tb', '[1, "x"]']
    """
    match value:
        case None:
            return ""
        case str():
            return printable(value.replace("\\", "\\\\"))
        case bool() | list() | tuple() | Mapping():
            return to_json(value)
        case float():
            return repr(value)
    return printable(str(_plain(value)))


def to_json(value: object) -> str:
    """A value as JSON on one line.

    >>> to_json({"at": date(2024, 1, 31), "x": float("nan")})
    '{"at": "2024-01-31", "x": null}'
    """
    return json.dumps(_plain(value), allow_nan=False)


def _plain(value: object) -> Any:
    """What JSON can hold: it knows no infinities, times or exact decimals."""
    match value:
        case float():
            return value if math.isfinite(value) else None
        case None | bool() | int() | str():
            return value
        case Mapping():
            return {str(k): _plain(v) for k, v in value.items()}
        case list() | tuple():
            return [_plain(v) for v in value]
        case datetime() | date() | time():
            return value.isoformat()
        case timedelta():
            return value.total_seconds()
        case Decimal():
            return str(value)
        case bytes():
            return {"bytes": len(value)}
    return str(value)
