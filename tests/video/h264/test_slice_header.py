"""Slice headers: written, read back, written for other parameter sets, damaged."""

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from marey.errors import BitstreamError
from marey.video.bits.rbsp import escape
from marey.video.h264.nal import NAL_SLICE, NAL_SLICE_IDR, NAL_SLICE_PARTITION_A
from marey.video.h264.pps import Pps, SliceGroups
from marey.video.h264.pred_weight_table import PredWeightTable, ReferenceWeights
from marey.video.h264.slice_header import (
    BOTTOM_FIELD,
    FRAME,
    SI,
    SP,
    TOP_FIELD,
    B,
    I,
    P,
    SliceHeader,
    parse_slice_header,
)
from marey.video.h264.slice_header_build import build_slice_header
from marey.video.h264.sps import Sps

SPS = Sps(profile_idc=100, level_idc=31, pic_width_in_mbs=20, pic_height_in_map_units=15)
PPS = Pps(deblocking_filter_control_present_flag=True)

codes = st.one_of(st.integers(0, 9), st.integers(0, 2**32 - 2))
signed = st.one_of(st.integers(-9, 9), st.integers(-(2**31) + 1, 2**31 - 1))
small = st.integers(-128, 127)


@st.composite
def parameter_sets(draw: st.DrawFn) -> tuple[Sps, Pps]:
    chroma = draw(st.integers(0, 3))
    order = draw(st.integers(0, 2))
    frames_only = draw(st.booleans())
    groups = None
    if draw(st.booleans()):
        groups = SliceGroups(
            slice_group_map_type=4, slice_group_change_rate=draw(st.integers(1, 400))
        )
    sps = replace(
        SPS,
        seq_parameter_set_id=draw(st.integers(0, 31)),
        chroma_format_idc=chroma,
        separate_colour_plane_flag=chroma == 3 and draw(st.booleans()),
        log2_max_frame_num=draw(st.integers(4, 16)),
        pic_order_cnt_type=order,
        log2_max_pic_order_cnt_lsb=draw(st.integers(4, 16)) if order == 0 else 4,
        delta_pic_order_always_zero_flag=order == 1 and draw(st.booleans()),
        frame_mbs_only_flag=frames_only,
        mb_adaptive_frame_field_flag=not frames_only and draw(st.booleans()),
    )
    pps = Pps(
        pic_parameter_set_id=draw(st.integers(0, 255)),
        seq_parameter_set_id=sps.seq_parameter_set_id,
        entropy_coding_mode_flag=draw(st.booleans()),
        bottom_field_pic_order_in_frame_present_flag=draw(st.booleans()),
        num_slice_groups=2 if groups else 1,
        slice_groups=groups,
        num_ref_idx_l0_default_active=draw(st.integers(1, 16)),
        num_ref_idx_l1_default_active=draw(st.integers(1, 16)),
        weighted_pred_flag=draw(st.booleans()),
        weighted_bipred_idc=draw(st.integers(0, 2)),
        deblocking_filter_control_present_flag=draw(st.booleans()),
        redundant_pic_cnt_present_flag=draw(st.booleans()),
    )
    return sps, pps


@st.composite
def weights(draw: st.DrawFn, sps: Sps, counts: tuple[int, ...]) -> PredWeightTable:
    has_chroma = sps.chroma_array_type != 0
    chroma = st.none() | st.tuples(small, small, small, small) if has_chroma else st.none()
    reference = st.builds(ReferenceWeights, st.none() | st.tuples(small, small), chroma)
    lists = (draw(st.lists(reference, min_size=n, max_size=n)) for n in counts)
    return PredWeightTable(
        draw(st.integers(0, 7)),
        draw(st.integers(0, 7)) if has_chroma else 0,
        tuple(tuple(entries) for entries in lists),
    )


