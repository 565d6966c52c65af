"""Reference picture marking against tables worked out by hand from 8.2.5."""

import pytest

from marey.video.h264.marking import (
    capacity,
    control_memory,
    drop_frame_num,
    drop_surplus,
    slide_window,
)
from marey.video.h264.picture import Picture, Problem, number_pictures
from marey.video.h264.pps import Pps
from marey.video.h264.slice_header import BOTTOM_FIELD, FRAME, TOP_FIELD, P, SliceHeader
from marey.video.h264.sps import Sps

T, BOT = TOP_FIELD, BOTTOM_FIELD


def sps_with(max_num_ref_frames: int) -> Sps:
    return Sps(
        profile_idc=77,
        level_idc=30,
        pic_width_in_mbs=1,
        pic_height_in_map_units=1,
        frame_mbs_only_flag=False,
        max_num_ref_frames=max_num_ref_frames,
    )


def held_pictures(*marks: tuple[int, int, int]) -> list[Picture]:
    """Pictures 0, 1, ... with those frame numbers: short-term and long-term fields, index."""
    made = []
    for name, (short, long, index) in enumerate(marks):
        picture = Picture(name, name, 0)
        picture.short_term, picture.long_term, picture.long_term_frame_idx = short, long, index
        made.append(picture)
    return made


def marks_of(pictures):
    return {
        p.id: (p.short_term, p.long_term, p.long_term_frame_idx if p.long_term else -1)
        for p in pictures
    }


SHORT = (FRAME, 0, -1)


def long_term(index: int) -> tuple[int, int, int]:
    return (0, FRAME, index)


@pytest.mark.parametrize(("max_num_ref_frames", "frames"), [(0, 1), (1, 1), (4, 4), (99, 16)])
def test_the_buffer_holds_one_frame_at_least_and_16_at_most(max_num_ref_frames, frames):
    assert capacity(sps_with(max_num_ref_frames)) == frames


@pytest.mark.parametrize(
    ("marks", "frames", "left"),
    [
        ([], 1, []),
        ([SHORT], 2, [0]),
        ([SHORT, SHORT], 2, [1]),
        ([SHORT], 1, []),
        # Long-term references count, and stay.
        ([long_term(0), SHORT, SHORT], 3, [0, 2]),
        # A lone field takes the room of a frame.
        ([(T, 0, -1), SHORT], 2, [1]),
        # A frame of both kinds counts as two.
        ([SHORT, (T, BOT, 0)], 3, [1]),
        # Where max_num_ref_frames has shrunk, more than one goes.
        ([SHORT, SHORT, SHORT], 2, [2]),
    ],
)
def test_the_window_slides_over_the_oldest(marks, frames, left):
    pictures = held_pictures(*marks)
    dropped = [p for p in pictures if p.id not in left]
    assert slide_window(pictures, frames)
    assert [p.id for p in pictures] == left
    assert all(p.short_term == p.long_term == 0 for p in dropped)


def test_the_window_cannot_slide_over_long_term_references():
    pictures = held_pictures(long_term(0), long_term(1))
    assert not slide_window(pictures, 2)
    assert len(pictures) == 2


def test_a_surplus_is_taken_from_the_oldest():
    pictures = held_pictures(long_term(1), SHORT, SHORT)
    drop_surplus(pictures)
    assert [p.id for p in pictures] == [0, 2]
    pictures = held_pictures(long_term(1), long_term(0))
    drop_surplus(pictures)
    assert [p.id for p in pictures] == [0]


def test_a_frame_num_is_held_once():
    pictures = held_pictures(long_term(0), SHORT)
    assert not drop_frame_num(pictures, 0)
    assert drop_frame_num(pictures, 1)
    assert [p.id for p in pictures] == [0]


def execute(pictures, *operations, frame_num=5, structure=FRAME, limit=-1):
    """Execute operations that come with a new picture, 9, or with a held one's second field."""
    header = SliceHeader(
        sps=sps_with(16),
        pps=Pps(),
        nal_unit_type=1,
        nal_ref_idc=1,
        first_mb_in_slice=0,
        slice_type=P,
        slice_type_raw=P,
        pic_parameter_set_id=0,
        frame_num=frame_num,
        structure=structure,
        adaptive_ref_pic_marking_mode_flag=True,
        memory_management=operations,
    )
    current = next((p for p in pictures if p.frame_num == frame_num), Picture(9, frame_num, 0))
    number_pictures(pictures, frame_num, 16)
    problems: list[Problem] = []
    limit = control_memory(pictures, current, header, limit, problems.append)
    return current, limit, problems


