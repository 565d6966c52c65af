"""Sample descriptions: the entries of stsd, which say how samples are coded (8.5.2, 12.1.3).

Codecs other than H.264 are recognised by name and no further. An encrypted entry (`encv`)
keeps its original format in `sinf` (8.12); what it is protected with is told, not undone.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from ...errors import BoxError
from .box import Box, build_box, build_full_box

_MAX_DESCRIPTIONS = 1024
_ENTRY_HEADER = 8
_VISUAL_HEADER = 78
_PASP_BYTES = 8
_COLR_BYTES = 10  # of nclc; nclx has one more
_UNKNOWN_SCHEME = "unknown scheme"
# Aspect, colours, clean aperture, field order, light levels, stereo and projection.
_DISPLAY_BOXES = frozenset(
    {"pasp", "colr", "clap", "fiel", "gama", "mdcv", "clli", "st3d", "sv3d"}
)
_MOST_DISPLAY_BYTES = 4096

_H264 = (
    "avc1 avc2 avc3 avc4 dva1 dvav avlg xalg aivx AVin rv64 "
    "ai5p ai5q ai52 ai53 ai55 ai56 ai1p ai1q ai12 ai13 ai15 ai16"
)
CODECS: Mapping[str, str] = MappingProxyType(
    dict.fromkeys(_H264.split(), "h264")
    | dict.fromkeys(("hev1", "hvc1", "dvhe", "dvh1"), "hevc")
    | dict.fromkeys(("vvc1", "vvi1"), "vvc")
    | dict.fromkeys(("mjpa", "mjpb", "jpeg"), "mjpeg")
    | dict.fromkeys(("apch", "apcn", "apcs", "apco", "ap4h", "ap4x"), "prores")
    | {"vp08": "vp8", "vp09": "vp9", "av01": "av1", "mp4v": "mpeg4", "s263": "h263"}
)
"""The codec that a sample entry's code stands for; others go by the code itself."""

Colour = tuple[int, int, int, bool]
"""Colour primaries, transfer and matrix (ITU-T H.273), and whether the range is full."""


@dataclass(frozen=True, slots=True)
class SampleDescription:
    """One entry of stsd. Audio and other entries have `format`, `codec` and `entry` only."""

    format: str
    """Four-character code; of an encrypted entry, that of what was encrypted."""
    codec: str
    """`h264`, or the name of another codec."""
    entry: bytes
    """The whole entry as it lies in the file, to be written into another file."""
    avcc: bytes | None = None
    """Body of the avcC box: the decoder configuration record of ISO/IEC 14496-15."""
    width: int = 0
    """Columns as stated; the stream's own parameter sets decide."""
    height: int = 0
    """Rows as stated."""
    pixel_aspect: tuple[int, int] | None = None
    """Horizontal and vertical spacing of pixels (pasp)."""
    colour: Colour | None = None
    """Colour as stated (colr of type nclx or nclc)."""
    display_boxes: bytes = b""
    """The boxes that say how pictures are shown, such as pasp and colr, as they lie there."""
    protection: str | None = None
    """Scheme of the encryption, such as `cenc`; None where samples lie in the clear."""


