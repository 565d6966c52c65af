"""The frame index: what is known of every sample and every presented frame of one clip, as
arrays.

Two numberings meet here. *Samples* are counted in decode order, as they lie in the file;
*frames* are counted in display order, as a player presents them. `frame_sample` leads from a
frame to its sample. Samples that are decoded but never shown (pre-roll hidden by an edit list,
parameter sets alone) have no frame.

The arrays are read-only and shared: nobody copies an index to use it.

An index may be of a part of a clip, as few frames of a long one need no more: then all numbers
count from the part's own first sample and frame, and references to samples before it are
negative. `first_sample` and `first_frame` say where the part lies; messages name samples as the
clip counts them (`clip_sample`).
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from dataclasses import dataclass, replace
from functools import cached_property
from operator import attrgetter
from typing import Final

import numpy as np
import numpy.typing as npt

from ...errors import FrameRangeError
from ..mp4.headers import Matrix
from ..timing import Timebase

Int64s = npt.NDArray[np.int64]
Int32s = npt.NDArray[np.int32]
Flags = npt.NDArray[np.uint16]


class SampleFlag:
    """What a sample is, in bits.

    Plain numbers, not an enum: an array takes ten times as long to be compared with one of
    those.
    """

    REFERENCE: Final = 1
    """A later sample may refer to it (nal_ref_idc is not 0)."""
    IDR: Final = 2
    """It begins with an instantaneous decoding refresh: nothing before it is needed after
    it."""
    START: Final = 4
    """Decoding can start here: every later picture whose references reach no further back
    comes out exact."""
    SECOND_FIELD: Final = 8
    """It completes the field in the sample before it: the two make one picture."""
    NO_PICTURE: Final = 16
    """It holds no coded picture (empty, or parameter sets and messages only)."""
    DAMAGED: Final = 32
    """Its headers do not parse: no picture that depends on it is exact."""
    UNCLOSED: Final = 64
    """References were lost between the last IDR picture and here: only decoding everything
    since gives what a full decode gives."""
    FIXED_HEADERS: Final = 128
    """Its slice headers cannot be rewritten for a subset of the stream (fields, slice groups, a
    reference that was never sent, ...): runs through it are decoded whole."""
    LOST: Final = 256
    """It depends, directly or not, on a reference that the stream does not hold: a decoder
    makes something up, and no frame of it is exact."""
    SLICED: Final = 512
    """Its picture comes in several slices, each with a header of its own to rewrite."""


@dataclass(frozen=True, slots=True)
class PictureFormat:
    """The form of decoded pictures under one sequence parameter set."""

    width: int
    """Visible luma samples a row, after cropping."""
    height: int
    """Visible luma rows, after cropping."""
    bit_depth_luma: int
    """Bits a luma sample, 8 to 14."""
    bit_depth_chroma: int
    """Bits a chroma sample, 8 to 14."""
    chroma_format_idc: int
    """0 monochrome, 1 4:2:0, 2 4:2:2, 3 4:4:4 (7.4.2.1.1)."""


@dataclass(frozen=True, slots=True)
class ContainerColour:
    """What a container says of colours; it holds where the stream itself says nothing."""

    matrix_coefficients: int
    """From RGB to luma and chroma, by ITU-T H.273, 0 to 14; 2 is unspecified."""
    full_range: bool
    """Whether samples use all their values, and not those of video only."""


@dataclass(frozen=True, slots=True)
class Display:
    """How a container says that pictures are shown: for files that are made of the clip.

    Frames are decoded as they are coded; nothing of this changes a pixel.
    """

    matrix: Matrix
    """How pictures are turned and placed: that of the track, then that of the movie."""
    width: float
    """Columns on the screen before the matrix, in 1/65536; 0 where it is not said."""
    height: float
    """Rows on the screen before the matrix."""
    entry_boxes: bytes
    """Boxes of the sample entry, whole: pixel aspect, colours, clean aperture and so on."""


@dataclass(frozen=True, slots=True)
class ParameterSets:
    """The parameter sets in force from one sample on."""

    first_sample: int
    """The first sample that they hold for."""
    sps: tuple[bytes, ...]
    """Sequence parameter sets, NAL units with header byte and emulation prevention, by id."""
    pps: tuple[bytes, ...]
    """Picture parameter sets, likewise."""
    sei: tuple[bytes, ...]
    """Messages to send along: the encoder's version of x264's 4:4:4 streams, which libavcodec
    decodes by that version's rules."""
    format: PictureFormat
    """What pictures decoded under them look like."""


_first_sample = attrgetter("first_sample")


