"""The buffer as a whole: gaps, fields, epochs, broken rules, real streams against FFmpeg."""

import dataclasses
import time

import av
import hypothesis.strategies as st
import pytest
from hypothesis import given, settings

from marey.errors import BitstreamError
from marey.video.h264.access_unit import starts_new_picture
from marey.video.h264.avcc import parse_avcc
from marey.video.h264.dpb import DecodedPictureBuffer
from marey.video.h264.nal import NAL_PPS, NAL_SPS, split_annexb, split_length_prefixed
from marey.video.h264.picture import NO_ORDER_COUNT, Problem
from marey.video.h264.pps import Pps, parse_pps
from marey.video.h264.slice_header import (
    BOTTOM_FIELD,
    FRAME,
    TOP_FIELD,
    B,
    I,
    P,
    SliceHeader,
    parse_slice_header,
)
from marey.video.h264.sps import Sps, parse_sps

T, BOT = TOP_FIELD, BOTTOM_FIELD
SPS = Sps(
    profile_idc=77,
    level_idc=30,
    pic_width_in_mbs=1,
    pic_height_in_map_units=1,
    frame_mbs_only_flag=False,
    max_num_ref_frames=3,
    log2_max_pic_order_cnt_lsb=8,
)
"""MaxFrameNum is 16."""
WITH_GAPS = dataclasses.replace(SPS, gaps_in_frame_num_value_allowed_flag=True)


def header(frame_num: int, count: int = 0, *, sps: Sps = SPS, idr: bool = False, **fields):
    """A picture's slice header; a P slice of all that may be held, unless told otherwise."""
    kind = fields.pop("slice_type", I if idr else P)
    defaults = {
        "nal_ref_idc": 1,
        "num_ref_idx_l0_active": {P: 6, B: 6}.get(kind, 0),
        "num_ref_idx_l1_active": {B: 6}.get(kind, 0),
        "idr_pic_id": 0 if idr else -1,
    }
    if "memory_management" in fields:
        defaults["adaptive_ref_pic_marking_mode_flag"] = True
    return SliceHeader(
        sps=sps,
        pps=Pps(),
        nal_unit_type=5 if idr else 1,
        first_mb_in_slice=0,
        slice_type=kind,
        slice_type_raw=kind,
        pic_parameter_set_id=0,
        frame_num=frame_num,
        pic_order_cnt_lsb=count % 256,
        **(defaults | fields),
    )


def feed(buffer: DecodedPictureBuffer, *headers: SliceHeader, first: int = 0):
    """Decode pictures of one slice each; gives them, and the lists of the last one."""
    pictures, lists = [], ()
    for name, h in enumerate(headers, start=first):
        pictures.append(buffer.start_picture(h, name))
        lists = buffer.reference_lists(h)
        buffer.end_picture()
    return pictures, [[e and (e[0].id, e[1]) for e in entries if e] for entries in lists]


def held(buffer: DecodedPictureBuffer) -> list[int]:
    return [p.id for p in buffer.pictures]


def test_the_window_slides_picture_by_picture():
    buffer = DecodedPictureBuffer()
    headers = [header(n % 16, 2 * n, idr=n == 0) for n in range(20)]
    pictures, (list0,) = feed(buffer, *headers)
    assert held(buffer) == [17, 18, 19]
    assert list0 == [(18, FRAME), (17, FRAME), (16, FRAME)]
    assert [p.order_count for p in pictures] == list(range(0, 40, 2))
    assert not buffer.problems


def test_pictures_that_are_no_references_leave_no_trace():
    buffer = DecodedPictureBuffer()
    feed(buffer, header(0, idr=True), header(1, 8))
    before = buffer.snapshot()
    (picture,), lists = feed(buffer, header(2, 4, slice_type=B, nal_ref_idc=0), first=2)
    assert lists == [[(0, FRAME), (1, FRAME)], [(1, FRAME), (0, FRAME)]]
    assert not picture.is_reference
    assert buffer.snapshot() == before


def test_slices_of_one_picture_share_its_initial_lists():
    buffer = DecodedPictureBuffer()
    feed(buffer, header(0, idr=True), header(1, 8))
    moved = header(2, 12, ref_pic_list_modification=(((0, 1),), None))
    buffer.start_picture(moved, 2)
    orders = [
        [entry[0].id for entry in buffer.reference_lists(h)[0] if entry]
        for h in (moved, header(2, 12), moved)
    ]
    assert orders == [[0, 1], [1, 0], [0, 1]]


