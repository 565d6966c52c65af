"""The codecs that a stream can name: all are stored and queried, one is indexed and decoded."""

from __future__ import annotations

from ...errors import InputError
from ...expressions.near import near_names

H264 = "h264"
"""The codec that is indexed as it is logged, and decoded."""

CODECS = (H264, "hevc", "av1", "vp8", "vp9", "mjpeg")
"""The names that streams can have."""

_OTHER_NAMES = {"avc": H264, "h.264": H264, "h265": "hevc", "h.265": "hevc"}


def to_codec(name: object) -> str:
    """The codec of a name.

    >>> to_codec("h264"), to_codec("H265")
    ('h264', 'hevc')

    Raises:
        InputError: There is none of that name.
    """
    if not isinstance(name, str):
        raise InputError(f"codec: expected a name such as 'h264', got {name!r}")
    plain = _OTHER_NAMES.get(name.lower(), name.lower())
    if plain not in CODECS:
        raise InputError(f"no codec {name!r}{near_names(plain, CODECS)}")
    return plain
