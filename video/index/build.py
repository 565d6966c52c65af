"""From the bytes of a video to its frame index, without decoding a pixel.

One pass over the samples, in decode order: headers are parsed, a decoded picture buffer follows
what each picture can refer to, and everything that planning will ask is written into arrays.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace

import numpy as np

from ...errors import CorruptVideoError, UnsupportedError
from ..h264.dpb import DecodedPictureBuffer
from ..h264.nal import NAL_SLICE_IDR
from ..h264.slice_header import FRAME, SI, B, I, SliceHeader
from ..h264.sps import Sps
from ..source import Reader
from ..streams import CodedTrack, annexb_timing, read_mp4_track, sniff_container
from . import effort as cost
from .effort import Effort, of_lists
from .entries import refuse_blind_entries
from .frames import Flags, FrameIndex, Int64s, ParameterSets, SampleFlag
from .output import OutputColumn, OutputPicture
from .pictures import (
    container_colour,
    frame_rate,
    headers_can_change,
    picture_format,
    refuse_unsupported,
    split_pictures,
)
from .presentation import PictureOrder, last_duration, present_frames
from .recovery import RecoveryTracker
from .samples import ActiveParameterSets, CodedSample, scan_annexb_samples, scan_mp4_samples
from .scalars import describe
from .starts import StartFinder

_INTRA = (I, SI)
_YUV444 = 3
# Streams send sets again at will, but new ones rarely: a bound on what an index may hold.
_MOST_PARAMETER_SET_CHANGES = 4096
_LOWEST = -(1 << 31)


@dataclass(frozen=True, slots=True)
class BuiltIndex:
    """What one pass over a video gives."""

    index: FrameIndex
    """The frame index."""
    scalars: Mapping[str, object]
    """Plain facts for columns: codec, size, counts, colour (`marey.video.index.scalars`)."""


def build_frame_index(reader: Reader) -> BuiltIndex:
    """Index a video: MP4, MOV, 3GP or a raw Annex B H.264 stream.

    Args:
        reader: Its bytes; every byte of the chosen track is read once, in order.

    Raises:
        CorruptVideoError: Not a video, truncated, or damaged beyond reading.
        UnsupportedError: Another container or codec, no video track, encryption; by name.
            Or more work than an honest file of its size makes (`marey.video.index.effort`).
    """
    container = sniff_container(reader)
    effort = Effort(reader.size)
    sets = ActiveParameterSets(effort)
    builder = IndexBuilder(sets, effort)
    if container == "mp4":
        track = read_mp4_track(reader)
        builder.picture_size = track.picture_size
        builder.take_all(scan_mp4_samples(reader, track, sets, effort))
    else:
        builder.take_all(scan_annexb_samples(reader, sets, effort))
        track = builder.annexb_track()
    index = builder.finish(track, container, reader.size)
    first = builder.first_sps
    if first is None or not index.frame_count:
        found = "is shown of those" if any(builder.shown) else "could be found"
        raise CorruptVideoError(
            f"no picture {found} in {index.sample_count} samples"
            + (f": {builder.first_damage}" if builder.first_damage else "")
        )
    return BuiltIndex(index, describe(index, first, track.colour, has_b_slices=builder.has_b))


@dataclass(slots=True)
class IndexBuilder:
    """State of the pass; columns grow by one entry a sample."""

    sets: ActiveParameterSets
    effort: Effort
    offset: array[int] = field(default_factory=lambda: array("q"))
    size: array[int] = field(default_factory=lambda: array("q"))
    flags: array[int] = field(default_factory=lambda: array("H"))
    reach: array[int] = field(default_factory=lambda: array("q"))
    """The oldest sample that a sample's picture depends on; -1 where that cannot be told."""
    last_idr: array[int] = field(default_factory=lambda: array("q"))
    reference_start: array[int] = field(default_factory=lambda: array("q", [0]))
    references: array[int] = field(default_factory=lambda: array("i"))
    long_term: bytearray = field(default_factory=bytearray)
    top_order_count: array[int] = field(default_factory=lambda: array("q"))
    bottom_order_delta: array[int] = field(default_factory=lambda: array("q"))
    epoch: array[int] = field(default_factory=lambda: array("q"))
    order_count: array[int] = field(default_factory=lambda: array("q"))
    shown: bytearray = field(default_factory=bytearray)
    output: OutputColumn = field(default_factory=OutputColumn)
    parameter_sets: list[ParameterSets] = field(default_factory=list)
    picture_size: tuple[int, int] | None = None
    first_sps: Sps | None = None
    first_damage: str = ""
    has_b: bool = False
    _buffer: DecodedPictureBuffer = field(default_factory=DecodedPictureBuffer)
    starts: StartFinder = field(default_factory=StartFinder)
    recovery: RecoveryTracker = field(default_factory=RecoveryTracker)
    _sets_key: tuple[int, int] | None = None
    idr: int = 0
    _unclosed: bool = False
    _problems: int = 0

    def take_all(self, samples: Iterator[CodedSample]) -> None:
        """Take every sample of a video."""
        for sample in samples:
            self.take(sample)
        self.starts.finish()

    def take(self, sample: CodedSample) -> None:
        """Take the next sample in decode order."""
        i = len(self.flags)
        self.offset.append(sample.offset)
        self.size.append(sample.size)
        for column in (self.top_order_count, self.bottom_order_delta, self.epoch):
            column.append(0)
        self.order_count.append(0)
        self.shown.append(0)
        self.output.append_none()
        self.reach.append(i)
        self.flags.append(0)
        flags: int = SampleFlag.DAMAGED if sample.damage else 0
        if sample.damage:
            self.first_damage = self.first_damage or f"sample {i}: {sample.damage}"
        references: dict[int, int] = {}
        pictures = split_pictures(sample.headers)
        if not pictures:
            flags |= SampleFlag.NO_PICTURE
        elif len(pictures) > 2:
            raise CorruptVideoError(f"sample {i} holds {len(pictures)} pictures, expected one")
        for headers in pictures:
            flags |= self._take_picture(i, headers, sample, references)
        if self._unclosed:
            flags |= SampleFlag.UNCLOSED
            if pictures and self.reach[i] < 0:
                flags |= SampleFlag.LOST
        self.flags[i] = flags
        self.last_idr.append(self.idr)
        for target in sorted(references):
            self.references.append(target)
            self.long_term.append(references[target])
        self.reference_start.append(len(self.references))

    def _take_picture(
        self,
        i: int,
        headers: list[SliceHeader],
        sample: CodedSample,
        references: dict[int, int],
    ) -> int:
        """One frame or field of sample `i`; gives its flags and adds its references."""
        first = headers[0]
        flags = 0
        refuse_unsupported(i, headers)
        self._note_parameter_sets(i, first)
        if first.nal_ref_idc:
            flags |= SampleFlag.REFERENCE
        if len(headers) > 1:
            flags |= SampleFlag.SLICED
        buffer = self._buffer
        gap_frames = buffer.gap_frames
        picture = buffer.start_picture(first, i)
        begin = picture.id
        if begin != i:
            flags |= SampleFlag.SECOND_FIELD
            # References name a frame by the sample of its first field.
            self.flags[begin] |= flags & SampleFlag.REFERENCE
        elif first.nal_unit_type == NAL_SLICE_IDR:
            flags |= SampleFlag.IDR | SampleFlag.START
            self.idr = i
            self._unclosed = False
        intra = first.nal_unit_type != NAL_SLICE_IDR and all(
            h.slice_type in _INTRA for h in headers
        )
        starts = self.starts
        starts.begin_picture(begin, first, picture, intra=intra and begin == i)
        buffers = 1 + starts.candidate_count
        gap_frames = buffer.gap_frames - gap_frames
        self.effort.spend(buffers * (cost.PICTURE + cost.GAP_FRAME * gap_frames))
        reach = min(self.reach[begin], begin)
        if first.structure == FRAME:
            self.top_order_count[i] = picture.top_order_count
            self.bottom_order_delta[i] = picture.bottom_order_count - picture.top_order_count
        shared = None
        for header in headers:
            if header.slice_type in _INTRA or header.shared is shared:
                continue  # no lists, or those of the slice before
            shared = header.shared
            self.effort.spend(buffers * of_lists(header))
            self.has_b = self.has_b or header.slice_type == B
            lists = buffer.reference_lists(header)
            for entries in lists:
                for entry in entries:
                    if entry is None or entry[0].id < 0:
                        reach = -1
                        continue
                    target = entry[0].id
                    if target == i:
                        continue  # the first field of this very sample
                    references[target] = (
                        entry[0].long_term_frame_idx + 1 if entry[0].long_term else 0
                    )
                    reach = min(reach, self.reach[target])
            starts.compare(header, lists, reach)
        self.reach[begin] = self.reach[i] = reach
        buffer.end_picture()
        starts.end_picture(buffer)
        if buffer.problem_count != self._problems:
            self._problems = buffer.problem_count
            self._unclosed = True
        if reach < 0 or not headers_can_change(headers):
            flags |= SampleFlag.FIXED_HEADERS
        self.epoch[begin] = picture.epoch
        # libavcodec shows a picture with memory_management_control_operation 5 before all that
        # follow it, though their order counts may lie below its own.
        self.order_count[begin] = _LOWEST if picture.has_mmco5 else picture.order_count
        self.shown[begin] = self.recovery.is_put_out(first, second_field=buffer.is_second_field)
        recovery = self.recovery.reaches(headers, sample.recovery, buffer, self.sets.pps)
        earlier = self.output[begin]
        self.output[begin] = OutputPicture(
            order_count=picture.order_count,
            is_b=first.slice_type == B,
            recovery=max(recovery, earlier.recovery) if earlier else recovery,
            resets_order=picture.has_mmco5,
            reorder_frames=first.sps.num_reorder_frames,
            states_reorder=first.sps.vui is not None
            and first.sps.vui.bitstream_restriction_flag,
        )
        return flags

    def _note_parameter_sets(self, i: int, header: SliceHeader) -> None:
        key = (self.sets.generation, header.sps.seq_parameter_set_id)
        if key == self._sets_key:
            return
        self._sets_key = key
        self.first_sps = self.first_sps or header.sps
        if len(self.parameter_sets) >= _MOST_PARAMETER_SET_CHANGES:
            raise UnsupportedError(
                f"parameter sets change more than {_MOST_PARAMETER_SET_CHANGES} times "
                f"by sample {i}"
            )
        message = self.sets.encoder_message
        found = ParameterSets(
            first_sample=i if self.parameter_sets else 0,
            sps=tuple(self.sets.sps_nals[k] for k in sorted(self.sets.sps_nals)),
            pps=tuple(self.sets.pps_nals[k] for k in sorted(self.sets.pps_nals)),
            sei=(message,) if message and header.sps.chroma_format_idc == _YUV444 else (),
            format=picture_format(header.sps, self.picture_size),
        )
        if self.parameter_sets and self.parameter_sets[-1].first_sample == i:
            self.parameter_sets.pop()
        self.parameter_sets.append(found)

    def annexb_track(self) -> CodedTrack:
        """The packets of an Annex B stream: every access unit, a field pair once in time."""
        n = len(self.flags)
        offset, size = _column(self.offset), _column(self.size)
        rate = frame_rate(self.first_sps) if self.first_sps else None
        track = CodedTrack(
            offset=offset,
            size=size,
            description=np.zeros(n, np.int32),
            configs=(),
            nal_length_size=0,
            packet_sample=np.arange(n, dtype=np.int64),
            pts_ticks=np.zeros(n, np.int64),
            discard=np.zeros(n, np.bool_),
            duration_ticks=np.ones(n, np.int64),
            timebase=annexb_timing(rate),
            picture_size=None,
            colour=None,
            display=None,
        )
        # Nothing in the stream says when a frame is shown: one a tick, in display order.
        sample, _ = present_frames(track, self._order())
        pts = np.zeros(n, np.int64)
        pts[sample] = np.arange(len(sample))
        return replace(track, pts_ticks=pts)

    def _order(self) -> PictureOrder:
        return PictureOrder(
            shown=np.frombuffer(bytes(self.shown), np.uint8) != 0,
            epoch=_column(self.epoch),
            order_count=_column(self.order_count),
            output=self.output,
        )

    def finish(self, track: CodedTrack, container: str, source_bytes: int) -> FrameIndex:
        """The index of the samples taken, which are those of the track."""
        n = len(self.flags)
        flags = np.array(self.flags, np.uint16)
        order = self._order()
        flags[_column(self.starts.starts)] |= np.uint16(SampleFlag.START)
        if n:
            flags[0] |= np.uint16(SampleFlag.START)
        refuse_blind_entries(track.packet_sample, flags, order.output)
        frame_sample, pts = present_frames(track, order)
        return FrameIndex(
            offset=_column(self.offset),
            size=_column(self.size),
            flags=flags,
            decode_from=self._decode_from(flags),
            reference_start=_column(self.reference_start),
            references=np.array(self.references, np.int32),
            long_term=np.frombuffer(bytes(self.long_term), np.uint8),
            top_order_count=_column(self.top_order_count),
            bottom_order_delta=_column(self.bottom_order_delta),
            frame_sample=frame_sample,
            pts_ticks=pts,
            last_duration_ticks=last_duration(track, frame_sample, pts),
            timebase=track.timebase,
            parameter_sets=tuple(self.parameter_sets),
            container=container,
            nal_length_size=track.nal_length_size,
            source_bytes=source_bytes,
            colour=container_colour(track.colour),
            display=track.display,
        )

    def _decode_from(self, flags: Flags) -> np.ndarray[tuple[int], np.dtype[np.int32]]:
        """The latest start that every picture's references allow; the last IDR if unclear."""
        if not len(flags):
            return np.empty(0, np.int32)
        starts = np.flatnonzero(flags & SampleFlag.START)
        reach = _column(self.reach)
        unclear = (reach < 0) | ((flags & SampleFlag.UNCLOSED) != 0)
        lowest = np.where(unclear, _column(self.last_idr), reach)
        return starts[np.searchsorted(starts, lowest, side="right") - 1].astype(np.int32)


def _column(values: array[int]) -> Int64s:
    """A finished column, not copied."""
    return np.frombuffer(values, np.int64) if len(values) else np.empty(0, np.int64)