# 8.2.5.2
@pytest.mark.parametrize("sps", [SPS, WITH_GAPS])
@pytest.mark.parametrize(
    ("frame_num", "seen", "left"),
    [
        (2, [1, 0], [0, 1, 2]),
        (3, [-1, 1, 0], [1, -1, 2]),
        (4, [-1, -1, 1], [-1, -1, 2]),
        # More than the buffer holds, and all the way around.
        (9, [-1, -1, -1], [-1, -1, 2]),
        (0, [-1, -1, -1], [-1, -1, 2]),
    ],
)
def test_gaps_in_frame_num_are_filled(sps, frame_num, seen, left):
    buffer = DecodedPictureBuffer()
    feed(buffer, header(0, sps=sps, idr=True), header(1, 2, sps=sps))
    _, (list0,) = feed(buffer, header(frame_num, 4, sps=sps), first=2)
    assert [name for name, _ in list0] == seen
    assert held(buffer) == left
    missing = left.count(-1)
    gaps = [p.frame_num for p in buffer.pictures if p.non_existing]
    assert gaps == [(frame_num - k) % 16 for k in range(missing, 0, -1)]
    broken = sps is SPS and missing
    assert buffer.problems == ({Problem.FRAME_NUM_GAP: 1} if broken else {})
    assert buffer.problem_count == len(buffer.problems)


def test_b_slices_see_a_lost_frame_where_libavcodec_puts_it():
    lists = {}
    for sps in (SPS, WITH_GAPS):
        buffer = DecodedPictureBuffer()
        feed(buffer, header(0, sps=sps, idr=True), header(1, 4, sps=sps))
        _, lists[sps] = feed(buffer, header(3, 2, sps=sps, slice_type=B), first=2)
    # Two after the frame before it; frames left out on purpose have no place (8.2.4.2.3).
    assert lists[SPS] == [[(0, 3), (1, 3), (-1, 3)], [(1, 3), (-1, 3), (0, 3)]]
    assert lists[WITH_GAPS] == [[(0, 3), (1, 3)], [(1, 3), (0, 3)]]


def test_a_gap_is_counted_from_the_last_reference():
    buffer = DecodedPictureBuffer()
    feed(
        buffer,
        header(0, idr=True),
        header(1, 4, nal_ref_idc=0),
        header(1, 2, nal_ref_idc=0),
        header(1, 8),
        header(2, 6, nal_ref_idc=0),
    )
    assert not buffer.problems
    feed(buffer, header(3, 12), first=5)
    assert buffer.problems == {Problem.FRAME_NUM_GAP: 1}


def test_a_huge_gap_costs_no_more_than_the_buffer():
    sps = dataclasses.replace(WITH_GAPS, log2_max_frame_num=16, max_num_ref_frames=16)
    buffer = DecodedPictureBuffer()
    begin = time.process_time()
    frame_num = 0
    for n in range(200):
        feed(buffer, header(frame_num, sps=sps, idr=n == 0))
        frame_num = (frame_num + 65535) % 65536
    assert len(buffer.pictures) == 16
    assert time.process_time() - begin < 2


# 8.2.5.1
def test_an_idr_picture_empties_the_buffer():
    buffer = DecodedPictureBuffer()
    pictures, _ = feed(
        buffer,
        header(0, idr=True, long_term_reference_flag=True),
        header(1, 2),
        header(0, idr=True),
        header(1, 2, memory_management=((6, 0),)),
    )
    assert held(buffer) == [2, 3]
    assert [(p.epoch, p.order_count) for p in pictures] == [(0, 0), (0, 2), (1, 0), (1, 2)]
    # The long-term index went with the first epoch.
    assert buffer.problems == {Problem.LONG_TERM_FRAME_IDX: 1}


def test_operation_5_begins_an_epoch():
    buffer = DecodedPictureBuffer()
    pictures, (list0,) = feed(
        buffer,
        header(0, idr=True),
        header(1, 20),
        header(2, 40, delta_pic_order_cnt_bottom=-1, memory_management=((5,),)),
        header(1, 6),
    )
    restarted = pictures[2]
    assert (restarted.epoch, restarted.frame_num, restarted.has_mmco5) == (1, 0, True)
    assert (restarted.top_order_count, restarted.bottom_order_count) == (1, 0)
    assert (pictures[3].epoch, pictures[3].order_count) == (1, 6)
    assert list0 == [(2, FRAME)]
    assert not buffer.problems


