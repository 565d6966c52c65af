"""Picture parameter sets: written, read back with and without their SPS, damaged."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from marey.errors import BitstreamError
from marey.video.bits.rbsp import escape, unescape
from marey.video.h264.pps import Pps, SliceGroups, build_pps, parse_pps
from marey.video.h264.scaling_list import ScalingLists
from marey.video.h264.sps import Sps

SPS = Sps(profile_idc=100, level_idc=31, pic_width_in_mbs=11, pic_height_in_map_units=9)
SPS_444 = replace(SPS, profile_idc=244, chroma_format_idc=3)

# delta_scale values: each a list that ends at once, one that goes on, or none.
deltas = st.one_of(st.none(), st.just((-8,)), st.just((1, -9)))


@st.composite
def slice_groups(draw: st.DrawFn, count: int) -> SliceGroups:
    codes = st.integers(0, 5000)
    match draw(st.integers(0, 6)):
        case 0:
            runs = draw(st.lists(codes, min_size=count, max_size=count))
            return SliceGroups(slice_group_map_type=0, run_length_minus1=tuple(runs))
        case 2:
            corners = st.tuples(codes, codes)
            rectangles = draw(st.lists(corners, min_size=count - 1, max_size=count - 1))
            return SliceGroups(slice_group_map_type=2, rectangles=tuple(rectangles))
        case 6:
            ids = draw(st.lists(st.integers(0, count - 1), min_size=1, max_size=40))
            return SliceGroups(slice_group_map_type=6, slice_group_id=bytes(ids))
        case 1:
            return SliceGroups(slice_group_map_type=1)
        case changing:
            return SliceGroups(
                slice_group_map_type=changing,
                slice_group_change_direction_flag=draw(st.booleans()),
                slice_group_change_rate=draw(st.integers(1, 5000)),
            )


@st.composite
def picture_parameter_sets(draw: st.DrawFn, lists_8x8: int) -> Pps:
    groups = draw(st.one_of(st.just(1), st.integers(1, 8)))
    chroma_qp_index_offset = draw(st.integers(-12, 12))
    pps = Pps(
        nal_ref_idc=draw(st.integers(0, 3)),
        pic_parameter_set_id=draw(st.integers(0, 255)),
        seq_parameter_set_id=draw(st.integers(0, 31)),
        entropy_coding_mode_flag=draw(st.booleans()),
        bottom_field_pic_order_in_frame_present_flag=draw(st.booleans()),
        num_slice_groups=groups,
        slice_groups=draw(slice_groups(groups)) if groups > 1 else None,
        num_ref_idx_l0_default_active=draw(st.integers(1, 32)),
        num_ref_idx_l1_default_active=draw(st.integers(1, 32)),
        weighted_pred_flag=draw(st.booleans()),
        weighted_bipred_idc=draw(st.integers(0, 3)),
        pic_init_qp=draw(st.integers(-36, 51)),
        pic_init_qs=draw(st.integers(-36, 51)),
        chroma_qp_index_offset=chroma_qp_index_offset,
        deblocking_filter_control_present_flag=draw(st.booleans()),
        constrained_intra_pred_flag=draw(st.booleans()),
        redundant_pic_cnt_present_flag=draw(st.booleans()),
        second_chroma_qp_index_offset=chroma_qp_index_offset,
    )
    if draw(st.booleans()):
        transform_8x8 = draw(st.booleans())
        count = 6 + lists_8x8 * transform_8x8
        lists = st.lists(deltas, min_size=count, max_size=count).map(tuple)
        pps = replace(
            pps,
            has_tail=True,
            transform_8x8_mode_flag=transform_8x8,
            scaling_lists=draw(st.none() | lists),
            second_chroma_qp_index_offset=draw(st.integers(-12, 12)),
        )
    return pps


@given(picture_parameter_sets(lists_8x8=2))
def test_round_trip(pps: Pps) -> None:
    nal = build_pps(pps)
    for parsed in (parse_pps(nal), parse_pps(nal, SPS)):
        assert parsed == pps
        assert parsed.nal_ref_idc == pps.nal_ref_idc
        assert build_pps(parsed) == nal


@given(picture_parameter_sets(lists_8x8=6))
def test_round_trip_444(pps: Pps) -> None:
    nal = build_pps(pps)
    assert parse_pps(nal, SPS_444) == pps
    # Without the SPS the lists may be counted otherwise, never lost.
    assert build_pps(parse_pps(nal)) == nal
    assert build_pps(parse_pps(nal, SPS)) == nal


def test_the_count_of_lists_is_told_from_where_the_set_ends() -> None:
    lists: ScalingLists = ((-8,), None, None, (1, -9), None, None, *((-8,), None) * 3)
    pps = Pps(has_tail=True, transform_8x8_mode_flag=True, scaling_lists=lists)
    assert parse_pps(build_pps(pps)).scaling_lists == lists


def test_a_tail_that_fits_no_count_is_kept_as_bits() -> None:
    nal = build_pps(Pps(weighted_pred_flag=True))
    rbsp = unescape(nal[1:])
    value = int.from_bytes(rbsp)
    stop = (value & -value).bit_length() - 1
    # Where the stop bit was, 20 bits that make no tail, and a new stop bit.
    garbage = (value >> stop + 1) << 20 | 0b01_1000_0000_0000_0000_01
    bits = len(rbsp) * 8 - stop - 1 + 20
    whole = (garbage << 1 | 1) << (-(bits + 1) % 8)
    damaged = nal[:1] + escape(whole.to_bytes((bits + 8) // 8))
    pps = parse_pps(damaged)
    assert pps.unparsed_tail == (20, 0b01_1000_0000_0000_0000_01)
    assert pps.weighted_pred_flag
    assert not pps.has_tail
    assert build_pps(pps) == damaged


def test_a_tail_that_is_longer_than_any_is_refused() -> None:
    with pytest.raises(BitstreamError, match=r"PPS: \d+ bits after redundant_pic_cnt"):
        parse_pps(b"\x68" + b"\xff" * 100_000)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("pic_parameter_set_id", 256),
        ("seq_parameter_set_id", 32),
        ("num_slice_groups", 9),
        ("num_ref_idx_l0_default_active", 33),
        ("num_ref_idx_l1_default_active", 33),
        ("pic_init_qp", 52),
        ("pic_init_qs", -37),
        ("chroma_qp_index_offset", 13),
    ],
)
def test_values_out_of_range_are_named(field: str, value: int) -> None:
    broken = Pps()
    object.__setattr__(broken, field, value)
    with pytest.raises(BitstreamError, match=f"PPS: {field}"):
        parse_pps(build_pps(broken))


def test_more_slice_group_ids_than_there_are_bytes() -> None:
    groups = SliceGroups(slice_group_map_type=6, slice_group_id=b"\1" * 3000)
    nal = build_pps(Pps(num_slice_groups=8, slice_groups=groups))
    assert parse_pps(nal).slice_groups == groups
    with pytest.raises(BitstreamError, match="expected 9000 bits"):
        parse_pps(nal[:500])


@pytest.mark.parametrize(
    ("rate", "bits"), [(0, 0), (1, 7), (98, 2), (99, 1), (100, 1), (33, 2), (32, 3)]
)
def test_width_of_slice_group_change_cycle(rate: int, bits: int) -> None:
    # 7.4.3 for 99 map units: Ceil(Log2(99 / rate + 1)).
    groups = SliceGroups(slice_group_map_type=3, slice_group_change_rate=rate)
    pps = Pps(num_slice_groups=2, slice_groups=groups if rate else None)
    assert pps.slice_group_change_cycle_bits(SPS) == bits
    assert pps.slice_group_change_rate == rate
    assert pps.slice_group_map_type == (3 if rate else 0)


@pytest.mark.parametrize("nal", [b"", b"\x67\x42"])
def test_only_nal_units_of_its_type(nal: bytes) -> None:
    with pytest.raises(BitstreamError, match="expected a NAL unit of type 8"):
        parse_pps(nal)


@given(st.binary(max_size=60), st.sampled_from([None, SPS, SPS_444]))
def test_arbitrary_bytes_raise_no_other_error(data: bytes, sps: Sps | None) -> None:
    try:
        pps = parse_pps(b"\x68" + data, sps)
    except BitstreamError:
        return
    assert parse_pps(build_pps(pps), sps) == pps
