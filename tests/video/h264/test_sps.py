"""Sequence parameter sets: written, read back, cut off, damaged."""

from dataclasses import replace

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from marey.errors import BitstreamError
from marey.video.bits.rbsp import escape, unescape
from marey.video.bits.writer import BitWriter
from marey.video.h264.scaling_list import build_scaling_lists
from marey.video.h264.sps import Sps, build_sps, parse_sps
from marey.video.h264.vui import Hrd, Vui, build_vui

HIGH = Sps(profile_idc=100, level_idc=31, pic_width_in_mbs=80, pic_height_in_map_units=45)

bytes_ = st.integers(0, 255)
codes = st.one_of(st.integers(0, 20), st.integers(0, 2**32 - 2))
signed = st.one_of(st.integers(-20, 20), st.integers(-(2**31) + 1, 2**31 - 1))

hrds = st.builds(
    Hrd,
    bit_rate_scale=st.integers(0, 15),
    cpb_size_scale=st.integers(0, 15),
    cpbs=st.lists(st.tuples(codes, codes, st.booleans()), min_size=1, max_size=3).map(tuple),
    initial_cpb_removal_delay_length_minus1=st.integers(0, 31),
    cpb_removal_delay_length_minus1=st.integers(0, 31),
    dpb_output_delay_length_minus1=st.integers(0, 31),
    time_offset_length=st.integers(0, 31),
)


@st.composite
def vuis(draw: st.DrawFn) -> Vui:
    vui = Vui(pic_struct_present_flag=draw(st.booleans()))
    if draw(st.booleans()):
        idc = draw(st.one_of(st.just(255), st.integers(0, 16)))
        sar = (draw(st.integers(0, 65535)), draw(st.integers(0, 65535)))
        width, height = sar if idc == 255 else (0, 0)
        vui = replace(
            vui,
            aspect_ratio_info_present_flag=True,
            aspect_ratio_idc=idc,
            sar_width=width,
            sar_height=height,
        )
    if draw(st.booleans()):
        vui = replace(
            vui,
            overscan_info_present_flag=True,
            overscan_appropriate_flag=draw(st.booleans()),
        )
    if draw(st.booleans()):
        vui = replace(
            vui,
            video_signal_type_present_flag=True,
            video_format=draw(st.integers(0, 7)),
            video_full_range_flag=draw(st.booleans()),
        )
        if draw(st.booleans()):
            vui = replace(
                vui,
                colour_description_present_flag=True,
                colour_primaries=draw(bytes_),
                transfer_characteristics=draw(bytes_),
                matrix_coefficients=draw(bytes_),
            )
    if draw(st.booleans()):
        vui = replace(
            vui,
            chroma_loc_info_present_flag=True,
            chroma_sample_loc_type_top_field=draw(st.integers(0, 5)),
            chroma_sample_loc_type_bottom_field=draw(st.integers(0, 5)),
        )
    if draw(st.booleans()):
        vui = replace(
            vui,
            timing_info_present_flag=True,
            num_units_in_tick=draw(st.integers(0, 2**32 - 1)),
            time_scale=draw(st.integers(0, 2**32 - 1)),
            fixed_frame_rate_flag=draw(st.booleans()),
        )
    nal, vcl = draw(st.none() | hrds), draw(st.none() | hrds)
    low_delay = (nal or vcl) is not None and draw(st.booleans())
    vui = replace(
        vui, nal_hrd_parameters=nal, vcl_hrd_parameters=vcl, low_delay_hrd_flag=low_delay
    )
    if draw(st.booleans()):
        vui = replace(
            vui,
            bitstream_restriction_flag=True,
            motion_vectors_over_pic_boundaries_flag=draw(st.booleans()),
            max_bytes_per_pic_denom=draw(codes),
            max_bits_per_mb_denom=draw(codes),
            log2_max_mv_length_horizontal=draw(codes),
            log2_max_mv_length_vertical=draw(codes),
            max_num_reorder_frames=draw(st.integers(0, 16)),
            max_dec_frame_buffering=draw(codes),
        )
    return vui


