"""Written files: what went in comes out, of our reader and of FFmpeg."""

from collections.abc import Callable
from io import BytesIO
from typing import Any

import av
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from marey.errors import UnsupportedError
from marey.video.mp4.edits import present
from marey.video.mp4.entries import build_avc_entry
from marey.video.mp4.headers import Edit
from marey.video.mp4.movie import Track, read_movie
from marey.video.mp4.tables import Int64s
from marey.video.mp4.write import MovieLayout, TrackSpec, build_mp4
from marey.video.source import BytesReader

ENTRIES = tuple(
    build_avc_entry(bytes([1, 66, 0, 10, 255, 224, 0, n]), width=16, height=16)
    for n in range(3)
)
ROTATED = (0, 65536, 0, -65536, 0, 0, 0, 0, 1 << 30)


def ints(values: list[int]) -> Int64s:
    return np.array(values, np.int64)


@st.composite
def specs(draw: st.DrawFn) -> TrackSpec:
    count = draw(st.integers(1, 12))

    def column(least: int, most: int) -> Int64s:
        values = st.integers(least, most)
        return ints(draw(st.lists(values, min_size=count, max_size=count)))

    def flags() -> list[bool]:
        return draw(st.lists(st.booleans(), min_size=count, max_size=count))

    return TrackSpec(
        descriptions=ENTRIES,
        timescale=draw(st.integers(1, (1 << 31) - 1)),
        sizes=column(0, 300),
        durations_ticks=column(0, draw(st.sampled_from([3, (1 << 32) - 500_000]))),
        composition_offsets_ticks=draw(st.sampled_from([None, column(0, 9), column(-9, 9)])),
        sync=draw(st.sampled_from([None, np.array(flags())])),
        description=column(0, 2).astype(np.int32),
        edits=tuple(
            draw(
                st.lists(
                    st.builds(Edit, st.integers(0, 1 << 40), st.integers(-1, 1 << 40)),
                    max_size=2,
                )
            )
        ),
        width=draw(st.integers(0, 60_000)) / 2,
        height=draw(st.integers(0, 60_000)) / 2,
        matrix=draw(st.sampled_from([ROTATED, (65536, 0, 0, 0, 65536, 0, 0, 0, 1 << 30)])),
        language=draw(st.sampled_from(["und", "eng"])),
        enabled=draw(st.booleans()),
    )


def filled(layout: MovieLayout) -> bytes:
    return layout.head + layout.mdat_header + bytes(layout.payload_bytes)


def tracks_of(layout: MovieLayout) -> tuple[Track, ...]:
    return read_movie(BytesReader(filled(layout))).tracks


@given(st.lists(specs(), max_size=3), st.integers(1, (1 << 31) - 1))
def test_what_went_in_comes_out(tracks: list[TrackSpec], timescale: int) -> None:
    layout = build_mp4(tracks, timescale=timescale)
    movie = read_movie(BytesReader(filled(layout)))
    assert movie.timescale == timescale
    assert len(movie.tracks) == len(tracks)
    for number, (spec, track, places) in enumerate(
        zip(tracks, movie.tracks, layout.positions, strict=True), 1
    ):
        samples = track.samples
        assert (track.track_id, track.handler) == (number, "vide")
        assert (track.timescale, track.edits) == (spec.timescale, spec.edits)
        assert (track.width, track.height, track.matrix) == (
            spec.width,
            spec.height,
            spec.matrix,
        )
        assert (track.language, track.enabled) == (spec.language, spec.enabled)
        assert [d.entry for d in track.descriptions] == list(spec.descriptions)
        assert samples.offset.tolist() == places.tolist()
        assert samples.size.tolist() == spec.sizes.tolist()
        assert samples.duration_ticks.tolist() == spec.durations_ticks.tolist()
        assert spec.description is not None
        assert samples.description.tolist() == spec.description.tolist()
        offsets = spec.composition_offsets_ticks
        wanted = [0] * len(samples) if offsets is None else offsets.tolist()
        assert samples.composition_offset_ticks.tolist() == wanted
        if spec.sync is None or spec.sync.any():
            wanted_sync = [True] * len(samples) if spec.sync is None else spec.sync.tolist()
            assert samples.sync.tolist() == wanted_sync


@given(st.lists(specs(), min_size=1, max_size=3))
def test_samples_fill_mdat_without_gap_or_overlap(tracks: list[TrackSpec]) -> None:
    layout = build_mp4(tracks, timescale=1000)
    at = len(layout.head + layout.mdat_header)
    for track, sample in zip(*(column.tolist() for column in layout.order()), strict=True):
        assert layout.positions[track][sample] == at
        at += int(tracks[track].sizes[sample])
    assert at == layout.size


def test_a_copied_clip_decodes_to_the_same_frames(
    source: Any, truth: Callable[[str], Any], full_decode: Callable[[bytes], Any]
) -> None:
    track = source.track
    spec = TrackSpec(
        tuple(d.entry for d in track.descriptions),
        track.timescale,
        track.samples.size,
        track.samples.duration_ticks,
        track.samples.composition_offset_ticks,
        track.samples.sync,
        edits=track.edits,
        width=track.width,
        height=track.height,
    )
    assert full_decode(source.build(spec, 1000)) == truth("closed_gops")


