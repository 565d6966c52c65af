"""Sequence parameter sets (7.3.2.1.1): what stays the same over a whole sequence of pictures.

Every value is checked against its range as it is read (7.4.2.1.1), so whoever uses an `Sps` may
shift, multiply and loop by its fields. Subset SPS (SVC, MVC) are not read.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from ...errors import BitstreamError
from ..bits.rbsp import escape, unescape
from ..bits.reader import BitReader
from ..bits.writer import BitWriter
from . import levels
from .nal import NAL_SPS
from .scaling_list import ScalingLists, build_scaling_lists, parse_scaling_lists
from .vui import Vui, build_vui, parse_vui

# 7.3.2.1.1: the profiles whose SPS says more about chroma, bit depth and scaling; 144 is the
# High 4:4:4 profile of 2005, removed since, which decoders still know.
_HIGH_PROFILES = frozenset((100, 110, 122, 244, 44, 83, 86, 118, 128, 138, 139, 134, 135, 144))

# Largest picture: what libavcodec accepts, some 16384 x 16384.
_MAX_PADDED_SAMPLES = (1 << 28) - 1

_SUB_WIDTH_C = (1, 2, 2, 1)
_SUB_HEIGHT_C = (1, 2, 1, 1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Sps:
    """One sequence parameter set, under the standard's names, and what follows from it."""

    nal_ref_idc: int = field(default=3, compare=False)
    """Of its NAL unit; says nothing about the set, kept to rebuild it."""
    profile_idc: int
    constraint_flags: int = 0
    """The byte after profile_idc: constraint_set0_flag is its highest bit."""
    level_idc: int
    seq_parameter_set_id: int = 0
    chroma_format_idc: int = 1
    separate_colour_plane_flag: bool = False
    bit_depth_luma: int = 8
    bit_depth_chroma: int = 8
    qpprime_y_zero_transform_bypass_flag: bool = False
    scaling_lists: ScalingLists | None = None
    log2_max_frame_num: int = 4
    pic_order_cnt_type: int = 0
    log2_max_pic_order_cnt_lsb: int = 4
    """4 unless pic_order_cnt_type is 0."""
    delta_pic_order_always_zero_flag: bool = False
    offset_for_non_ref_pic: int = 0
    offset_for_top_to_bottom_field: int = 0
    offset_for_ref_frame: tuple[int, ...] = ()
    max_num_ref_frames: int = 1
    gaps_in_frame_num_value_allowed_flag: bool = False
    pic_width_in_mbs: int
    pic_height_in_map_units: int
    """Rows of macroblocks, or of macroblock pairs where frame_mbs_only_flag is 0."""
    frame_mbs_only_flag: bool = True
    mb_adaptive_frame_field_flag: bool = False
    direct_8x8_inference_flag: bool = True
    frame_cropping: tuple[int, int, int, int] | None = None
    """Left, right, top and bottom offset, in crop units; None without the flag."""
    vui: Vui | None = None

    max_frame_num: int = field(init=False, compare=False, repr=False)
    """MaxFrameNum (7-10)."""
    chroma_array_type: int = field(init=False, compare=False, repr=False)
    """ChromaArrayType: chroma_format_idc, or 0 where the colour planes are separate."""
    frame_height_in_mbs: int = field(init=False, compare=False, repr=False)
    """FrameHeightInMbs (7-18)."""
    frame_size_in_mbs: int = field(init=False, compare=False, repr=False)
    """Macroblocks of a frame."""
    coded_width: int = field(init=False, compare=False, repr=False)
    """Luma samples across, before cropping."""
    coded_height: int = field(init=False, compare=False, repr=False)
    """Luma rows of a frame, before cropping."""
    width: int = field(init=False, compare=False, repr=False)
    """Luma samples across that are shown."""
    height: int = field(init=False, compare=False, repr=False)
    """Luma rows of a frame that are shown."""
    max_dpb_frames: int = field(init=False, compare=False, repr=False)
    """MaxDpbFrames (A.3.1), 0 for intra-only profiles; at most 16. The VUI may state less."""
    num_reorder_frames: int = field(init=False, compare=False, repr=False)
    """How many frames at most come before one in decoding order and after it in output order:
    as the VUI states it, else the level's bound as libavcodec takes it."""

    def __post_init__(self) -> None:
        frame_height_in_mbs = self.pic_height_in_map_units * (2 - self.frame_mbs_only_flag)
        coded_width = 16 * self.pic_width_in_mbs
        coded_height = 16 * frame_height_in_mbs
        if (coded_width + 128) * (coded_height + 128) > _MAX_PADDED_SAMPLES:
            raise BitstreamError(
                f"SPS: pic_width_in_mbs {self.pic_width_in_mbs} and pic_height_in_map_units "
                f"{self.pic_height_in_map_units} make a picture that no decoder takes"
            )
        # 7.4.2.1.1: CropUnitX and CropUnitY (7-19 to 7-22).
        chroma_array_type = 0 if self.separate_colour_plane_flag else self.chroma_format_idc
        left, right, top, bottom = self.frame_cropping or (0, 0, 0, 0)
        crop_unit_y = _SUB_HEIGHT_C[chroma_array_type] * (2 - self.frame_mbs_only_flag)
        width = coded_width - (left + right) * _SUB_WIDTH_C[chroma_array_type]
        height = coded_height - (top + bottom) * crop_unit_y
        if width <= 0 or height <= 0:
            raise BitstreamError(
                f"SPS: frame_cropping {self.frame_cropping} (left, right, top, bottom) leaves "
                f"nothing of {coded_width} x {coded_height}"
            )
        frame_size_in_mbs = self.pic_width_in_mbs * frame_height_in_mbs
        stated = self.vui.max_num_reorder_frames if self.vui is not None else None
        derived = {
            "max_frame_num": 1 << self.log2_max_frame_num,
            "chroma_array_type": chroma_array_type,
            "frame_height_in_mbs": frame_height_in_mbs,
            "frame_size_in_mbs": frame_size_in_mbs,
            "coded_width": coded_width,
            "coded_height": coded_height,
            "width": width,
            "height": height,
            "max_dpb_frames": levels.max_dpb_frames(
                self.profile_idc, self.constraint_flags, self.level_idc, frame_size_in_mbs
            ),
            "num_reorder_frames": levels.max_reorder_frames(self.level_idc, frame_size_in_mbs)
            if stated is None
            else stated,
        }
        for name, value in derived.items():
            object.__setattr__(self, name, value)

    @property
    def profile_name(self) -> str:
        """What the profile is called: `High`, `Constrained Baseline`."""
        return levels.profile_name(self.profile_idc, self.constraint_flags)


