"""What a movie and a track are: mvhd, tkhd, mdhd, hdlr and the edit list elst."""

from __future__ import annotations

from dataclasses import dataclass

from ...errors import BoxError
from ..bits.cursor import Cursor
from .box import Box, build_full_box

Matrix = tuple[int, int, int, int, int, int, int, int, int]

IDENTITY_MATRIX: Matrix = (0x10000, 0, 0, 0, 0x10000, 0, 0, 0, 0x40000000)
"""Pictures are shown as they are coded: neither turned nor scaled."""

UNDETERMINED_LANGUAGE = "und"
_BEFORE_MATRIX = 16
_TRACK_ENABLED = 1
_TRACK_IN_MOVIE = 2
_FIXED_POINT = 1 << 16
# Of the three columns of a matrix: 16.16 and 16.16, then 2.30.
_FRACTION_BITS = ((0, 16), (1, 16), (2, 30))
_INT64_MAX = (1 << 63) - 1
# Editors cut films into some thousands of pieces.
_MAX_EDITS = 1 << 14
# The durations that mean "not known": all bits set.
_UNKNOWN_DURATION = {0: (1 << 32) - 1, 1: (1 << 64) - 1}


@dataclass(frozen=True, slots=True)
class MovieHeader:
    """mvhd (8.2.2), as far as it matters here."""

    timescale: int
    """Ticks a second of movie time, at least 1."""
    duration_ticks: int
    """Length of the presentation; 0 where it is not known."""
    matrix: Matrix = IDENTITY_MATRIX
    """How all pictures are turned and placed."""


@dataclass(frozen=True, slots=True)
class TrackHeader:
    """tkhd (8.3.2), as far as it matters here."""

    track_id: int
    """Names the track within the file."""
    enabled: bool
    """Whether players present it."""
    duration_ticks: int
    """Length after edits, in the movie's timescale; 0 where it is not known."""
    matrix: Matrix
    """How pictures are turned and placed: 16.16 fixed point, the third column 2.30."""
    width: float
    """Display width before the matrix, in pixels."""
    height: float
    """Display height before the matrix, in pixels."""


@dataclass(frozen=True, slots=True)
class MediaHeader:
    """mdhd (8.4.2)."""

    timescale: int
    """Ticks a second of media time, at least 1."""
    duration_ticks: int
    """Sum of the sample durations; 0 where it is not known."""
    language: str
    """ISO 639-2/T code, `und` where there is none."""


@dataclass(frozen=True, slots=True)
class Edit:
    """One entry of elst (8.6.6): a stretch of the media's time, or a pause."""

    duration_ticks: int
    """Its length, in the movie's timescale; 0 in a fragmented file: to the end."""
    media_time_ticks: int
    """Where it begins, in the media's timescale; -1 is an empty edit: nothing is shown."""
    rate: float = 1.0
    """Playback rate; FFmpeg and the browsers take it for 1."""


def parse_mvhd(box: Box) -> MovieHeader:
    """The movie header. A timescale of 0 counts as 1, as libavformat takes it."""
    cursor, version, _ = box.full_cursor()
    cursor.skip(16 if version == 1 else 8, "creation and modification time")
    timescale = _parse_timescale(cursor.i32())
    duration = cursor.u64() if version == 1 else cursor.u32()
    matrix = IDENTITY_MATRIX
    # How pictures look is no reason to refuse a box that ends early.
    if cursor.remaining >= _BEFORE_MATRIX + 36:
        cursor.skip(_BEFORE_MATRIX, "rate, volume and reserved")
        matrix = _parse_matrix(cursor)
    return MovieHeader(timescale, _known(duration, version), matrix)


def build_mvhd(header: MovieHeader, *, next_track_id: int) -> bytes:
    """An mvhd box, version 1 where the duration needs it."""
    version = _version_for(header.duration_ticks)
    return build_full_box(
        "mvhd",
        version,
        0,
        bytes(16 if version else 8),
        header.timescale.to_bytes(4),
        header.duration_ticks.to_bytes(8 if version else 4),
        (0x10000).to_bytes(4),  # rate 1.0
        (0x0100).to_bytes(2),  # volume 1.0
        bytes(10),
        _build_matrix(header.matrix),
        bytes(24),
        next_track_id.to_bytes(4),
    )


def parse_tkhd(box: Box) -> TrackHeader:
    """The track header."""
    cursor, version, flags = box.full_cursor()
    cursor.skip(16 if version == 1 else 8, "creation and modification time")
    track_id = cursor.u32()
    cursor.skip(4, "reserved")
    duration = cursor.u64() if version == 1 else cursor.u32()
    cursor.skip(16, "reserved, layer, group and volume")
    matrix = _parse_matrix(cursor)
    width, height = cursor.u32(), cursor.u32()
    return TrackHeader(
        track_id=track_id,
        enabled=bool(flags & _TRACK_ENABLED),
        duration_ticks=_known(duration, version),
        matrix=matrix,
        width=width / _FIXED_POINT,
        height=height / _FIXED_POINT,
    )


