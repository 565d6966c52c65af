"""A picture of the decoded picture buffer without its samples: numbers, order counts, marks.

A `Picture` stands for a frame, a pair of fields, or a field that found no partner. Sets of its
fields are masks: bit 0 is the top field and bit 1 the bottom field, so that `TOP_FIELD`,
`BOTTOM_FIELD` and `FRAME` are such sets. Frames refer to pictures with both fields marked,
fields to any marked field (8.2.4).
"""

from __future__ import annotations

from collections.abc import Iterable
from enum import Enum
from typing import TypeAlias

from .slice_header import FRAME

NO_ORDER_COUNT = 1 << 31
"""The order count of a field that was not decoded: above every real one (8.2.1)."""


class Picture:
    """One entry of the decoded picture buffer.

    A plain class with slots: one is made for each picture of a stream, in the hot loop.
    """

    __slots__ = (
        "bottom_order_count",
        "epoch",
        "frame_num",
        "frame_num_wrap",
        "has_mmco5",
        "id",
        "is_reference",
        "long_term",
        "long_term_frame_idx",
        "non_existing",
        "order_count",
        "short_term",
        "structure",
        "top_order_count",
    )

    id: int
    """The caller's name for it; -1 for a frame that only fills a gap in frame_num."""
    frame_num: int
    """Its frame_num; 0 once a memory_management_control_operation 5 of its own was executed."""
    frame_num_wrap: int
    """FrameNumWrap towards the picture that was started last (8.2.4.1)."""
    structure: int
    """The fields decoded so far."""
    short_term: int
    """The fields marked "used for short-term reference"."""
    long_term: int
    """The fields marked "used for long-term reference"."""
    long_term_frame_idx: int
    """LongTermFrameIdx; -1 if it never had one."""
    top_order_count: int
    """TopFieldOrderCnt, or `NO_ORDER_COUNT`."""
    bottom_order_count: int
    """BottomFieldOrderCnt, or `NO_ORDER_COUNT`."""
    order_count: int
    """PicOrderCnt of a frame, or of the fields that are finished: while the second one is being
    decoded that of the first, as 8.2.4.2.4 wants it."""
    epoch: int
    """Counts IDR pictures and those with memory_management_control_operation 5, each the first
    of its epoch. Pictures sorted by (epoch, order_count) are in output order (C.4)."""
    is_reference: bool
    """One of its fields has a nal_ref_idc that is not 0, whatever its marks are now."""
    has_mmco5: bool
    """It carried a memory_management_control_operation 5."""
    non_existing: bool
    """Made up to fill a gap in frame_num (8.2.5.2): never output, never to be referred to."""

    def __init__(self, picture_id: int, frame_num: int, epoch: int) -> None:
        """A picture of which nothing is decoded yet."""
        self.id = picture_id
        self.frame_num = self.frame_num_wrap = frame_num
        self.epoch = epoch
        self.structure = self.short_term = self.long_term = 0
        self.long_term_frame_idx = -1
        self.top_order_count = self.bottom_order_count = self.order_count = NO_ORDER_COUNT
        self.is_reference = self.has_mmco5 = self.non_existing = False

    def __repr__(self) -> str:
        marks = "".join(
            f" {name}={mask}"
            for name, mask in (("short", self.short_term), ("long", self.long_term))
            if mask
        )
        return (
            f"<Picture {self.id} frame_num={self.frame_num} order={self.epoch}:"
            f"{self.order_count}{marks}{' non-existing' if self.non_existing else ''}>"
        )

    def copy(self) -> Picture:
        """Another picture with the same values."""
        other = Picture(self.id, self.frame_num, self.epoch)
        for name in self.__slots__:
            setattr(other, name, getattr(self, name))
        return other


Reference: TypeAlias = tuple[Picture, int]
"""An entry of a reference picture list: a picture, and which of its fields."""

ReferenceList: TypeAlias = list[Reference | None]
"""A reference picture list; None where there is no picture to refer to."""


# 8.2.4.1 Decoding process for picture numbers
def number_pictures(pictures: Iterable[Picture], frame_num: int, max_frame_num: int) -> None:
    """Set FrameNumWrap as seen from a picture with `frame_num`."""
    for picture in pictures:
        number = picture.frame_num
        picture.frame_num_wrap = number if number <= frame_num else number - max_frame_num


def current_pic_num(frame_num: int, structure: int) -> int:
    """CurrPicNum of a frame or field."""
    return frame_num if structure == FRAME else 2 * frame_num + 1


def find_short_term(
    pictures: Iterable[Picture], structure: int, pic_num: int
) -> Reference | None:
    """The short-term reference with PicNum `pic_num`, seen from a picture of that `structure`.

    Among fields, odd numbers have the parity of the current one and even numbers the other.
    """
    fields = structure
    if structure != FRAME:
        fields = structure if pic_num & 1 else structure ^ FRAME
        pic_num >>= 1
    for picture in pictures:
        if picture.frame_num_wrap == pic_num and picture.short_term & fields == fields:
            return picture, fields
    return None


def find_long_term(
    pictures: Iterable[Picture], structure: int, long_term_pic_num: int
) -> Reference | None:
    """The long-term reference with LongTermPicNum `long_term_pic_num`, likewise."""
    fields = structure
    if structure != FRAME:
        fields = structure if long_term_pic_num & 1 else structure ^ FRAME
        long_term_pic_num >>= 1
    for picture in pictures:
        if (
            picture.long_term_frame_idx == long_term_pic_num
            and picture.long_term & fields == fields
        ):
            return picture, fields
    return None


class Problem(Enum):
    """What a conformant stream never does to its decoded picture buffer."""

    FRAME_NUM_GAP = "frame_num skips pictures though the sequence parameter set allows no gaps"
    FRAME_NUM_TWICE = "two short-term references have the same frame_num"
    MISSING_PICTURE = "a header names a reference picture that is not there"
    TOO_MANY_REFERENCES = "more reference pictures than max_num_ref_frames"
    LONG_TERM_FRAME_IDX = "a long-term frame index above MaxLongTermFrameIdx"
    FIELD_PAIR = "two fields of a frame that 3.30 does not let pair"
    LIST_MODIFICATION = "a list modification out of its range"
