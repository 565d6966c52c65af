"""Video usability information: the tail of an SPS (Annex E).

Nothing in it changes how a picture decodes, so damage here costs only what it hits: the fields
are kept up to the last group that is whole. Colours and the reorder depth are what counts here.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from ...errors import BitstreamError
from ..bits.reader import BitReader
from ..bits.writer import BitWriter

_EXTENDED_SAR = 255
_UNSPECIFIED = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Hrd:
    """A hypothetical reference decoder's parameters (E.1.2)."""

    bit_rate_scale: int
    cpb_size_scale: int
    cpbs: tuple[tuple[int, int, bool], ...]
    """A coded picture buffer each: bit_rate_value_minus1, cpb_size_value_minus1, cbr_flag."""
    initial_cpb_removal_delay_length_minus1: int
    cpb_removal_delay_length_minus1: int
    dpb_output_delay_length_minus1: int
    time_offset_length: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Vui:
    """The fields of E.1.1 under their own names; what is absent has the value of E.2.1.

    >>> Vui(video_signal_type_present_flag=True, video_full_range_flag=True).matrix_coefficients
    2
    """

    aspect_ratio_info_present_flag: bool = False
    aspect_ratio_idc: int = 0
    sar_width: int = 0
    """0 unless aspect_ratio_idc is 255 (Extended_SAR)."""
    sar_height: int = 0
    overscan_info_present_flag: bool = False
    overscan_appropriate_flag: bool = False
    video_signal_type_present_flag: bool = False
    video_format: int = 5
    video_full_range_flag: bool = False
    colour_description_present_flag: bool = False
    colour_primaries: int = _UNSPECIFIED
    transfer_characteristics: int = _UNSPECIFIED
    matrix_coefficients: int = _UNSPECIFIED
    chroma_loc_info_present_flag: bool = False
    chroma_sample_loc_type_top_field: int = 0
    chroma_sample_loc_type_bottom_field: int = 0
    timing_info_present_flag: bool = False
    num_units_in_tick: int = 0
    """As written: 0 stands in real files and says nothing."""
    time_scale: int = 0
    """As written: two ticks make a frame, so 50 over 1 is 25 frames a second."""
    fixed_frame_rate_flag: bool = False
    nal_hrd_parameters: Hrd | None = None
    vcl_hrd_parameters: Hrd | None = None
    low_delay_hrd_flag: bool = False
    pic_struct_present_flag: bool = False
    bitstream_restriction_flag: bool = False
    motion_vectors_over_pic_boundaries_flag: bool = True
    max_bytes_per_pic_denom: int = 2
    max_bits_per_mb_denom: int = 1
    log2_max_mv_length_horizontal: int = 15
    log2_max_mv_length_vertical: int = 15
    max_num_reorder_frames: int | None = None
    max_dec_frame_buffering: int | None = None


def parse_vui(reader: BitReader) -> tuple[Vui, bool]:
    """The VUI at the reader's position, and whether it was there to its end."""
    vui = Vui()
    try:
        for parse_group in _GROUPS:
            vui = parse_group(reader, vui)
    except BitstreamError:
        return vui, False
    return vui, True


def _aspect_ratio(reader: BitReader, vui: Vui) -> Vui:
    if not reader.flag():
        return vui
    idc = reader.u(8)
    extended = idc == _EXTENDED_SAR
    return replace(
        vui,
        aspect_ratio_info_present_flag=True,
        aspect_ratio_idc=idc,
        sar_width=reader.u(16) if extended else 0,
        sar_height=reader.u(16) if extended else 0,
    )


def _overscan(reader: BitReader, vui: Vui) -> Vui:
    if not reader.flag():
        return vui
    return replace(
        vui, overscan_info_present_flag=True, overscan_appropriate_flag=reader.flag()
    )


def _video_signal_type(reader: BitReader, vui: Vui) -> Vui:
    if not reader.flag():
        return vui
    vui = replace(
        vui,
        video_signal_type_present_flag=True,
        video_format=reader.u(3),
        video_full_range_flag=reader.flag(),
    )
    if not reader.flag():
        return vui
    return replace(
        vui,
        colour_description_present_flag=True,
        colour_primaries=reader.u(8),
        transfer_characteristics=reader.u(8),
        matrix_coefficients=reader.u(8),
    )


def _chroma_location(reader: BitReader, vui: Vui) -> Vui:
    if not reader.flag():
        return vui
    return replace(
        vui,
        chroma_loc_info_present_flag=True,
        chroma_sample_loc_type_top_field=reader.ue(),
        chroma_sample_loc_type_bottom_field=reader.ue(),
    )


def _timing(reader: BitReader, vui: Vui) -> Vui:
    if not reader.flag():
        return vui
    return replace(
        vui,
        timing_info_present_flag=True,
        num_units_in_tick=reader.u(32),
        time_scale=reader.u(32),
        fixed_frame_rate_flag=reader.flag(),
    )


def _hrd_parameters(reader: BitReader, vui: Vui) -> Vui:
    nal = _parse_hrd(reader) if reader.flag() else None
    vcl = _parse_hrd(reader) if reader.flag() else None
    return replace(
        vui,
        nal_hrd_parameters=nal,
        vcl_hrd_parameters=vcl,
        low_delay_hrd_flag=(nal is not None or vcl is not None) and reader.flag(),
    )


