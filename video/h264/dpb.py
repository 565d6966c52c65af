"""The decoded picture buffer without its pixels: what every slice of a stream can refer to.

`DecodedPictureBuffer` runs the reference process of a decoder (8.2.1, 8.2.4 and 8.2.5) on slice
headers. For each primary coded picture, in decoding order::

    picture = buffer.start_picture(header, picture_id)   # the header of its first slice
    lists = buffer.reference_lists(header)               # of every slice
    buffer.end_picture()

The two fields of a frame are two such rounds with one `Picture`. Only reference pictures are
held; those that merely wait to be shown need no buffer, as (`Picture.epoch`,
`Picture.order_count`) gives the order of all.

Any headers that parse are taken, and nothing here grows with a number from a header. What
breaks the rules is counted in `problems` and then dealt with as libavcodec does; where a stream
keeps the rules and that decoder does not, the standard is followed.
"""

from __future__ import annotations

from .marking import (
    NO_LONG_TERM_FRAME_INDICES,
    capacity,
    control_memory,
    drop_frame_num,
    drop_surplus,
    slide_window,
)
from .nal import NAL_SLICE_IDR
from .picture import NO_ORDER_COUNT, Picture, Problem, ReferenceList, number_pictures
from .poc import PictureOrderCount
from .ref_lists import active_list, initial_list_p, initial_lists_b
from .slice_header import BOTTOM_FIELD, FRAME, SP, TOP_FIELD, B, P, SliceHeader
from .sps import Sps

_MMCO5 = (5,)