@st.composite
def scaling_lists(draw: st.DrawFn, count: int) -> tuple[tuple[int, ...] | None, ...]:
    """Lists as an encoder writes them: delta_scale values, fewer where the rest repeats."""
    lists: list[tuple[int, ...] | None] = []
    for index in range(count):
        size = 16 if index < 6 else 64
        weights = draw(st.none() | st.binary(max_size=size))
        if weights is None:
            lists.append(None)
            continue
        weights = weights.replace(b"\0", b"\1")
        ends = weights if len(weights) == size else weights + b"\0"
        steps = zip((8, *weights), ends, strict=False)
        lists.append(tuple((new - old + 128) % 256 - 128 for old, new in steps))
    return tuple(lists)


@st.composite
def sequence_parameter_sets(draw: st.DrawFn) -> Sps:
    high = draw(st.booleans())
    chroma = draw(st.integers(0, 3)) if high else 1
    order = draw(st.integers(0, 2))
    frames_only = draw(st.booleans())
    cycle = st.lists(signed, max_size=255 if draw(st.integers(0, 9)) == 0 else 4)
    return Sps(
        nal_ref_idc=draw(st.integers(0, 3)),
        profile_idc=draw(st.sampled_from([100, 110, 122, 244, 44] if high else [66, 77, 88])),
        constraint_flags=draw(bytes_),
        level_idc=draw(bytes_),
        seq_parameter_set_id=draw(st.integers(0, 31)),
        chroma_format_idc=chroma,
        separate_colour_plane_flag=chroma == 3 and draw(st.booleans()),
        bit_depth_luma=draw(st.integers(8, 14)) if high else 8,
        bit_depth_chroma=draw(st.integers(8, 14)) if high else 8,
        qpprime_y_zero_transform_bypass_flag=high and draw(st.booleans()),
        scaling_lists=draw(st.none() | scaling_lists(12 if chroma == 3 else 8))
        if high
        else None,
        log2_max_frame_num=draw(st.integers(4, 16)),
        pic_order_cnt_type=order,
        log2_max_pic_order_cnt_lsb=draw(st.integers(4, 16)) if order == 0 else 4,
        delta_pic_order_always_zero_flag=order == 1 and draw(st.booleans()),
        offset_for_non_ref_pic=draw(signed) if order == 1 else 0,
        offset_for_top_to_bottom_field=draw(signed) if order == 1 else 0,
        offset_for_ref_frame=tuple(draw(cycle)) if order == 1 else (),
        max_num_ref_frames=draw(st.integers(0, 16)),
        gaps_in_frame_num_value_allowed_flag=draw(st.booleans()),
        pic_width_in_mbs=draw(st.integers(1, 300)),
        pic_height_in_map_units=draw(st.integers(1, 300)),
        frame_mbs_only_flag=frames_only,
        mb_adaptive_frame_field_flag=not frames_only and draw(st.booleans()),
        direct_8x8_inference_flag=draw(st.booleans()),
        frame_cropping=draw(st.none() | st.tuples(*[st.integers(0, 1)] * 4)),
        vui=draw(st.none() | vuis()),
    )


@given(sequence_parameter_sets())
def test_round_trip(sps: Sps) -> None:
    nal = build_sps(sps)
    parsed = parse_sps(nal)
    assert parsed == sps
    assert parsed.nal_ref_idc == sps.nal_ref_idc
    assert build_sps(parsed) == nal


@given(sequence_parameter_sets(), st.data())
def test_a_set_cut_in_its_vui_is_taken_as_far_as_it_goes(sps: Sps, data: st.DataObject) -> None:
    whole = build_sps(sps)
    bare = unescape(build_sps(replace(sps, vui=None)))
    cut = unescape(whole)[: data.draw(st.integers(1, len(whole)))].rstrip(b"\0")
    nal = cut[:1] + escape(cut[1:])
    assume(b"\0\0\3" not in nal)  # such bytes may also be read as they are, see below
    try:
        parsed = parse_sps(nal)
    except BitstreamError:
        # Only what comes before the VUI must be there.
        assert len(cut) <= len(bare)
        return
    if len(cut) > len(bare):
        assert replace(parsed, vui=sps.vui) == sps
        stated = sps.vui.max_num_reorder_frames if sps.vui else None
        assert parsed.vui is None or parsed.vui.max_num_reorder_frames in (None, stated)


