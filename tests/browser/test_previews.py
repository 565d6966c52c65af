"""Chromium shows the chosen frames of a preview, each when it should, and no others."""

from __future__ import annotations

import base64
import random
from collections.abc import Callable
from dataclasses import replace
from io import BytesIO

import av
import numpy as np
import pytest

from marey.tests.browser.page import Site
from marey.tests.support.remaking import remade
from marey.tests.support.sound import with_sound
from marey.video.index.build import build_frame_index
from marey.video.mp4.headers import Edit
from marey.video.remux import remux_frames
from marey.video.source import BytesReader
from marey.video.timing import NANOSECONDS

# 4:2:2, 10 bits and the like are no business of browsers.
NAMES = [
    "default",
    "closed_gops",
    "open_gop",
    "pyramid_strict",
    "pyramid_normal",
    "intra_refresh",
    "mbaff",
    "slices",
    "baseline",
    "many_references",
    "temporal_direct",
    "variable_rate",
    "edit_list",
    "fragmented",
    "quicktime",
    "avc3",
    "raw",
    "cropped",
]
# Canvas and FFmpeg turn YUV into RGB in their own ways: grey differs by a little everywhere.
# Another frame of these clips differs by more than twice that.
CLOSE = 4.0


def grey_frames(file: bytes) -> list[tuple[float, np.ndarray]]:
    """What FFmpeg shows: when, and the mean of red, green and blue."""
    with av.open(BytesIO(file)) as container:
        return [
            (frame.time or 0.0, frame.to_ndarray(format="rgb24").mean(axis=2))
            for frame in container.decode(video=0)
        ]


def preview(data: bytes, wanted: list[int], **options: bool) -> bytes:
    index = build_frame_index(BytesReader(data)).index
    return remux_frames(index, np.array(wanted), BytesReader(data), **options)


def assert_shows(site: Site, file: bytes, frames: list[tuple[float, np.ndarray]]) -> None:
    """Seek to every frame, in no order: the picture on screen is that frame and no other."""
    site.load(file)
    expected = grey_frames(file)
    assert len(expected) == len(frames)
    ends = [time for time, _ in expected[1:]]
    ends.append(expected[-1][0] + (expected[-1][0] - expected[0][0]) / len(expected) + 0.01)
    order = list(range(len(expected)))
    random.Random(len(file)).shuffle(order)
    for k in order:
        begin = expected[k][0]
        # Not at the very beginning: a paused Chromium takes all frames to last alike.
        found = site.call("at", begin + 0.75 * (ends[k] - begin))
        assert found["mediaTime"] == pytest.approx(begin, abs=1e-3)
        picture = np.frombuffer(base64.b64decode(found["picture"]), np.uint8)
        away = [
            np.abs(picture - frame.reshape(-1)).mean() if picture.size == frame.size else 255
            for _, frame in frames
        ]
        assert away[k] < CLOSE
        assert int(np.argmin(away)) == k


@pytest.mark.parametrize("name", NAMES)
def test_seeking_shows_each_chosen_frame(
    name: str, site: Site, clip: Callable[[str], bytes]
) -> None:
    data = clip(name)
    everything = grey_frames(data)
    count = len(everything)
    rng = random.Random(name)
    for wanted in (
        sorted(rng.sample(range(count), 4)),
        list(range(count // 3, count // 3 + 4)),
    ):
        assert_shows(site, preview(data, wanted), [everything[k] for k in wanted])


def test_playing_shows_the_chosen_frames_and_no_others(
    site: Site, clip: Callable[[str], bytes]
) -> None:
    data = clip("pyramid_strict")
    for wanted in ([3, 17, 18, 40], list(range(20, 28))):
        file = preview(data, wanted)
        loaded = site.load(file)
        assert loaded["duration"] == pytest.approx(len(wanted) / 25, abs=1e-3)
        times = [time for time, _ in grey_frames(file)]
        shown = site.call("play")
        # A slow machine may leave one out; one that is not chosen would have another time.
        for time in shown:
            assert min(abs(time - expected) for expected in times) < 1e-3
        assert shown == sorted(shown)


def test_a_preview_with_sound_is_as_long_as_its_pictures(
    site: Site, clip: Callable[[str], bytes]
) -> None:
    data = with_sound(clip("closed_gops"), "libopus")
    everything = grey_frames(data)
    wanted = list(range(14, 22))
    file = preview(data, wanted, audio=True)
    assert_shows(site, file, [everything[k] for k in wanted])


def test_edits_that_go_back_are_shown_in_their_order(
    site: Site, clip: Callable[[str], bytes]
) -> None:
    edits = (Edit(512 * 6, 512 * 22), Edit(512 * 6, 512 * 4))
    data = remade(clip("closed_gops"), edits=edits)
    everything = grey_frames(data)
    wanted = [1, 4, 7, 8]
    assert_shows(site, preview(data, wanted), [everything[k] for k in wanted])


@pytest.mark.parametrize("step", [40_000_001, 150_000_000_001])
def test_times_of_a_clock(site: Site, clip: Callable[[str], bytes], step: int) -> None:
    """In ticks of a nanosecond, and in a file of hours, whose length takes 64 bits."""
    data = clip("closed_gops")
    everything = grey_frames(data)
    index = build_frame_index(BytesReader(data)).index
    times = np.arange(index.frame_count) * step
    index = replace(index, timebase=NANOSECONDS, pts_ticks=times, last_duration_ticks=step)
    for wanted in (list(range(index.frame_count)), list(range(14, 22))):
        file = remux_frames(index, np.array(wanted), BytesReader(data))
        assert_shows(site, file, [everything[k] for k in wanted])
