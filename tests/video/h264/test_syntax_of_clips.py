"""Everything that x264 writes into the sample clips: read, and written back bit for bit."""

from collections.abc import Callable
from io import BytesIO
from typing import Any

import av
import pytest

from marey.video.bits.rbsp import escape, unescape
from marey.video.clips import RECIPES
from marey.video.h264.avcc import build_avcc, parse_avcc
from marey.video.h264.nal import (
    CODED_SLICES,
    NAL_PPS,
    NAL_SEI,
    NAL_SPS,
    split_annexb,
    split_length_prefixed,
)
from marey.video.h264.pps import Pps, build_pps, parse_pps
from marey.video.h264.sei import build_sei, sei_messages, user_data_unregistered
from marey.video.h264.slice_header import B, I, P, parse_slice_header
from marey.video.h264.slice_header_build import build_slice_header
from marey.video.h264.sps import Sps, build_sps, parse_sps


def nal_units(samples: Any) -> list[bytes]:
    """The parameter sets of the header, then the NAL units of all samples in decode order."""
    extradata, packets = samples.extradata, samples.packets
    if extradata[:1] != b"\1":
        return [p[a:b] for p in packets for a, b in split_annexb(p)]
    config = parse_avcc(extradata)
    assert build_avcc(config) == extradata
    size = config.length_size
    units = [p[a:b] for p in packets for a, b in split_length_prefixed(p, size)]
    return [*config.sps, *config.pps, *units]


@pytest.mark.parametrize("name", sorted(RECIPES))
def test_what_is_read_is_what_is_written(
    name: str, samples: Callable[[str], Any], clip: Callable[[str], bytes]
) -> None:
    sps_by_id: dict[int, Sps] = {}
    pps_by_id: dict[int, Pps] = {}
    slices = 0
    for nal in nal_units(samples(name)):
        kind = nal[0] & 31
        assert nal[1:] == escape(unescape(nal[1:]))
        if kind == NAL_SPS:
            sps = parse_sps(nal)
            sps_by_id[sps.seq_parameter_set_id] = sps
            assert build_sps(sps) == nal
        elif kind == NAL_PPS:
            pps = parse_pps(nal)
            pps_by_id[pps.pic_parameter_set_id] = pps
            assert build_pps(pps) == nal
            assert pps.unparsed_tail is None
            assert parse_pps(nal, sps_by_id[pps.seq_parameter_set_id]) == pps
        elif kind == NAL_SEI:
            assert build_sei(sei_messages(nal)) == nal
        elif kind in CODED_SLICES:
            slices += 1
            header = parse_slice_header(nal, sps_by_id, pps_by_id)
            writer = build_slice_header(header, header.sps, header.pps)
            size = header.header_bits
            assert writer.position == size
            assert header.slice_type in (P, B, I)
            rbsp = int.from_bytes(unescape(nal[1:])) >> 8 * len(unescape(nal[1:])) - size
            assert int.from_bytes(writer.to_bytes()) >> -size % 8 == rbsp
            # CABAC slice data begins on a byte, with ones up to it: the header ends where it is
            # said to end.
            if header.pps.entropy_coding_mode_flag:
                writer.align_with_ones()
                assert unescape(nal[1:]).startswith(writer.to_bytes())
    assert slices >= RECIPES[name].frames
    with av.open(BytesIO(clip(name))) as container:
        context = container.streams.video[0].codec_context
        if name != "raw_resized":
            sps = sps_by_id[0]
            assert (sps.width, sps.height) == (context.width, context.height)
            assert sps.profile_name == context.profile


def test_the_encoder_says_its_version(samples: Callable[[str], Any]) -> None:
    found = [
        user_data_unregistered(nal)
        for nal in nal_units(samples("default"))
        if nal[0] & 31 == NAL_SEI
    ]
    assert found[0] is not None
    assert found[0].startswith(b"x264 - core ")
