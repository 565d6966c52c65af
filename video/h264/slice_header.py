"""Slice headers (7.3.3): which picture a slice belongs to, what it refers to, how it marks.

A long video has a header for each of its slices, so reading them is a hot path: only the first
bytes of a slice are looked at, and the reader's methods are bound to local names.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from operator import attrgetter

from ...errors import BitstreamError
from ..bits.rbsp import unescape
from ..bits.reader import BitReader
from .dec_ref_pic_marking import (
    MemoryManagement,
    parse_memory_management,
)
from .nal import NAL_SLICE, NAL_SLICE_IDR, NAL_SLICE_PARTITION_A
from .pps import Pps
from .pred_weight_table import (
    PredWeightTable,
    parse_pred_weight_table,
)
from .ref_pic_list_modification import (
    Modifications,
    parse_modifications,
)
from .sps import Sps

P, B, I, SP, SI = range(5)  # noqa: E741 - the standard's names (Table 7-6)

TOP_FIELD, BOTTOM_FIELD, FRAME = 1, 2, 3

# Nearly every header ends within the first; none that keeps to its limits passes the second.
_PREFIX_BYTES = (96, 8192)


@dataclass(slots=True)
class SliceHeader:
    """One slice header, under the standard's names; what is absent has its default."""

    sps: Sps = field(compare=False, repr=False)
    """The sequence parameter set that the header was read with."""
    pps: Pps = field(compare=False, repr=False)
    """The picture parameter set that the header was read with."""
    nal_unit_type: int
    nal_ref_idc: int
    first_mb_in_slice: int
    slice_type: int
    """P, B, I, SP or SI."""
    slice_type_raw: int
    """As written: 5 to 9 say that all slices of the picture have this type."""
    pic_parameter_set_id: int
    frame_num: int
    colour_plane_id: int = 0
    structure: int = FRAME
    """TOP_FIELD, BOTTOM_FIELD or FRAME."""
    idr_pic_id: int = -1
    """-1 in a picture that is not an IDR picture."""
    pic_order_cnt_lsb: int = 0
    delta_pic_order_cnt_bottom: int = 0
    delta_pic_order_cnt: tuple[int, int] = (0, 0)
    redundant_pic_cnt: int = 0
    direct_spatial_mv_pred_flag: bool = False
    num_ref_idx_active_override_flag: bool = False
    num_ref_idx_l0_active: int = 0
    """Entries of list 0 that the slice can name: 0 in I slices, at most 16 in frames."""
    num_ref_idx_l1_active: int = 0
    """Entries of list 1: 0 in all but B slices."""
    ref_pic_list_modification: tuple[Modifications | None, Modifications | None] = (None, None)
    """For each list its operations; None where it keeps its initial order."""
    pred_weight_table: PredWeightTable | None = None
    no_output_of_prior_pics_flag: bool = False
    long_term_reference_flag: bool = False
    adaptive_ref_pic_marking_mode_flag: bool = False
    memory_management: MemoryManagement = ()
    """Operations with their arguments, in the order written; the end is left out."""
    cabac_init_idc: int = 0
    slice_qp_delta: int = 0
    sp_for_switch_flag: bool = False
    slice_qs_delta: int = 0
    disable_deblocking_filter_idc: int = 0
    slice_alpha_c0_offset_div2: int = 0
    slice_beta_offset_div2: int = 0
    slice_group_change_cycle: int = 0
    header_bits: int = field(default=0, compare=False)
    """Length of the header in the RBSP, counted from after the NAL unit's header byte."""
    shared: tuple[int, int] = field(default=(0, 0), compare=False, repr=False)
    """The bits from slice_type to the end of dec_ref_pic_marking: how many, and their value.
    Slices of a picture mostly have the same; one that was read `like` another has the very
    object of that one then."""

    def copy(self) -> SliceHeader:
        """Another header with the same fields, to be changed."""
        return SliceHeader(*_all_fields(self))


_all_fields = attrgetter(*SliceHeader.__slots__)


