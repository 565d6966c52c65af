"""First slices and access units: 7.4.1.2.3, 7.4.1.2.4, and streams that neglect them."""

import dataclasses

import pytest

from marey.video.h264.access_unit import split_access_units, starts_new_picture
from marey.video.h264.avcc import parse_avcc
from marey.video.h264.nal import (
    NAL_ACCESS_UNIT_DELIMITER,
    NAL_END_OF_SEQUENCE,
    NAL_END_OF_STREAM,
    NAL_FILLER_DATA,
    NAL_PPS,
    NAL_PREFIX,
    NAL_SEI,
    NAL_SLICE,
    NAL_SLICE_IDR,
    NAL_SLICE_PARTITION_B,
    NAL_SPS,
    split_annexb,
    split_length_prefixed,
)
from marey.video.h264.pps import Pps, parse_pps
from marey.video.h264.slice_header import (
    BOTTOM_FIELD,
    TOP_FIELD,
    P,
    SliceHeader,
    parse_slice_header,
)
from marey.video.h264.sps import Sps, parse_sps

MAIN = Sps(
    profile_idc=77,
    level_idc=30,
    pic_width_in_mbs=4,
    pic_height_in_map_units=4,
    frame_mbs_only_flag=False,
)
BASELINE = dataclasses.replace(MAIN, profile_idc=66)
CONSTRAINED_BASELINE = dataclasses.replace(BASELINE, constraint_flags=0x40)


def slice_of(sps: Sps = MAIN, **fields) -> SliceHeader:
    defaults = {
        "nal_unit_type": NAL_SLICE,
        "nal_ref_idc": 1,
        "first_mb_in_slice": 0,
        "slice_type": P,
        "slice_type_raw": P,
        "pic_parameter_set_id": 0,
        "frame_num": 3,
    }
    return SliceHeader(sps=sps, pps=Pps(), **(defaults | fields))


IDR = {"nal_unit_type": NAL_SLICE_IDR, "idr_pic_id": 0, "frame_num": 0}


@pytest.mark.parametrize(
    ("before", "after", "new"),
    [
        ({}, {}, False),
        ({}, {"frame_num": 4}, True),
        ({}, {"nal_ref_idc": 0}, True),
        ({}, {"nal_ref_idc": 3}, False),
        ({"structure": TOP_FIELD}, {"structure": BOTTOM_FIELD}, True),
        ({"structure": TOP_FIELD}, {}, True),
        ({}, {"pic_order_cnt_lsb": 2}, True),
        ({}, {"delta_pic_order_cnt_bottom": 1}, True),
        ({}, {"delta_pic_order_cnt": (1, 0)}, True),
        ({}, {"delta_pic_order_cnt": (0, 1)}, True),
        (IDR, {"frame_num": 0}, True),
        (IDR, IDR | {"idr_pic_id": 1}, True),
        (IDR, IDR, False),
        # The clause would have it a new picture; decoders take it for another slice.
        ({}, {"pic_parameter_set_id": 1}, False),
    ],
)
@pytest.mark.parametrize("sps", [MAIN, BASELINE])
def test_a_new_picture_differs_in_its_header(sps, before, after, new):
    previous = slice_of(sps, **before)
    assert starts_new_picture(previous, slice_of(sps, first_mb_in_slice=5, **after)) == new


@pytest.mark.parametrize("sps", [MAIN, CONSTRAINED_BASELINE])
@pytest.mark.parametrize(
    ("before", "after", "new"),
    [(0, 0, True), (5, 0, True), (5, 5, True), (5, 4, True), (4, 5, False)],
)
def test_slices_of_one_picture_come_in_order(sps, before, after, new):
    # As in streams of IDR pictures with idr_pic_id 0, all of them.
    previous = slice_of(sps, first_mb_in_slice=before, **IDR)
    assert starts_new_picture(previous, slice_of(sps, first_mb_in_slice=after, **IDR)) == new


@pytest.mark.parametrize(
    ("before", "after", "new"), [(0, 0, True), (5, 0, False), (5, 4, False), (4, 5, False)]
)
def test_baseline_slices_come_in_any_order(before, after, new):
    previous = slice_of(BASELINE, first_mb_in_slice=before)
    assert starts_new_picture(previous, slice_of(BASELINE, first_mb_in_slice=after)) == new


def test_colour_planes_are_slices_of_one_picture():
    assert not starts_new_picture(slice_of(), slice_of(colour_plane_id=1))


def test_a_redundant_slice_begins_nothing():
    assert not starts_new_picture(slice_of(), slice_of(frame_num=4, redundant_pic_cnt=1))