@dataclass(frozen=True)
class FrameIndex:
    """Everything that planning a read of one clip, or of a part of it, needs, without touching
    its bytes.

    `n` samples in decode order, `k` presented frames in display order.
    """

    offset: Int64s
    """`[n]` first byte of each sample in the source."""
    size: Int64s
    """`[n]` bytes of each sample."""
    flags: Flags
    """`[n]` `SampleFlag` bits."""
    decode_from: Int32s
    """`[n]` the start from which decoding gives each sample's picture exactly; usually that of
    its GOP, for the leading pictures of an open GOP the one before. Negative where that lies
    before the part."""
    reference_start: Int64s
    """`[n + 1]` where each sample's active references begin in `references`."""
    references: Int32s
    """Samples that a sample's slices can name (8.2.4), ascending within each sample; always
    earlier samples, negative before the part."""
    long_term: npt.NDArray[np.uint8]
    """For each of `references`: 0 for a short-term reference, else its LongTermFrameIdx + 1
    (8.2.4.1)."""
    top_order_count: Int64s
    """`[n]` TopFieldOrderCnt of each picture (8.2.1), counted from its IDR picture."""
    bottom_order_delta: Int64s
    """`[n]` BottomFieldOrderCnt less TopFieldOrderCnt."""
    frame_sample: Int32s
    """`[k]` the sample that carries each presented frame (its first field, where fields are
    samples)."""
    pts_ticks: Int64s
    """`[k]` presentation time of each frame, after edit lists, not decreasing on sane files."""
    last_duration_ticks: int
    """Duration of the last frame; every other lasts until the next."""
    timebase: Timebase
    """Seconds a tick."""
    parameter_sets: tuple[ParameterSets, ...]
    """By `first_sample`, ascending; the first holds from sample 0."""
    container: str
    """`mp4` or `annexb`."""
    nal_length_size: int
    """Bytes of the length before each NAL unit; 0 for start codes (Annex B)."""
    source_bytes: int
    """Bytes of the whole source."""
    colour: ContainerColour | None
    """What the container says of colours, if it does."""
    display: Display | None = None
    """How the container says that pictures are shown; None: as they are coded."""
    first_sample: int = 0
    """Where the part begins in its clip."""
    first_frame: int = 0
    """The clip's number of its first frame."""
    ends_gop: bool = True
    """Whether a GOP ends with the last sample: a start follows, or the clip is over."""

    @property
    def sample_count(self) -> int:
        """Samples, shown or not."""
        return len(self.offset)

    @property
    def frame_count(self) -> int:
        """Presented frames."""
        return len(self.frame_sample)

    @cached_property
    def starts(self) -> Int64s:
        """Samples at which decoding can start, ascending; each begins a GOP."""
        return np.flatnonzero(self.flags & SampleFlag.START)

    @cached_property
    def idr_before(self) -> Int64s:
        """`[n]` the last IDR picture at or before each sample; 0 where there is none."""
        is_idr = (self.flags & SampleFlag.IDR) != 0
        at: Int64s = np.where(is_idr, np.arange(self.sample_count), 0)
        return np.maximum.accumulate(at)

    @cached_property
    def unclosed_before(self) -> Int64s:
        """`[n + 1]` how many samples before each are `UNCLOSED`."""
        return _counted(self.flags & SampleFlag.UNCLOSED)

    @cached_property
    def references_before(self) -> Int64s:
        """`[n + 1]` how many samples before each are reference pictures."""
        flags = self.flags & (SampleFlag.REFERENCE | SampleFlag.NO_PICTURE)
        return _counted(flags == SampleFlag.REFERENCE)

    @cached_property
    def is_reference(self) -> npt.NDArray[np.bool_]:
        """`[n]` whether each sample is a reference picture."""
        flags = self.flags & (SampleFlag.REFERENCE | SampleFlag.NO_PICTURE)
        reference: npt.NDArray[np.bool_] = flags == SampleFlag.REFERENCE
        return reference

    @cached_property
    def kinds(self) -> int:
        """The flags that any sample has."""
        return int(np.bitwise_or.reduce(self.flags)) if self.sample_count else 0

    @cached_property
    def reference_lists(self) -> tuple[list[int], list[int]]:
        """`reference_start` and `references` as plain numbers, to walk from one to the next."""
        return self.reference_start.tolist(), self.references.tolist()

    @cached_property
    def has_long_term(self) -> bool:
        """Whether any sample has a long-term reference."""
        return bool(self.long_term.any())

    @cached_property
    def has_bottom_order_delta(self) -> bool:
        """Whether the two fields of any picture have different order counts."""
        return bool(self.bottom_order_delta.any())

    @cached_property
    def duration_ticks(self) -> Int64s:
        """`[k]` how long each frame stands, until the next one or the end."""
        return np.append(np.diff(self.pts_ticks), self.last_duration_ticks)[: self.frame_count]

    def clip_sample(self, sample: int) -> int:
        """The number of a sample in its clip."""
        return self.first_sample + sample

    def part(self, samples: slice, frames: slice) -> FrameIndex:
        """The index of some of the samples.

        Args:
            samples: Consecutive ones, from `start` to before `stop`.
            frames: The consecutive frames that they, and no others, carry.
        """
        a, b, c, d = samples.start, samples.stop, frames.start, frames.stop
        first, end = self.reference_start[a], self.reference_start[b]
        is_last = b == self.sample_count
        return FrameIndex(
            offset=self.offset[a:b],
            size=self.size[a:b],
            flags=self.flags[a:b],
            decode_from=self.decode_from[a:b] - np.int32(a),
            reference_start=self.reference_start[a : b + 1] - first,
            references=self.references[first:end] - np.int32(a),
            long_term=self.long_term[first:end],
            top_order_count=self.top_order_count[a:b],
            bottom_order_delta=self.bottom_order_delta[a:b],
            frame_sample=self.frame_sample[c:d] - np.int32(a),
            pts_ticks=self.pts_ticks[c:d],
            last_duration_ticks=int(self.duration_ticks[d - 1]) if d > c else 0,
            timebase=self.timebase,
            parameter_sets=sets_between(self.parameter_sets, a, b),
            container=self.container,
            nal_length_size=self.nal_length_size,
            source_bytes=self.source_bytes,
            colour=self.colour,
            display=self.display,
            first_sample=self.first_sample + a,
            first_frame=self.first_frame + c,
            ends_gop=self.ends_gop if is_last else bool(self.flags[b] & SampleFlag.START),
        )

    def references_of(self, sample: int) -> Int32s:
        """The samples that `sample` can refer to, ascending."""
        return self.references[self.reference_start[sample] : self.reference_start[sample + 1]]

    def parameter_sets_at(self, sample: int) -> ParameterSets:
        """The parameter sets in force at a sample."""
        after = bisect_right(self.parameter_sets, sample, key=_first_sample)
        return self.parameter_sets[after - 1]

    def frame_format(self, frame: int) -> PictureFormat:
        """The form of one presented frame.

        Raises:
            FrameRangeError: There is no such frame.
        """
        self.check_frames(np.array([frame]))
        return self.parameter_sets_at(int(self.frame_sample[frame])).format

    def formats(self, frames: npt.NDArray[np.integer]) -> list[PictureFormat]:
        """The forms that some frames have, each once."""
        firsts = np.array([sets.first_sample for sets in self.parameter_sets], np.int64)
        after = np.searchsorted(firsts, self.frame_sample[frames], side="right")
        used = np.unique(after - 1).tolist()
        return list(dict.fromkeys(self.parameter_sets[i].format for i in used))

    def check_frames(self, frames: npt.NDArray[np.integer]) -> None:
        """Refuse frame numbers that the clip does not have.

        Raises:
            FrameRangeError: Naming the first one outside and the range there is.
        """
        refuse_outside(frames, self.frame_count)


def refuse_outside(frames: npt.NDArray[np.integer], frame_count: int) -> None:
    """Refuse frame numbers outside a clip of so many frames.

    Raises:
        FrameRangeError: Naming the first one outside and the range there is.
    """
    outside = (frames < 0) | (frames >= frame_count)
    if outside.any():
        first = int(frames[outside][0])
        has = f"frames 0 to {frame_count - 1}" if frame_count else "no presented frame"
        raise FrameRangeError(f"frame {first} was asked for, the clip has {has}")


def sets_between(
    states: tuple[ParameterSets, ...], first: int, end: int
) -> tuple[ParameterSets, ...]:
    """The states in force from one sample to before another, counted from the first."""
    if len(states) == 1:
        return states
    after = bisect_right(states, first, key=_first_sample)
    beyond = bisect_left(states, end, lo=after, key=_first_sample)
    return tuple(
        replace(state, first_sample=max(0, state.first_sample - first))
        for state in states[max(0, after - 1) : beyond]
    )


def _counted(holds: npt.NDArray[np.generic]) -> Int64s:
    """How many hold before each place."""
    counts = np.zeros(len(holds) + 1, np.int64)
    np.cumsum(holds != 0, out=counts[1:])
    return counts
