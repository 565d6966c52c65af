"""Reference picture lists against tables worked out by hand from 8.2.4."""

import pytest

from marey.video.h264.picture import (
    NO_ORDER_COUNT,
    Picture,
    Problem,
    current_pic_num,
    find_long_term,
    find_short_term,
    number_pictures,
)
from marey.video.h264.pps import Pps
from marey.video.h264.ref_lists import active_list, initial_list_p, initial_lists_b
from marey.video.h264.slice_header import BOTTOM_FIELD, FRAME, TOP_FIELD, P, SliceHeader
from marey.video.h264.sps import Sps

T, BOT = TOP_FIELD, BOTTOM_FIELD
SPS = Sps(
    profile_idc=77,
    level_idc=30,
    pic_width_in_mbs=1,
    pic_height_in_map_units=1,
    frame_mbs_only_flag=False,
)
"""MaxFrameNum is 16."""


def picture(
    name: int,
    *,
    frame_num: int = 0,
    count: int = 0,
    short: int = 0,
    long: int = 0,
    index: int = -1,
) -> Picture:
    made = Picture(name, frame_num, 0)
    made.short_term, made.long_term, made.long_term_frame_idx = short, long, index
    made.order_count = count
    return made


def names(entries):
    return [entry and (entry[0].id, entry[1]) for entry in entries]


def frames(entries):
    assert all(structure == FRAME for _, structure in entries)
    return [entry.id for entry, _ in entries]


def test_a_p_frame_refers_to_the_latest_first_and_then_to_long_term_frames():
    held = [
        picture(0, long=FRAME, index=3),
        picture(1, short=FRAME),
        picture(2, long=FRAME, index=1),
        picture(3, short=FRAME),
        picture(4, short=FRAME),
    ]
    assert frames(initial_list_p(held, FRAME)) == [4, 3, 1, 2, 0]


def test_a_frame_refers_only_to_frames_with_both_fields_marked():
    held = [
        picture(0, short=T),
        picture(1, short=FRAME),
        picture(2, long=BOT, index=0),
        picture(3, short=BOT, long=T, index=1),
    ]
    assert frames(initial_list_p(held, FRAME)) == [1]
    assert [frames(entries) for entries in initial_lists_b(held, FRAME, 9)] == [[1], [1]]


@pytest.mark.parametrize(
    ("now", "list0", "list1"),
    [
        (5, [4, 2, 0, 6, 8], [6, 8, 4, 2, 0]),
        # From the ends both lists are the same: the first two of list 1 change places.
        (9, [8, 6, 4, 2, 0], [6, 8, 4, 2, 0]),
        (-1, [0, 2, 4, 6, 8], [2, 0, 4, 6, 8]),
    ],
)
def test_a_b_frame_refers_to_the_nearest_first(now, list0, list1):
    held = [picture(count, count=count, short=FRAME) for count in (0, 8, 4, 2, 6)]
    assert [frames(e) for e in initial_lists_b(held, FRAME, now)] == [list0, list1]


def test_one_entry_does_not_change_places():
    held = [picture(3, count=3, short=FRAME)]
    assert [frames(e) for e in initial_lists_b(held, FRAME, 9)] == [[3], [3]]


def test_long_term_frames_follow_in_both_lists_and_may_change_places():
    held = [picture(0, long=FRAME, index=2), picture(1, long=FRAME, index=0)]
    assert [frames(e) for e in initial_lists_b(held, FRAME, 9)] == [[1, 0], [0, 1]]


def test_b_slices_leave_out_frames_without_order_count():
    held = [picture(0, count=0, short=FRAME), picture(-1, count=NO_ORDER_COUNT, short=FRAME)]
    assert [frames(e) for e in initial_lists_b(held, FRAME, 9)] == [[0], [0]]
    assert frames(initial_list_p(held, FRAME)) == [-1, 0]