def test_one_edit_with_dependencies_composed_after_it(
    source: Any, truth: Callable[[str], Any], full_decode: Callable[[bytes], Any]
) -> None:
    """Only the chosen frames of a GOP are shown, though all of it is there."""
    samples = source.track.samples
    order = np.argsort(samples.dts_ticks + samples.composition_offset_ticks)
    chosen = [3, 4, 9]
    begin, step = 100_000, 2
    composed = np.empty(12, np.int64)
    for place, frame in enumerate(chosen):
        composed[order[frame]] = begin + place * 512
    hidden = [frame for frame in range(12) if frame not in chosen]
    for place, frame in enumerate(hidden, 1):
        composed[order[frame]] = begin + len(chosen) * 512 + place * step
    composed[0] = begin - step
    spec = TrackSpec(
        (source.track.descriptions[0].entry,),
        12_800,
        samples.size[:12],
        np.full(12, 512),
        composed - np.arange(12) * 512,
        np.arange(12) == 0,
        edits=(Edit(len(chosen) * 512, begin),),
        width=160,
        height=96,
    )
    layout = build_mp4([spec], timescale=12_800)
    shown = full_decode(layout.head + layout.mdat_header + b"".join(source.payload[:12]))
    everything = truth("closed_gops")
    assert [frame.planes for frame in shown] == [everything[k].planes for k in chosen]
    assert [frame.pts for frame in shown] == [0, 512, 1024]


def test_several_tracks_take_turns_of_half_a_second() -> None:
    count = 100
    video = TrackSpec((ENTRIES[0],), 25, np.full(count, 1000), np.ones(count, np.int64))
    sound = TrackSpec(
        (ENTRIES[0],), 50, np.full(2 * count, 10), np.ones(2 * count, np.int64), handler="soun"
    )
    layout = build_mp4([video, sound], timescale=1000)
    track, _ = layout.order()
    turns = np.flatnonzero(np.diff(track, prepend=-1))
    assert len(turns) == 16
    read = tracks_of(layout)
    assert [t.handler for t in read] == ["vide", "soun"]
    assert read[1].samples.offset.tolist() == layout.positions[1].tolist()


def test_places_can_be_given_and_shared() -> None:
    """Two tracks over the same bytes, the second with every other sample, which lie first."""
    sizes = ints([10, 20, 30, 40])
    whole = TrackSpec((ENTRIES[0],), 4, sizes, ints([1] * 4), positions=ints([0, 40, 10, 60]))
    half = TrackSpec((ENTRIES[0],), 4, sizes[::2], ints([2] * 2), positions=ints([0, 10]))
    layout = build_mp4([whole, half], timescale=4)
    start = len(layout.head + layout.mdat_header)
    assert layout.payload_bytes == 100
    first, second = tracks_of(layout)
    assert (first.samples.offset - start).tolist() == [0, 40, 10, 60]
    assert (second.samples.offset - start).tolist() == [0, 10]


def test_a_file_past_4_gigabytes_has_wide_fields() -> None:
    count = 5000
    spec = TrackSpec((ENTRIES[0],), 25, np.full(count, 1 << 20), np.ones(count, np.int64))
    layout = build_mp4([spec, spec], timescale=25)
    assert len(layout.mdat_header) == 16
    assert b"co64" in layout.head
    assert layout.size == len(layout.head) + 16 + 2 * count * (1 << 20)


def test_the_movie_is_as_long_as_its_longest_track() -> None:
    short = TrackSpec((ENTRIES[0],), 25, ints([1]), ints([25]))
    edited = TrackSpec(
        (ENTRIES[0],), 25, ints([1]), ints([25]), edits=(Edit(500, -1), Edit(1000, 0))
    )
    layout = build_mp4([short, edited], timescale=1000)
    assert read_movie(BytesReader(filled(layout))).duration_ticks == 1500


def test_ffmpeg_sees_the_display_matrix_and_the_pixel_aspect(source: Any) -> None:
    avcc = source.track.descriptions[0].avcc
    entry = build_avc_entry(
        avcc, width=160, height=96, pixel_aspect=(4, 3), colour=(1, 13, 1, True)
    )
    samples = source.track.samples
    spec = TrackSpec(
        (entry,),
        12_800,
        samples.size,
        samples.duration_ticks,
        samples.composition_offset_ticks,
        samples.sync,
        width=160,
        height=96,
        matrix=ROTATED,
    )
    with av.open(BytesIO(source.build(spec, 1000))) as container:
        stream = container.streams.video[0]
        assert stream.sample_aspect_ratio == 4 / 3 or stream.sample_aspect_ratio.numerator == 4
        frame = next(container.decode(stream))
        assert frame.rotation in (90, -90)
        assert frame.color_trc == 13


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"durations_ticks": ints([1 << 32])}, "duration from 0 to 4294967295, got 4294967296"),
        ({"sizes": ints([-1])}, "size from 0 to 4294967295, got -1"),
        (
            {"composition_offsets_ticks": ints([1 << 31])},
            "composition offset from -2147483647 to 2147483647, got 2147483648",
        ),
        ({"timescale": 0}, "timescale from 1 to 2147483647, got 0"),
    ],
)
def test_what_does_not_fit_its_field_is_refused(change: dict[str, Any], message: str) -> None:
    fields = {
        "descriptions": (ENTRIES[0],),
        "timescale": 25,
        "sizes": ints([1]),
        "durations_ticks": ints([1]),
    }
    with pytest.raises(UnsupportedError, match=f"^track 1: expected every {message}$"):
        build_mp4([TrackSpec(**(fields | change))], timescale=1000)


def test_nothing_in_nothing_out() -> None:
    layout = build_mp4([], timescale=1000)
    movie = read_movie(BytesReader(filled(layout)))
    assert movie.tracks == ()
    empty = TrackSpec((ENTRIES[0],), 25, ints([]), ints([]))
    (track,) = tracks_of(build_mp4([empty], timescale=1000))
    assert len(present(track, 1000)) == 0
