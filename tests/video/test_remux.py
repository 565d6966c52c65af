"""A remuxed file shows exactly the chosen frames, in display order, each for its own time."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import replace
from io import BytesIO
from typing import Any

import av
import numpy as np
import pytest

from marey.errors import BitstreamError, FrameRangeError, UnsupportedError
from marey.tests.support.remaking import remade
from marey.video.clips import RECIPES
from marey.video.index.build import build_frame_index
from marey.video.index.frames import SampleFlag
from marey.video.mp4.headers import Edit
from marey.video.remux import plan_remux, remux_frames, write_remux
from marey.video.source import ByteRange, BytesReader
from marey.video.timing import Timebase

NAMES = list(RECIPES)


class CountingReader(BytesReader):
    """Counts what is read."""

    def __init__(self, data: bytes) -> None:
        super().__init__(data)
        self.count = 0

    def read(self, ranges: Any) -> list[memoryview]:
        self.count += sum(r.length for r in ranges)
        return super().read(ranges)


def selections(count: int) -> list[list[int]]:
    rng = random.Random(count)
    third = count // 3
    return [
        [0],
        [count - 1],
        sorted(rng.sample(range(count), min(4, count))),
        list(range(third, min(third + 5, count))),
        list(range(count)),
    ]


@pytest.mark.parametrize("name", NAMES)
def test_shows_the_chosen_frames_and_no_others(
    name: str, clip: Callable[[str], bytes], truth: Callable[[str], Any], full_decode: Any
) -> None:
    data, frames = clip(name), truth(name)
    index = build_frame_index(BytesReader(data)).index
    for wanted in selections(len(frames)):
        file = remux_frames(index, np.array(wanted), BytesReader(data))
        shown = full_decode(file)
        assert [f.planes for f in shown] == [frames[k].planes for k in wanted]


@pytest.mark.parametrize("name", NAMES)
def test_each_frame_lasts_as_long_as_in_the_clip(
    name: str, clip: Callable[[str], bytes], full_decode: Any
) -> None:
    data = clip(name)
    index = build_frame_index(BytesReader(data)).index
    wanted = selections(index.frame_count)[2]
    file = remux_frames(index, np.array(wanted), BytesReader(data))
    with av.open(BytesIO(file)) as container:
        base = container.streams.video[0].time_base
    assert base is not None
    times = [float(f.pts * base) for f in full_decode(file)]
    tick = index.timebase.numerator / index.timebase.denominator
    lasts = [max(1, int(index.duration_ticks[k])) * tick for k in wanted]
    expected = [sum(lasts[:i]) for i in range(len(wanted))]
    assert times == pytest.approx(expected, abs=1e-6)


def test_reads_no_more_than_the_closure(clip: Callable[[str], bytes]) -> None:
    data = clip("default")
    index = build_frame_index(BytesReader(data)).index
    reader = CountingReader(data)
    remux_frames(index, np.array([1]), reader)
    plan = plan_remux(index, np.array([1]))
    needed = sum(int(index.size[run.samples].sum()) for run in plan.runs)
    assert needed <= reader.count <= 1.25 * needed
    assert reader.count < len(data) / 2


def test_frames_are_shown_once_and_in_display_order(
    clip: Callable[[str], bytes], truth: Callable[[str], Any], full_decode: Any
) -> None:
    data, frames = clip("default"), truth("default")
    index = build_frame_index(BytesReader(data)).index
    file = remux_frames(index, np.array([9, 2, 9, 5]), BytesReader(data))
    assert [f.planes for f in full_decode(file)] == [frames[k].planes for k in (2, 5, 9)]


@pytest.mark.parametrize(
    ("frames", "kind"),
    [([], FrameRangeError), ([10**6], FrameRangeError), ([-1], FrameRangeError)],
)
def test_frames_that_are_not_there_are_refused(
    frames: list[int], kind: type[Exception], clip: Callable[[str], bytes]
) -> None:
    data = clip("default")
    index = build_frame_index(BytesReader(data)).index
    with pytest.raises(kind):
        remux_frames(index, np.array(frames, np.int64), BytesReader(data))


def test_the_reader_is_asked_for_ranges_within_the_source(clip: Callable[[str], bytes]) -> None:
    data = clip("default")
    with pytest.raises(Exception, match="asked for"):
        BytesReader(data).read([ByteRange(0, len(data) + 1)])


@pytest.mark.parametrize(
    ("pts_step", "timebase"),
    [
        (1 << 59, Timebase(1, 25)),
        (1, Timebase(1, (1 << 63) - 1)),
    ],
)
def test_times_out_of_range_are_refused(
    pts_step: int, timebase: Timebase, clip: Callable[[str], bytes]
) -> None:
    data = clip("default")
    index = build_frame_index(BytesReader(data)).index
    times = np.arange(index.frame_count) % 16 * pts_step
    hostile = replace(index, pts_ticks=times, timebase=timebase)
    with pytest.raises(UnsupportedError, match="is too long"):
        remux_frames(hostile, np.arange(8), BytesReader(data))


def test_pictures_wider_than_their_field_are_refused(clip: Callable[[str], bytes]) -> None:
    data = clip("default")
    index = build_frame_index(BytesReader(data)).index
    sets = [replace(s, format=replace(s.format, width=70_000)) for s in index.parameter_sets]
    with pytest.raises(UnsupportedError, match="pictures of 70000x96: MP4 has 16 bits"):
        remux_frames(
            replace(index, parameter_sets=tuple(sets)), np.array([0]), BytesReader(data)
        )


@pytest.mark.parametrize("name", ["closed_gops", "default"])
@pytest.mark.parametrize(
    "edits",
    [
        [(6, 2), (6, 2)],
        [(9, 20), (9, 14)],
        [(6, 20), (6, 2)],
        [(3, 40), (3, 28), (3, 2)],
        [(6, 2), (6, 20)],
        [(5, 30), (1, 1), (1, 0), (1, 1), (4, 12)],
    ],
    ids=str,
)
def test_edits_that_repeat_pictures_and_go_back_are_followed(
    edits: list[tuple[int, int]], name: str, clip: Callable[[str], bytes], full_decode: Any
) -> None:
    """Edits, in frames: `(length, start)`."""
    data = remade(clip(name), edits=tuple(Edit(512 * n, 512 * (at + 2)) for n, at in edits))
    index = build_frame_index(BytesReader(data)).index
    frames = full_decode(data)
    assert index.frame_count == len(frames)
    rng = random.Random(str(edits))
    everything = range(len(frames))
    for wanted in (everything, *(sorted(rng.sample(everything, 3)) for _ in range(2))):
        file = remux_frames(index, np.array(wanted), BytesReader(data))
        assert [f.planes for f in full_decode(file)] == [frames[k].planes for k in wanted]


def test_pictures_whose_references_were_lost_are_refused(
    clip: Callable[[str], bytes],
) -> None:
    index = build_frame_index(BytesReader(clip("closed_gops"))).index
    flags = index.flags.copy()
    flags[index.frame_sample[5]] |= SampleFlag.LOST
    with pytest.raises(BitstreamError, match="depends on a reference picture that the stream"):
        plan_remux(replace(index, flags=flags), np.array([4, 5]))


def test_damage_outside_of_the_closure_is_no_hindrance(
    clip: Callable[[str], bytes], truth: Callable[[str], Any], full_decode: Any
) -> None:
    data = clip("open_gop")
    index = build_frame_index(BytesReader(data)).index
    flags = index.flags.copy()
    flags[1] |= SampleFlag.DAMAGED
    damaged = replace(index, flags=flags)
    file = remux_frames(damaged, np.array([30, 31]), BytesReader(data))
    assert [f.planes for f in full_decode(file)] == [
        truth("open_gop")[k].planes for k in (30, 31)
    ]
    with pytest.raises(BitstreamError, match="sample 1 has damaged headers"):
        plan_remux(damaged, np.array([3]))


def test_a_file_is_written_as_it_is_made_in_memory(clip: Callable[[str], bytes]) -> None:
    data = clip("quicktime")
    index = build_frame_index(BytesReader(data)).index
    for audio in (False, True):
        file = BytesIO()
        wanted = np.arange(5, 30)
        size = write_remux(plan_remux(index, wanted), BytesReader(data), file, audio=audio)
        made = remux_frames(index, wanted, BytesReader(data), audio=audio)
        assert file.getvalue() == made
        assert size == len(made)
