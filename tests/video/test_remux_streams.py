"""What a remuxed file holds is a conformant stream, and little more than the closure."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from io import BytesIO
from itertools import pairwise
from typing import Any

import av
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from marey.video.clips import RECIPES, ClipRecipe, make_clip
from marey.video.h264.avcc import parse_avcc
from marey.video.h264.nal import split_length_prefixed
from marey.video.h264.pps import parse_pps
from marey.video.h264.slice_header import SliceHeader, parse_slice_header
from marey.video.h264.sps import parse_sps
from marey.video.index.build import build_frame_index
from marey.video.index.frames import FrameIndex, SampleFlag
from marey.video.mp4.movie import read_movie
from marey.video.plan.closure import plan_closures
from marey.video.remux import RemuxPlan, plan_remux, remux_frames
from marey.video.source import BytesReader

FAULTS = SampleFlag.UNCLOSED | SampleFlag.DAMAGED | SampleFlag.LOST


def indexed(data: bytes) -> FrameIndex:
    return build_frame_index(BytesReader(data)).index


def remuxed(data: bytes, frames: list[int]) -> bytes:
    return remux_frames(indexed(data), np.array(frames), BytesReader(data))


def picks(count: int) -> st.SearchStrategy[list[int]]:
    return st.lists(st.integers(0, count - 1), min_size=1, max_size=6, unique=True).map(sorted)


def slices_of(file: bytes) -> Iterator[list[SliceHeader]]:
    """The slice headers of each sample, by the sample entry's parameter sets."""
    (track,) = read_movie(BytesReader(file)).tracks
    avcc = track.descriptions[0].avcc
    assert avcc is not None
    config = parse_avcc(avcc)
    sps = {s.seq_parameter_set_id: s for s in map(parse_sps, config.sps)}
    pps = {p.pic_parameter_set_id: p for p in map(parse_pps, config.pps)}
    samples = zip(track.samples.offset.tolist(), track.samples.size.tolist(), strict=True)
    for at, size in samples:
        nals = [
            file[at + a : at + b] for a, b in split_length_prefixed(file[at : at + size], 4)
        ]
        yield [parse_slice_header(nal, sps, pps) for nal in nals if nal[0] & 31 in (1, 5)]


@pytest.mark.parametrize("name", RECIPES)
@settings(max_examples=2)
@given(data=st.data())
def test_any_frames_make_a_conformant_stream_of_their_closure(
    name: str, data: st.DataObject, clip: Callable[[str], bytes]
) -> None:
    source = clip(name)
    index = indexed(source)
    plan = plan_remux(index, np.array(data.draw(picks(index.frame_count))))
    file = remux_frames(index, plan.frames, BytesReader(source))

    found = indexed(file)
    assert found.frame_count == len(plan.frames)
    assert not (found.flags & FAULTS).any()
    assert_headers_in_range(file)
    # The decoder is told nothing: it holds back what the file states, and that is enough.
    assert reordering(file) <= stated_reordering(file)
    if plan.strategy == "rewritten":
        assert reordering(file) == stated_reordering(file)

    targets = np.unique(index.frame_sample[plan.frames]).astype(np.int64)
    closure = np.concatenate([run.samples for run in plan_closures(index, targets)])
    carried = np.concatenate([run.samples for run in plan.runs])
    if plan.strategy == "rewritten":
        assert carried.tolist() == np.sort(closure).tolist()
    assert len(file) <= 1.01 * int(index.size[carried].sum()) + 4096 + 11 * len(carried)


def stated_reordering(file: bytes) -> int:
    """max_num_reorder_frames of the sample entry."""
    (track,) = read_movie(BytesReader(file)).tracks
    avcc = track.descriptions[0].avcc
    assert avcc is not None
    return max(parse_sps(nal).num_reorder_frames for nal in parse_avcc(avcc).sps)


def reordering(file: bytes) -> int:
    """How many frames at most libavcodec takes before one and puts out after it."""
    with av.open(BytesIO(file), options={"ignore_editlist": "1"}) as container:
        stream = container.streams.video[0]
        context = av.CodecContext.create("h264", "r")
        context.extradata = stream.codec_context.extradata
        context.thread_count = 1
        context.options = {"err_detect": "explode"}
        order: list[int] = []
        for number, packet in enumerate(p for p in container.demux(stream) if p.size):
            # A decoder gives the number back with the picture.
            packet.pts = packet.dts = number
            order += [frame.pts for frame in context.decode(packet)]
        order += [frame.pts for frame in context.decode(None)]
    assert sorted(order) == list(range(len(order)))
    return max(
        sum(before < number for before in order[place:]) for place, number in enumerate(order)
    )


def assert_headers_in_range(file: bytes) -> None:
    """FFmpeg's strict parser of coded bitstreams reads each one."""
    with av.open(BytesIO(file), options={"ignore_editlist": "1"}) as container:
        stream = container.streams.video[0]
        strict = av.BitStreamFilterContext("h264_metadata", stream)
        for packet in container.demux(stream):
            if packet.size:
                assert len(strict.filter(packet)) == 1


def plan_bytes(plan: RemuxPlan) -> int:
    return sum(int(plan.index.size[run.samples].sum()) for run in plan.runs)


def test_a_long_preview_has_eleven_bytes_a_sample_beside_its_closure() -> None:
    recipe = ClipRecipe("long", width=64, height=48, frames=600, x264="bframes=3:keyint=60")
    source = make_clip(recipe)
    index = indexed(source)
    for frames in (np.arange(600), np.arange(0, 600, 3), np.arange(100, 500)):
        plan = plan_remux(index, frames)
        samples = sum(len(run.samples) for run in plan.runs)
        size = len(remux_frames(index, frames, BytesReader(source)))
        assert size <= 1.01 * plan_bytes(plan) + 4096 + 11 * samples


def test_idr_pictures_that_follow_each_other_are_told_apart(truth, full_decode: Any) -> None:
    """7.4.3: they differ in idr_pic_id, also where every second one of the clip is left out."""
    source = make_clip(ClipRecipe("all IDR", x264="keyint=1", frames=8))
    for frames in ([0, 2, 4, 6], [1, 4, 7], [0, 1, 2, 4]):
        ids = [headers[0].idr_pic_id for headers in slices_of(remuxed(source, frames))]
        assert all(a != b for a, b in pairwise(ids))
    everything = full_decode(source)
    shown = full_decode(remuxed(source, [1, 4, 7]))
    assert [f.planes for f in shown] == [everything[k].planes for k in (1, 4, 7)]


def test_parameter_sets_that_change_come_before_what_needs_them(
    clip: Callable[[str], bytes],
) -> None:
    """The sample entry has the first ones; others stand in samples, which avc3 allows."""
    file = remuxed(clip("raw_resized"), [2, 30])
    (track,) = read_movie(BytesReader(file)).tracks
    assert track.descriptions[0].format == "avc3"
    with av.open(BytesIO(file)) as container:
        sizes = [(f.width, f.height) for f in container.decode(video=0)]
    assert sizes == [(160, 96), (128, 80)]
    (track,) = read_movie(BytesReader(remuxed(clip("raw_resized"), [30]))).tracks
    assert (track.width, track.height) == (128, 80)


def test_moov_stands_first(clip: Callable[[str], bytes]) -> None:
    file = remuxed(clip("default"), [3])
    assert (file[4:8], file.index(b"moov") < file.index(b"mdat")) == (b"ftyp", True)
