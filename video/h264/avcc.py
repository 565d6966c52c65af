"""The AVCDecoderConfigurationRecord: what an `avcC` box holds (ISO/IEC 14496-15, 5.3.3.1)."""

from __future__ import annotations

from dataclasses import dataclass

from ...errors import BoxError
from ..bits.cursor import Cursor

_VERSION = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class AvcConfig:
    """Parameter sets, and how samples frame their NAL units."""

    profile: int
    """AVCProfileIndication: profile_idc of the SPS."""
    compatibility: int
    """The SPS's byte of constraint flags."""
    level: int
    """AVCLevelIndication: level_idc of the SPS."""
    length_size: int
    """Bytes in which each NAL unit's size is written: 1, 2 or 4 (3 is read too)."""
    sps: tuple[bytes, ...]
    """Sequence parameter sets, as NAL units; none where they stand in the samples (`avc3`)."""
    pps: tuple[bytes, ...]
    """Picture parameter sets, as NAL units."""
    tail: bytes = b""
    """What follows: chroma format, bit depths and SPS extensions in High profiles. Writers get
    it wrong or leave it out, and the SPS says the same, so it is kept and not read."""


def parse_avcc(data: bytes | memoryview) -> AvcConfig:
    """The configuration in the body of an `avcC` box.

    Raises:
        BoxError: The version is not 1, or a parameter set runs past the end.
    """
    cursor = Cursor(data, what="avcC")
    version = cursor.u8()
    if version != _VERSION:
        raise BoxError(f"avcC: expected version {_VERSION}, got {version}")
    profile, compatibility, level = cursor.u8(), cursor.u8(), cursor.u8()
    length_size = (cursor.u8() & 0x03) + 1
    sps = tuple(_parse_nal(cursor) for _ in range(cursor.u8() & 0x1F))
    pps = tuple(_parse_nal(cursor) for _ in range(cursor.u8()))
    return AvcConfig(
        profile=profile,
        compatibility=compatibility,
        level=level,
        length_size=length_size,
        sps=sps,
        pps=pps,
        tail=bytes(cursor.take(cursor.remaining)),
    )


def build_avcc(config: AvcConfig) -> bytes:
    """The body of an `avcC` box.

    >>> build_avcc(
    ...     AvcConfig(profile=66, compatibility=192, level=30, length_size=4, sps=(), pps=())
    ... ).hex()
    '0142c01effe000'
    """
    sps, pps = config.sps, config.pps
    if len(sps) > 31 or len(pps) > 255:
        raise BoxError(f"avcC: no room for {len(sps)} SPS (31) and {len(pps)} PPS (255)")
    head = (_VERSION, config.profile, config.compatibility, config.level)
    body = bytearray((*head, 0xFC | config.length_size - 1, 0xE0 | len(sps)))
    for nal in sps:
        body += _sized(nal)
    body.append(len(pps))
    for nal in pps:
        body += _sized(nal)
    return bytes(body) + config.tail


def _parse_nal(cursor: Cursor) -> bytes:
    return bytes(cursor.take(cursor.u16(), "a parameter set"))


def _sized(nal: bytes) -> bytes:
    if len(nal) > 0xFFFF:
        raise BoxError(f"avcC: a parameter set of {len(nal)} bytes, expected at most {0xFFFF}")
    return len(nal).to_bytes(2) + nal