@pytest.mark.parametrize(
    ("masks", "current", "expected"),
    [
        # Latest frame first, the current parity first, then in turns.
        ([FRAME, FRAME], T, [(1, T), (1, BOT), (0, T), (0, BOT)]),
        ([FRAME, FRAME], BOT, [(1, BOT), (1, T), (0, BOT), (0, T)]),
        # The second field of a frame refers to its first; parities take turns all the same.
        ([FRAME, T], BOT, [(0, BOT), (1, T), (0, T)]),
        # A field that is not marked is passed over for the next of its parity.
        ([FRAME, BOT, T], T, [(2, T), (1, BOT), (0, T), (0, BOT)]),
        # When one parity runs out, the rest of the other follows.
        ([T, T, T, BOT], T, [(2, T), (3, BOT), (1, T), (0, T)]),
        ([BOT, BOT], T, [(1, BOT), (0, BOT)]),
        ([], T, []),
    ],
)
def test_fields_take_turns(masks, current, expected):
    held = [picture(n, short=mask) for n, mask in enumerate(masks)]
    assert names(initial_list_p(held, current)) == expected
    held = [picture(n, long=mask, index=9 - n) for n, mask in enumerate(masks)]
    assert names(initial_list_p(held, current)) == expected


def test_short_and_long_term_fields_take_turns_apart():
    held = [picture(0, short=T), picture(1, long=FRAME, index=0), picture(2, short=T)]
    assert names(initial_list_p(held, BOT)) == [(2, T), (0, T), (1, BOT), (1, T)]


def test_b_fields_count_their_own_first_field_as_past_or_future():
    # The frame in hand, 2, has a first field at count 4; the second is at 5 or at 3.
    held = [picture(0, count=0, short=FRAME), picture(1, count=8, short=FRAME)]
    held.append(picture(2, count=4, short=T))
    later, _ = initial_lists_b(held, BOT, 5)
    assert names(later) == [(0, BOT), (2, T), (1, BOT), (0, T), (1, T)]
    earlier, following = initial_lists_b(held, BOT, 3)
    assert names(earlier) == [(0, BOT), (0, T), (1, BOT), (2, T), (1, T)]
    assert names(following) == [(1, BOT), (2, T), (0, BOT), (1, T), (0, T)]


def slice_header(frame_num: int, *, structure: int = FRAME, active: int, operations=None):
    return SliceHeader(
        sps=SPS,
        pps=Pps(),
        nal_unit_type=1,
        nal_ref_idc=1,
        first_mb_in_slice=0,
        slice_type=P,
        slice_type_raw=P,
        pic_parameter_set_id=0,
        frame_num=frame_num,
        structure=structure,
        num_ref_idx_l0_active=active,
        ref_pic_list_modification=(operations, None),
    )


def modified(held, header):
    problems = []
    number_pictures(held, header.frame_num, SPS.max_frame_num)
    initial = initial_list_p(held, header.structure)
    return names(active_list(initial, header, 0, held, problems.append)), problems


HELD = [14, 15, 0, 1]
"""The frame_num of four frames before one with 2: they have wrapped once."""


@pytest.mark.parametrize(
    ("active", "operations", "expected"),
    [
        (4, None, [1, 0, 15, 14]),
        (2, None, [1, 0]),
        (4, (), [1, 0, 15, 14]),
        # Two back from 2 is 0; from there one back is 15, and the others keep their order.
        (4, ((0, 1),), [0, 1, 15, 14]),
        (4, ((0, 1), (0, 0)), [0, 15, 1, 14]),
        # Forward from 0, and around: 2 + 13 is 15.
        (4, ((0, 1), (1, 0)), [0, 1, 15, 14]),
        (4, ((1, 12),), [15, 1, 0, 14]),
        # A picture from behind the end pushes out the last.
        (2, ((0, 3),), [14, 1]),
        # Named again after a whole turn of MaxPicNum, a picture stands twice.
        (4, ((0, 0), (0, 15)), [1, 1, 0, 15]),
        (4, ((0, 0), (0, 15), (0, 0), (1, 0)), [1, 1, 0, 1]),
    ],
)
def test_short_term_pictures_move_to_the_front(active, operations, expected):
    held = [picture(frame_num, frame_num=frame_num, short=FRAME) for frame_num in HELD]
    entries, problems = modified(held, slice_header(2, active=active, operations=operations))
    assert entries == [(frame_num, FRAME) for frame_num in expected]
    assert not problems


