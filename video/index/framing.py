"""How samples that come one by one frame their NAL units, and parameter sets given apart.

Start codes and lengths look alike: a NAL unit of 256 to 511 bytes has a length that begins with
00 00 01. Lengths that fill a sample to its last byte are no chance, so they are tried first.
"""

from __future__ import annotations

from ...errors import BitstreamError, CorruptVideoError, InputError
from ..h264.avcc import parse_avcc
from ..h264.nal import NAL_PPS, NAL_SPS, split_annexb, split_length_prefixed

_START_CODE = b"\x00\x00\x01"
_USUAL_LENGTH = 4
_NAL_TYPES = range(1, 32)
_AVCC_VERSION = 1
_MOST_SETS_BYTES = 1 << 20


def detect_framing(sample: bytes | memoryview, stated: int | None = None) -> int:
    """Bytes of length before each NAL unit of a stream, by its first sample; 0: start codes.

    Args:
        sample: The first.
        stated: What a decoder configuration says of lengths; four bytes if None.

    >>> detect_framing(bytes.fromhex("00000001 65 88 80"))
    0
    >>> detect_framing(bytes.fromhex("00000002 65 88"))
    4

    Raises:
        BitstreamError: It begins with neither.
    """
    length_size = stated or _USUAL_LENGTH
    try:
        spans = split_length_prefixed(sample, length_size)
    except BitstreamError:
        spans = []
    filled = bool(spans) and spans[-1][1] == len(sample)
    if filled and all(_is_header(sample[start]) for start, _ in spans):
        return length_size
    if bytes(sample[:64]).lstrip(b"\x00")[:1] == b"\x01" and _START_CODE in bytes(sample[:64]):
        return 0
    raise BitstreamError(
        f"it begins with {bytes(sample[:8])!r}: expected a start code, or NAL units behind "
        f"their lengths in {length_size} bytes"
    )


def leading_zeros(sample: bytes | memoryview) -> int:
    """Zero bytes before the start code of a sample in Annex B framing (B.1.1).

    >>> leading_zeros(bytes.fromhex("00 00 00000001 65"))
    2
    """
    at = bytes(sample).find(_START_CODE)
    return max(0, at - 1)


def read_parameter_sets(data: bytes) -> tuple[list[bytes], int | None]:
    """Parameter sets that were given apart from the samples.

    Args:
        data: An `avcC` record, or NAL units behind start codes.

    Returns:
        The NAL units, and the length of lengths that the record states; None in Annex B.

    Raises:
        InputError: It is neither, or holds no sequence parameter set.
    """
    if len(data) > _MOST_SETS_BYTES:
        raise InputError(f"parameter_sets: {len(data)} bytes, expected at most a mebibyte")
    length_size: int | None = None
    if data[:1] == bytes([_AVCC_VERSION]):
        try:
            config = parse_avcc(data)
        except CorruptVideoError as error:
            raise InputError(f"parameter_sets: {error}") from error
        nals, length_size = [*config.sps, *config.pps], config.length_size
    else:
        nals = [data[start:end] for start, end in split_annexb(data)]
    kinds = {nal[0] & 31 for nal in nals if nal}
    if NAL_SPS not in kinds or not kinds <= {NAL_SPS, NAL_PPS, *range(13, 16)}:
        raise InputError(
            f"parameter_sets: {len(data)} bytes that begin with {data[:8]!r}; expected an avcC "
            "record, or sequence and picture parameter sets behind start codes"
        )
    return [nal for nal in nals if nal and nal[0] & 31 in (NAL_SPS, NAL_PPS)], length_size


def _is_header(byte: int) -> bool:
    """Whether a byte can begin a NAL unit (Table 7-1; forbidden_zero_bit is 0)."""
    return not byte >> 7 and byte & 31 in _NAL_TYPES
