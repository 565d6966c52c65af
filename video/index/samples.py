"""Samples taken apart: NAL units, parameter sets and slice headers, in decode order.

The same `CodedSample`s come from MP4 samples, whose borders the container draws, and from an
Annex B stream, whose access units are found here (7.4.1.2.3).
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field

from ...errors import BitstreamError, UnsupportedError
from ..h264.access_unit import starts_new_picture
from ..h264.avcc import AvcConfig
from ..h264.byte_stream import ByteStream
from ..h264.nal import (
    NAL_ACCESS_UNIT_DELIMITER,
    NAL_FILLER_DATA,
    NAL_PPS,
    NAL_SEI,
    NAL_SLICE,
    NAL_SLICE_IDR,
    NAL_SLICE_PARTITION_A,
    NAL_SLICE_PARTITION_C,
    NAL_SPS,
    NAL_SUBSET_SPS,
    iterate_annexb,
    split_length_prefixed,
)
from ..h264.pps import Pps, parse_pps
from ..h264.sei import RecoveryPoint, recovery_point, user_data_unregistered
from ..h264.slice_header import SliceHeader, parse_slice_header
from ..h264.sps import Sps, parse_sps
from ..source import ByteRange, Reader
from ..streams import CodedTrack, window_ranges
from . import effort as cost
from .effort import Effort, of_header, of_parameter_set

_WINDOW_BYTES = 8 << 20
_CODED_SLICES = (NAL_SLICE, NAL_SLICE_IDR)
_DATA_PARTITIONS = range(NAL_SLICE_PARTITION_A, NAL_SLICE_PARTITION_C + 1)
# 7.4.1.2.3: once the primary picture has begun, these belong to the next access unit. A prefix
# NAL unit (type 14) does too by the letter, but stands before every slice of an SVC base layer.
_ACCESS_UNIT_STARTERS = (
    NAL_ACCESS_UNIT_DELIMITER,
    NAL_SPS,
    NAL_PPS,
    NAL_SEI,
    *range(NAL_SUBSET_SPS, 19),
)
_MOST_SET_BYTES = 0xFFFF  # what an avcC record can hold of one parameter set
# A picture of 1920x1088 has 8160 macroblocks; a slice for each is the most that streams do.
_MOST_SLICES = 1 << 13


@dataclass(slots=True)
class CodedSample:
    """One sample's headers; a slotted value, made once a sample."""

    offset: int
    """First byte in the source."""
    size: int
    """Bytes."""
    headers: list[SliceHeader] = field(default_factory=list)
    """Slice headers in order, of one frame, one field, or a field pair."""
    recovery: RecoveryPoint | None = None
    """The recovery point message, if the sample has one."""
    damage: str = ""
    """Why some of it could not be parsed; empty when all of it was."""


class ActiveParameterSets:
    """The parameter sets seen so far, by id: NAL units beside what they mean.

    `generation` changes whenever a set's content does: what was cached for the old ones is
    stale.

    Args:
        effort: What the file may still cost.
    """

    def __init__(self, effort: Effort) -> None:
        self.sps: dict[int, Sps] = {}
        self.pps: dict[int, Pps] = {}
        self.sps_nals: dict[int, bytes] = {}
        self.pps_nals: dict[int, bytes] = {}
        self.generation = 0
        self.encoder_message: bytes | None = None
        """The SEI NAL unit with x264's version, if one came."""
        self.effort = effort
        self._seen: set[bytes] = set()

    def add(self, nal: bytes) -> None:
        """Take in one parameter set.

        Raises:
            BitstreamError: It does not parse.
        """
        if nal in self._seen:
            return  # sent again, unchanged since
        self.effort.spend(of_parameter_set(len(nal)))
        if len(nal) > _MOST_SET_BYTES:
            raise BitstreamError(
                f"a parameter set of {len(nal)} bytes, expected at most {_MOST_SET_BYTES}"
            )
        if nal[0] & 31 == NAL_SPS:
            sps = parse_sps(nal)
            known = self.sps_nals.get(sps.seq_parameter_set_id)
            self.sps_nals[sps.seq_parameter_set_id] = nal
            self.sps[sps.seq_parameter_set_id] = sps
        else:
            pps = parse_pps(nal)
            known = self.pps_nals.get(pps.pic_parameter_set_id)
            self.pps_nals[pps.pic_parameter_set_id] = nal
            self.pps[pps.pic_parameter_set_id] = pps
        if known != nal:
            self.generation += 1
            self._seen.clear()
        self._seen.add(nal)

    def add_config(self, config: AvcConfig) -> None:
        """Take in the sets of a decoder configuration record."""
        for nal in (*config.sps, *config.pps):
            if nal:
                self.add(nal)


