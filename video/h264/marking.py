"""Reference picture marking: which pictures stay in reach after each picture (8.2.5).

Functions over the buffer's list of reference pictures, in decoding order and changed in place:
a picture is in the list for as long as one of its fields is marked. FrameNumWrap must be up to
date (`picture.number_pictures`).
"""

from __future__ import annotations

from collections.abc import Callable
from operator import attrgetter

from .picture import (
    Picture,
    Problem,
    Reference,
    current_pic_num,
    find_long_term,
    find_short_term,
)
from .slice_header import SliceHeader
from .sps import Sps

NO_LONG_TERM_FRAME_INDICES = -1
"""MaxLongTermFrameIdx where there may be no long-term reference."""

_MAX_REFERENCES = 16  # frames that a buffer holds at any level (A.3.1)

_long_term_frame_idx = attrgetter("long_term_frame_idx")


def capacity(sps: Sps) -> int:
    """How many frames may be marked at once: Max(max_num_ref_frames, 1)."""
    return min(max(sps.max_num_ref_frames, 1), _MAX_REFERENCES)


# 8.2.5.3 Sliding window decoded reference picture marking process
def slide_window(pictures: list[Picture], frames: int) -> bool:
    """Make room for one more: of a full buffer, drop the oldest short-term reference.

    Args:
        pictures: The reference pictures.
        frames: How many the buffer holds.

    Returns:
        False if it is full of long-term references, which stay.
    """
    while _occupied(pictures) >= frames:
        if not _drop_oldest(pictures):
            return False
    return True


def drop_frame_num(pictures: list[Picture], frame_num: int) -> bool:
    """Drop a short-term reference with this frame_num: no two may have the same (7.4.3).

    As in libavcodec the later one stays. Returns whether there was one.
    """
    for picture in pictures:
        if picture.frame_num == frame_num and picture.short_term:
            _drop(pictures, picture)
            return True
    return False


def drop_surplus(pictures: list[Picture]) -> None:
    """Take one picture out of a buffer with too many, as libavcodec does.

    That is the oldest short-term reference, or where there is none the lowest long-term index.
    """
    if not _drop_oldest(pictures):
        _drop(pictures, min(pictures, key=_long_term_frame_idx))


# 8.2.5.4 Adaptive memory control decoded reference picture marking process
def control_memory(
    pictures: list[Picture],
    current: Picture,
    header: SliceHeader,
    max_long_term_frame_idx: int,
    report: Callable[[Problem], None],
) -> int:
    """Execute the memory management control operations of a picture.

    Args:
        pictures: The reference pictures; `current` is one of them if its first field is.
        current: The picture that the operations came with. They may mark it, but do not add it.
        header: Its slice header.
        max_long_term_frame_idx: MaxLongTermFrameIdx before.
        report: Told of what a conformant stream does not do.

    Returns:
        MaxLongTermFrameIdx after.
    """
    structure = header.structure
    curr_pic_num = current_pic_num(header.frame_num, structure)
    for operation in header.memory_management:
        code = operation[0]
        found: Reference | None
        if code == 4:
            # 8.2.5.4.4 MaxLongTermFrameIdx
            max_long_term_frame_idx = operation[1] - 1
            for picture in pictures:
                if picture.long_term_frame_idx > max_long_term_frame_idx:
                    picture.long_term = 0
            continue
        if code == 5:
            # 8.2.5.4.5 All reference pictures to unused
            for picture in pictures:
                picture.short_term = picture.long_term = 0
            max_long_term_frame_idx = NO_LONG_TERM_FRAME_INDICES
            current.has_mmco5 = True
            continue
        if code == 6:
            found = current, structure
        elif code == 2:
            found = find_long_term(pictures, structure, operation[1])
        else:
            found = find_short_term(pictures, structure, curr_pic_num - operation[1] - 1)
        if found is None:
            report(Problem.MISSING_PICTURE)
            continue
        picture, fields = found
        if code == 1:
            # 8.2.5.4.1 A short-term reference to unused
            picture.short_term &= ~fields
        elif code == 2:
            # 8.2.5.4.2 A long-term reference to unused
            picture.long_term &= ~fields
        else:
            # 8.2.5.4.3 A short-term reference, or 8.2.5.4.6 the current picture, to long-term
            index = operation[-1]
            if index > max_long_term_frame_idx:
                # libavcodec does not look at MaxLongTermFrameIdx.
                report(Problem.LONG_TERM_FRAME_IDX)
            for other in pictures:
                if other.long_term_frame_idx == index and other is not picture:
                    other.long_term = 0
            picture.long_term_frame_idx = index
            picture.long_term |= fields
            picture.short_term &= ~fields
    pictures[:] = [p for p in pictures if p.short_term or p.long_term]
    return max_long_term_frame_idx


def _occupied(pictures: list[Picture]) -> int:
    """The sum of numShortTerm and numLongTerm: a frame with a field of each counts twice."""
    return len(pictures) + len([1 for p in pictures if p.short_term and p.long_term])


def _drop_oldest(pictures: list[Picture]) -> bool:
    """Drop the first short-term reference: in decoding order FrameNumWrap grows."""
    for picture in pictures:
        if picture.short_term:
            _drop(pictures, picture)
            return True
    return False


def _drop(pictures: list[Picture], picture: Picture) -> None:
    picture.short_term = picture.long_term = 0
    pictures.remove(picture)