def test_operation_5_in_a_first_field():
    buffer = DecodedPictureBuffer()
    pictures, lists = feed(
        buffer,
        header(0, idr=True),
        header(1, 40, structure=T, memory_management=((5,),)),
        header(0, 1, structure=BOT),
    )
    assert pictures[2] is pictures[1]
    assert (pictures[1].top_order_count, pictures[1].bottom_order_count) == (0, 1)
    assert lists == [[(1, T)]]
    assert held(buffer) == [1]
    assert not buffer.problems


# 3.30 and 8.2.4.2.2
def test_a_second_field_refers_to_its_first():
    buffer = DecodedPictureBuffer()
    pictures, lists = feed(
        buffer, header(0, 0, idr=True, structure=T), header(0, 1, structure=BOT)
    )
    assert pictures[0] is pictures[1]
    assert buffer.is_second_field
    assert lists == [[(0, T)]]
    assert (pictures[0].structure, pictures[0].short_term) == (FRAME, FRAME)
    assert (pictures[0].top_order_count, pictures[0].bottom_order_count) == (0, 1)


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ((1, T), (1, T)),
        ((1, T), (2, BOT)),
        ((1, T), (1, FRAME)),
        ((1, FRAME), (1, BOT)),
    ],
)
def test_fields_that_make_no_frame(first, second):
    buffer = DecodedPictureBuffer()
    pictures, _ = feed(
        buffer,
        header(0, idr=True),
        *(
            header(frame_num, 2 + n, structure=structure, nal_ref_idc=0)
            for n, (frame_num, structure) in enumerate((first, second))
        ),
    )
    assert [p.id for p in pictures] == [0, 1, 2]
    assert [p.structure for p in pictures] == [FRAME, first[1], second[1]]


def test_a_lone_field_is_a_reference_of_fields_only():
    buffer = DecodedPictureBuffer()
    feed(buffer, header(0, idr=True), header(1, 2, structure=T))
    _, of_frame = feed(buffer, header(2, 4), first=2)
    _, of_field = feed(buffer, header(3, 6, structure=BOT), first=3)
    assert of_frame == [[(0, FRAME)]]
    assert of_field == [[(2, BOT), (2, T), (0, BOT), (1, T), (0, T)]]
    assert not buffer.problems


def test_a_third_field_begins_a_frame():
    buffer = DecodedPictureBuffer()
    pictures, _ = feed(
        buffer,
        *(
            header(1, n, structure=s, nal_ref_idc=0, slice_type=I)
            for n, s in enumerate((T, BOT, T, BOT))
        ),
    )
    assert [p.id for p in pictures] == [0, 0, 2, 2]


@pytest.mark.parametrize(
    "second",
    [
        header(1, 3, structure=BOT, nal_ref_idc=0),
        header(1, 3, structure=BOT, memory_management=((5,),)),
        header(1, 3, structure=BOT, idr=True),
    ],
    ids=["not a reference", "operation 5", "IDR"],
)
def test_fields_that_decoders_pair_and_the_standard_does_not(second):
    buffer = DecodedPictureBuffer()
    pictures, _ = feed(
        buffer, header(0, idr=True), header(1, 2, structure=T, slice_type=I), second
    )
    assert pictures[1] is pictures[2]
    assert buffer.problems == {Problem.FIELD_PAIR: 1}
    # Whatever the second field did, it is in the buffer if it is a reference.
    assert bool(pictures[1].short_term & BOT) == bool(second.nal_ref_idc)


def test_an_entry_that_is_no_idr_picture_has_nothing_before_it():
    buffer = DecodedPictureBuffer()
    leading = header(7, 100, slice_type=B)
    buffer.start_picture(leading, 0)
    assert buffer.reference_lists(leading) == ([None] * 6, [None] * 6)
    buffer.end_picture()
    pictures, _ = feed(buffer, header(8, 104), header(0, idr=True), first=1)
    assert [p.id for p in pictures] == [1, 2]
    assert [(p.epoch, p.order_count) for p in pictures] == [(0, 104), (1, 0)]
    assert not buffer.problems


