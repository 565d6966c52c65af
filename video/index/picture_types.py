"""What kind of picture samples hold: I, P or B, as their slice headers say.

The index does not keep it, since no plan depends on it; it is read from the samples themselves.
"""

from __future__ import annotations

from collections.abc import Iterator

from ...errors import BitstreamError
from ..h264.nal import NAL_SLICE, NAL_SLICE_IDR, split_annexb, split_length_prefixed
from ..h264.pps import parse_pps
from ..h264.slice_header import SI, B, I, SliceHeader, parse_slice_header
from ..h264.sps import parse_sps
from ..source import ByteRange, Reader
from .frames import FrameIndex, Int64s, ParameterSets, SampleFlag
from .pictures import split_pictures

_WINDOW = 64
UNKNOWN = "?"
"""The kind of a picture whose slices cannot be read."""


def picture_types(index: FrameIndex, samples: Int64s, reader: Reader) -> Iterator[str]:
    """For each sample: `I`, `P` or `B` by the most that its slices may use; of two fields both,
    such as `I/P`, also where the second is a sample of its own; `?` where they are damaged.

    Args:
        index: The clip.
        samples: Numbers of samples, in any order; of field pairs the first.
        reader: The clip's bytes; those of the samples are read.
    """
    kinds = _Kinds(index)
    numbers = samples.tolist()
    for at in range(0, len(numbers), _WINDOW):
        pairs = [kinds.with_second_field(sample) for sample in numbers[at : at + _WINDOW]]
        asked = [sample for pair in pairs for sample in pair]
        data = iter(
            reader.read(
                [
                    ByteRange(int(index.offset[s]), int(index.offset[s] + index.size[s]))
                    for s in asked
                ]
            )
        )
        for pair in pairs:
            yield "/".join(kinds.of(sample, next(data)) for sample in pair)


class _Kinds:
    """Reads slice headers; parameter sets are parsed once for each of their states."""

    def __init__(self, index: FrameIndex) -> None:
        self._index = index
        self._sets: ParameterSets | None = None

    def with_second_field(self, sample: int) -> tuple[int, ...]:
        second = sample + 1
        flags = self._index.flags
        if second < len(flags) and flags[second] & SampleFlag.SECOND_FIELD:
            return sample, second
        return (sample,)

    def of(self, sample: int, data: memoryview) -> str:
        self._take_sets(sample)
        try:
            length_size = self._index.nal_length_size
            spans = (
                split_length_prefixed(data, length_size) if length_size else split_annexb(data)
            )
            nals = (data[begin:end] for begin, end in spans)
            headers = [
                parse_slice_header(nal, self._sps, self._pps)
                for nal in nals
                if len(nal) and nal[0] & 31 in (NAL_SLICE, NAL_SLICE_IDR)
            ]
        except BitstreamError:
            return UNKNOWN
        return "/".join(map(_kind, split_pictures(headers))) or UNKNOWN

    def _take_sets(self, sample: int) -> None:
        sets = self._index.parameter_sets_at(sample)
        if sets is not self._sets:
            self._sets = sets
            self._sps = {s.seq_parameter_set_id: s for s in map(parse_sps, sets.sps)}
            self._pps = {p.pic_parameter_set_id: p for p in map(parse_pps, sets.pps)}


def _kind(headers: list[SliceHeader]) -> str:
    kinds = {header.slice_type for header in headers}
    if B in kinds:
        return "B"
    return "I" if kinds <= {I, SI} else "P"