def parse_slice_header(
    nal: bytes | memoryview,
    sps_by_id: Mapping[int, Sps],
    pps_by_id: Mapping[int, Pps],
    like: SliceHeader | None = None,
) -> SliceHeader:
    """The header of a slice NAL unit (types 1, 2 and 5, its header byte included).

    Args:
        nal: The NAL unit, emulation prevention bytes still in, or its first 8 KiB.
        sps_by_id: The sequence parameter sets known at this place of the stream.
        pps_by_id: The picture parameter sets likewise.
        like: The header of the slice before. Where the same bits follow, its fields are taken
            over as they are now, which is much quicker.

    Raises:
        BitstreamError: A field is out of its range, a parameter set is missing, or the bytes
            end within the header.
    """
    if not nal or nal[0] & 0x1F not in (NAL_SLICE, NAL_SLICE_PARTITION_A, NAL_SLICE_IDR):
        raise BitstreamError(
            f"slice header: expected a NAL unit of type 1, 2 or 5, "
            f"got {bytes(nal[:1]).hex() or 'no bytes'}"
        )
    prefix, longest = _PREFIX_BYTES
    if len(nal) > prefix:
        try:
            return _parse(nal, prefix, sps_by_id, pps_by_id, like)
        except BitstreamError:
            pass  # perhaps for want of bytes only
    return _parse(nal, longest, sps_by_id, pps_by_id, like)


def _parse(
    nal: bytes | memoryview,
    prefix: int,
    sps_by_id: Mapping[int, Sps],
    pps_by_id: Mapping[int, Pps],
    like: SliceHeader | None,
) -> SliceHeader:
    reader = BitReader(unescape(nal[1:prefix]), what="slice header")
    nal_unit_type = nal[0] & 0x1F
    nal_ref_idc = nal[0] >> 5 & 3
    first_mb_in_slice = reader.ue()
    start = reader.position
    if (
        like is not None
        and nal_unit_type == like.nal_unit_type
        and nal_ref_idc == like.nal_ref_idc
        and pps_by_id.get(like.pic_parameter_set_id) is like.pps
        and sps_by_id.get(like.pps.seq_parameter_set_id) is like.sps
        and reader.skip_if(*like.shared)
    ):
        header = like.copy()
        header.first_mb_in_slice = first_mb_in_slice
    else:
        header = _parse_shared(
            reader, nal_unit_type, nal_ref_idc, first_mb_in_slice, sps_by_id, pps_by_id
        )
        header.shared = (reader.position - start, reader.since(start))
    _parse_tail(reader, header)
    header.header_bits = reader.position
    _check(header)
    return header


def _parse_shared(
    reader: BitReader,
    nal_unit_type: int,
    nal_ref_idc: int,
    first_mb_in_slice: int,
    sps_by_id: Mapping[int, Sps],
    pps_by_id: Mapping[int, Pps],
) -> SliceHeader:
    """From slice_type to dec_ref_pic_marking: what slices of a picture mostly have alike."""
    u, ue, se, flag = reader.u, reader.ue, reader.se, reader.flag
    slice_type_raw = reader.ue_up_to(9, "slice_type")
    slice_type = slice_type_raw % 5
    pic_parameter_set_id = ue()
    pps = pps_by_id.get(pic_parameter_set_id)
    if pps is None:
        raise BitstreamError(f"slice header: there is no PPS {pic_parameter_set_id}")
    sps = sps_by_id.get(pps.seq_parameter_set_id)
    if sps is None:
        raise BitstreamError(
            f"slice header: there is no SPS {pps.seq_parameter_set_id}, "
            f"which PPS {pic_parameter_set_id} names"
        )
    colour_plane_id = u(2) if sps.separate_colour_plane_flag else 0
    header = SliceHeader(
        sps,
        pps,
        nal_unit_type,
        nal_ref_idc,
        first_mb_in_slice,
        slice_type,
        slice_type_raw,
        pic_parameter_set_id,
        u(sps.log2_max_frame_num),
        colour_plane_id,
    )
    structure = FRAME
    if not sps.frame_mbs_only_flag and flag():
        header.structure = structure = BOTTOM_FIELD if flag() else TOP_FIELD
    if nal_unit_type == NAL_SLICE_IDR:
        header.idr_pic_id = ue()
    if sps.pic_order_cnt_type == 0:
        header.pic_order_cnt_lsb = u(sps.log2_max_pic_order_cnt_lsb)
        if pps.bottom_field_pic_order_in_frame_present_flag and structure == FRAME:
            header.delta_pic_order_cnt_bottom = se()
    elif sps.pic_order_cnt_type == 1 and not sps.delta_pic_order_always_zero_flag:
        both = pps.bottom_field_pic_order_in_frame_present_flag and structure == FRAME
        header.delta_pic_order_cnt = (se(), se() if both else 0)
    if pps.redundant_pic_cnt_present_flag:
        header.redundant_pic_cnt = reader.ue_up_to(127, "redundant_pic_cnt")
    if slice_type in (P, B, SP):
        _parse_references(reader, header)
    if nal_ref_idc:
        _parse_marking(reader, header)
    return header