@pytest.mark.parametrize(("order_type", "base"), [(0, 256), (1, 64), (2, 64)])
def test_an_entered_buffer_catches_up_with_the_true_one(order_type, base):
    sps = dataclasses.replace(SPS, pic_order_cnt_type=order_type, offset_for_ref_frame=(2,))
    true, entered = DecodedPictureBuffer(), DecodedPictureBuffer()
    headers = [header(n % 16, 2 * n, sps=sps) for n in range(110, 140)]
    feed(true, *headers[:20])
    same = []
    for n, h in enumerate(headers[20:], start=20):
        (a,), _ = feed(true, h, first=n)
        (b,), _ = feed(entered, h, first=n)
        assert a.order_count - b.order_count == base
        same.append(true.snapshot(base=base) == entered.snapshot())
    # The window must have slid over everything before the entry.
    assert same == [False, False] + [True] * 8


# What no conformant stream does.
def test_one_frame_num_for_two_references():
    buffer = DecodedPictureBuffer()
    feed(buffer, header(0, idr=True), header(1, 2), header(1, 4))
    assert held(buffer) == [0, 2]
    assert buffer.problems == {Problem.FRAME_NUM_TWICE: 1}


def test_more_references_than_the_buffer_holds():
    buffer = DecodedPictureBuffer()
    keep_all = [header(n, 2 * n, memory_management=((4, 0),)) for n in range(1, 5)]
    feed(buffer, header(0, idr=True), *keep_all)
    assert held(buffer) == [2, 3, 4]
    assert buffer.problems == {Problem.TOO_MANY_REFERENCES: 2}


def test_a_buffer_full_of_long_term_references():
    sps = dataclasses.replace(SPS, max_num_ref_frames=1)
    buffer = DecodedPictureBuffer()
    feed(buffer, header(0, sps=sps, idr=True, long_term_reference_flag=True))
    # As in libavcodec, the frame that finds no room is the one to go.
    feed(buffer, header(1, 2, sps=sps), header(4, 4, sps=sps), first=1)
    assert held(buffer) == [0]
    assert buffer.problems == {Problem.TOO_MANY_REFERENCES: 5, Problem.FRAME_NUM_GAP: 1}


def test_an_order_count_out_of_range_is_refused():
    sps = dataclasses.replace(SPS, pic_order_cnt_type=1)
    buffer = DecodedPictureBuffer()
    with pytest.raises(BitstreamError, match="picture order count"):
        buffer.start_picture(header(0, sps=sps, idr=True, delta_pic_order_cnt=(1 << 31, 0)), 0)


def test_a_picture_must_start_before_it_ends():
    with pytest.raises(ValueError, match="no picture was started"):
        DecodedPictureBuffer().end_picture()


numbers = st.one_of(st.integers(0, 20), st.integers(0, 1 << 33))
operations = st.one_of(
    st.tuples(st.sampled_from([1, 2, 4, 6]), numbers),
    st.tuples(st.just(3), numbers, numbers),
    st.just((5,)),
)
sets = st.builds(
    Sps,
    profile_idc=st.just(77),
    level_idc=st.just(30),
    pic_width_in_mbs=st.just(1),
    pic_height_in_map_units=st.just(1),
    frame_mbs_only_flag=st.just(False),
    log2_max_frame_num=st.sampled_from([4, 16]),
    pic_order_cnt_type=st.integers(0, 2),
    offset_for_ref_frame=st.lists(st.integers(-(1 << 31), 1 << 31), max_size=3).map(tuple),
    max_num_ref_frames=st.integers(0, 16),
    gaps_in_frame_num_value_allowed_flag=st.booleans(),
)


@st.composite
def hostile_headers(draw):
    modifications = st.none() | st.lists(
        st.tuples(st.integers(0, 2), numbers), max_size=34
    ).map(tuple)
    return header(
        draw(st.integers(0, 15) | st.integers(0, 65535)),
        draw(st.integers(0, 255)),
        idr=draw(st.sampled_from([False] * 7 + [True])),
        slice_type=draw(st.integers(0, 4)),
        structure=draw(st.sampled_from([T, BOT, FRAME])),
        nal_ref_idc=draw(st.integers(0, 1)),
        delta_pic_order_cnt_bottom=draw(st.integers(-(1 << 31), 1 << 31) | st.just(0)),
        delta_pic_order_cnt=(draw(st.integers(-(1 << 31), 1 << 31) | st.just(0)), 0),
        num_ref_idx_l0_active=draw(numbers),
        num_ref_idx_l1_active=draw(numbers),
        ref_pic_list_modification=(draw(modifications), draw(modifications)),
        long_term_reference_flag=draw(st.booleans()),
        memory_management=tuple(draw(st.lists(operations, max_size=6))),
    )