def _pic_struct(reader: BitReader, vui: Vui) -> Vui:
    return replace(vui, pic_struct_present_flag=reader.flag())


def _bitstream_restriction(reader: BitReader, vui: Vui) -> Vui:
    # Encoders older than this group end the VUI here.
    if not reader.more_rbsp_data() or not reader.flag():
        return vui
    return replace(
        vui,
        bitstream_restriction_flag=True,
        motion_vectors_over_pic_boundaries_flag=reader.flag(),
        max_bytes_per_pic_denom=reader.ue(),
        max_bits_per_mb_denom=reader.ue(),
        log2_max_mv_length_horizontal=reader.ue(),
        log2_max_mv_length_vertical=reader.ue(),
        max_num_reorder_frames=reader.ue_up_to(16, "max_num_reorder_frames"),
        max_dec_frame_buffering=reader.ue(),
    )


_GROUPS = (
    _aspect_ratio,
    _overscan,
    _video_signal_type,
    _chroma_location,
    _timing,
    _hrd_parameters,
    _pic_struct,
    _bitstream_restriction,
)


def _parse_hrd(reader: BitReader) -> Hrd:
    cpb_cnt = reader.ue_up_to(31, "cpb_cnt_minus1") + 1
    return Hrd(
        bit_rate_scale=reader.u(4),
        cpb_size_scale=reader.u(4),
        cpbs=tuple((reader.ue(), reader.ue(), reader.flag()) for _ in range(cpb_cnt)),
        initial_cpb_removal_delay_length_minus1=reader.u(5),
        cpb_removal_delay_length_minus1=reader.u(5),
        dpb_output_delay_length_minus1=reader.u(5),
        time_offset_length=reader.u(5),
    )


def build_vui(writer: BitWriter, vui: Vui) -> None:
    """Write the whole VUI."""
    writer.flag(vui.aspect_ratio_info_present_flag)
    if vui.aspect_ratio_info_present_flag:
        writer.u(8, vui.aspect_ratio_idc)
        if vui.aspect_ratio_idc == _EXTENDED_SAR:
            writer.u(16, vui.sar_width)
            writer.u(16, vui.sar_height)
    writer.flag(vui.overscan_info_present_flag)
    if vui.overscan_info_present_flag:
        writer.flag(vui.overscan_appropriate_flag)
    writer.flag(vui.video_signal_type_present_flag)
    if vui.video_signal_type_present_flag:
        writer.u(3, vui.video_format)
        writer.flag(vui.video_full_range_flag)
        writer.flag(vui.colour_description_present_flag)
        if vui.colour_description_present_flag:
            writer.u(8, vui.colour_primaries)
            writer.u(8, vui.transfer_characteristics)
            writer.u(8, vui.matrix_coefficients)
    writer.flag(vui.chroma_loc_info_present_flag)
    if vui.chroma_loc_info_present_flag:
        writer.ue(vui.chroma_sample_loc_type_top_field)
        writer.ue(vui.chroma_sample_loc_type_bottom_field)
    writer.flag(vui.timing_info_present_flag)
    if vui.timing_info_present_flag:
        writer.u(32, vui.num_units_in_tick)
        writer.u(32, vui.time_scale)
        writer.flag(vui.fixed_frame_rate_flag)
    for hrd in (vui.nal_hrd_parameters, vui.vcl_hrd_parameters):
        writer.flag(hrd is not None)
        if hrd is not None:
            _build_hrd(writer, hrd)
    if vui.nal_hrd_parameters is not None or vui.vcl_hrd_parameters is not None:
        writer.flag(vui.low_delay_hrd_flag)
    writer.flag(vui.pic_struct_present_flag)
    writer.flag(vui.bitstream_restriction_flag)
    if vui.bitstream_restriction_flag:
        writer.flag(vui.motion_vectors_over_pic_boundaries_flag)
        writer.ue(vui.max_bytes_per_pic_denom)
        writer.ue(vui.max_bits_per_mb_denom)
        writer.ue(vui.log2_max_mv_length_horizontal)
        writer.ue(vui.log2_max_mv_length_vertical)
        writer.ue(vui.max_num_reorder_frames or 0)
        writer.ue(vui.max_dec_frame_buffering or 0)


def _build_hrd(writer: BitWriter, hrd: Hrd) -> None:
    writer.ue(len(hrd.cpbs) - 1)
    writer.u(4, hrd.bit_rate_scale)
    writer.u(4, hrd.cpb_size_scale)
    for bit_rate_value_minus1, cpb_size_value_minus1, cbr_flag in hrd.cpbs:
        writer.ue(bit_rate_value_minus1)
        writer.ue(cpb_size_value_minus1)
        writer.flag(cbr_flag)
    writer.u(5, hrd.initial_cpb_removal_delay_length_minus1)
    writer.u(5, hrd.cpb_removal_delay_length_minus1)
    writer.u(5, hrd.dpb_output_delay_length_minus1)
    writer.u(5, hrd.time_offset_length)