def _parse_tail(reader: BitReader, header: SliceHeader) -> None:
    """What follows the marking: how the samples of the slice are coded."""
    pps, slice_type = header.pps, header.slice_type
    if pps.entropy_coding_mode_flag and slice_type != I and slice_type != SI:
        header.cabac_init_idc = reader.ue_up_to(2, "cabac_init_idc")
    header.slice_qp_delta = reader.se()
    if slice_type >= SP:
        header.sp_for_switch_flag = slice_type == SP and reader.flag()
        header.slice_qs_delta = reader.se()
    if pps.deblocking_filter_control_present_flag:
        idc = reader.ue_up_to(2, "disable_deblocking_filter_idc")
        alpha = beta = 0
        if idc != 1:
            alpha = reader.se_within(-6, 6, "slice_alpha_c0_offset_div2")
            beta = reader.se_within(-6, 6, "slice_beta_offset_div2")
        header.disable_deblocking_filter_idc = idc
        header.slice_alpha_c0_offset_div2 = alpha
        header.slice_beta_offset_div2 = beta
    bits = pps.slice_group_change_cycle_bits(header.sps)
    if bits:
        header.slice_group_change_cycle = reader.u(bits)


def _parse_references(reader: BitReader, header: SliceHeader) -> None:
    """Everything that P, SP and B slices alone have, up to the weights."""
    flag = reader.flag
    pps = header.pps
    is_b = header.slice_type == B
    if is_b:
        header.direct_spatial_mv_pred_flag = flag()
    l0 = pps.num_ref_idx_l0_default_active
    l1 = pps.num_ref_idx_l1_default_active if is_b else 0
    if flag():
        header.num_ref_idx_active_override_flag = True
        l0 = reader.ue() + 1
        l1 = reader.ue() + 1 if is_b else 0
    limit = 16 if header.structure == FRAME else 32
    if l0 > limit or l1 > limit:
        raise BitstreamError(
            f"slice header: {l0} and {l1} active references, expected at most {limit}"
        )
    header.num_ref_idx_l0_active = l0
    header.num_ref_idx_l1_active = l1
    first = parse_modifications(reader, l0) if flag() else None
    second = parse_modifications(reader, l1) if is_b and flag() else None
    if first is not None or second is not None:
        header.ref_pic_list_modification = (first, second)
    if pps.weighted_bipred_idc == 1 if is_b else pps.weighted_pred_flag:
        header.pred_weight_table = parse_pred_weight_table(
            reader, header.sps.chroma_array_type, (l0, l1) if is_b else (l0,)
        )


def _parse_marking(reader: BitReader, header: SliceHeader) -> None:
    if header.nal_unit_type == NAL_SLICE_IDR:
        header.no_output_of_prior_pics_flag = reader.flag()
        header.long_term_reference_flag = reader.flag()
    elif reader.flag():
        header.adaptive_ref_pic_marking_mode_flag = True
        header.memory_management = parse_memory_management(reader)


def _check(header: SliceHeader) -> None:
    """Refuse what decoders refuse, so that garbage does not pass for a picture."""
    sps = header.sps
    if header.slice_type not in (I, SI) and header.nal_unit_type == NAL_SLICE_IDR:
        raise BitstreamError(
            f"slice header: slice_type {header.slice_type_raw} in an IDR picture, "
            f"expected I or SI"
        )
    pairs = header.structure != FRAME or sps.mb_adaptive_frame_field_flag
    if header.first_mb_in_slice << pairs >= sps.frame_size_in_mbs:
        raise BitstreamError(
            f"slice header: first_mb_in_slice is {header.first_mb_in_slice}, "
            f"a frame has {sps.frame_size_in_mbs} macroblocks"
        )
    qp = header.pps.pic_init_qp + header.slice_qp_delta
    if not 48 - 6 * sps.bit_depth_luma <= qp <= 51:
        raise BitstreamError(
            f"slice header: slice_qp_delta {header.slice_qp_delta} makes the quantiser {qp}"
        )