operations = st.one_of(
    st.tuples(st.just(1), codes),
    st.tuples(st.just(2), st.integers(0, 31)),
    st.tuples(st.just(3), codes, st.integers(0, 15)),
    st.tuples(st.just(4), st.integers(0, 16)),
    st.just((5,)),
    st.tuples(st.just(6), st.integers(0, 15)),
)


@st.composite
def slice_headers(draw: st.DrawFn) -> SliceHeader:
    sps, pps = draw(parameter_sets())
    kind = draw(st.sampled_from([NAL_SLICE, NAL_SLICE_PARTITION_A, NAL_SLICE_IDR]))
    idr = kind == NAL_SLICE_IDR
    slice_type = draw(st.sampled_from([I, SI] if idr else [P, B, I, SP, SI]))
    fields = [FRAME] if sps.frame_mbs_only_flag else [FRAME, TOP_FIELD, BOTTOM_FIELD]
    header = SliceHeader(
        sps=sps,
        pps=pps,
        nal_unit_type=kind,
        nal_ref_idc=draw(st.integers(0, 3)),
        first_mb_in_slice=draw(st.integers(0, 149)),
        slice_type=slice_type,
        slice_type_raw=slice_type + draw(st.sampled_from([0, 5])),
        pic_parameter_set_id=pps.pic_parameter_set_id,
        frame_num=draw(st.integers(0, sps.max_frame_num - 1)),
        structure=draw(st.sampled_from(fields)),
        slice_qp_delta=draw(st.integers(-26, 25)),
    )
    both = pps.bottom_field_pic_order_in_frame_present_flag and header.structure == FRAME
    if sps.separate_colour_plane_flag:
        header.colour_plane_id = draw(st.integers(0, 2))
    if idr:
        header.idr_pic_id = draw(st.integers(0, 65535))
    if sps.pic_order_cnt_type == 0:
        lsb = st.integers(0, (1 << sps.log2_max_pic_order_cnt_lsb) - 1)
        header.pic_order_cnt_lsb = draw(lsb)
        header.delta_pic_order_cnt_bottom = draw(signed) if both else 0
    elif sps.pic_order_cnt_type == 1 and not sps.delta_pic_order_always_zero_flag:
        header.delta_pic_order_cnt = (draw(signed), draw(signed) if both else 0)
    if pps.redundant_pic_cnt_present_flag:
        header.redundant_pic_cnt = draw(st.integers(0, 127))
    if slice_type in (P, SP, B):
        draw_references(draw, header)
    if header.nal_ref_idc and idr:
        header.no_output_of_prior_pics_flag = draw(st.booleans())
        header.long_term_reference_flag = draw(st.booleans())
    elif header.nal_ref_idc and draw(st.booleans()):
        header.adaptive_ref_pic_marking_mode_flag = True
        header.memory_management = tuple(draw(st.lists(operations, max_size=6)))
    if pps.entropy_coding_mode_flag and slice_type in (P, SP, B):
        header.cabac_init_idc = draw(st.integers(0, 2))
    if slice_type in (SP, SI):
        header.sp_for_switch_flag = slice_type == SP and draw(st.booleans())
        header.slice_qs_delta = draw(st.integers(-26, 25))
    if pps.deblocking_filter_control_present_flag:
        header.disable_deblocking_filter_idc = draw(st.integers(0, 2))
        if header.disable_deblocking_filter_idc != 1:
            header.slice_alpha_c0_offset_div2 = draw(st.integers(-6, 6))
            header.slice_beta_offset_div2 = draw(st.integers(-6, 6))
    bits = pps.slice_group_change_cycle_bits(sps)
    header.slice_group_change_cycle = draw(st.integers(0, (1 << bits) - 1))
    return header


