"""Picture parameter sets (7.3.2.2): what stays the same over some pictures.

How many scaling lists the tail of a PPS has depends on the chroma format of its SPS, which may
come later or change. Nothing that reads a slice header stands in the tail, so a PPS is read
without its SPS: the count is then the one with which the tail ends where the set ends, and a
tail that fits none is kept as bits.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from ...errors import BitstreamError
from ..bits.rbsp import escape, unescape
from ..bits.reader import BitReader
from ..bits.writer import BitWriter
from .nal import NAL_PPS
from .scaling_list import ScalingLists, build_scaling_lists, parse_scaling_lists
from .sps import Sps

# Table A-1: MaxFS of the highest level.
_MAX_PIC_SIZE_MINUS1 = 139_264 - 1
# The two ids of 2 bits that a hexadecimal digit holds.
_DIGITS_OF_TWO = {ord(f"{pair:x}"): f"{pair >> 2}{pair & 3}" for pair in range(16)}

# All scaling lists of 4:4:4, each value at its longest, take less.
_MAX_TAIL_BITS = 9000


@dataclass(frozen=True, slots=True, kw_only=True)
class SliceGroups:
    """How macroblocks are dealt out to several slice groups (8.2.2): flexible ordering."""

    slice_group_map_type: int
    run_length_minus1: tuple[int, ...] = ()
    """Type 0: one for each group."""
    rectangles: tuple[tuple[int, int], ...] = ()
    """Type 2: top_left and bottom_right of each group but the last."""
    slice_group_change_direction_flag: bool = False
    """Types 3 to 5."""
    slice_group_change_rate: int = 0
    """Types 3 to 5: SliceGroupChangeRate, the field plus 1."""
    slice_group_id: bytes = b""
    """Type 6: one for each map unit, a byte each."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pps:
    """One picture parameter set, under the standard's names; counts have their 1 added."""

    nal_ref_idc: int = field(default=3, compare=False)
    """Of its NAL unit; says nothing about the set, kept to rebuild it."""
    pic_parameter_set_id: int = 0
    seq_parameter_set_id: int = 0
    entropy_coding_mode_flag: bool = False
    """CABAC, else CAVLC."""
    bottom_field_pic_order_in_frame_present_flag: bool = False
    num_slice_groups: int = 1
    slice_groups: SliceGroups | None = None
    """None where there is one group only."""
    num_ref_idx_l0_default_active: int = 1
    num_ref_idx_l1_default_active: int = 1
    weighted_pred_flag: bool = False
    weighted_bipred_idc: int = 0
    pic_init_qp: int = 26
    pic_init_qs: int = 26
    chroma_qp_index_offset: int = 0
    deblocking_filter_control_present_flag: bool = False
    constrained_intra_pred_flag: bool = False
    redundant_pic_cnt_present_flag: bool = False
    has_tail: bool = False
    """Whether the three fields that follow are written (High profiles) or inferred."""
    transform_8x8_mode_flag: bool = False
    scaling_lists: ScalingLists | None = None
    second_chroma_qp_index_offset: int = 0
    """chroma_qp_index_offset where it is not written."""
    unparsed_tail: tuple[int, int] | None = None
    """Count and value of the bits up to the trailing bits, where they made no tail."""

    @property
    def slice_group_map_type(self) -> int:
        """0 where there is one group only."""
        return 0 if self.slice_groups is None else self.slice_groups.slice_group_map_type

    @property
    def slice_group_change_rate(self) -> int:
        """SliceGroupChangeRate; 0 unless the map type is 3, 4 or 5."""
        return 0 if self.slice_groups is None else self.slice_groups.slice_group_change_rate

    def slice_group_change_cycle_bits(self, sps: Sps) -> int:
        """How wide slice_group_change_cycle is in a slice header; 0 where it is not there."""
        # 7.4.3: Ceil(Log2(PicSizeInMapUnits / SliceGroupChangeRate + 1)), the division exact.
        rate = self.slice_group_change_rate
        if not rate:
            return 0
        periods = -(-sps.pic_width_in_mbs * sps.pic_height_in_map_units // rate)
        return periods.bit_length()


def parse_pps(nal: bytes, sps: Sps | None = None) -> Pps:
    """The PPS in a NAL unit (type 8, its header byte included).

    Args:
        nal: The NAL unit.
        sps: The SPS it refers to, if that is known: it says how to read the tail.

    Raises:
        BitstreamError: A field is out of its range, or the bytes end too early.
    """
    if not nal or nal[0] & 0x1F != NAL_PPS:
        raise BitstreamError(
            f"PPS: expected a NAL unit of type {NAL_PPS}, "
            f"got {bytes(nal[:1]).hex() or 'no bytes'}"
        )
    reader = BitReader(unescape(nal[1:]), what="PPS")
    pic_parameter_set_id = reader.ue_up_to(255, "pic_parameter_set_id")
    seq_parameter_set_id = reader.ue_up_to(31, "seq_parameter_set_id")
    entropy_coding_mode_flag = reader.flag()
    bottom_field_pic_order_in_frame_present_flag = reader.flag()
    num_slice_groups = reader.ue_up_to(7, "num_slice_groups_minus1") + 1
    slice_groups = (
        _parse_slice_groups(reader, num_slice_groups) if num_slice_groups > 1 else None
    )
    num_ref_idx_l0_default_active = (
        reader.ue_up_to(31, "num_ref_idx_l0_default_active_minus1") + 1
    )
    num_ref_idx_l1_default_active = (
        reader.ue_up_to(31, "num_ref_idx_l1_default_active_minus1") + 1
    )
    weighted_pred_flag = reader.flag()
    weighted_bipred_idc = reader.u(2)
    # The lower bound is that of 14 bits a sample (QpBdOffset 36).
    pic_init_qp = 26 + reader.se_within(-62, 25, "pic_init_qp_minus26")
    pic_init_qs = 26 + reader.se_within(-62, 25, "pic_init_qs_minus26")
    chroma_qp_index_offset = reader.se_within(-12, 12, "chroma_qp_index_offset")
    deblocking_filter_control_present_flag = reader.flag()
    constrained_intra_pred_flag = reader.flag()
    redundant_pic_cnt_present_flag = reader.flag()
    pps = Pps(
        nal_ref_idc=nal[0] >> 5 & 3,
        pic_parameter_set_id=pic_parameter_set_id,
        seq_parameter_set_id=seq_parameter_set_id,
        entropy_coding_mode_flag=entropy_coding_mode_flag,
        bottom_field_pic_order_in_frame_present_flag=(
            bottom_field_pic_order_in_frame_present_flag
        ),
        num_slice_groups=num_slice_groups,
        slice_groups=slice_groups,
        num_ref_idx_l0_default_active=num_ref_idx_l0_default_active,
        num_ref_idx_l1_default_active=num_ref_idx_l1_default_active,
        weighted_pred_flag=weighted_pred_flag,
        weighted_bipred_idc=weighted_bipred_idc,
        pic_init_qp=pic_init_qp,
        pic_init_qs=pic_init_qs,
        chroma_qp_index_offset=chroma_qp_index_offset,
        deblocking_filter_control_present_flag=deblocking_filter_control_present_flag,
        constrained_intra_pred_flag=constrained_intra_pred_flag,
        redundant_pic_cnt_present_flag=redundant_pic_cnt_present_flag,
        second_chroma_qp_index_offset=chroma_qp_index_offset,
    )
    return _with_tail(pps, reader, sps) if reader.more_rbsp_data() else pps


def build_pps(pps: Pps) -> bytes:
    """The NAL unit that carries this PPS."""
    writer = BitWriter()
    writer.ue(pps.pic_parameter_set_id)
    writer.ue(pps.seq_parameter_set_id)
    writer.flag(pps.entropy_coding_mode_flag)
    writer.flag(pps.bottom_field_pic_order_in_frame_present_flag)
    writer.ue(pps.num_slice_groups - 1)
    if pps.slice_groups is not None:
        _build_slice_groups(writer, pps.slice_groups, pps.num_slice_groups)
    writer.ue(pps.num_ref_idx_l0_default_active - 1)
    writer.ue(pps.num_ref_idx_l1_default_active - 1)
    writer.flag(pps.weighted_pred_flag)
    writer.u(2, pps.weighted_bipred_idc)
    writer.se(pps.pic_init_qp - 26)
    writer.se(pps.pic_init_qs - 26)
    writer.se(pps.chroma_qp_index_offset)
    writer.flag(pps.deblocking_filter_control_present_flag)
    writer.flag(pps.constrained_intra_pred_flag)
    writer.flag(pps.redundant_pic_cnt_present_flag)
    if pps.unparsed_tail is not None:
        writer.u(*pps.unparsed_tail)
    elif pps.has_tail:
        writer.flag(pps.transform_8x8_mode_flag)
        writer.flag(pps.scaling_lists is not None)
        if pps.scaling_lists is not None:
            build_scaling_lists(writer, pps.scaling_lists)
        writer.se(pps.second_chroma_qp_index_offset)
    writer.trailing_bits()
    return bytes([pps.nal_ref_idc << 5 | NAL_PPS]) + escape(writer.to_bytes())


def _parse_slice_groups(reader: BitReader, num_slice_groups: int) -> SliceGroups:
    map_type = reader.ue_up_to(6, "slice_group_map_type")
    if map_type == 0:
        runs = tuple(reader.ue() for _ in range(num_slice_groups))
        return SliceGroups(slice_group_map_type=0, run_length_minus1=runs)
    if map_type == 2:
        rectangles = tuple((reader.ue(), reader.ue()) for _ in range(num_slice_groups - 1))
        return SliceGroups(slice_group_map_type=2, rectangles=rectangles)
    if map_type in (3, 4, 5):
        return SliceGroups(
            slice_group_map_type=map_type,
            slice_group_change_direction_flag=reader.flag(),
            slice_group_change_rate=reader.ue() + 1,
        )
    if map_type == 6:
        count = 1 + reader.ue_up_to(_MAX_PIC_SIZE_MINUS1, "pic_size_in_map_units_minus1")
        # 7.4.2.2: Ceil(Log2(num_slice_groups)) bits each. One read checks that all are there.
        bits = (num_slice_groups - 1).bit_length()
        return SliceGroups(
            slice_group_map_type=6,
            slice_group_id=_unpack_ids(reader.u(count * bits), count, bits),
        )
    return SliceGroups(slice_group_map_type=map_type)


def _unpack_ids(packed: int, count: int, bits: int) -> bytes:
    """Numbers of 1, 2 or 3 bits out of one, by its digits: a map can have very many."""
    if bits == 2:
        hexadecimal = f"{packed << 2 * (count % 2):0{(count + 1) // 2}x}"
        digits = hexadecimal.translate(_DIGITS_OF_TWO)[:count]
    else:
        digits = f"{packed:0{count}{'b' if bits == 1 else 'o'}}"
    return bytes(digit & 7 for digit in digits.encode())


def _build_slice_groups(writer: BitWriter, groups: SliceGroups, num_slice_groups: int) -> None:
    writer.ue(groups.slice_group_map_type)
    for run in groups.run_length_minus1:
        writer.ue(run)
    for top_left, bottom_right in groups.rectangles:
        writer.ue(top_left)
        writer.ue(bottom_right)
    if groups.slice_group_map_type in (3, 4, 5):
        writer.flag(groups.slice_group_change_direction_flag)
        writer.ue(groups.slice_group_change_rate - 1)
    if groups.slice_group_map_type == 6:
        writer.ue(len(groups.slice_group_id) - 1)
        bits = (num_slice_groups - 1).bit_length()
        for group in groups.slice_group_id:
            writer.u(bits, group)


def _with_tail(pps: Pps, reader: BitReader, sps: Sps | None) -> Pps:
    """`pps` with what stands between the reader and the trailing bits."""
    start = reader.position
    # 7.3.2.2: 6 lists, and with the 8x8 transform 2 more, or 6 more for 4:4:4.
    counts = (2, 6) if sps is None else (6,) if sps.chroma_format_idc == 3 else (2,)
    for lists_8x8 in counts:
        reader.seek(start)
        try:
            transform_8x8_mode_flag = reader.flag()
            scaling_lists = None
            if reader.flag():
                count = 6 + lists_8x8 * transform_8x8_mode_flag
                scaling_lists = parse_scaling_lists(reader, count)
            offset = reader.se_within(-12, 12, "second_chroma_qp_index_offset")
        except BitstreamError:
            continue
        if reader.position == reader.stop_position:
            return replace(
                pps,
                has_tail=True,
                transform_8x8_mode_flag=transform_8x8_mode_flag,
                scaling_lists=scaling_lists,
                second_chroma_qp_index_offset=offset,
            )
    reader.seek(start)
    bits = reader.stop_position - start
    if bits > _MAX_TAIL_BITS:
        raise BitstreamError(f"PPS: {bits} bits after redundant_pic_cnt_present_flag")
    return replace(pps, unparsed_tail=(bits, reader.u(bits)))
