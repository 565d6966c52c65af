"""Picture order counts against tables worked out by hand from 8.2.1."""

import hypothesis.strategies as st
import pytest
from hypothesis import given

from marey.errors import BitstreamError
from marey.video.h264.picture import NO_ORDER_COUNT
from marey.video.h264.poc import PictureOrderCount
from marey.video.h264.pps import Pps
from marey.video.h264.slice_header import BOTTOM_FIELD, FRAME, TOP_FIELD, I, SliceHeader
from marey.video.h264.sps import Sps

NONE = NO_ORDER_COUNT


def sps_of_type(pic_order_cnt_type: int, **fields: object) -> Sps:
    return Sps(
        profile_idc=77,
        level_idc=30,
        pic_width_in_mbs=1,
        pic_height_in_map_units=1,
        pic_order_cnt_type=pic_order_cnt_type,
        **fields,
    )


def header(sps: Sps, *, idr: bool = False, reference: bool = True, **fields) -> SliceHeader:
    fields = {"frame_num": 0} | fields
    return SliceHeader(
        sps=sps,
        pps=Pps(),
        nal_unit_type=5 if idr else 1,
        nal_ref_idc=int(reference),
        first_mb_in_slice=0,
        slice_type=I,
        slice_type_raw=I,
        pic_parameter_set_id=0,
        **fields,
    )


@pytest.mark.parametrize(
    ("before", "lsb", "count"),
    [
        # MaxPicOrderCntLsb is 16; a step of exactly half wraps upwards, never downwards.
        (0, 7, 7),
        (0, 8, 8),
        (0, 9, -7),
        (6, 15, -1),
        (6, 14, 14),
        (8, 0, 16),
        (9, 0, 16),
        (7, 0, 0),
        (15, 6, 22),
        (15, 7, 23),
        (15, 8, 8),
    ],
)
def test_type_0_wraps_to_the_nearest_count(before, lsb, count):
    sps = sps_of_type(0)
    counter = PictureOrderCount()
    first = counter.decode(header(sps, pic_order_cnt_lsb=before))
    assert first == (before, before)
    assert counter.decode(header(sps, pic_order_cnt_lsb=lsb)) == (count, count)


def test_type_0_counts_from_reference_pictures_only():
    sps = sps_of_type(0)
    counter = PictureOrderCount()
    lsbs = [(0, True), (12, True), (6, False), (8, True), (0, True), (14, False), (4, True)]
    counts = [
        counter.decode(header(sps, idr=n == 0, reference=r, pic_order_cnt_lsb=lsb))[0]
        for n, (lsb, r) in enumerate(lsbs)
    ]
    # 12 is nearer to 0 from below; had 6 counted, 8 would not be -8.
    assert counts == [0, -4, -10, -8, 0, -2, 4]


def test_type_0_gives_frames_two_counts_and_fields_one():
    sps = sps_of_type(0, frame_mbs_only_flag=False)
    counter = PictureOrderCount()
    frame = header(sps, idr=True, pic_order_cnt_lsb=0, delta_pic_order_cnt_bottom=-1)
    top = header(sps, structure=TOP_FIELD, pic_order_cnt_lsb=2)
    bottom = header(sps, structure=BOTTOM_FIELD, pic_order_cnt_lsb=3)
    assert frame.structure == FRAME
    assert [counter.decode(h) for h in (frame, top, bottom)] == [(0, -1), (2, NONE), (NONE, 3)]


def test_type_0_an_idr_picture_counts_from_0():
    sps = sps_of_type(0)
    counter = PictureOrderCount()
    counts = [
        counter.decode(header(sps, idr=idr, pic_order_cnt_lsb=lsb))[0]
        for idr, lsb in [(True, 0), (False, 8), (False, 0), (True, 0), (False, 2)]
    ]
    assert counts == [0, 8, 16, 0, 2]


def test_type_0_entered_at_another_picture_counts_from_its_own_lsb():
    sps = sps_of_type(0)
    counter = PictureOrderCount()
    lsbs = [(14, False), (12, True), (2, True)]
    counts = [
        counter.decode(header(sps, reference=r, pic_order_cnt_lsb=lsb))[0] for lsb, r in lsbs
    ]
    assert counts == [14, 12, 18]


@pytest.mark.parametrize(("top_order_count", "second"), [(0, -6), (3, 10), (6, 10)])
def test_type_0_after_operation_5(top_order_count, second):
    sps = sps_of_type(0)
    counter = PictureOrderCount()
    counter.decode(header(sps, idr=True, pic_order_cnt_lsb=0))
    counter.decode(header(sps, pic_order_cnt_lsb=8))
    counter.reset(top_order_count)
    assert counter.decode(header(sps, pic_order_cnt_lsb=10))[0] == second