def draw_references(draw: st.DrawFn, header: SliceHeader) -> None:
    is_b = header.slice_type == B
    header.direct_spatial_mv_pred_flag = is_b and draw(st.booleans())
    l0 = header.pps.num_ref_idx_l0_default_active
    l1 = header.pps.num_ref_idx_l1_default_active if is_b else 0
    if draw(st.booleans()):
        header.num_ref_idx_active_override_flag = True
        most = 16 if header.structure == FRAME else 32
        l0 = draw(st.integers(1, most))
        l1 = draw(st.integers(1, most)) if is_b else 0
    header.num_ref_idx_l0_active, header.num_ref_idx_l1_active = l0, l1
    change = st.tuples(st.integers(0, 2), codes)
    header.ref_pic_list_modification = (
        draw(st.none() | st.lists(change, max_size=min(l0, 5)).map(tuple)),
        draw(st.none() | st.lists(change, max_size=min(l1, 5)).map(tuple)) if is_b else None,
    )
    if header.pps.weighted_bipred_idc == 1 if is_b else header.pps.weighted_pred_flag:
        counts = (l0, l1) if is_b else (l0,)
        header.pred_weight_table = draw(weights(header.sps, counts))


def slice_nal(header: SliceHeader, sps: Sps, pps: Pps, slice_data: bytes = b"") -> bytes:
    writer = build_slice_header(header, sps, pps)
    header.header_bits = writer.position
    writer.trailing_bits()
    first = bytes([header.nal_ref_idc << 5 | header.nal_unit_type])
    return first + escape(writer.to_bytes() + slice_data)


def parse(nal: bytes | memoryview, sps: Sps = SPS, pps: Pps = PPS) -> SliceHeader:
    return parse_slice_header(
        nal, {sps.seq_parameter_set_id: sps}, {pps.pic_parameter_set_id: pps}
    )


def p_header(**changes: object) -> SliceHeader:
    """A P slice of one reference under `SPS` and `PPS`, with changes."""
    header = SliceHeader(SPS, PPS, NAL_SLICE, 2, 0, P, 5, 0, 3)
    header.num_ref_idx_l0_active = 1
    for name, value in changes.items():
        setattr(header, name, value)
    return header


@given(slice_headers(), st.binary(max_size=200))
def test_round_trip(header: SliceHeader, slice_data: bytes) -> None:
    nal = slice_nal(header, header.sps, header.pps, slice_data)
    parsed = parse(nal, header.sps, header.pps)
    assert parsed == header
    assert parsed.header_bits == header.header_bits
    assert parsed.sps is header.sps
    assert parsed.pps is header.pps
    assert parse(memoryview(nal), header.sps, header.pps) == header


@given(slice_headers())
def test_a_copy_shares_nothing_that_changes(header: SliceHeader) -> None:
    other = header.copy()
    assert other == header
    assert (other.sps, other.pps) == (header.sps, header.pps)
    other.frame_num += 1
    other.memory_management += ((5,),)
    assert other != header
    assert header.memory_management == other.memory_management[:-1]


@given(slice_headers())
def test_written_for_a_wider_sps_it_says_the_same(header: SliceHeader) -> None:
    wide = replace(header.sps, log2_max_frame_num=16)
    if wide.pic_order_cnt_type == 0:
        wide = replace(wide, log2_max_pic_order_cnt_lsb=16)
    assert parse(slice_nal(header, wide, header.pps), wide, header.pps) == header


@given(slice_headers(), st.data())
def test_read_like_another_it_is_the_same(header: SliceHeader, data: st.DataObject) -> None:
    """Of the same picture, with little changed, or with nothing in common."""
    other = header.copy()
    for name, values in {
        "first_mb_in_slice": st.integers(0, 3),
        "slice_qp_delta": st.just(0),
        "frame_num": st.integers(0, header.sps.max_frame_num - 1),
        "nal_ref_idc": st.sampled_from([header.nal_ref_idc, header.nal_ref_idc or 1]),
    }.items():
        if data.draw(st.booleans()):
            setattr(other, name, data.draw(values))
    if header.pps.deblocking_filter_control_present_flag and data.draw(st.booleans()):
        other.disable_deblocking_filter_idc = 1
        other.slice_alpha_c0_offset_div2 = other.slice_beta_offset_div2 = 0
    sets = header.sps, header.pps
    like = parse(slice_nal(other, *sets), *sets)
    nal = slice_nal(header, *sets)
    ids = (
        {header.pps.seq_parameter_set_id: header.sps},
        {header.pps.pic_parameter_set_id: header.pps},
    )
    found = parse_slice_header(nal, *ids, like)
    assert found == parse(nal, *sets)
    assert found.header_bits == parse(nal, *sets).header_bits
    alike = (other.nal_ref_idc, other.frame_num) == (header.nal_ref_idc, header.frame_num)
    if alike and header.header_bits < 700:
        assert found.shared is like.shared


