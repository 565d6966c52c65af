"""Edit lists: files with lists made to order, and the packets that FFmpeg finds in them."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from marey.errors import BoxError, UnsupportedError
from marey.video.mp4.cuts import Entries, cut, time_offset_ticks
from marey.video.mp4.edits import Presentation, present
from marey.video.mp4.headers import Edit
from marey.video.mp4.movie import read_movie
from marey.video.mp4.write import TrackSpec
from marey.video.source import BytesReader

COUNT = 48
TICKS = 512

media_times = st.one_of(
    st.integers(0, COUNT).map(lambda n: n * TICKS),
    st.integers(0, COUNT * TICKS + 600),
    st.sampled_from([-1, -1, -1, -2, -TICKS, 1 << 62]),
)
lengths = st.one_of(st.integers(0, 3000), st.integers(0, 100), st.just(0))
rates = st.sampled_from([1.0, 1.0, 2.0, 0.5, 0.0])
edit_lists = st.lists(st.builds(Edit, lengths, media_times, rates), max_size=4)


def spec_of(source: Any, **changes: Any) -> TrackSpec:
    samples = source.track.samples
    spec = TrackSpec(
        tuple(d.entry for d in source.track.descriptions),
        12_800,
        samples.size,
        np.full(COUNT, TICKS),
        samples.composition_offset_ticks,
        samples.sync,
    )
    return replace(spec, **changes)


def presented(data: bytes) -> Presentation:
    movie = read_movie(BytesReader(data))
    return present(movie.tracks[0], movie.timescale)


def assert_same_packets(data: bytes, true_packets: Callable[[bytes], Any]) -> None:
    truth = true_packets(data)
    movie = read_movie(BytesReader(data))
    samples = movie.tracks[0].samples
    packets = present(movie.tracks[0], movie.timescale)
    assert samples.offset[packets.sample].tolist() == truth.pos
    assert samples.size[packets.sample].tolist() == truth.size
    assert packets.pts_ticks.tolist() == truth.pts
    assert packets.dts_ticks.tolist() == truth.dts
    assert packets.discard.tolist() == truth.discard
    if truth.start is not None:
        assert packets.start_ticks == truth.start


@given(
    edits=edit_lists,
    composed=st.sampled_from(["as it is", "none", "negative"]),
    shift=st.sampled_from([TICKS, 2 * TICKS, 3 * TICKS]),
    timescale=st.sampled_from([1000, 12_800, 600]),
)
def test_any_edit_list_gives_the_packets_of_ffmpeg(
    source: Any,
    true_packets: Callable[[bytes], Any],
    edits: list[Edit],
    composed: str,
    shift: int,
    timescale: int,
) -> None:
    offsets = source.track.samples.composition_offset_ticks
    offsets = {"as it is": offsets, "none": None, "negative": offsets - shift}[composed]
    spec = spec_of(source, composition_offsets_ticks=offsets, edits=tuple(edits))
    assert_same_packets(source.build(spec, timescale), true_packets)


@given(
    edits=st.lists(st.builds(Edit, lengths, media_times), min_size=1, max_size=3),
    durations=st.lists(st.sampled_from([1, 100, TICKS, 2 * TICKS]), min_size=4, max_size=4),
    offsets=st.lists(st.integers(-3, 5), min_size=3, max_size=3),
    sync=st.lists(st.booleans(), min_size=5, max_size=5),
)
def test_any_times_and_sync_samples(
    source: Any,
    true_packets: Callable[[bytes], Any],
    edits: list[Edit],
    durations: list[int],
    offsets: list[int],
    sync: list[bool],
) -> None:
    spec = spec_of(
        source,
        durations_ticks=np.resize(durations, COUNT),
        composition_offsets_ticks=np.resize(offsets, COUNT) * TICKS,
        sync=np.resize(sync, COUNT),
        edits=tuple(edits),
    )
    assert_same_packets(source.build(spec, 1000), true_packets)


@pytest.mark.parametrize(
    "name",
    ["default", "edit_list", "empty_edit", "fragmented", "quicktime", "variable_rate", "avc3"],
)
def test_clips_of_ffmpeg(
    clip: Callable[[str], bytes], true_packets: Callable[[bytes], Any], name: str
) -> None:
    data = clip(name)
    truth = true_packets(data)
    movie = read_movie(BytesReader(data))
    track = next(t for t in movie.tracks if t.is_h264)
    packets = present(track, movie.timescale)
    assert track.samples.offset[packets.sample].tolist() == truth.pos
    assert packets.pts_ticks.tolist() == truth.pts
    assert packets.discard.tolist() == truth.discard
    assert packets.start_ticks == truth.start


def test_no_edits_show_every_sample_once(source: Any) -> None:
    packets = presented(source.build(spec_of(source), 1000))
    assert packets.sample.tolist() == list(range(COUNT))
    assert not packets.discard.any()
    assert repr(packets) == "<Presentation: 48 packets, 0 discarded>"


def test_an_edit_inside_a_gop_brings_hidden_samples(source: Any) -> None:
    begin = 1024 + 30 * TICKS
    spec = spec_of(source, edits=(Edit(10_000, begin),))
    packets = presented(source.build(spec, 1000))
    # GOPs have 12 samples: 24 to 29 come before the edit and are decoded for it.
    assert packets.sample.tolist() == list(range(24, COUNT))
    assert int(packets.pts_ticks[~packets.discard].min()) == 0
    assert packets.start_ticks == 0


def test_a_pause_comes_first(source: Any) -> None:
    spec = spec_of(source, edits=(Edit(500, -1), Edit(1920, 1024)))
    packets = presented(source.build(spec, 1000))
    assert packets.start_ticks == int(packets.pts_ticks.min()) == 6400


def test_edits_going_backwards_bring_samples_again(source: Any) -> None:
    second, first = Edit(960, 1024 + 24 * TICKS), Edit(960, 1024)
    packets = presented(source.build(spec_of(source, edits=(second, first)), 1000))
    shown = packets.sample[~packets.discard]
    assert sorted(shown.tolist()) == list(range(COUNT))
    assert shown[0] == 24
    assert np.unique(packets.pts_ticks[~packets.discard]).tolist() == [
        TICKS * n for n in range(COUNT)
    ]


def entries(count: int) -> Entries:
    return Entries(
        dts=np.arange(count) * 10,
        offset=np.zeros(count, np.int64),
        sync=np.ones(count, np.bool_),
        composed=False,
        shift=0,
    )


def test_edits_that_repeat_without_measure_are_refused() -> None:
    edits = [Edit(1 << 30, 0)] * 60
    with pytest.raises(UnsupportedError, match="60 edits bring more than 65536 of 20000"):
        cut(entries(20_000), edits, timescale=10, movie_timescale=10)


def test_edits_past_all_times_are_refused() -> None:
    edits = [Edit(1 << 61, 0)] * 3
    with pytest.raises(BoxError, match="elst: expected edits to end within 62 bits"):
        cut(entries(5), edits, timescale=10, movie_timescale=10)
    with pytest.raises(BoxError, match="elst: expected it to begin within 62 bits"):
        time_offset_ticks([Edit(1 << 62, -1)], 90_000, 1000)