def test_long_term_pictures_move_to_the_front():
    held = [
        picture(0, long=FRAME, index=4),
        picture(1, frame_num=1, short=FRAME),
        picture(2, long=FRAME, index=0),
    ]
    header = slice_header(2, active=3, operations=((2, 4), (0, 0)))
    assert modified(held, header) == ([(0, FRAME), (1, FRAME), (2, FRAME)], [])


def test_fields_are_named_by_parity():
    held = [
        picture(0, frame_num=0, short=FRAME),
        picture(1, frame_num=1, short=FRAME),
        picture(2, long=FRAME, index=1),
    ]
    # CurrPicNum is 5. PicNum is 2 and 3 in frame 1, 0 and 1 in frame 0, odd for bottom fields.
    operations = ((0, 4), (1, 1), (2, 2), (2, 3))
    header = slice_header(2, structure=BOT, active=4, operations=operations)
    assert modified(held, header) == ([(0, T), (1, T), (2, T), (2, BOT)], [])


def test_entries_without_a_picture_are_none():
    held = [picture(1, frame_num=1, short=FRAME)]
    assert modified(held, slice_header(2, active=3)) == ([(1, FRAME), None, None], [])


@pytest.mark.parametrize(
    ("operations", "expected", "problems"),
    [
        # A header names a picture that is not held.
        (((0, 2),), [None, (1, FRAME)], [Problem.MISSING_PICTURE]),
        (((2, 0),), [None, (1, FRAME)], [Problem.MISSING_PICTURE]),
        # A frame of which one field is left is no reference frame.
        (((0, 1),), [None, (1, FRAME)], [Problem.MISSING_PICTURE]),
        (((2, 5),), [None, (1, FRAME)], [Problem.MISSING_PICTURE]),
        # A frame that fills a gap is there, but has no samples.
        (((0, 3),), [(-1, FRAME), (1, FRAME)], [Problem.MISSING_PICTURE]),
        # abs_diff_pic_num_minus1 is less than MaxPicNum.
        (
            ((0, 16),),
            [None, (1, FRAME)],
            [Problem.LIST_MODIFICATION, Problem.MISSING_PICTURE],
        ),
        # More operations than entries.
        (((0, 0),) + ((1, 15),) * 2, [(1, FRAME)] * 2, [Problem.LIST_MODIFICATION]),
    ],
)
def test_modifications_that_no_conformant_stream_has(operations, expected, problems):
    gap = picture(-1, frame_num=14, short=FRAME)
    gap.non_existing = True
    held = [
        gap,
        picture(5, long=BOT, index=5),
        picture(0, frame_num=0, short=T),
        picture(1, frame_num=1, short=FRAME),
    ]
    header = slice_header(2, active=2, operations=operations)
    assert modified(held, header) == (expected, problems)


def test_pictures_are_found_by_their_numbers():
    held = [
        picture(0, frame_num=15, short=FRAME),
        picture(1, frame_num=3, short=BOT, long=T, index=2),
    ]
    number_pictures(held, 2, 16)
    assert [p.frame_num_wrap for p in held] == [-1, 3 - 16]
    assert current_pic_num(2, FRAME) == 2
    assert current_pic_num(2, T) == 5
    assert find_short_term(held, FRAME, -1) == (held[0], FRAME)
    assert find_short_term(held, FRAME, -13) is None
    assert find_short_term(held, T, -2) == (held[0], BOT)
    assert find_short_term(held, T, -1) == (held[0], T)
    assert find_short_term(held, T, -26) == (held[1], BOT)
    assert find_short_term(held, T, -25) is None
    assert find_long_term(held, T, 5) == (held[1], T)
    assert find_long_term(held, T, 4) is None
    assert find_long_term(held, FRAME, 2) is None
    assert repr(held[1]) == "<Picture 1 frame_num=3 order=0:0 short=2 long=1>"