def scan_mp4_samples(
    reader: Reader, track: CodedTrack, sets: ActiveParameterSets, effort: Effort
) -> Iterator[CodedSample]:
    """The samples of an MP4 track, read in windows, in decode order."""
    active = -1
    for first, end in window_ranges(track.offset, track.size, _WINDOW_BYTES):
        effort.spend(cost.SAMPLE)
        offsets, sizes = track.offset[first:end].tolist(), track.size[first:end].tolist()
        start = offsets[0]
        stop = max(o + s for o, s in zip(offsets, sizes, strict=True))
        effort.spend((stop - start) // cost.READ_BYTES)
        window = reader.read([ByteRange(start, stop)])[0]
        descriptions = track.description[first:end].tolist()
        for offset, size, description in zip(offsets, sizes, descriptions, strict=True):
            effort.spend(cost.SAMPLE)
            if description != active:
                active = description
                sets.add_config(track.configs[active])
            sample = CodedSample(offset, size)
            data = window[offset - start : offset - start + size]
            try:
                spans = split_length_prefixed(data, track.nal_length_size)
            except BitstreamError as error:
                effort.spend(cost.DAMAGED_SLICE)
                sample.damage = str(error)
                spans = []
            for begin, finish in spans:
                _take_nal(sample, _Parsed(data[begin:finish], sets, sample), sets, effort)
            yield sample


def scan_sample(
    data: memoryview,
    length_size: int,
    sets: ActiveParameterSets,
    effort: Effort,
) -> CodedSample:
    """One sample that came by itself, with lengths or (`length_size` 0) start codes.

    Raises:
        BitstreamError: Its lengths do not fill it.
    """
    effort.spend(cost.SAMPLE + len(data) // cost.READ_BYTES)
    sample = CodedSample(0, len(data))
    spans = split_length_prefixed(data, length_size) if length_size else iterate_annexb(data)
    for begin, finish in spans:
        _take_nal(sample, _Parsed(data[begin:finish], sets, sample), sets, effort)
    return sample


def scan_annexb_samples(
    reader: Reader, sets: ActiveParameterSets, effort: Effort
) -> Iterator[CodedSample]:
    """The access units of an Annex B stream, in order; each field is one of its own.

    The stream is read in windows, and by its beginning once more.
    """
    stream = ByteStream(reader)
    _add_first_sets(stream, sets, effort)
    sample: CodedSample | None = None
    for unit in stream.units():
        parsed = _Parsed(unit.head, sets, sample, length=unit.end - unit.begin)
        if sample is not None and sample.headers and _ends_access_unit(sample, parsed):
            sample.size = unit.code_begin - sample.offset
            yield sample
            sample = None
        if sample is None:
            sample = CodedSample(unit.code_begin, 0)
        _take_nal(sample, parsed, sets, effort)
    if sample is not None:
        sample.size = stream.size - sample.offset
        yield sample


def _add_first_sets(stream: ByteStream, sets: ActiveParameterSets, effort: Effort) -> None:
    """Take in the first parameter sets ahead of their place: a cut stream may begin with
    slices.

    libavformat does the same when it probes a stream for its configuration.
    """
    for kind in (NAL_SPS, NAL_PPS):
        for unit in stream.units():
            effort.spend(1)
            if unit.head[0] & 31 == kind:
                with suppress(BitstreamError):
                    sets.add(bytes(unit.head))
                    break


class _Parsed:
    """One NAL unit: its type, and its slice header or why that does not parse."""

    __slots__ = ("damage", "header", "kind", "length", "unit")

    def __init__(
        self,
        unit: memoryview,
        sets: ActiveParameterSets,
        sample: CodedSample | None,
        *,
        length: int | None = None,
    ) -> None:
        self.unit = unit
        self.length = len(unit) if length is None else length
        self.kind = unit[0] & 31 if len(unit) else NAL_FILLER_DATA
        self.header: SliceHeader | None = None
        self.damage = ""
        if self.kind in _CODED_SLICES:
            try:
                before = sample.headers[-1] if sample and sample.headers else None
                self.header = parse_slice_header(unit, sets.sps, sets.pps, before)
            except BitstreamError as error:
                self.damage = str(error)


def _ends_access_unit(sample: CodedSample, parsed: _Parsed) -> bool:
    if parsed.kind in _ACCESS_UNIT_STARTERS:
        return True
    return parsed.header is not None and starts_new_picture(sample.headers[-1], parsed.header)


def _take_nal(
    sample: CodedSample, parsed: _Parsed, sets: ActiveParameterSets, effort: Effort
) -> None:
    sample.damage = sample.damage or parsed.damage
    effort.spend(cost.DAMAGED_SLICE if parsed.damage else cost.NAL_UNIT)
    if parsed.header is not None:
        effort.spend(of_header(parsed.header))
        if not parsed.header.redundant_pic_cnt:
            if len(sample.headers) == _MOST_SLICES:
                raise UnsupportedError(f"more than {_MOST_SLICES} slices in one sample")
            # Never asked for here, and by far the largest part of a header that has it.
            parsed.header.pred_weight_table = None
            sample.headers.append(parsed.header)
    elif parsed.kind in (NAL_SPS, NAL_PPS):
        # One that does not parse is passed over: the one before stays in force, as in
        # libavcodec.
        with suppress(BitstreamError):
            sets.add(bytes(parsed.unit))
    elif parsed.kind == NAL_SEI:
        effort.spend(cost.MESSAGE + parsed.length // cost.MESSAGE_BYTES)
        if sets.encoder_message is None and user_data_unregistered(parsed.unit) is not None:
            sets.encoder_message = bytes(parsed.unit[:_MOST_SET_BYTES])
        sample.recovery = sample.recovery or recovery_point(parsed.unit)
    elif parsed.kind in _DATA_PARTITIONS:
        raise UnsupportedError("data partitioning (nal_unit_type 2 to 4): Extended profile")