def build_tkhd(header: TrackHeader, *, audible: bool = False) -> bytes:
    """A tkhd box, version 1 where the duration needs it; `audible` gives it full volume."""
    version = _version_for(header.duration_ticks)
    return build_full_box(
        "tkhd",
        version,
        _TRACK_IN_MOVIE | (_TRACK_ENABLED if header.enabled else 0),
        bytes(16 if version else 8),
        header.track_id.to_bytes(4),
        bytes(4),
        header.duration_ticks.to_bytes(8 if version else 4),
        bytes(12),
        (0x0100 if audible else 0).to_bytes(2),
        bytes(2),
        _build_matrix(header.matrix),
        round(header.width * _FIXED_POINT).to_bytes(4),
        round(header.height * _FIXED_POINT).to_bytes(4),
    )


def parse_mdhd(box: Box) -> MediaHeader:
    """The media header. A timescale of 0 counts as 1, as libavformat takes it."""
    cursor, version, _ = box.full_cursor()
    if version > 1:
        raise BoxError(f"mdhd at {box.start}: expected version 0 or 1, got {version}")
    cursor.skip(16 if version == 1 else 8, "creation and modification time")
    timescale = _parse_timescale(cursor.i32())
    duration = cursor.u64() if version == 1 else cursor.u32()
    return MediaHeader(timescale, _known(duration, version), _parse_language(cursor.u16()))


def build_mdhd(header: MediaHeader) -> bytes:
    """An mdhd box, version 1 where the duration needs it."""
    version = _version_for(header.duration_ticks)
    a, b, c = (ord(letter) - 0x60 for letter in header.language)
    return build_full_box(
        "mdhd",
        version,
        0,
        bytes(16 if version else 8),
        header.timescale.to_bytes(4),
        header.duration_ticks.to_bytes(8 if version else 4),
        (a << 10 | b << 5 | c).to_bytes(2),
        bytes(2),
    )


def parse_hdlr(box: Box) -> str:
    """The handler: `vide`, `soun`, ... (8.4.3)."""
    cursor, _, _ = box.full_cursor()
    cursor.skip(4, "pre_defined")
    return bytes(cursor.take(4, "handler_type")).decode("latin-1")


def build_hdlr(handler: str, name: str) -> bytes:
    """An hdlr box."""
    return build_full_box(
        "hdlr", 0, 0, bytes(4), handler.encode("latin-1"), bytes(12), name.encode() + b"\0"
    )


def parse_elst(box: Box) -> tuple[Edit, ...]:
    """The edit list: as many entries as there are bytes for, as libavformat reads it."""
    cursor, version, _ = box.full_cursor()
    cursor.skip(4, "entry_count")
    count = cursor.remaining // (20 if version == 1 else 12)
    if count > _MAX_EDITS:
        raise BoxError(f"elst at {box.start}: expected at most {_MAX_EDITS} edits, got {count}")
    edits = []
    for _ in range(count):
        at = cursor.offset
        duration = cursor.u64() if version == 1 else cursor.u32()
        media_time = cursor.i64() if version == 1 else cursor.i32()
        if duration > _INT64_MAX:
            raise BoxError(f"elst at {at}: expected a duration below 2^63, got {duration}")
        edits.append(Edit(duration, media_time, cursor.i32() / _FIXED_POINT))
    return tuple(edits)


def build_elst(edits: tuple[Edit, ...]) -> bytes:
    """An elst box of version 1: 64-bit durations and times."""
    entries = [
        edit.duration_ticks.to_bytes(8)
        + edit.media_time_ticks.to_bytes(8, signed=True)
        + round(edit.rate * _FIXED_POINT).to_bytes(4, signed=True)
        for edit in edits
    ]
    return build_full_box("elst", 1, 0, len(edits).to_bytes(4), *entries)


def _parse_timescale(timescale: int) -> int:
    return timescale if timescale > 0 else 1


def _known(duration: int, version: int) -> int:
    return 0 if duration == _UNKNOWN_DURATION[1 if version == 1 else 0] else duration


def _version_for(duration: int) -> int:
    return 0 if duration < _UNKNOWN_DURATION[0] else 1


def combine(first: Matrix, then: Matrix) -> Matrix:
    """One matrix for two, one after the other, rounded as libavformat does it.

    >>> combine(IDENTITY_MATRIX, (0, 65536, 0, -65536, 0, 0, 0, 0, 1 << 30))
    (0, 65536, 0, -65536, 0, 0, 0, 0, 1073741824)
    """
    entries = [
        sum(first[3 * row + k] * then[3 * k + column] >> shift for k, shift in _FRACTION_BITS)
        for row in range(3)
        for column in range(3)
    ]
    # As a sum in 32 bits: what leaves them is nonsense, and stays it.
    a, b, u, c, d, v, x, y, w = ((e + (1 << 31)) % (1 << 32) - (1 << 31) for e in entries)
    return a, b, u, c, d, v, x, y, w


def _parse_matrix(cursor: Cursor) -> Matrix:
    a, b, u, c, d, v, x, y, w = (cursor.i32() for _ in range(9))
    return a, b, u, c, d, v, x, y, w


def _build_matrix(matrix: Matrix) -> bytes:
    return b"".join(entry.to_bytes(4, signed=True) for entry in matrix)


def _parse_language(packed: int) -> str:
    letters = [packed >> shift & 31 for shift in (10, 5, 0)]
    # Three letters from a to z; QuickTime's own language codes lie below them.
    if not all(1 <= letter <= 26 for letter in letters):
        return UNDETERMINED_LANGUAGE
    return "".join(chr(letter + 0x60) for letter in letters)