@given(slice_headers(), st.integers(1, 16), st.integers(1, 16))
def test_counts_are_written_out_where_the_default_differs(
    header: SliceHeader, l0: int, l1: int
) -> None:
    pps = replace(
        header.pps, num_ref_idx_l0_default_active=l0, num_ref_idx_l1_default_active=l1
    )
    parsed = parse(slice_nal(header, header.sps, pps), header.sps, pps)
    parsed.num_ref_idx_active_override_flag = header.num_ref_idx_active_override_flag
    assert parsed == header


@given(slice_headers(), st.data())
def test_a_cut_header_is_refused(header: SliceHeader, data: st.DataObject) -> None:
    nal = slice_nal(header, header.sps, header.pps)
    cut = nal[: data.draw(st.integers(0, header.header_bits // 8))]
    with pytest.raises(BitstreamError):
        parse(cut, header.sps, header.pps)


@pytest.mark.parametrize("length", [16, 17, 40, 2000])
def test_only_as_much_is_looked_at_as_is_needed(length: int) -> None:
    operations = ((1, 2**31), (2, 31)) * 33
    header = p_header(adaptive_ref_pic_marking_mode_flag=True, memory_management=operations)
    nal = slice_nal(header, SPS, PPS)
    assert header.header_bits > 96 * 8  # longer than the first look
    assert parse(nal + bytes(range(1, 251)) * length) == header


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"slice_type_raw": 10}, "slice_type is 10, expected at most 9"),
        ({"pic_parameter_set_id": 1}, "there is no PPS 1"),
        ({"pic_parameter_set_id": 2**31}, "there is no PPS 2147483648"),
        ({"first_mb_in_slice": 300}, "first_mb_in_slice is 300, a frame has 300 macroblocks"),
        ({"slice_qp_delta": 26}, "slice_qp_delta 26 makes the quantiser 52"),
        ({"slice_qp_delta": -27}, "slice_qp_delta -27 makes the quantiser -1"),
        ({"disable_deblocking_filter_idc": 3}, "disable_deblocking_filter_idc is 3"),
        ({"slice_alpha_c0_offset_div2": 7}, "slice_alpha_c0_offset_div2 is 7"),
        ({"slice_beta_offset_div2": -7}, "slice_beta_offset_div2 is -7"),
        ({"num_ref_idx_l0_active": 17}, "17 and 0 active references, expected at most 16"),
        (
            {"ref_pic_list_modification": (((0, 0), (1, 0)), None)},
            "modification_of_pic_nums_idc 1 after 1 operations",
        ),
        (
            {"ref_pic_list_modification": (((4, 0),), None)},
            "modification_of_pic_nums_idc 4 after 0 operations",
        ),
        ({"nal_unit_type": NAL_SLICE_IDR, "idr_pic_id": 0}, "slice_type 5 in an IDR picture"),
        *(
            (
                {"adaptive_ref_pic_marking_mode_flag": True, "memory_management": operations},
                message,
            )
            for operations, message in (
                (((7,),), "memory_management_control_operation is 7"),
                (((5,),) * 67, "more than 66 memory management operations"),
                (((2, 32),), "long_term_pic_num is 32"),
                (((3, 0, 16),), "long_term_frame_idx is 16"),
                (((4, 17),), "max_long_term_frame_idx_plus1 is 17"),
                (((6, 16),), "long_term_frame_idx is 16"),
            )
        ),
    ],
)
def test_what_no_decoder_takes_is_refused(changes: dict[str, object], message: str) -> None:
    with pytest.raises(BitstreamError, match=message):
        parse(slice_nal(p_header(**changes), SPS, PPS))