class DecodedPictureBuffer:
    """The reference pictures of a decoder between any two slices of a stream.

    A stream may be entered anywhere. At an entry that is no IDR picture the buffer is empty:
    references to earlier pictures are None, memory management of them is a problem, and order
    counts lack a constant (see `snapshot`).
    """

    __slots__ = (
        "_epoch",
        "_first_field",
        "_header",
        "_initial_b",
        "_initial_p",
        "_max_long_term_frame_idx",
        "_order_count",
        "_order_counts",
        "_previous_frame_num",
        "current",
        "gap_frames",
        "is_second_field",
        "pictures",
        "problem_count",
        "problems",
    )

    pictures: list[Picture]
    """The reference pictures, in decoding order."""
    current: Picture | None
    """The picture that was started last."""
    gap_frames: int
    """How many frames were made up so far to fill gaps in frame_num."""
    is_second_field: bool
    """It was the second field of a frame that was started last."""
    problems: dict[Problem, int]
    """How often the stream did what a conformant stream never does."""
    problem_count: int
    """The sum of `problems`. Compare it before and after a picture to know the one at fault."""

    def __init__(self) -> None:
        """An empty buffer, before the first picture."""
        self.pictures = []
        self.current = None
        self.gap_frames = 0
        self.is_second_field = False
        self.problems = {}
        self.problem_count = 0
        self._header: SliceHeader | None = None
        self._epoch = -1
        self._order_counts = PictureOrderCount()
        # PicOrderCnt(CurrPic): of a frame, or of a field alone.
        self._order_count = NO_ORDER_COUNT
        self._max_long_term_frame_idx = NO_LONG_TERM_FRAME_INDICES
        # PrevRefFrameNum (7.4.3); None before the first reference picture.
        self._previous_frame_num: int | None = None
        # The picture before, where it is a field whose other half may come next.
        self._first_field: Picture | None = None
        # The initial lists of the current picture, made when a slice first asks.
        self._initial_p: ReferenceList | None = None
        self._initial_b: tuple[ReferenceList, ReferenceList] | None = None

    def start_picture(self, header: SliceHeader, picture_id: int) -> Picture:
        """Begin the picture whose first slice has this header.

        Args:
            header: The first slice header of a primary coded picture.
            picture_id: The caller's name for the picture, not negative; ignored where it is the
                second field of a frame.

        Returns:
            The picture; for a second field, that of the first.

        Raises:
            BitstreamError: Its picture order count is out of range.
        """
        sps = header.sps
        structure = header.structure
        first = self._first_field
        self._first_field = self._initial_p = self._initial_b = None
        if (
            first is not None
            and first.structure + structure == FRAME
            and first.frame_num == header.frame_num
        ):
            self.is_second_field = True
            self._check_pair(first, header)
            picture = first
        else:
            self.is_second_field = False
            self._make_way(header)
            picture = Picture(picture_id, header.frame_num, self._epoch)
        self.current = picture
        self._header = header
        number_pictures(self.pictures, header.frame_num, sps.max_frame_num)

        top, bottom = self._order_counts.decode(header)
        self._order_count = top if top < bottom else bottom
        if structure & TOP_FIELD:
            picture.top_order_count = top
        if structure & BOTTOM_FIELD:
            picture.bottom_order_count = bottom
        if not self.is_second_field:
            picture.order_count = self._order_count
        if header.nal_ref_idc:
            picture.is_reference = True
        return picture

    # 8.2.4 Decoding process for reference picture lists construction
    def reference_lists(self, header: SliceHeader) -> tuple[ReferenceList, ...]:
        """RefPicList0 and RefPicList1 of a slice of the current picture, as far as it has them.

        Each has as many entries as are active. None stands where there is no picture: at the
        end of a list that is common, and harmless while no macroblock uses it. A picture with a
        negative id fills a gap in frame_num.
        """
        slice_type = header.slice_type
        if slice_type in (P, SP):
            if self._initial_p is None:
                self._initial_p = initial_list_p(self.pictures, header.structure)
            return (active_list(self._initial_p, header, 0, self.pictures, self._report),)
        if slice_type == B:
            if self._initial_b is None:
                self._initial_b = initial_lists_b(
                    self.pictures, header.structure, self._order_count
                )
            list0, list1 = self._initial_b
            return (
                active_list(list0, header, 0, self.pictures, self._report),
                active_list(list1, header, 1, self.pictures, self._report),
            )
        return ()

    def end_picture(self) -> None:
        """Mark the reference pictures; call it after the last slice of the current picture."""
        picture, header = self.current, self._header
        if picture is None or header is None:
            raise ValueError("end_picture: no picture was started")
        picture.structure |= header.structure
        if header.nal_ref_idc:
            self._mark(picture, header)
        if self.is_second_field:
            picture.order_count = min(picture.top_order_count, picture.bottom_order_count)
        elif header.structure != FRAME:
            self._first_field = picture

    def snapshot(self, *, base: int = 0) -> tuple[object, ...]:
        """All that later lists and order counts follow from, to be compared between pictures.

        Buffers with equal snapshots stay equal for as long as they are fed the same. One that
        entered the stream at a picture that is no IDR picture has order counts that differ from
        the true ones by a constant: `base` takes it off.

        Args:
            base: Subtracted from every order count.
        """
        if self._header is None:
            return ()
        first = self._first_field
        return (
            self._previous_frame_num,
            self._max_long_term_frame_idx,
            first and (first.id, first.structure),
            self._order_counts.state(self._header.sps, base),
            tuple(
                (
                    p.id,
                    p.frame_num,
                    p.short_term,
                    p.long_term,
                    p.long_term_frame_idx if p.long_term else NO_LONG_TERM_FRAME_INDICES,
                    *(
                        None if count == NO_ORDER_COUNT else count - base
                        for count in (p.top_order_count, p.bottom_order_count)
                    ),
                )
                for p in self.pictures
            ),
        )

    def copy(self) -> DecodedPictureBuffer:
        """Another buffer in the same state, with its own pictures; taken between pictures."""
        other = DecodedPictureBuffer()
        for name in self.__slots__:
            setattr(other, name, getattr(self, name))
        twins = {id(p): p.copy() for p in (*self.pictures, self.current) if p is not None}
        other.pictures = [twins[id(p)] for p in self.pictures]
        other.current = self.current and twins[id(self.current)]
        other._first_field = self._first_field and twins[id(self._first_field)]
        other._order_counts = self._order_counts.copy()
        other.problems = dict(self.problems)
        return other

    def _report(self, problem: Problem) -> None:
        self.problems[problem] = self.problems.get(problem, 0) + 1
        self.problem_count += 1

    # 3.30 complementary reference field pair, 3.29 complementary non-reference field pair
    def _check_pair(self, first: Picture, header: SliceHeader) -> None:
        """Fields of opposite parity and one frame_num share a frame; the rules ask for more."""
        if (
            first.is_reference != (header.nal_ref_idc != 0)
            or header.nal_unit_type == NAL_SLICE_IDR
            or _MMCO5 in header.memory_management
        ):
            self._report(Problem.FIELD_PAIR)

    def _make_way(self, header: SliceHeader) -> None:
        """What comes before a picture that is not a second field."""
        if header.nal_unit_type == NAL_SLICE_IDR:
            # 8.2.5.1 has this done after decoding, but an IDR picture refers to nothing.
            self.pictures.clear()
            self._epoch += 1
            return
        if self._epoch < 0:
            self._epoch = 0
        previous = self._previous_frame_num
        frame_num = header.frame_num
        if (
            previous is not None
            and frame_num != previous
            and frame_num != (previous + 1) % header.sps.max_frame_num
        ):
            self._fill_gap(header.sps, previous, frame_num)

    # 8.2.5.2 Decoding process for gaps in frame_num
    def _fill_gap(self, sps: Sps, previous: int, frame_num: int) -> None:
        pictures = self.pictures
        if not sps.gaps_in_frame_num_value_allowed_flag:
            self._report(Problem.FRAME_NUM_GAP)
        frames = capacity(sps)
        missing = (frame_num - previous - 1) % sps.max_frame_num
        # More than the buffer holds would only push one another out.
        for number in range(frame_num - min(missing, frames), frame_num):
            self.gap_frames += 1
            picture = Picture(-1, number % sps.max_frame_num, self._epoch)
            picture.non_existing = True
            picture.structure = picture.short_term = FRAME
            top, bottom = self._order_counts.fill_gap(sps, picture.frame_num)
            if not sps.gaps_in_frame_num_value_allowed_flag:
                top = bottom = self._concealed_order_count()
            picture.top_order_count, picture.bottom_order_count = top, bottom
            picture.order_count = min(top, bottom)
            if slide_window(pictures, frames):
                pictures.append(picture)
            else:
                self._report(Problem.TOO_MANY_REFERENCES)
        self._previous_frame_num = (frame_num - 1) % sps.max_frame_num

    def _concealed_order_count(self) -> int:
        """What libavcodec gives to a lost frame: two more than the reference before it has."""
        for picture in reversed(self.pictures):
            if picture.short_term and picture.order_count != NO_ORDER_COUNT:
                return picture.order_count + 2
        return NO_ORDER_COUNT

    # 8.2.5.1 Sequence of operations for decoded reference picture marking process
    def _mark(self, picture: Picture, header: SliceHeader) -> None:
        pictures = self.pictures
        structure = header.structure
        frames = capacity(header.sps)
        if header.nal_unit_type == NAL_SLICE_IDR:
            self._max_long_term_frame_idx = NO_LONG_TERM_FRAME_INDICES
            if header.long_term_reference_flag:
                picture.long_term |= structure
                picture.long_term_frame_idx = self._max_long_term_frame_idx = 0
        elif header.adaptive_ref_pic_marking_mode_flag:
            self._max_long_term_frame_idx = control_memory(
                pictures, picture, header, self._max_long_term_frame_idx, self._report
            )
        else:
            # A second field takes no more room than its first.
            has_room = self.is_second_field and picture.short_term
            if not has_room and not slide_window(pictures, frames):
                self._report(Problem.TOO_MANY_REFERENCES)
        if not picture.long_term & structure:
            picture.short_term |= structure
        if picture not in pictures:
            if picture.short_term and drop_frame_num(pictures, picture.frame_num):
                self._report(Problem.FRAME_NUM_TWICE)
            pictures.append(picture)
            if len(pictures) > frames:
                self._report(Problem.TOO_MANY_REFERENCES)
                drop_surplus(pictures)
        self._previous_frame_num = header.frame_num
        if _MMCO5 in header.memory_management:
            self._restart(picture, structure)

    # 8.2.1 and 7.4.3: after memory_management_control_operation 5
    def _restart(self, picture: Picture, structure: int) -> None:
        """Make the picture the first of an epoch, with frame_num and order count 0."""
        self._epoch += 1
        picture.epoch = self._epoch
        picture.frame_num = picture.frame_num_wrap = self._previous_frame_num = 0
        # tempPicOrderCnt
        base = self._order_count
        if picture.structure & TOP_FIELD:
            picture.top_order_count -= base
        if picture.structure & BOTTOM_FIELD:
            picture.bottom_order_count -= base
        picture.order_count = min(picture.top_order_count, picture.bottom_order_count)
        self._order_counts.reset(picture.top_order_count if structure & TOP_FIELD else 0)
