"""Whole files: tracks, what they say of themselves, and files that are damaged."""

from collections.abc import Callable
from contextlib import suppress
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from marey.errors import BoxError, MareyError
from marey.video.mp4.box import build_box, build_full_box, parse_box
from marey.video.mp4.edits import present
from marey.video.mp4.headers import Edit
from marey.video.mp4.movie import Movie, read_movie
from marey.video.mp4.write import TrackSpec, build_mp4
from marey.video.source import BytesReader


def read(data: bytes) -> Movie:
    return read_movie(BytesReader(data))


def head_of(source: Any, *specs: TrackSpec, timescale: int = 1000) -> bytes:
    layout = build_mp4(specs, timescale=timescale)
    return layout.head + layout.mdat_header + bytes(layout.payload_bytes)


def small(source: Any, **changes: Any) -> TrackSpec:
    fields: dict[str, Any] = {
        "descriptions": (source.track.descriptions[0].entry,),
        "timescale": 25,
        "sizes": np.array([10, 20]),
        "durations_ticks": np.array([1, 1]),
    }
    return TrackSpec(**(fields | changes))


def test_what_a_track_says_of_itself(clip: Callable[[str], bytes]) -> None:
    movie = read(clip("edit_list"))
    (track,) = movie.tracks
    assert (track.handler, track.is_h264, track.enabled) == ("vide", True, True)
    assert (track.width, track.height) == (160.0, 96.0)
    assert track.edits
    assert track.edits_cut
    assert track.damage is None
    (description,) = track.descriptions
    assert (description.format, description.codec) == ("avc1", "h264")
    assert description.avcc is not None
    assert (description.width, description.height) == (160, 96)


def test_sound_has_samples_too(clip: Callable[[str], bytes]) -> None:
    movie = read(clip("quicktime"))
    sound = next(t for t in movie.tracks if t.handler == "soun")
    assert not sound.is_h264
    assert len(sound.samples) > 0
    assert not len(sound.samples.beyond(len(clip("quicktime"))))


@pytest.mark.parametrize("name", ["default", "moov_first", "fragmented", "quicktime"])
def test_samples_are_what_ffmpeg_reads(
    clip: Callable[[str], bytes], samples: Callable[[str], Any], name: str
) -> None:
    data, truth = clip(name), samples(name)
    track = next(t for t in read(data).tracks if t.is_h264)
    places = zip(track.samples.offset.tolist(), track.samples.size.tolist(), strict=True)
    assert tuple(data[at : at + size] for at, size in places) == truth.packets
    assert tuple(track.samples.sync.tolist()) == truth.keys
    assert track.descriptions[0].avcc == truth.extradata


def test_a_cut_file_gives_its_samples_and_says_which_are_lost(
    clip: Callable[[str], bytes],
) -> None:
    data = clip("moov_first")[:-500]
    samples = read(data).tracks[0].samples
    assert len(samples) == 48
    lost = samples.beyond(len(data))
    assert len(lost) > 0
    assert lost[-1] == 47


def test_a_damaged_sound_track_is_told_and_the_video_read(source: Any) -> None:
    sound = small(source, handler="soun")
    data = bytearray(head_of(source, small(source), sound))
    at = data.rindex(b"stts")
    data[at + 8 : at + 12] = b"\xff" * 4
    video, broken = read(bytes(data)).tracks
    assert len(video.samples) == 2
    assert broken.damage is not None
    assert broken.damage.startswith("stts at")
    assert len(broken.samples) == 0


def test_a_damaged_video_track_is_refused(source: Any) -> None:
    data = bytearray(head_of(source, small(source)))
    at = data.rindex(b"stts")
    data[at + 8 : at + 12] = b"\xff" * 4
    with pytest.raises(BoxError, match=r"stts at \d+: expected \d+ bytes for 4294967295 runs"):
        read(bytes(data))


