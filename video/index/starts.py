"""At which pictures, beside IDR pictures, decoding can start and still come out exact.

An intra picture without IDR (open GOP, recovery point) is a start when a decoder that begins
there with nothing in its buffer builds the same reference lists as one that has seen
everything, for every later picture that reaches no further back. That is not taken from a
recovery point message: it is tried. A second decoded picture buffer starts empty at the
candidate and follows the stream beside the true one until both hold the same pictures, from
where on they must agree for ever.

A decoder that begins there counts picture order from another base (8.2.1.1 with
prevPicOrderCntMsb of 0), so orders are compared up to one constant. It also takes the frame
numbers before the entry for a gap and fills its buffer with made-up frames (8.2.5.2, as
libavcodec does it): those stand before long-term references in a list and push others out.
"""

from __future__ import annotations

from array import array
from collections.abc import Sequence

from ..h264.dpb import DecodedPictureBuffer
from ..h264.marking import capacity
from ..h264.nal import NAL_SLICE_IDR
from ..h264.picture import Picture, ReferenceList
from ..h264.slice_header import BOTTOM_FIELD, FRAME, TOP_FIELD, SliceHeader

# Candidates followed at once. Streams of intra pictures only would otherwise follow as many as
# the buffer holds.
_MOST_CANDIDATES = 3
_LOWEST = -(1 << 31)


class StartFinder:
    """Follows candidates beside the true buffer and keeps those that proved to be starts."""

    def __init__(self) -> None:
        self.starts = array("q")
        """Samples that proved to be starts, in no order, each once."""
        self._candidates: list[_Candidate] = []

    @property
    def candidate_count(self) -> int:
        """How many candidates are followed: each costs as much as the stream itself."""
        return len(self._candidates)

    @property
    def pending(self) -> list[int]:
        """Samples that are starts if the stream ends here: nothing speaks against them yet."""
        return [candidate.sample for candidate in self._candidates]

    def begin_picture(
        self, sample: int, header: SliceHeader, current: Picture, *, intra: bool
    ) -> None:
        """A picture begins (or its second field does).

        Args:
            sample: The sample of its first field.
            header: Its first slice header.
            current: What the true buffer made of it.
            intra: Whether all of its slices are intra slices and it is not IDR.
        """
        if header.nal_unit_type == NAL_SLICE_IDR:
            self._settle_all()
            return
        if intra and header.nal_ref_idc and len(self._candidates) < _MOST_CANDIDATES:
            self._candidates.append(_Candidate(sample))
        for candidate in self._candidates:
            candidate.begin(header, sample, current)

    def compare(
        self, header: SliceHeader, true_lists: Sequence[ReferenceList], reach: int
    ) -> None:
        """A slice's true lists are known; `reach` is the oldest sample that its picture
        depends on.
        """
        if self._candidates:
            self._candidates = [
                c for c in self._candidates if c.agrees(header, true_lists, reach)
            ]

    def end_picture(self, true_buffer: DecodedPictureBuffer) -> None:
        """A picture (or field) is marked; candidates that have caught up are settled."""
        remaining = []
        for candidate in self._candidates:
            candidate.buffer.end_picture()
            if candidate.has_caught_up(true_buffer):
                self.starts.append(candidate.sample)
            else:
                remaining.append(candidate)
        self._candidates = remaining

    def finish(self) -> None:
        """The stream ends: what still agreed until here is a start."""
        self._settle_all()

    def _settle_all(self) -> None:
        self.starts.extend(c.sample for c in self._candidates)
        self._candidates = []


class _Candidate:
    __slots__ = ("buffer", "sample", "shift")

    def __init__(self, sample: int) -> None:
        self.sample = sample
        self.buffer = DecodedPictureBuffer()
        self.shift = 0

    def begin(self, header: SliceHeader, sample: int, current: Picture) -> None:
        enters = self.buffer.current is None
        if enters:
            self.buffer.pictures += _made_up_frames(header)
        mine = self.buffer.start_picture(header, sample)
        if enters:
            self.shift = current.order_count - mine.order_count

    def agrees(
        self, header: SliceHeader, true_lists: Sequence[ReferenceList], reach: int
    ) -> bool:
        if reach < self.sample:
            return True  # not decoded from here; only its marking counts
        mine = self.buffer.reference_lists(header)
        return all(
            self._same(a, b)
            for ours, theirs in zip(mine, true_lists, strict=True)
            for a, b in zip(ours, theirs, strict=True)
        )

    def _same(self, mine: tuple[Picture, int] | None, true: tuple[Picture, int] | None) -> bool:
        if mine is None or true is None:
            return False
        (a, a_structure), (b, b_structure) = mine, true
        return (
            a.id == b.id
            and a_structure == b_structure
            and bool(a.long_term) == bool(b.long_term)
            and a.structure == b.structure
            and (
                a.top_order_count + self.shift == b.top_order_count
                or not a.structure & TOP_FIELD
            )
            and (
                a.bottom_order_count + self.shift == b.bottom_order_count
                or not a.structure & BOTTOM_FIELD
            )
        )

    def has_caught_up(self, true_buffer: DecodedPictureBuffer) -> bool:
        return self.buffer.snapshot(base=-self.shift) == true_buffer.snapshot()


def _made_up_frames(header: SliceHeader) -> list[Picture]:
    """What libavcodec fills its buffer with when it enters at a picture with this header."""
    frame_num = header.frame_num
    pictures = []
    for number in range(max(0, frame_num - capacity(header.sps)), frame_num):
        picture = Picture(-1, number, 0)
        picture.non_existing = True
        picture.structure = picture.short_term = FRAME
        # Their order counts start from 0, those of the stream from 1 << 16.
        picture.top_order_count = picture.bottom_order_count = picture.order_count = _LOWEST
        pictures.append(picture)
    return pictures
