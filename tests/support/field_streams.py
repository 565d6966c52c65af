"""Streams of field pictures (PAFF), which no encoder at hand makes: written bit by bit.

A picture is one macroblock wide, and each field one high. Fields are I_PCM, their samples drawn
by chance, or skipped, which repeats the field before.
"""

from __future__ import annotations

import random

from marey.video.bits.rbsp import escape
from marey.video.bits.writer import BitWriter

START_CODE = b"\0\0\0\1"
_FRAME_NUM_BITS, _ORDER_BITS = 4, 8


def field_samples(frames: int, *, period: int = 4, seed: int = 1) -> list[bytes]:
    """The fields of a stream in Annex B, each an access unit: two for each frame.

    Args:
        frames: How many there are.
        period: Frames from one IDR picture to the next.
        seed: Another one, other pictures.
    """
    chance = random.Random(seed)
    fields = []
    for frame in range(frames):
        at = frame % period
        for bottom in (False, True):
            is_idr = at == 0 and not bottom
            data = b"".join(START_CODE + nal for nal in (_sps(), _pps())) if is_idr else b""
            skipped = not is_idr and chance.random() < 0.3
            slice_ = _slice(at, bottom, is_idr, None if skipped else chance)
            fields.append(data + START_CODE + slice_)
    return fields


def _sps() -> bytes:  # 7.3.2.1.1
    writer = BitWriter()
    for value in (77, 0, 10):  # Main profile, level 1
        writer.u(8, value)
    for value in (0, _FRAME_NUM_BITS - 4, 0, _ORDER_BITS - 4, 2):
        writer.ue(value)
    writer.flag(False)  # gaps_in_frame_num_value_allowed_flag
    writer.ue(0)  # pic_width_in_mbs_minus1
    writer.ue(0)  # pic_height_in_map_units_minus1: of a field
    for value in (False, False, True, False, False):  # frame_mbs_only_flag first
        writer.flag(value)
    return b"\x67" + _nal_payload(writer)


def _pps() -> bytes:  # 7.3.2.2
    writer = BitWriter()
    writer.ue(0)
    writer.ue(0)
    writer.flag(False)  # entropy_coding_mode_flag: CAVLC
    writer.flag(False)
    for _ in range(3):
        writer.ue(0)
    writer.flag(False)
    writer.u(2, 0)
    for _ in range(3):
        writer.se(0)
    for _ in range(3):
        writer.flag(False)
    return b"\x68" + _nal_payload(writer)


def _slice(at: int, bottom: bool, is_idr: bool, chance: random.Random | None) -> bytes:
    """A slice of a whole field (7.3.3, 7.3.4); without `chance` it is skipped."""
    writer = BitWriter()
    writer.ue(0)
    writer.ue(7 if chance else 5)  # I or P
    writer.ue(0)
    writer.u(_FRAME_NUM_BITS, at)
    writer.flag(True)  # field_pic_flag
    writer.flag(bottom)
    if is_idr:
        writer.ue(0)
    writer.u(_ORDER_BITS, 2 * at + bottom)
    if not chance:
        writer.flag(False)  # num_ref_idx_active_override_flag
        writer.flag(False)  # ref_pic_list_modification_flag_l0
    for _ in range(2 if is_idr else 1):  # dec_ref_pic_marking
        writer.flag(False)
    writer.se(0)
    if chance:
        writer.ue(25)  # I_PCM
        writer.u(-writer.position % 8, 0)  # pcm_alignment_zero_bit
        for _ in range(16 * 16 * 3 // 2):
            writer.u(8, chance.randrange(1, 256))
    else:
        writer.ue(1)  # mb_skip_run
    return bytes([0x65 if is_idr else 0x61]) + _nal_payload(writer)


def _nal_payload(writer: BitWriter) -> bytes:
    writer.trailing_bits()
    return escape(writer.to_bytes())
