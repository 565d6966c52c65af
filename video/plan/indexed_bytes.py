"""Whether the bytes that were read are still those that were indexed.

A source that is only referred to can be written anew behind the index. Another encode has its
samples elsewhere: what lies between the old borders is no sample, and does not look like one.
This is no checksum: bytes that were changed within a slice pass.
"""

from __future__ import annotations

from ...errors import BitstreamError, CorruptVideoError
from ..h264.nal import NAL_SLICE, NAL_SLICE_IDR, split_length_prefixed
from ..index.frames import FrameIndex, SampleFlag

_START_CODES = (b"\x00\x00\x01", b"\x00\x00\x00\x01")
_NOTHING_TO_SEE = SampleFlag.NO_PICTURE | SampleFlag.DAMAGED


def check_indexed(index: FrameIndex, sample: int, data: bytes | memoryview) -> None:
    """Refuse a sample that cannot be the one that was indexed.

    Args:
        index: Of the clip.
        sample: Its number.
        data: What was read in its place.

    Raises:
        CorruptVideoError: NAL units do not fill it, or its slices are of another kind.
    """
    flags = int(index.flags[sample])
    if flags & _NOTHING_TO_SEE:
        return
    if not index.nal_length_size:
        if not bytes(data[:4]).startswith(_START_CODES):
            raise _changed(index, sample, "no start code begins it")
        return
    try:
        spans = split_length_prefixed(data, index.nal_length_size)
    except BitstreamError as error:
        raise _changed(index, sample, str(error)) from error
    headers = [data[start] for start, _ in spans]
    slices = [header for header in headers if NAL_SLICE <= header & 31 <= NAL_SLICE_IDR]
    if not slices:
        raise _changed(index, sample, "no slice is in it")
    if any(header >> 5 & 3 for header in slices) and not flags & SampleFlag.REFERENCE:
        raise _changed(index, sample, "it is a reference picture now")
    is_idr = slices[0] & 31 == NAL_SLICE_IDR
    if is_idr != bool(flags & SampleFlag.IDR) and not flags & SampleFlag.SECOND_FIELD:
        raise _changed(index, sample, f"it is {'an' if is_idr else 'no'} IDR picture now")


def _changed(index: FrameIndex, sample: int, what: str) -> CorruptVideoError:
    return CorruptVideoError(
        f"sample {index.clip_sample(sample)}: its bytes are not those that were indexed, the "
        f"source has changed: {what}"
    )