def parse_sps(nal: bytes) -> Sps:
    """The SPS in a NAL unit (type 7, its header byte included).

    A set that ends within its VUI is taken as far as it goes. Some writers forget emulation
    prevention: where the unescaped bytes end too early, the bytes as they are get a chance.

    Raises:
        BitstreamError: A field is out of its range, or the bytes end before the VUI.
    """
    if not nal or nal[0] & 0x1F != NAL_SPS:
        raise BitstreamError(
            f"SPS: expected a NAL unit of type {NAL_SPS}, "
            f"got {bytes(nal[:1]).hex() or 'no bytes'}"
        )
    nal_ref_idc = nal[0] >> 5 & 3
    raw = bytes(nal[1:])
    rbsp = unescape(raw)
    reader = BitReader(rbsp, what="SPS")
    try:
        sps, whole = _parse(reader, nal_ref_idc)
    except BitstreamError:
        if len(rbsp) == len(raw):
            raise
        return _parse(BitReader(raw, what="SPS"), nal_ref_idc)[0]
    if len(rbsp) != len(raw) and (not whole or reader.position > reader.stop_position):
        try:
            second, whole = _parse(BitReader(raw, what="SPS"), nal_ref_idc)
        except BitstreamError:
            return sps
        return second if whole else sps
    return sps