def units(*nal_units) -> list[list[int]]:
    """Access units as lists of positions; a slice is written as its header."""
    numbered = [
        (n.nal_unit_type, n, k) if isinstance(n, SliceHeader) else (n, None, k)
        for k, n in enumerate(nal_units)
    ]
    return list(split_access_units(numbered))


FIRST = slice_of(**IDR)
FIRST_AGAIN = slice_of(first_mb_in_slice=9, **IDR)
SECOND = slice_of(frame_num=1)
SECOND_AGAIN = slice_of(frame_num=1, first_mb_in_slice=9)


@pytest.mark.parametrize(
    ("nal_units", "expected"),
    [
        ([], []),
        ([NAL_SPS, NAL_PPS], [[0, 1]]),
        ([FIRST, SECOND], [[0], [1]]),
        ([FIRST, FIRST_AGAIN, SECOND, SECOND_AGAIN], [[0, 1], [2, 3]]),
        ([NAL_SPS, NAL_PPS, NAL_SEI, FIRST, NAL_SEI, SECOND], [[0, 1, 2, 3], [4, 5]]),
        (
            [NAL_ACCESS_UNIT_DELIMITER, FIRST, NAL_ACCESS_UNIT_DELIMITER, SECOND],
            [[0, 1], [2, 3]],
        ),
        ([FIRST, NAL_PPS, NAL_SEI, SECOND], [[0], [1, 2, 3]]),
        ([FIRST, 18, SECOND], [[0], [1, 2]]),
        # These belong to the picture before them.
        (
            [FIRST, NAL_FILLER_DATA, NAL_SLICE_PARTITION_B, 19, 20, 31, SECOND],
            [[*range(6)], [6]],
        ),
        ([FIRST, NAL_END_OF_SEQUENCE, NAL_END_OF_STREAM, SECOND], [[0, 1, 2], [3]]),
        # A prefix NAL unit belongs to the slice behind it.
        (
            [NAL_PREFIX, FIRST, NAL_PREFIX, FIRST_AGAIN, NAL_PREFIX, SECOND],
            [[0, 1, 2, 3], [4, 5]],
        ),
        ([FIRST, NAL_PREFIX], [[0, 1]]),
        # A slice that does not parse goes with what is there.
        ([FIRST, NAL_SLICE, SECOND], [[0, 1], [2]]),
        ([NAL_SLICE, NAL_SLICE, NAL_SEI, FIRST], [[0, 1], [2, 3]]),
        # Redundant slices do not hide the primary picture that they repeat.
        ([SECOND, slice_of(frame_num=1, redundant_pic_cnt=1), SECOND_AGAIN], [[0, 1, 2]]),
    ],
)
def test_access_units(nal_units, expected):
    assert units(*nal_units) == expected


def test_every_field_is_an_access_unit():
    top, bottom = (slice_of(structure=s, **IDR) for s in (TOP_FIELD, BOTTOM_FIELD))
    assert units(NAL_SPS, top, bottom) == [[0, 1], [2]]


def headers_in(nal_units: list[bytes]):
    """What `split_access_units` wants to know of a stream of NAL units."""
    sps, pps = {}, {}
    for nal in nal_units:
        nal_unit_type, header = nal[0] & 31, None
        if nal_unit_type == NAL_SPS:
            found = parse_sps(nal)
            sps[found.seq_parameter_set_id] = found
        elif nal_unit_type == NAL_PPS:
            found = parse_pps(nal)
            pps[found.pic_parameter_set_id] = found
        elif nal_unit_type in (NAL_SLICE, NAL_SLICE_IDR):
            header = parse_slice_header(nal, sps, pps)
        yield nal_unit_type, header, nal


def in_byte_stream(data: bytes) -> list[bytes]:
    return [data[start:end] for start, end in split_annexb(data)]


@pytest.mark.parametrize("name", ["raw", "raw_resized"])
def test_a_byte_stream_falls_into_the_packets_that_ffmpeg_makes(name, clip, samples):
    packets = [in_byte_stream(packet) for packet in samples(name).packets]
    assert list(split_access_units(headers_in(in_byte_stream(clip(name))))) == packets


@pytest.mark.parametrize("name", ["default", "slices", "mbaff", "open_gop"])
def test_samples_are_found_again_without_their_container(name, samples):
    config = parse_avcc(samples(name).extradata)
    units = [
        [packet[start:end] for start, end in split_length_prefixed(packet, config.length_size)]
        for packet in samples(name).packets
    ]
    sets = [bytes(nal) for nal in (*config.sps, *config.pps)]
    units[0] = sets + units[0]
    assert (
        list(split_access_units(headers_in([nal for unit in units for nal in unit]))) == units
    )
