"""Slice headers written back (7.3.3), for their own parameter sets or for others."""

from __future__ import annotations

from ...errors import BitstreamError
from ..bits.writer import BitWriter
from .dec_ref_pic_marking import build_memory_management
from .nal import NAL_SLICE_IDR
from .pps import Pps
from .pred_weight_table import build_pred_weight_table
from .ref_pic_list_modification import build_modifications
from .slice_header import BOTTOM_FIELD, FRAME, SI, SP, B, I, P, SliceHeader
from .sps import Sps


def build_slice_header(header: SliceHeader, sps: Sps, pps: Pps) -> BitWriter:
    """The header's bits, from after the NAL unit's header byte, for these parameter sets.

    With the sets it was read with they are the bits that were read; with others, fields change
    their width, and counts that are no longer the default are written out.

    Raises:
        BitstreamError: A value has no place under these parameter sets.
    """
    writer = build_picture_fields(header, sps, pps)
    writer.extend(build_slice_fields(header, sps, pps))
    return writer


def build_picture_fields(header: SliceHeader, sps: Sps, pps: Pps) -> BitWriter:
    """The first half of a header: which picture and which of its macroblocks.

    Raises:
        BitstreamError: A value has no place under these parameter sets.
    """
    writer = BitWriter()
    u, ue, flag = writer.u, writer.ue, writer.flag
    is_frame = header.structure == FRAME
    ue(header.first_mb_in_slice)
    ue(header.slice_type_raw)
    ue(header.pic_parameter_set_id)
    if sps.separate_colour_plane_flag:
        u(2, header.colour_plane_id)
    u(sps.log2_max_frame_num, header.frame_num)
    if not sps.frame_mbs_only_flag:
        flag(not is_frame)
        if not is_frame:
            flag(header.structure == BOTTOM_FIELD)
    elif not is_frame:
        raise BitstreamError("slice header: a field, but the SPS allows frames only")
    if header.nal_unit_type == NAL_SLICE_IDR:
        ue(header.idr_pic_id)
    _build_pic_order(writer, header, sps, pps)
    return writer


def build_slice_fields(header: SliceHeader, sps: Sps, pps: Pps) -> BitWriter:
    """The second half: references, marking, and how the slice is coded.

    Raises:
        BitstreamError: A value has no place under these parameter sets.
    """
    writer = BitWriter()
    ue, se, flag = writer.ue, writer.se, writer.flag
    slice_type = header.slice_type
    if pps.redundant_pic_cnt_present_flag:
        ue(header.redundant_pic_cnt)
    elif header.redundant_pic_cnt:
        raise BitstreamError("slice header: a redundant picture, but the PPS allows none")
    if slice_type in (P, SP, B):
        _build_references(writer, header, sps, pps)
    if header.nal_ref_idc:
        _build_marking(writer, header)
    if pps.entropy_coding_mode_flag and slice_type not in (I, SI):
        ue(header.cabac_init_idc)
    se(header.slice_qp_delta)
    if slice_type in (SP, SI):
        if slice_type == SP:
            flag(header.sp_for_switch_flag)
        se(header.slice_qs_delta)
    deblocking = (
        header.disable_deblocking_filter_idc,
        header.slice_alpha_c0_offset_div2,
        header.slice_beta_offset_div2,
    )
    if pps.deblocking_filter_control_present_flag:
        ue(deblocking[0])
        if deblocking[0] != 1:
            se(deblocking[1])
            se(deblocking[2])
    elif deblocking != (0, 0, 0):
        raise BitstreamError("slice header: deblocking control, but the PPS allows none")
    writer.u(pps.slice_group_change_cycle_bits(sps), header.slice_group_change_cycle)
    return writer


def _build_pic_order(writer: BitWriter, header: SliceHeader, sps: Sps, pps: Pps) -> None:
    # 8.2.1: a frame's bottom field has a difference of its own only where the PPS says so.
    both = pps.bottom_field_pic_order_in_frame_present_flag and header.structure == FRAME
    bottom, (first, second) = header.delta_pic_order_cnt_bottom, header.delta_pic_order_cnt
    if sps.pic_order_cnt_type == 0:
        writer.u(sps.log2_max_pic_order_cnt_lsb, header.pic_order_cnt_lsb)
        if both:
            writer.se(bottom)
            bottom = 0
    elif sps.pic_order_cnt_type == 1 and not sps.delta_pic_order_always_zero_flag:
        writer.se(first)
        first = 0
        if both:
            writer.se(second)
            second = 0
    if bottom or first or second:
        raise BitstreamError(
            f"slice header: no place for delta_pic_order_cnt_bottom {bottom}, "
            f"delta_pic_order_cnt {first}, {second} under these parameter sets"
        )


def _build_references(writer: BitWriter, header: SliceHeader, sps: Sps, pps: Pps) -> None:
    is_b = header.slice_type == B
    if is_b:
        writer.flag(header.direct_spatial_mv_pred_flag)
    l0, l1 = header.num_ref_idx_l0_active, header.num_ref_idx_l1_active
    differs = l0 != pps.num_ref_idx_l0_default_active or (
        is_b and l1 != pps.num_ref_idx_l1_default_active
    )
    override = header.num_ref_idx_active_override_flag or differs
    writer.flag(override)
    if override:
        writer.ue(l0 - 1)
        if is_b:
            writer.ue(l1 - 1)
    first, second = header.ref_pic_list_modification
    build_modifications(writer, first)
    if is_b:
        build_modifications(writer, second)
    table = header.pred_weight_table
    expected = pps.weighted_bipred_idc == 1 if is_b else pps.weighted_pred_flag
    if expected != (table is not None):
        raise BitstreamError(
            f"slice header: pred_weight_table is {'missing' if expected else 'there'}, "
            f"the PPS says otherwise"
        )
    if table is not None:
        build_pred_weight_table(writer, table, sps.chroma_array_type)


def _build_marking(writer: BitWriter, header: SliceHeader) -> None:
    if header.nal_unit_type == NAL_SLICE_IDR:
        writer.flag(header.no_output_of_prior_pics_flag)
        writer.flag(header.long_term_reference_flag)
        return
    writer.flag(header.adaptive_ref_pic_marking_mode_flag)
    if header.adaptive_ref_pic_marking_mode_flag:
        build_memory_management(writer, header.memory_management)
