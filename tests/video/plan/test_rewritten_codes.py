"""Rewritten slice headers hold no code that decoders with 32-bit words stumble on."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from marey.tests.support.reading import Clip
from marey.video.h264.nal import split_length_prefixed
from marey.video.h264.pps import parse_pps
from marey.video.h264.slice_header import parse_slice_header
from marey.video.h264.sps import parse_sps
from marey.video.plan import packets
from marey.video.plan.rewritten_sets import sets_of_rewritten


def test_repeated_references_are_short_codes(clip: Callable[[str], bytes]) -> None:
    """A picture named again is a whole turn away: the longest code there is (7.4.3.1)."""
    read = Clip(clip("weighted"))
    plan = read.plan(np.arange(read.index.frame_count), "rewritten")
    buffers = [memoryview(read.data)[r.start : r.end] for r in plan.ranges]
    differences = []
    for run in plan.runs:
        sets = sets_of_rewritten(
            read.index, read.index.parameter_sets_at(int(run.samples[0]))
        ).nals
        sps = {s.seq_parameter_set_id: s for s in map(parse_sps, sets.sps)}
        pps = {p.pic_parameter_set_id: p for p in map(parse_pps, sets.pps)}
        for _, packet in packets(run, buffers):
            for start, end in split_length_prefixed(packet, 4):
                if packet[start] & 31 not in (1, 5):
                    continue
                header = parse_slice_header(packet[start:end], sps, pps)
                for operations in header.ref_pic_list_modification:
                    differences += [value for _, value in operations or ()]
    # Exp-Golomb (9.1): n + 1 takes its bits and as many zeros, less one, before them.
    assert max(2 * (value + 1).bit_length() - 1 for value in differences) == 31