def parse_stsd(box: Box, *, handler: str) -> tuple[SampleDescription, ...]:
    """All entries; those of a `vide` track are read in full."""
    cursor, _, _ = box.full_cursor()
    count = cursor.u32()
    if not 1 <= count <= min(_MAX_DESCRIPTIONS, cursor.remaining // _ENTRY_HEADER):
        raise BoxError(
            f"stsd at {box.start}: expected 1 to {_MAX_DESCRIPTIONS} entries, got {count} "
            f"in {cursor.remaining} bytes"
        )
    entries: list[SampleDescription] = []
    for entry in box.children(after=cursor.position):
        if len(entries) == count:
            break
        entries.append(_parse_visual(entry) if handler == "vide" else _parse_other(entry))
    if len(entries) < count:
        raise BoxError(f"stsd at {box.start}: expected {count} entries, got {len(entries)}")
    return tuple(entries)


def build_stsd(entries: tuple[bytes, ...]) -> bytes:
    """An stsd box of whole entries."""
    return build_full_box("stsd", 0, 0, len(entries).to_bytes(4), *entries)


def _raw(entry: Box) -> bytes:
    return build_box(entry.type, bytes(entry.body))


def _parse_other(entry: Box) -> SampleDescription:
    return SampleDescription(
        format=entry.type, codec=CODECS.get(entry.type, entry.type.strip()), entry=_raw(entry)
    )


def _parse_visual(entry: Box) -> SampleDescription:
    cursor = entry.cursor()
    cursor.skip(24, "VisualSampleEntry")
    width, height = cursor.u16(), cursor.u16()
    cursor.skip(_VISUAL_HEADER - 28, "VisualSampleEntry")
    boxes = entry.by_type(after=_VISUAL_HEADER)
    entry_format, protection = entry.type, None
    if "sinf" in boxes:
        entry_format, protection = _parse_sinf(boxes["sinf"][0], entry_format)
    elif entry_format == "encv":
        protection = _UNKNOWN_SCHEME
    return SampleDescription(
        format=entry_format,
        codec=CODECS.get(entry_format, entry_format.strip()),
        entry=_raw(entry),
        avcc=_parse_avcc(boxes.get("avcC", [])),
        width=width,
        height=height,
        pixel_aspect=_parse_pasp(boxes["pasp"][0]) if "pasp" in boxes else None,
        colour=next(filter(None, map(_parse_colr, boxes.get("colr", ()))), None),
        display_boxes=_display_boxes(entry),
        protection=protection,
    )


def _display_boxes(entry: Box) -> bytes:
    """What players and editors are told of a picture's look, but its coding; of sane size."""
    found = b""
    for box in entry.children(after=_VISUAL_HEADER):
        room = _MOST_DISPLAY_BYTES - len(found)
        if box.type in _DISPLAY_BOXES and len(box.body) + _ENTRY_HEADER <= room:
            found += _raw(box)
    return found


def _parse_sinf(sinf: Box, entry_format: str) -> tuple[str, str]:
    """The original format and the scheme of a protected entry."""
    frma, schm = sinf.find("frma"), sinf.find("schm")
    scheme = _UNKNOWN_SCHEME
    if frma is not None:
        entry_format = bytes(frma.cursor().take(4, "data_format")).decode("latin-1")
    if schm is not None:
        scheme = bytes(schm.full_cursor()[0].take(4, "scheme_type")).decode("latin-1")
    return entry_format, scheme


def _parse_avcc(boxes: list[Box]) -> bytes | None:
    """The first record that is one: libavformat passes over those of a byte or none."""
    first = next((box for box in boxes if len(box.body) > 1), next(iter(boxes), None))
    return bytes(first.body) if first is not None else None


# How pictures look is no reason to refuse them: what is too short to tell tells nothing.
def _parse_pasp(box: Box) -> tuple[int, int] | None:
    if len(box.body) < _PASP_BYTES:
        return None
    cursor = box.cursor()
    horizontal, vertical = cursor.u32(), cursor.u32()
    return (horizontal, vertical) if horizontal and vertical else None


def _parse_colr(box: Box) -> Colour | None:
    kind = bytes(box.body[:4])
    if kind not in (b"nclx", b"nclc") or len(box.body) < _COLR_BYTES:
        return None
    cursor = box.cursor()
    cursor.skip(4, "colour_type")
    primaries, transfer, matrix = cursor.u16(), cursor.u16(), cursor.u16()
    # Some muxers leave the byte of the range out.
    has_range = kind == b"nclx" and cursor.remaining > 0
    return primaries, transfer, matrix, has_range and bool(cursor.u8() >> 7)


def build_avc_entry(
    avcc: bytes,
    *,
    width: int,
    height: int,
    entry_format: str = "avc1",
    pixel_aspect: tuple[int, int] | None = None,
    colour: Colour | None = None,
    display_boxes: bytes = b"",
) -> bytes:
    """A sample entry of H.264 (ISO/IEC 14496-15, 5.4.2).

    Args:
        avcc: The decoder configuration record.
        width: Columns of a coded picture after cropping.
        height: Rows of it.
        entry_format: `avc1`, or `avc3` where samples may hold parameter sets.
        pixel_aspect: Horizontal and vertical spacing, where pixels are not square.
        colour: What the colours mean, where it is known.
        display_boxes: Boxes out of another entry, whole, instead of those two.
    """
    boxes = [build_box("avcC", avcc)]
    if colour is not None:
        *codes, full_range = colour
        fields = b"".join(code.to_bytes(2) for code in codes)
        boxes.append(build_box("colr", b"nclx", fields, (full_range << 7).to_bytes(1)))
    if pixel_aspect is not None:
        boxes.append(build_box("pasp", *(spacing.to_bytes(4) for spacing in pixel_aspect)))
    boxes.append(display_boxes)
    return build_box(
        entry_format,
        bytes(6),
        (1).to_bytes(2),  # data_reference_index
        bytes(16),
        width.to_bytes(2),
        height.to_bytes(2),
        (0x0048_0000).to_bytes(4) * 2,  # 72 pixels an inch, both ways
        bytes(4),
        (1).to_bytes(2),  # frame_count
        bytes(32),  # compressorname
        (24).to_bytes(2),  # depth
        (0xFFFF).to_bytes(2),
        *boxes,
    )