def _parse(reader: BitReader, nal_ref_idc: int) -> tuple[Sps, bool]:
    """The SPS, and whether its VUI was there to its end."""
    profile_idc = reader.u(8)
    constraint_flags = reader.u(8)
    level_idc = reader.u(8)
    seq_parameter_set_id = reader.ue_up_to(31, "seq_parameter_set_id")
    chroma_format_idc, bit_depth_luma, bit_depth_chroma = 1, 8, 8
    separate_colour_plane_flag = qpprime_y_zero_transform_bypass_flag = False
    scaling_lists = None
    if profile_idc in _HIGH_PROFILES:
        chroma_format_idc = reader.ue_up_to(3, "chroma_format_idc")
        if chroma_format_idc == 3:
            separate_colour_plane_flag = reader.flag()
        bit_depth_luma = reader.ue_up_to(6, "bit_depth_luma_minus8") + 8
        bit_depth_chroma = reader.ue_up_to(6, "bit_depth_chroma_minus8") + 8
        qpprime_y_zero_transform_bypass_flag = reader.flag()
        if reader.flag():
            scaling_lists = parse_scaling_lists(reader, _scaling_list_count(chroma_format_idc))

    log2_max_frame_num = reader.ue_up_to(12, "log2_max_frame_num_minus4") + 4
    pic_order_cnt_type = reader.ue_up_to(2, "pic_order_cnt_type")
    log2_max_pic_order_cnt_lsb = 4
    delta_pic_order_always_zero_flag = False
    offset_for_non_ref_pic = offset_for_top_to_bottom_field = 0
    offset_for_ref_frame: tuple[int, ...] = ()
    if pic_order_cnt_type == 0:
        log2_max_pic_order_cnt_lsb = (
            reader.ue_up_to(12, "log2_max_pic_order_cnt_lsb_minus4") + 4
        )
    elif pic_order_cnt_type == 1:
        delta_pic_order_always_zero_flag = reader.flag()
        offset_for_non_ref_pic = reader.se()
        offset_for_top_to_bottom_field = reader.se()
        cycle = reader.ue_up_to(255, "num_ref_frames_in_pic_order_cnt_cycle")
        offset_for_ref_frame = tuple(reader.se() for _ in range(cycle))

    max_num_ref_frames = reader.ue_up_to(16, "max_num_ref_frames")
    gaps_in_frame_num_value_allowed_flag = reader.flag()
    pic_width_in_mbs = reader.ue() + 1
    pic_height_in_map_units = reader.ue() + 1
    frame_mbs_only_flag = reader.flag()
    mb_adaptive_frame_field_flag = not frame_mbs_only_flag and reader.flag()
    direct_8x8_inference_flag = reader.flag()
    frame_cropping = None
    if reader.flag():
        frame_cropping = (reader.ue(), reader.ue(), reader.ue(), reader.ue())
    vui, whole = parse_vui(reader) if reader.flag() else (None, True)
    sps = Sps(
        nal_ref_idc=nal_ref_idc,
        profile_idc=profile_idc,
        constraint_flags=constraint_flags,
        level_idc=level_idc,
        seq_parameter_set_id=seq_parameter_set_id,
        chroma_format_idc=chroma_format_idc,
        separate_colour_plane_flag=separate_colour_plane_flag,
        bit_depth_luma=bit_depth_luma,
        bit_depth_chroma=bit_depth_chroma,
        qpprime_y_zero_transform_bypass_flag=qpprime_y_zero_transform_bypass_flag,
        scaling_lists=scaling_lists,
        log2_max_frame_num=log2_max_frame_num,
        pic_order_cnt_type=pic_order_cnt_type,
        log2_max_pic_order_cnt_lsb=log2_max_pic_order_cnt_lsb,
        delta_pic_order_always_zero_flag=delta_pic_order_always_zero_flag,
        offset_for_non_ref_pic=offset_for_non_ref_pic,
        offset_for_top_to_bottom_field=offset_for_top_to_bottom_field,
        offset_for_ref_frame=offset_for_ref_frame,
        max_num_ref_frames=max_num_ref_frames,
        gaps_in_frame_num_value_allowed_flag=gaps_in_frame_num_value_allowed_flag,
        pic_width_in_mbs=pic_width_in_mbs,
        pic_height_in_map_units=pic_height_in_map_units,
        frame_mbs_only_flag=frame_mbs_only_flag,
        mb_adaptive_frame_field_flag=mb_adaptive_frame_field_flag,
        direct_8x8_inference_flag=direct_8x8_inference_flag,
        frame_cropping=frame_cropping,
        vui=vui,
    )
    return sps, whole


def build_sps(sps: Sps) -> bytes:
    """The NAL unit that carries this SPS."""
    writer = BitWriter()
    writer.u(8, sps.profile_idc)
    writer.u(8, sps.constraint_flags)
    writer.u(8, sps.level_idc)
    writer.ue(sps.seq_parameter_set_id)
    if sps.profile_idc in _HIGH_PROFILES:
        writer.ue(sps.chroma_format_idc)
        if sps.chroma_format_idc == 3:
            writer.flag(sps.separate_colour_plane_flag)
        writer.ue(sps.bit_depth_luma - 8)
        writer.ue(sps.bit_depth_chroma - 8)
        writer.flag(sps.qpprime_y_zero_transform_bypass_flag)
        writer.flag(sps.scaling_lists is not None)
        if sps.scaling_lists is not None:
            build_scaling_lists(writer, sps.scaling_lists)
    elif (sps.chroma_format_idc, sps.bit_depth_luma, sps.bit_depth_chroma) != (1, 8, 8):
        raise BitstreamError(
            f"SPS: {sps.profile_name} has no field for chroma_format_idc "
            f"{sps.chroma_format_idc} and {sps.bit_depth_luma} bits"
        )
    writer.ue(sps.log2_max_frame_num - 4)
    writer.ue(sps.pic_order_cnt_type)
    if sps.pic_order_cnt_type == 0:
        writer.ue(sps.log2_max_pic_order_cnt_lsb - 4)
    elif sps.pic_order_cnt_type == 1:
        writer.flag(sps.delta_pic_order_always_zero_flag)
        writer.se(sps.offset_for_non_ref_pic)
        writer.se(sps.offset_for_top_to_bottom_field)
        writer.ue(len(sps.offset_for_ref_frame))
        for offset in sps.offset_for_ref_frame:
            writer.se(offset)
    writer.ue(sps.max_num_ref_frames)
    writer.flag(sps.gaps_in_frame_num_value_allowed_flag)
    writer.ue(sps.pic_width_in_mbs - 1)
    writer.ue(sps.pic_height_in_map_units - 1)
    writer.flag(sps.frame_mbs_only_flag)
    if not sps.frame_mbs_only_flag:
        writer.flag(sps.mb_adaptive_frame_field_flag)
    writer.flag(sps.direct_8x8_inference_flag)
    writer.flag(sps.frame_cropping is not None)
    for offset in sps.frame_cropping or ():
        writer.ue(offset)
    writer.flag(sps.vui is not None)
    if sps.vui is not None:
        build_vui(writer, sps.vui)
    writer.trailing_bits()
    return bytes([sps.nal_ref_idc << 5 | NAL_SPS]) + escape(writer.to_bytes())


def _scaling_list_count(chroma_format_idc: int) -> int:
    return 12 if chroma_format_idc == 3 else 8
