"""The frame index: what is known of every sample and every presented frame of one clip, as
arrays.

Two numberings meet here. *Samples* are counted in decode order, as they lie in the file;
*frames* are counted in display order, as a player presents them. `frame_sample` leads from a
frame to its sample. Samples that are decoded but never shown (pre-roll hidden by an edit list,
parameter sets alone) have no frame.

The arrays are read-only and shared: nobody copies an index to use it.
"""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass
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
    """Everything that planning a read of one clip needs, without touching its bytes.

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
    its GOP, for the leading pictures of an open GOP the one before."""
    reference_start: Int64s
    """`[n + 1]` where each sample's active references begin in `references`."""
    references: Int32s
    """Samples that a sample's slices can name (8.2.4), ascending within each sample; always
    earlier samples."""
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

    def check_frames(self, frames: npt.NDArray[np.integer]) -> None:
        """Refuse frame numbers that the clip does not have.

        Raises:
            FrameRangeError: Naming the first one outside and the range there is.
        """
        outside = (frames < 0) | (frames >= self.frame_count)
        if outside.any():
            first = int(frames[outside][0])
            has = (
                f"frames 0 to {self.frame_count - 1}"
                if self.frame_count
                else "no presented frame"
            )
            raise FrameRangeError(f"frame {first} was asked for, the clip has {has}")


def _counted(holds: npt.NDArray[np.generic]) -> Int64s:
    """How many hold before each place."""
    counts = np.zeros(len(holds) + 1, np.int64)
    np.cumsum(holds != 0, out=counts[1:])
    return counts