@pytest.mark.parametrize(
    ("operations", "left"),
    [
        # 8.2.5.4.1: picNumX is CurrPicNum - 1 - difference_of_pic_nums_minus1.
        ([(1, 4)], {1: SHORT, 2: long_term(0), 3: long_term(3)}),
        ([(1, 3), (1, 4)], {2: long_term(0), 3: long_term(3)}),
        # 8.2.5.4.2
        ([(2, 3)], {0: SHORT, 1: SHORT, 2: long_term(0)}),
        # 8.2.5.4.3: a free index, one that another frame has, the same again.
        ([(3, 3, 1)], {0: SHORT, 1: long_term(1), 2: long_term(0), 3: long_term(3)}),
        ([(3, 3, 3)], {0: SHORT, 1: long_term(3), 2: long_term(0)}),
        ([(3, 3, 2), (3, 4, 2)], {0: long_term(2), 2: long_term(0), 3: long_term(3)}),
        # 8.2.5.4.4: indices up to that one less are left.
        ([(4, 4)], {0: SHORT, 1: SHORT, 2: long_term(0), 3: long_term(3)}),
        ([(4, 3)], {0: SHORT, 1: SHORT, 2: long_term(0)}),
        ([(4, 0)], {0: SHORT, 1: SHORT}),
        # 8.2.5.4.5
        ([(5,)], {}),
        # 8.2.5.4.6: the index is taken from the frame that has it.
        ([(6, 3)], {0: SHORT, 1: SHORT, 2: long_term(0)}),
    ],
)
def test_operations_of_frames(operations, left):
    pictures = held_pictures(SHORT, SHORT, long_term(0), long_term(3))
    current, limit, problems = execute(pictures, *operations, limit=3)
    assert marks_of(pictures) == left
    assert not problems
    code, *arguments = operations[-1]
    assert limit == {4: lambda: arguments[0] - 1, 5: lambda: -1}.get(code, lambda: 3)()
    assert marks_of([current]) == {9: long_term(3) if code == 6 else (0, 0, -1)}
    assert current.has_mmco5 == (code == 5)


@pytest.mark.parametrize(
    ("operations", "left"),
    [
        # Seen from a top field with CurrPicNum 11: frame 0 has PicNum 1 (top) and 0 (bottom).
        ([(1, 9)], {0: (BOT, 0, -1), 1: (0, FRAME, 2), 2: (T, 0, -1)}),
        ([(1, 10)], {0: (T, 0, -1), 1: (0, FRAME, 2), 2: (T, 0, -1)}),
        ([(1, 9), (1, 10)], {1: (0, FRAME, 2), 2: (T, 0, -1)}),
        # Frame 1 has LongTermPicNum 5 and 4.
        ([(2, 5)], {0: (FRAME, 0, -1), 1: (0, BOT, 2), 2: (T, 0, -1)}),
        ([(2, 4)], {0: (FRAME, 0, -1), 1: (0, T, 2), 2: (T, 0, -1)}),
        # One field, then the other with the same index; another frame's index is taken whole.
        ([(3, 9, 0)], {0: (BOT, T, 0), 1: (0, FRAME, 2), 2: (T, 0, -1)}),
        ([(3, 9, 0), (3, 10, 0)], {0: (0, FRAME, 0), 1: (0, FRAME, 2), 2: (T, 0, -1)}),
        ([(3, 5, 2)], {0: (FRAME, 0, -1), 2: (0, T, 2)}),
    ],
)
def test_operations_of_fields(operations, left):
    pictures = held_pictures((FRAME, 0, -1), (0, FRAME, 2), (T, 0, -1))
    _, _, problems = execute(pictures, *operations, structure=T, limit=2)
    assert marks_of(pictures) == left
    assert not problems


def test_a_second_field_takes_the_index_of_its_first():
    pictures = held_pictures((0, T, 1))
    current, _, problems = execute(pictures, (6, 1), frame_num=0, structure=BOT, limit=1)
    assert current is pictures[0]
    assert marks_of(pictures) == {0: (0, FRAME, 1)}
    assert not problems


def test_a_second_field_can_end_its_first():
    pictures = held_pictures((T, 0, -1))
    current, _, problems = execute(pictures, (1, 0), frame_num=0, structure=BOT)
    assert not pictures
    assert not problems
    assert current.short_term == 0


@pytest.mark.parametrize(
    ("operation", "problem"),
    [
        ((1, 0), Problem.MISSING_PICTURE),
        # Frame 2 has one field marked: no reference frame.
        ((1, 2), Problem.MISSING_PICTURE),
        ((1, 1 << 40), Problem.MISSING_PICTURE),
        ((2, 1), Problem.MISSING_PICTURE),
        ((3, 0, 0), Problem.MISSING_PICTURE),
        # libavcodec does as it is told.
        ((3, 4, 1), Problem.LONG_TERM_FRAME_IDX),
        ((6, 15), Problem.LONG_TERM_FRAME_IDX),
    ],
)
def test_operations_that_no_conformant_stream_has(operation, problem):
    pictures = held_pictures(SHORT, long_term(0), (T, 0, -1))
    current, _, problems = execute(pictures, operation, limit=0)
    assert problems == [problem]
    taken = operation[-1] if problem is Problem.LONG_TERM_FRAME_IDX else None
    assert [p.long_term_frame_idx for p in (pictures[0], current)] == [
        taken if operation[0] == 3 and taken is not None else -1,
        taken if operation[0] == 6 else -1,
    ]