@pytest.mark.parametrize(
    "cut_before", ["timing_info_present_flag", "bitstream_restriction_flag", "stop bit"]
)
def test_a_vui_that_ends_early_keeps_its_colours(cut_before: str) -> None:
    vui = Vui(
        video_signal_type_present_flag=True,
        video_full_range_flag=True,
        colour_description_present_flag=True,
        colour_primaries=1,
        transfer_characteristics=1,
        matrix_coefficients=1,
    )
    whole = BitWriter()
    build_vui(whole, vui)
    after = {"timing_info_present_flag": 5, "bitstream_restriction_flag": 1, "stop bit": 0}
    bits = int.from_bytes(whole.to_bytes()) >> (-whole.position % 8)
    # The SPS without its VUI, its last bit (vui_parameters_present_flag) and trailing bits off.
    bare = unescape(build_sps(HIGH)[1:])
    size = len(bare) * 8 - (int.from_bytes(bare) & -int.from_bytes(bare)).bit_length() - 1
    writer = BitWriter()
    writer.u(size, int.from_bytes(bare) >> (len(bare) * 8 - size))
    writer.flag(True)
    writer.u(whole.position - after[cut_before], bits >> after[cut_before])
    if cut_before != "stop bit":
        writer.trailing_bits()
    parsed = parse_sps(b"\x67" + escape(writer.to_bytes()))
    assert parsed == replace(HIGH, vui=vui)


def test_a_set_without_emulation_prevention_is_read() -> None:
    # num_units_in_tick of 00 00 03 xx on a byte border, written as it is.
    for shift in range(8):
        timing = Vui(
            timing_info_present_flag=True, num_units_in_tick=3 << 8 << shift, time_scale=50
        )
        sps = replace(HIGH, vui=timing)
        nal = build_sps(sps)
        raw = nal[:1] + unescape(nal[1:])
        if b"\0\0\3" in raw:
            assert parse_sps(raw) == sps
            break
    else:
        pytest.fail("no shift put the pattern on a byte border")


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("seq_parameter_set_id", 32),
        ("chroma_format_idc", 4),
        ("bit_depth_luma", 15),
        ("bit_depth_chroma", 15),
        ("log2_max_frame_num", 17),
        ("log2_max_pic_order_cnt_lsb", 17),
        ("pic_order_cnt_type", 3),
        ("max_num_ref_frames", 17),
    ],
)
def test_values_out_of_range_are_named(field: str, value: int) -> None:
    broken = replace(HIGH)
    object.__setattr__(broken, field, value)
    with pytest.raises(BitstreamError, match=f"SPS: {field}"):
        parse_sps(build_sps(broken))


def test_a_cycle_that_is_too_long_is_refused() -> None:
    sps = replace(HIGH, pic_order_cnt_type=1, offset_for_ref_frame=(1,) * 256)
    with pytest.raises(BitstreamError, match="num_ref_frames_in_pic_order_cnt_cycle is 256"):
        parse_sps(build_sps(sps))


def test_a_scaling_delta_out_of_range_is_refused() -> None:
    sps = replace(HIGH, scaling_lists=((200,), *(None,) * 7))
    with pytest.raises(BitstreamError, match="delta_scale is 200"):
        parse_sps(build_sps(sps))
    writer = BitWriter()
    build_scaling_lists(writer, sps.scaling_lists or ())
    assert writer.position == 25


@pytest.mark.parametrize(
    "size",
    [(2**32 - 1, 1), (1, 2**32 - 1), (1100, 1100)],
    ids=["wide", "high", "both"],
)
def test_a_picture_that_no_decoder_takes_is_refused(size: tuple[int, int]) -> None:
    nal = build_sps(HIGH)
    sps = parse_sps(nal)
    object.__setattr__(sps, "pic_width_in_mbs", size[0])
    object.__setattr__(sps, "pic_height_in_map_units", size[1])
    with pytest.raises(BitstreamError, match="pic_width_in_mbs"):
        parse_sps(build_sps(sps))


