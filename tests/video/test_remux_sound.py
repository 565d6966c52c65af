"""Sound goes along with a stretch of frames, and is heard when it was."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

import numpy as np
import pytest

from marey.errors import CorruptVideoError, UnsupportedError
from marey.tests.support.remaking import remade
from marey.tests.support.sound import RATE, heard, with_sound
from marey.video.index.build import build_frame_index
from marey.video.mp4.headers import Edit
from marey.video.mp4.movie import read_movie
from marey.video.remux import remux_frames
from marey.video.source import BytesReader

FRAGMENTED = {"movflags": "frag_keyframe+delay_moov+default_base_moof"}
WITHOUT_NOISE = {"aac_pns": "0"}  # a decoder makes it up
STRETCHES = [(0, 48), (0, 5), (13, 14), (17, 31), (40, 48)]
# How far a decoder that begins later may differ: not at all where samples stand alone, a little
# where it goes on from what it heard, by its own noise where it adds some (AC-3).
CODECS = {
    "uncompressed": ("pcm_s16le", "mov", {}, {}, 0.0),
    "AAC": ("aac", "mp4", {}, WITHOUT_NOISE, 1e-6),
    "AAC in fragments": ("aac", "mp4", FRAGMENTED, WITHOUT_NOISE, 1e-6),
    "Opus": ("libopus", "mp4", {}, {}, 0.02),
    "MP3": ("libmp3lame", "mp4", {}, {}, 1e-5),
    "FLAC": ("flac", "mp4", {}, {}, 0.0),
    "ALAC": ("alac", "mov", {}, {}, 0.0),
    "AC-3": ("ac3", "mp4", {}, {}, 0.05),
}


@pytest.fixture(scope="module")
def sounding(clip: Callable[[str], bytes]) -> Callable[[str], bytes]:
    """The clip with a sound track, by the name of its codec."""

    def make(name: str) -> bytes:
        codec, container, mux, options, _ = CODECS[name]
        return with_sound(
            clip("closed_gops"), codec, container=container, mux=mux, options=options
        )

    return cache(make)


def remuxed(data: bytes, frames: range) -> bytes:
    index = build_frame_index(BytesReader(data)).index
    return remux_frames(index, np.array(frames), BytesReader(data), audio=True)


@pytest.mark.parametrize("name", CODECS)
def test_each_moment_sounds_as_it_did(name: str, sounding: Callable[[str], bytes]) -> None:
    data = sounding(name)
    begin, whole = heard(data)
    for first, end in STRETCHES:
        start, part = heard(remuxed(data, range(first, end)))
        assert abs(start) <= 1
        at = start + first * RATE // 25 - begin
        same = min(len(part), len(whole) - at, (end - first) * RATE // 25)
        # The file is silent only where the clip is, and for no longer than the pictures.
        assert same >= min((end - first) * RATE // 25, len(whole) - at) - 1
        assert np.abs(part[:same] - whole[at : at + same]).max() <= CODECS[name][-1]


@pytest.mark.parametrize("name", ["uncompressed", "AAC"])
def test_pictures_stay_what_they_are(
    name: str, sounding: Callable[[str], bytes], truth, full_decode
) -> None:
    shown = full_decode(remuxed(sounding(name), range(17, 31)))
    assert [f.planes for f in shown] == [f.planes for f in truth("closed_gops")[17:31]]


def test_the_edit_list_ends_sound_with_the_pictures(sounding: Callable[[str], bytes]) -> None:
    movie = read_movie(BytesReader(remuxed(sounding("AAC"), range(17, 31))))
    pictures, sound = movie.tracks
    assert (pictures.handler, sound.handler) == ("vide", "soun")
    assert [edit.duration_ticks for edit in sound.edits] == pytest.approx(
        [pictures.edits[0].duration_ticks], abs=movie.timescale / RATE
    )
    ticks = sound.samples.duration_ticks
    # A tenth of a second before, and less than a sample after.
    assert ticks.sum() <= (0.1 + 14 / 25) * RATE + 2 * 1024


def test_sound_that_begins_late_begins_as_late(clip: Callable[[str], bytes]) -> None:
    data = with_sound(clip("closed_gops"), "flac", starts_at=0.5, seconds=1.0)
    begin, whole = heard(data)
    assert begin == RATE // 2
    start, part = heard(remuxed(data, range(5, 25)))
    assert start == RATE // 2 - 5 * RATE // 25
    assert np.array_equal(part[:4000], whole[:4000])
    # Frames before it, and after its end, have none.
    for frames in (range(3), range(40, 48)):
        assert [t.handler for t in tracks(remuxed(data, frames))] == ["vide"]


def tracks(file: bytes) -> tuple:
    return read_movie(BytesReader(file)).tracks


@pytest.mark.parametrize("name", ["closed_gops", "raw"])
def test_a_clip_without_sound_gives_a_file_without(
    name: str, clip: Callable[[str], bytes]
) -> None:
    assert [t.handler for t in tracks(remuxed(clip(name), range(4)))] == ["vide"]


def test_frames_that_leave_some_out_are_refused(sounding: Callable[[str], bytes]) -> None:
    data = sounding("AAC")
    index = build_frame_index(BytesReader(data)).index
    with pytest.raises(UnsupportedError, match=r"after 2 comes 4\. Sound is kept for frames"):
        remux_frames(index, np.array([4, 1, 2]), BytesReader(data), audio=True)
    # Order and duplicates do not matter.
    file = remux_frames(index, np.array([3, 1, 2, 2]), BytesReader(data), audio=True)
    assert len(tracks(file)) == 2


def test_a_damaged_sound_track_is_refused_by_name(sounding: Callable[[str], bytes]) -> None:
    data = bytearray(sounding("uncompressed"))
    at = data.index(b"sowt")
    data[at - 8 : at - 4] = (77).to_bytes(4)  # a count of entries that are not there
    with pytest.raises(CorruptVideoError, match="sound track 2: stsd"):
        remuxed(bytes(data), range(4))


def test_encrypted_sound_is_refused_by_name(sounding: Callable[[str], bytes]) -> None:
    data = sounding("AAC").replace(b"mp4a\0", b"enca\0", 1)
    with pytest.raises(UnsupportedError, match="sound track 2 is encrypted"):
        remuxed(data, range(4))


def test_sound_packed_as_only_quicktime_does_is_refused(
    sounding: Callable[[str], bytes],
) -> None:
    data = bytearray(sounding("uncompressed"))
    at = data.index(b"sowt") - 4
    data[at + 26 : at + 28] = (4).to_bytes(2)  # bits a sample
    with pytest.raises(UnsupportedError, match=r"'sowt': expected .* got samples of 2"):
        remuxed(bytes(data), range(4))


@pytest.mark.parametrize("name", ["FLAC", "AAC"])
def test_a_cut_of_the_sound_is_followed_or_refused(
    name: str, sounding: Callable[[str], bytes]
) -> None:
    """The sound's own edit list plays the second half, a pause, and the first half."""
    tick = 12_800
    half = (Edit(tick, RATE), Edit(tick // 4, -1), Edit(tick // 2, 0))
    data = remade(sounding(name), track=1, edits=half)
    begin, whole = heard(remade(sounding(name)))
    for frames, at in ((range(2, 20), RATE), (range(33, 40), -RATE * 5 // 4)):
        start, part = heard(remuxed(data, frames))
        assert abs(start) <= 1
        # Without its edit list the first picture is shown two frames late.
        at += (frames[0] + 2) * RATE // 25 - begin
        assert np.abs(part[:9000] - whole[at : at + 9000]).max() <= CODECS[name][-1]
    with pytest.raises(UnsupportedError, match="cuts it within the time of frames 20 to 39"):
        remuxed(data, range(20, 40))