def test_fields_have_half_the_macroblocks_and_twice_the_references() -> None:
    sps = replace(SPS, frame_mbs_only_flag=False)
    header = p_header(structure=BOTTOM_FIELD, num_ref_idx_l0_active=32, first_mb_in_slice=299)
    assert parse(slice_nal(header, sps, PPS), sps).num_ref_idx_l0_active == 32
    header.first_mb_in_slice = 300
    with pytest.raises(BitstreamError, match="first_mb_in_slice is 300"):
        parse(slice_nal(header, sps, PPS), sps)


def test_weights_out_of_range_are_refused() -> None:
    pps = replace(PPS, weighted_pred_flag=True)
    table = PredWeightTable(5, 5, ((ReferenceWeights((128, 0), None),),))
    with pytest.raises(BitstreamError, match="luma_weight is 128"):
        parse(slice_nal(p_header(pred_weight_table=table), SPS, pps), pps=pps)
    table = PredWeightTable(8, 5, ((ReferenceWeights(None, None),),))
    with pytest.raises(BitstreamError, match="luma_log2_weight_denom is 8"):
        parse(slice_nal(p_header(pred_weight_table=table), SPS, pps), pps=pps)


def test_a_set_that_the_pps_names_is_missing() -> None:
    nal = slice_nal(p_header(), SPS, PPS)
    with pytest.raises(BitstreamError, match="there is no SPS 0, which PPS 0 names"):
        parse_slice_header(nal, {}, {0: PPS})


@pytest.mark.parametrize("nal", [b"", b"\x67\x42", b"\x06\x05", b"\x03\x80"])
def test_only_nal_units_with_a_slice_header(nal: bytes) -> None:
    with pytest.raises(BitstreamError, match="expected a NAL unit of type 1, 2 or 5"):
        parse(nal)


@pytest.mark.parametrize(
    ("changes", "sps", "pps"),
    [
        ({"frame_num": 16}, {}, {}),
        ({"pic_order_cnt_lsb": 16}, {}, {}),
        ({"delta_pic_order_cnt_bottom": 1}, {}, {}),
        ({"delta_pic_order_cnt": (1, 0)}, {"pic_order_cnt_type": 2}, {}),
        ({"delta_pic_order_cnt": (1, 1)}, {"pic_order_cnt_type": 1}, {}),
        ({"structure": TOP_FIELD}, {}, {}),
        ({"redundant_pic_cnt": 1}, {}, {}),
        ({}, {}, {"weighted_pred_flag": True}),
        ({"pred_weight_table": PredWeightTable(0, 0, ())}, {}, {}),
        (
            {"slice_beta_offset_div2": 1},
            {},
            {"deblocking_filter_control_present_flag": False},
        ),
    ],
)
def test_what_has_no_place_is_not_dropped(
    changes: dict[str, object], sps: dict[str, Any], pps: dict[str, Any]
) -> None:
    with pytest.raises(BitstreamError):
        build_slice_header(p_header(**changes), replace(SPS, **sps), replace(PPS, **pps))


@given(
    st.sampled_from([0x01, 0x21, 0x41, 0x65, 0x42]),
    st.binary(max_size=200),
    parameter_sets(),
)
def test_arbitrary_bytes_raise_no_other_error(
    first: int, data: bytes, sets: tuple[Sps, Pps]
) -> None:
    sps, pps = sets
    try:
        header = parse_slice_header(
            bytes([first]) + data,
            {sps.seq_parameter_set_id: sps},
            dict.fromkeys(range(256), pps),
        )
    except BitstreamError:
        return
    assert build_slice_header(header, sps, pps).position == header.header_bits