@pytest.mark.parametrize(
    ("chroma_format_idc", "frames_only", "crop", "size"),
    [
        (1, True, (0, 0, 0, 4), (1280, 712)),
        (1, False, (0, 0, 0, 2), (1280, 1432)),
        (2, True, (1, 2, 0, 4), (1274, 716)),
        (3, True, (1, 2, 3, 4), (1277, 713)),
        (0, False, (1, 2, 3, 4), (1277, 1426)),
        (1, True, None, (1280, 720)),
    ],
)
def test_cropping(
    chroma_format_idc: int,
    frames_only: bool,
    crop: tuple[int, int, int, int] | None,
    size: tuple[int, int],
) -> None:
    sps = replace(
        HIGH,
        chroma_format_idc=chroma_format_idc,
        frame_mbs_only_flag=frames_only,
        frame_cropping=crop,
    )
    assert (sps.width, sps.height) == size


@pytest.mark.parametrize("crop", [(640, 0, 0, 0), (320, 320, 0, 0), (0, 0, 180, 180)])
def test_sps_crop_wider_than_picture(crop: tuple[int, int, int, int]) -> None:
    sps = parse_sps(build_sps(HIGH))
    object.__setattr__(sps, "frame_cropping", crop)
    with pytest.raises(BitstreamError, match=r"frame_cropping .* of 1280 x 720"):
        parse_sps(build_sps(sps))


def test_what_follows_from_the_fields() -> None:
    sps = replace(HIGH, log2_max_frame_num=9, frame_mbs_only_flag=False, chroma_format_idc=3)
    assert sps.max_frame_num == 512
    assert sps.frame_height_in_mbs == 90
    assert sps.frame_size_in_mbs == 7200
    assert (sps.coded_width, sps.coded_height) == (1280, 1440)
    assert sps.chroma_array_type == 3
    assert replace(sps, separate_colour_plane_flag=True).chroma_array_type == 0
    assert sps.profile_name == "High"


def test_reorder_depth_is_the_stated_one_or_the_bound_of_the_level() -> None:
    assert HIGH.num_reorder_frames == 5  # 18000 macroblocks by 3600
    stated = Vui(bitstream_restriction_flag=True, max_num_reorder_frames=2)
    assert replace(HIGH, vui=stated).num_reorder_frames == 2
    assert replace(HIGH, vui=Vui()).num_reorder_frames == 5


def test_a_profile_without_the_fields_is_not_written() -> None:
    with pytest.raises(BitstreamError, match="Main has no field for chroma_format_idc 3"):
        build_sps(replace(HIGH, profile_idc=77, chroma_format_idc=3))


@pytest.mark.parametrize("nal", [b"", b"\x68\x42", b"\x6f\x42"])
def test_only_nal_units_of_its_type(nal: bytes) -> None:
    with pytest.raises(BitstreamError, match="expected a NAL unit of type 7"):
        parse_sps(nal)


@given(st.binary(max_size=80))
@example(b"d\0\x1f" + b"\xff" * 40)
def test_arbitrary_bytes_raise_no_other_error(data: bytes) -> None:
    try:
        sps = parse_sps(b"\x67" + data)
    except BitstreamError:
        return
    assert sps.width > 0
    assert parse_sps(build_sps(sps)) == sps


@given(sequence_parameter_sets(), st.data())
def test_damage_raises_no_other_error(sps: Sps, data: st.DataObject) -> None:
    nal = bytearray(build_sps(sps))
    assume(len(nal) > 1)
    nal[data.draw(st.integers(1, len(nal) - 1))] ^= data.draw(st.integers(1, 255))
    try:
        damaged = parse_sps(bytes(nal))
    except BitstreamError:
        return
    assert parse_sps(build_sps(damaged)) == damaged