@settings(max_examples=60)
@given(st.lists(hostile_headers(), max_size=12), sets, sets)
def test_any_headers_are_taken(headers, sps, other):
    buffer = DecodedPictureBuffer()
    for n, h in enumerate(headers):
        h.sps = other if n > 8 else sps
        h.frame_num %= h.sps.max_frame_num
        twin = buffer.copy()
        try:
            picture = buffer.start_picture(h, n)
        except BitstreamError:
            buffer = twin
            continue
        lists = buffer.reference_lists(h)
        assert len(lists) == {P: 1, B: 2, 3: 1}.get(h.slice_type, 0)
        sizes = (h.num_ref_idx_l0_active, h.num_ref_idx_l1_active)
        assert [len(e) for e in lists] == [min(n, 32) for n in sizes[: len(lists)]]
        for entry in (e for entries in lists for e in entries if e):
            assert entry[0] in buffer.pictures
            assert entry[1] & (entry[0].short_term | entry[0].long_term) == entry[1]
        buffer.end_picture()
        room = max(h.sps.max_num_ref_frames, 1)
        assert len(buffer.pictures) <= max(room, len(twin.pictures))
        assert len({id(p) for p in buffer.pictures}) == len(buffer.pictures)
        assert all(p.short_term | p.long_term for p in buffer.pictures)
        assert picture.order_count < NO_ORDER_COUNT
        # The copy goes its own way to the same place.
        twin.start_picture(h, n)
        twin.end_picture()
        assert twin.snapshot() == buffer.snapshot()


def coded_pictures(samples):
    """The slice headers of each sample, a list a picture."""
    data = samples.extradata
    is_avcc = data[:1] == b"\1"
    config = parse_avcc(data) if is_avcc else None
    sps, pps = {}, {}
    for packet in (None, *samples.packets):
        if packet is None:
            nal_units = (*config.sps, *config.pps) if config else ()
        else:
            spans = (
                split_length_prefixed(packet, config.length_size)
                if config
                else split_annexb(packet)
            )
            nal_units = [packet[start:end] for start, end in spans]
        pictures = []
        for nal in nal_units:
            nal_unit_type = nal[0] & 31
            if nal_unit_type == NAL_SPS:
                sps[parse_sps(nal).seq_parameter_set_id] = parse_sps(nal)
            elif nal_unit_type == NAL_PPS:
                pps[parse_pps(nal).pic_parameter_set_id] = parse_pps(nal)
            elif nal_unit_type in (1, 5):
                h = parse_slice_header(nal, sps, pps)
                if not pictures or starts_new_picture(pictures[-1][-1], h):
                    pictures.append([])
                pictures[-1].append(h)
        if packet is not None:
            yield pictures


def decoded_order(samples) -> list[int]:
    """Sample numbers in the order in which FFmpeg puts their pictures out."""
    decoder = av.CodecContext.create("h264", "r")
    decoder.extradata = samples.extradata
    decoder.thread_count = 1
    decoder.options = {"strict": "1"}
    order = []
    for n, data in enumerate((*samples.packets, None)):
        packet = av.Packet(data) if data is not None else None
        if packet is not None:
            packet.pts = n
        order += [frame.pts for frame in decoder.decode(packet)]
    return order


@pytest.mark.parametrize(
    "name",
    [
        "default",
        "pyramid_strict",
        "pyramid_normal",
        "open_gop",
        "intra_refresh",
        "mbaff",
        "slices",
        "baseline",
        "many_references",
        "temporal_direct",
        "weighted",
        "raw",
    ],
)
def test_real_streams_are_in_order_and_miss_nothing(name, samples):
    buffer = DecodedPictureBuffer()
    pictures = []
    for n, (slices,) in enumerate(coded_pictures(samples(name))):
        pictures.append(buffer.start_picture(slices[0], n))
        for h in slices:
            for entries in buffer.reference_lists(h):
                assert all(entry is not None and 0 <= entry[0].id < n for entry in entries)
        buffer.end_picture()
    assert not buffer.problems
    pictures.sort(key=lambda p: (p.epoch, p.order_count))
    assert [p.id for p in pictures] == decoded_order(samples(name))
