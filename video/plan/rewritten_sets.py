"""The parameter sets of rewritten streams: the same for every subset of one clip.

A CAVLC slice may hold raw macroblocks (I_PCM), which are aligned to bytes (7.3.5): its data
must keep its place within the byte though the header before it changes its length. So each
CAVLC picture parameter set comes in eight forms that say the same and make headers 0 to 7 bits
longer: its id is an Exp-Golomb code of 1, 3, 5 or 7 bits (9, 11, ... are as good), and a flag
adds a bit for a delta_pic_order_cnt_bottom of 0.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache

from ..h264.pps import Pps, build_pps, parse_pps
from ..h264.sps import Sps, build_sps, parse_sps
from ..h264.vui import Vui
from ..index.frames import FrameIndex, ParameterSets

# A run has 2**15 pictures at most, since its order counts span less. And with 16 bits a picture
# named again, a whole turn of MaxPicNum away (7.4.3.1), would be a code of 33 bits, which
# OpenH264 cannot read everywhere: Exp-Golomb codes stay below 32 bits.
LOG2_MAX_FRAME_NUM = 15
LOG2_MAX_ORDER_COUNT_LSB = 16
_PHASES = 8
_MOST_PPS = 256


@dataclass(frozen=True, slots=True)
class RewrittenSets:
    """Parameter sets to write slices for."""

    nals: ParameterSets
    """As NAL units, in the form that plans take them."""
    sps: Mapping[int, Sps]
    """By id, which stays."""
    pps: Mapping[int, Sequence[Pps]]
    """By the id in the clip: one form with CABAC; with CAVLC eight, by the bits that they
    add."""
    old_sps: Mapping[int, Sps]
    """The clip's own, by id."""
    old_pps: Mapping[int, Pps]
    """Likewise."""


def sets_of_rewritten(index: FrameIndex, sets: ParameterSets) -> RewrittenSets | None:
    """The sets for any rewritten subset of samples that came with `sets`; None where there
    are too many.
    """
    return _rewrite_sets(sets, index.has_bottom_order_delta)


@lru_cache(maxsize=64)
def _rewrite_sets(sets: ParameterSets, with_bottom: bool) -> RewrittenSets | None:
    old_sps = {sps.seq_parameter_set_id: sps for sps in map(parse_sps, sets.sps)}
    old_pps = {pps.pic_parameter_set_id: pps for pps in map(parse_pps, sets.pps)}
    new_sps = {number: _new_sps(sps) for number, sps in old_sps.items()}
    forms = _forms(list(old_pps.values()), with_bottom)
    if forms is None:
        return None
    nals = replace(
        sets,
        sps=tuple(map(build_sps, new_sps.values())),
        pps=tuple(build_pps(form) for each in forms.values() for form in each),
    )
    return RewrittenSets(nals, new_sps, forms, old_sps, old_pps)


def _new_sps(sps: Sps) -> Sps:
    frames = sps.max_dpb_frames or sps.max_num_ref_frames
    vui = replace(
        sps.vui or Vui(),
        bitstream_restriction_flag=True,
        max_num_reorder_frames=min(sps.num_reorder_frames, frames),
        max_dec_frame_buffering=max(frames, sps.max_num_ref_frames),
    )
    return replace(
        sps,
        log2_max_frame_num=LOG2_MAX_FRAME_NUM,
        pic_order_cnt_type=0,
        log2_max_pic_order_cnt_lsb=LOG2_MAX_ORDER_COUNT_LSB,
        delta_pic_order_always_zero_flag=False,
        offset_for_non_ref_pic=0,
        offset_for_top_to_bottom_field=0,
        offset_for_ref_frame=(),
        gaps_in_frame_num_value_allowed_flag=False,
        vui=vui,
    )


def _forms(old: Sequence[Pps], with_bottom: bool) -> Mapping[int, Sequence[Pps]] | None:
    if all(pps.entropy_coding_mode_flag for pps in old):
        flag = with_bottom
        return {
            p.pic_parameter_set_id: (
                replace(p, bottom_field_pic_order_in_frame_present_flag=flag),
            )
            for p in old
        }
    if with_bottom:
        return None  # the bit that evens out odd lengths is in use
    free = {bits: _ids_of_length(bits) for bits in range(0, _PHASES, 2)}
    forms: dict[int, Sequence[Pps]] = {}
    for pps in old:
        each = []
        for extra in range(1 if pps.entropy_coding_mode_flag else _PHASES):
            ids = free[extra & ~1]
            if not ids:
                return None
            each.append(
                replace(
                    pps,
                    pic_parameter_set_id=ids.pop(0),
                    bottom_field_pic_order_in_frame_present_flag=bool(extra & 1),
                )
            )
        forms[pps.pic_parameter_set_id] = each
    return forms


def _ids_of_length(extra_bits: int) -> list[int]:
    """The ids whose Exp-Golomb code is so many bits longer than that of id 0, up to whole
    bytes (9.1).
    """
    return [
        i
        for i in range(_MOST_PPS)
        if (2 * (i + 1).bit_length() - 2 - extra_bits) % _PHASES == 0
    ]
