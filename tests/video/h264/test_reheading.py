"""Reheading against the obvious way: unescape everything, exchange the bits, escape again."""

from __future__ import annotations

import random
import re
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from marey.tests.support.splicing import splice
from marey.video.bits.rbsp import escape, unescape
from marey.video.h264.nal import NAL_SLICE, NAL_SLICE_IDR
from marey.video.h264.pps import Pps
from marey.video.h264.reheading import rehead_slice
from marey.video.h264.slice_header import B, I, P, SliceHeader, parse_slice_header
from marey.video.h264.slice_header_build import build_slice_header
from marey.video.h264.sps import Sps
from marey.video.plan.rewritten_sets import _forms

SEEDS = st.integers(0, 1 << 32)
OLD_SPS = Sps(profile_idc=100, level_idc=30, pic_width_in_mbs=40, pic_height_in_map_units=30)
NEW_SPS = replace(OLD_SPS, log2_max_frame_num=16, log2_max_pic_order_cnt_lsb=16)


def random_header(rng: random.Random, sps: Sps, pps: Pps) -> SliceHeader:
    """A slice header that fits its parameter sets."""
    idr = rng.random() < 0.2
    header = SliceHeader(
        sps,
        pps,
        NAL_SLICE_IDR if idr else NAL_SLICE,
        rng.randint(1 if idr else 0, 3),
        rng.choice((0, 0, rng.randrange(sps.frame_size_in_mbs))),
        slice_type := I if idr else rng.choice((P, B, I)),
        slice_type + rng.choice((0, 5)),
        pps.pic_parameter_set_id,
        rng.randrange(sps.max_frame_num),
    )
    header.idr_pic_id = rng.randrange(65536) if idr else -1
    header.pic_order_cnt_lsb = rng.randrange(1 << sps.log2_max_pic_order_cnt_lsb)
    counts = [rng.randint(1, 16) if slice_type != I else 0, 0]
    if slice_type == B:
        counts[1] = rng.randint(1, 16)
    header.num_ref_idx_l0_active, header.num_ref_idx_l1_active = counts
    header.num_ref_idx_active_override_flag = slice_type != I
    renumber(rng, header)
    header.slice_qp_delta = rng.randint(-20, 20)
    return header


def renumber(rng: random.Random, header: SliceHeader) -> None:
    """Other lists and another marking: what rewriting changes."""
    counts = header.num_ref_idx_l0_active, header.num_ref_idx_l1_active
    header.ref_pic_list_modification = tuple(
        tuple((rng.randint(0, 2), rng.randrange(32)) for _ in range(rng.randint(0, count)))
        if count and rng.random() < 0.6
        else None
        for count in counts
    )
    header.memory_management = ()
    if header.nal_ref_idc and header.nal_unit_type == NAL_SLICE and rng.random() < 0.4:
        header.memory_management = tuple(
            (1, rng.randrange(1 << 15)) for _ in range(rng.randint(1, 16))
        )
    header.adaptive_ref_pic_marking_mode_flag = bool(header.memory_management)


def random_payload(rng: random.Random) -> str:
    """Slice data in bits: mostly zeros, so that emulation prevention is everywhere."""
    length = rng.choice((0, 1, 7, 8, 40, 600))
    weight = rng.choice((0.0, 0.02, 0.2, 0.5))
    return "".join("1" if rng.random() < weight else "0" for _ in range(length))


def random_slice(rng: random.Random, sps: Sps, pps: Pps) -> tuple[bytes, SliceHeader]:
    header = random_header(rng, sps, pps)
    writer = build_slice_header(header, sps, pps)
    if pps.entropy_coding_mode_flag:
        writer.align_with_ones()
    bits = random_payload(rng)
    writer.u(len(bits), int(bits or "0", 2))
    writer.trailing_bits()
    first = bytes([header.nal_ref_idc << 5 | header.nal_unit_type])
    nal = first + escape(writer.to_bytes())
    return nal, parse_slice_header(nal, {0: sps}, {pps.pic_parameter_set_id: pps})


def forms_of(pps: Pps) -> list[Pps]:
    forms = _forms([pps], False)
    assert forms is not None
    return list(forms[pps.pic_parameter_set_id])


def has_start_code(nal: bytes) -> bool:
    return re.search(rb"\0\0[\0-\2]", nal) is not None or nal.endswith(b"\0")


@settings(max_examples=400)
@given(SEEDS, st.booleans())
def test_as_the_obvious_way(seed: int, cabac: bool) -> None:
    rng = random.Random(seed)
    pps = Pps(
        entropy_coding_mode_flag=cabac,
        num_ref_idx_l0_default_active=2,
        deblocking_filter_control_present_flag=rng.random() < 0.5,
    )
    nal, old = random_slice(rng, OLD_SPS, pps)
    new = old.copy()
    new.sps = NEW_SPS
    new.frame_num = rng.randrange(NEW_SPS.max_frame_num)
    new.pic_order_cnt_lsb = rng.randrange(1 << NEW_SPS.log2_max_pic_order_cnt_lsb)
    renumber(rng, new)
    forms = forms_of(pps)
    found = rehead_slice(memoryview(nal), old, new, NEW_SPS, forms)
    assert not has_start_code(found)
    form = next(f for f in forms if f.pic_parameter_set_id == new.pic_parameter_set_id)
    expected = splice(nal, old, new, NEW_SPS, form)
    assert unescape(found) == unescape(expected)
    again = parse_slice_header(found, {0: NEW_SPS}, {form.pic_parameter_set_id: form})
    assert again == new
    if not cabac:
        assert (again.header_bits - old.header_bits) % 8 == 0, "raw macroblocks would move"


@given(SEEDS)
def test_emulation_prevention_across_the_join(seed: int) -> None:
    """Zeros before and behind the place where the old slice is cut."""
    rng = random.Random(seed)
    pps = Pps(entropy_coding_mode_flag=rng.random() < 0.5)
    nal, old = random_slice(rng, OLD_SPS, pps)
    tail = bytes(rng.choice((0, 0, 0, 1, 2, 3, 4)) for _ in range(rng.randint(1, 80))) + b"\x80"
    nal = nal[:1] + escape(unescape(nal[1:]) + tail)
    new = old.copy()
    forms = forms_of(pps)
    found = rehead_slice(nal, old, new, NEW_SPS, forms)
    assert not has_start_code(found)
    assert unescape(found).endswith(tail)


@pytest.mark.parametrize("cabac", [False, True])
def test_forms_add_their_number_of_bits(cabac: bool) -> None:
    forms = forms_of(Pps(entropy_coding_mode_flag=cabac))
    header = random_header(random.Random(3), NEW_SPS, forms[0])
    lengths = []
    for form in forms:
        header.pic_parameter_set_id = form.pic_parameter_set_id
        lengths.append(build_slice_header(header, NEW_SPS, form).position)
    assert [(n - lengths[0]) % 8 for n in lengths] == list(range(len(forms)))
    assert len(forms) == (1 if cabac else 8)


def test_forms_run_out_before_they_repeat() -> None:
    """As many CAVLC parameter sets as ids allow; one more and the stream stays whole."""
    for count in range(1, 12):
        forms = _forms([Pps(pic_parameter_set_id=i) for i in range(count)], False)
        if forms is None:
            assert count > 8
            break
        ids = [form.pic_parameter_set_id for each in forms.values() for form in each]
        assert len(ids) == len(set(ids)) == 8 * count
        assert max(ids) < 256
    assert _forms([Pps()], True) is None