def test_after_a_track_without_times_edit_lists_only_begin(source: Any) -> None:
    empty = np.empty(0, np.int64)
    silent = small(source, handler="soun", sizes=empty, durations_ticks=empty)
    edited = small(source, edits=(Edit(1000, 1),))
    assert [t.edits_cut for t in read(head_of(source, edited, silent)).tracks] == [True, False]
    movie = read(head_of(source, silent, edited))
    assert [t.edits_cut for t in movie.tracks] == [False, False]
    assert present(movie.tracks[1], movie.timescale).pts_ticks.tolist() == [-1, 0]


@pytest.mark.parametrize(
    ("codes", "only"),
    [
        (["avc1"], 0),
        (["avc1", "avc1"], None),
        (["avc1", "avc3"], 0),
        (["avc1", "avc3", "avc1"], None),
    ],
)
def test_which_descriptions_are_read(source: Any, codes: list[str], only: int | None) -> None:
    entry = source.track.descriptions[0].entry
    entries = tuple(entry[:4] + code.encode() + entry[8:] for code in codes)
    described = np.array([0, len(codes) - 1], np.int32)
    data = head_of(source, small(source, descriptions=entries, description=described))
    movie = read(data)
    (track,) = movie.tracks
    assert track.only_description == only
    assert track.samples.description.tolist() == described.tolist()
    kept = present(track, movie.timescale).sample.tolist()
    assert kept == ([0, 1] if only is None or len(codes) == 1 else [0])


def test_a_trak_with_nothing_in_it_is_a_track_of_no_kind(source: Any) -> None:
    mvhd = build_full_box("mvhd", 0, 0, bytes(8), (600).to_bytes(4), bytes(84))
    (track,) = read(build_box("moov", mvhd, build_box("trak"))).tracks
    assert (track.track_id, track.handler, track.timescale) == (0, "", 600)
    assert not track.is_h264
    assert not len(track.samples)


def test_a_movie_without_a_header_is_refused() -> None:
    with pytest.raises(BoxError, match="moov at 0: expected an mvhd box in it, found none"):
        read(build_box("moov", build_box("trak")))


def test_an_empty_movie() -> None:
    mvhd = build_full_box("mvhd", 0, 0, bytes(8), (600).to_bytes(4), (1200).to_bytes(4))
    assert read(build_box("moov", mvhd)) == Movie(600, 1200, ())


@given(
    name=st.sampled_from(["closed_gops", "fragmented"]),
    changes=st.lists(
        st.tuples(
            st.sampled_from(
                [
                    "moov",
                    "mvhd",
                    "trak",
                    "tkhd",
                    "elst",
                    "mdhd",
                    "hdlr",
                    "stsd",
                    "avc1",
                    "avcC",
                    "stts",
                    "ctts",
                    "stsc",
                    "stsz",
                    "stco",
                    "stss",
                    "trex",
                    "moof",
                    "traf",
                    "tfhd",
                    "tfdt",
                    "trun",
                ]
            ),
            st.integers(-4, 40),
            st.binary(min_size=1, max_size=4),
        ),
        min_size=1,
        max_size=4,
    ),
    end=st.none() | st.integers(0, 20_000),
)
def test_a_damaged_file_is_read_or_refused(
    clip: Callable[[str], bytes],
    name: str,
    changes: list[tuple[str, int, bytes]],
    end: int | None,
) -> None:
    data = bytearray(clip(name))
    for code, at, new in changes:
        start = data.find(code.encode()) + at
        data[max(0, start) : max(0, start) + len(new)] = new
    damaged = bytes(data[:end])
    with suppress(MareyError):
        movie = read(damaged)
        for track in movie.tracks:
            packets = present(track, movie.timescale)
            assert len(packets.pts_ticks) == len(packets.discard) == len(packets)
            track.samples.beyond(len(damaged))


def test_half_a_movie_box_is_read_as_far_as_it_goes(source: Any) -> None:
    data = head_of(source, small(source))
    moov = parse_box(data[data.index(b"moov") - 4 :])
    whole = len(moov.body)
    refused = 0
    for end in range(0, whole, 7):
        cut = build_box("moov", bytes(moov.body[:end]))
        try:
            read(cut)
        except BoxError:
            refused += 1
    assert refused > 0