def test_type_1_follows_its_cycle():
    sps = sps_of_type(1, offset_for_ref_frame=(4, 6), offset_for_non_ref_pic=-2)
    counter = PictureOrderCount()
    pictures = [(0, True), (1, True), (2, False), (2, True), (3, True), (4, False)]
    counts = [
        counter.decode(header(sps, idr=n == 0, reference=r, frame_num=frame_num))[0]
        for n, (frame_num, r) in enumerate(pictures)
    ]
    # 4 for the first, 6 for the second, and so on; others stand 2 before where they would be.
    assert counts == [0, 4, 2, 10, 14, 12]


def test_type_1_adds_what_the_slice_header_has():
    sps = sps_of_type(
        1,
        offset_for_ref_frame=(4,),
        offset_for_top_to_bottom_field=1,
        frame_mbs_only_flag=False,
    )
    counter = PictureOrderCount()
    counter.decode(header(sps, idr=True))
    frame = header(sps, frame_num=1, delta_pic_order_cnt=(3, 5))
    top = header(sps, frame_num=2, structure=TOP_FIELD, delta_pic_order_cnt=(-2, 0))
    bottom = header(sps, frame_num=2, structure=BOTTOM_FIELD, delta_pic_order_cnt=(2, 0))
    assert [counter.decode(h) for h in (frame, top, bottom)] == [
        (4 + 3, 4 + 3 + 1 + 5),
        (8 - 2, NONE),
        (NONE, 8 + 1 + 2),
    ]


def test_type_1_without_a_cycle_has_the_slice_header_alone():
    sps = sps_of_type(1)
    counter = PictureOrderCount()
    counter.decode(header(sps, idr=True))
    assert counter.decode(header(sps, frame_num=9, delta_pic_order_cnt=(7, 0))) == (7, 7)


def test_type_2_is_decoding_order():
    sps = sps_of_type(2)
    counter = PictureOrderCount()
    pictures = [(0, True), (1, False), (1, True), (15, True), (0, False), (0, True), (1, True)]
    counts = [
        counter.decode(header(sps, idr=n == 0, reference=r, frame_num=frame_num))[0]
        for n, (frame_num, r) in enumerate(pictures)
    ]
    assert counts == [0, 1, 2, 30, 31, 32, 34]


def test_type_2_after_operation_5_begins_anew():
    sps = sps_of_type(2)
    counter = PictureOrderCount()
    counter.decode(header(sps, idr=True))
    counter.decode(header(sps, frame_num=15))
    counter.reset(0)
    assert counter.decode(header(sps, frame_num=1)) == (2, 2)


@pytest.mark.parametrize(("kind", "counts"), [(0, (NONE, NONE)), (1, (40, 41)), (2, (32, 32))])
def test_frames_that_fill_a_gap_count_like_references(kind, counts):
    sps = sps_of_type(
        kind, offset_for_ref_frame=(3, 2) if kind == 1 else (), offset_for_top_to_bottom_field=1
    )
    counter = PictureOrderCount()
    counter.decode(header(sps, idr=True))
    counter.decode(header(sps, frame_num=15))
    # frame_num 0 after 15 is the 16th frame: eight times around the cycle of 3 and 2.
    assert counter.fill_gap(sps, 0) == counts


def test_a_count_beyond_32_bits_is_refused():
    sps = sps_of_type(1, offset_for_ref_frame=(1 << 30,))
    counter = PictureOrderCount()
    counter.decode(header(sps, idr=True))
    counter.decode(header(sps, frame_num=1))
    with pytest.raises(BitstreamError, match=r"8\.2\.1.*expected -2\^31 to 2\^31 - 1"):
        counter.decode(header(sps, frame_num=2))


steps = st.lists(st.tuples(st.booleans(), st.integers(-7, 7)), min_size=1, max_size=20)


@given(before=steps, after=steps, kind=st.sampled_from([0, 1, 2]))
def test_entering_at_a_reference_picture_changes_counts_by_a_constant(before, after, kind):
    # MaxFrameNum, 16, is a multiple of the cycle: else type 1 would not keep in step.
    sps = sps_of_type(kind, offset_for_ref_frame=(3, 2) if kind == 1 else ())
    count = frame_num = 0
    headers = []
    for reference, step in [*before, (True, 0), *after]:
        lsb = (count + step) % 16 if kind == 0 else 0
        headers.append(
            header(sps, reference=reference, frame_num=frame_num % 16, pic_order_cnt_lsb=lsb)
        )
        if reference:
            count += step
            frame_num += 1
    true, entered = PictureOrderCount(), PictureOrderCount()
    for h in headers[: len(before)]:
        true.decode(h)
    entry, *rest = headers[len(before) :]
    base = true.decode(entry)[0] - entered.decode(entry)[0]
    assert true.state(sps, base) == entered.state(sps, 0)
    assert all(true.decode(h)[0] - entered.decode(h)[0] == base for h in rest)
    assert true.copy().state(sps, base) == entered.state(sps, 0)
