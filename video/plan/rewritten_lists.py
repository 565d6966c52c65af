"""Reference lists under new numbers: the least operations that bring a slice its old list.

8.2.4.3: pictures that are named go to the front of the initial list, those left keep their
order, and what has no room falls off the end. Where the initial list is already the one wanted,
nothing needs to be said.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from ..h264.picture import Picture, ReferenceList
from ..h264.ref_lists import initial_list_p, initial_lists_b
from ..h264.ref_pic_list_modification import Modifications
from ..h264.slice_header import FRAME


def initial_lists(pictures: list[Picture], order_count: int | None) -> Sequence[ReferenceList]:
    """RefPicList0 of a P slice (no order count), or both lists of a B slice."""
    if order_count is None:
        return (initial_list_p(pictures, FRAME),)
    return initial_lists_b(pictures, FRAME, order_count)


def modifications(
    wanted: Sequence[int],
    initial: ReferenceList,
    held: Mapping[int, Picture],
    *,
    frame_num: int,
    max_frame_num: int,
) -> Modifications | None:
    """The operations that make a list of an initial one; None where there is nothing to do.

    Args:
        wanted: Ids of the pictures in the list; any may come twice.
        initial: The initial list, of any length.
        held: The pictures by id.
        frame_num: That of the slice.
        max_frame_num: That of its sequence parameter set.
    """
    operations = []
    predicted = frame_num
    at_hand = [entry[0].id for entry in initial[: len(wanted)] if entry is not None]
    for name in wanted[: _names_needed(wanted, at_hand)]:
        picture = held[name]
        if picture.long_term:
            operations.append((2, picture.long_term_frame_idx))
            continue
        # 8.2.4.3.1
        back = (predicted - picture.frame_num) % max_frame_num
        if 0 < back <= max_frame_num // 2:
            operations.append((0, back - 1))
        else:
            # The same picture again is a whole turn away.
            operations.append((1, (max_frame_num - back) - 1))
        predicted = picture.frame_num
    return tuple(operations) or None


def _names_needed(wanted: Sequence[int], initial: Sequence[int]) -> int:
    """How many entries to name so that the others follow from the initial list."""
    if wanted == initial:
        return 0
    for count in range(1, len(wanted)):
        named = set(wanted[:count])
        left = [name for name in initial if name not in named]
        if wanted[count:] == left[: len(wanted) - count]:
            return count
    return len(wanted)
