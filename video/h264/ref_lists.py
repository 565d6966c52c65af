"""Reference picture lists: which pictures a slice can refer to, in which order (8.2.4).

Functions over the buffer's reference pictures in decoding order, whose FrameNumWrap must be up
to date (`picture.number_pictures`). An initial list has every reference picture; a slice's own
list is cut to num_ref_idx_active entries and then modified. MBAFF frames have the lists of
frames: field macroblocks take the fields of the same entries (8.4.2.1).
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterable, Sequence
from itertools import chain, repeat
from operator import attrgetter

from .picture import (
    NO_ORDER_COUNT,
    Picture,
    Problem,
    Reference,
    ReferenceList,
    current_pic_num,
    find_long_term,
    find_short_term,
)
from .ref_pic_list_modification import Modifications
from .slice_header import FRAME, SliceHeader

_MAX_ACTIVE = 32  # num_ref_idx_l0_active_minus1 is at most 31 (7.4.3)

_order_count = attrgetter("order_count")
_long_term_frame_idx = attrgetter("long_term_frame_idx")


# 8.2.4.2.1 and 8.2.4.2.2: P and SP slices, in frames and in fields
def initial_list_p(pictures: Iterable[Picture], structure: int) -> ReferenceList:
    """The initial RefPicList0 of a P or SP slice of a frame or field: latest first.

    FrameNumWrap falls from one to the next, as frame_num grows in decoding order.
    """
    short, long = _candidates(pictures, structure)
    short.reverse()
    return _entries(short, long, structure)


# 8.2.4.2.3 and 8.2.4.2.4: B slices, in frames and in fields
def initial_lists_b(
    pictures: Iterable[Picture], structure: int, order_count: int
) -> tuple[ReferenceList, ReferenceList]:
    """The initial RefPicList0 and RefPicList1 of a B slice: nearest first, by output order.

    Args:
        pictures: The reference pictures. Where one is the frame whose second field is being
            decoded, its `order_count` is that of the first.
        structure: That of the current picture.
        order_count: PicOrderCnt(CurrPic).
    """
    short, long = _candidates(pictures, structure)
    short.sort(key=_order_count)
    # With pic_order_cnt_type 0, frames that fill a gap have no order count: in neither list.
    while short and short[-1].order_count == NO_ORDER_COUNT:
        short.pop()
    split = bisect_right(short, order_count, key=_order_count)
    before, after = short[:split], short[split:]
    before.reverse()
    list0 = _entries(before + after, long, structure)
    list1 = _entries(after + before, long, structure)
    if len(list1) > 1 and list1 == list0:
        list1[0], list1[1] = list1[1], list1[0]
    return list0, list1


# 8.2.4.2: the first entries count, as many as are active
def active_list(
    initial: ReferenceList,
    header: SliceHeader,
    number: int,
    pictures: Sequence[Picture],
    report: Callable[[Problem], None],
) -> ReferenceList:
    """The list that a slice uses.

    Args:
        initial: The initial list.
        header: The header of the slice.
        number: 0 for RefPicList0, 1 for RefPicList1.
        pictures: The reference pictures.
        report: Told of what a conformant stream does not do.
    """
    active = header.num_ref_idx_l1_active if number else header.num_ref_idx_l0_active
    active = min(active, _MAX_ACTIVE)
    entries = initial[:active]
    if len(entries) < active:
        entries += [None] * (active - len(entries))
    modifications = header.ref_pic_list_modification[number]
    if modifications:
        _modify_list(entries, modifications, header, pictures, report)
    return entries


# 8.2.4.3 Modification process for reference picture lists
def _modify_list(
    entries: ReferenceList,
    modifications: Modifications,
    header: SliceHeader,
    pictures: Sequence[Picture],
    report: Callable[[Problem], None],
) -> None:
    """Move the pictures that a header names to the front of its list, in place."""
    structure = header.structure
    curr_pic_num = current_pic_num(header.frame_num, structure)
    max_pic_num = header.sps.max_frame_num << (structure != FRAME)
    predicted = curr_pic_num
    for index, (idc, value) in enumerate(modifications):
        if index == len(entries):
            report(Problem.LIST_MODIFICATION)
            return
        entry: Reference | None
        if idc == 2:
            # 8.2.4.3.2 Long-term reference pictures
            entry = find_long_term(pictures, structure, value)
        elif value < max_pic_num:
            # 8.2.4.3.1 Short-term reference pictures
            difference = value + 1
            predicted = (predicted + (difference if idc else -difference)) % max_pic_num
            pic_num = predicted if predicted <= curr_pic_num else predicted - max_pic_num
            entry = find_short_term(pictures, structure, pic_num)
        else:
            report(Problem.LIST_MODIFICATION)
            entry = None
        if entry is None or entry[0].non_existing:
            report(Problem.MISSING_PICTURE)
        entries.insert(index, entry)
        # Its old place is closed up; where it had none, the last entry falls off the end. It
        # has at most one: only modifications make doubles, and they stand before `index`.
        if entry is not None and entry in entries[index + 1 :]:
            del entries[entries.index(entry, index + 1)]
        else:
            entries.pop()


def _candidates(
    pictures: Iterable[Picture], structure: int
) -> tuple[list[Picture], list[Picture]]:
    """The short-term references, and the long-term ones by their index.

    A frame refers to whole frames; a field to whatever has a field marked.
    """
    if structure == FRAME:
        short = [p for p in pictures if p.short_term == FRAME]
        long = [p for p in pictures if p.long_term == FRAME]
    else:
        short = [p for p in pictures if p.short_term]
        long = [p for p in pictures if p.long_term]
    if long:
        long.sort(key=_long_term_frame_idx)
    return short, long


def _entries(short: list[Picture], long: list[Picture], structure: int) -> ReferenceList:
    if structure == FRAME:
        return list(zip(short + long, repeat(FRAME)))
    return [
        *_alternate_fields([(p, p.short_term) for p in short], structure),
        *_alternate_fields([(p, p.long_term) for p in long], structure),
    ]


# 8.2.4.2.5 Initialisation process for reference picture lists in fields
def _alternate_fields(frames: list[tuple[Picture, int]], structure: int) -> list[Reference]:
    """The marked fields of `frames` in turns, the current parity first, then what is left."""
    opposite = structure ^ FRAME
    same = [(p, structure) for p, marked in frames if marked & structure]
    other = [(p, opposite) for p, marked in frames if marked & opposite]
    turns = min(len(same), len(other))
    return [*chain.from_iterable(zip(same, other, strict=False)), *same[turns:], *other[turns:]]
