"""Exported files present the frames asked for, at their times."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from marey import errors
from marey.engine.recordings.dataset import RecordingDataset
from marey.tests.conftest import packed_planes

from .conftest import START, STEP, Recorded


def presented(path: Path) -> tuple[list[bytes], list[int]]:
    """The planes of every frame of a file, and its time in nanoseconds."""
    with av.open(str(path)) as file:
        frames = list(file.decode(video=0))
        base = file.streams.video[0].time_base
    return (
        [packed_planes(frame) for frame in frames],
        [round(frame.pts * base * 1_000_000_000) for frame in frames],
    )


@pytest.mark.parametrize("kind", ["raw", "open_gop", "pyramid_strict"])
def test_a_whole_segment(
    drive: RecordingDataset, recorded: Any, log_stream: Any, tmp_path: Path, kind: str
) -> None:
    stream: Recorded = recorded(kind)
    log_stream(drive, stream, [11])
    done = drive.export_mp4("episode_0", "/camera", tmp_path / "out.mp4")
    frames, times = presented(tmp_path / "out.mp4")
    assert frames == list(stream.frames)
    assert done.frames == len(frames)
    assert done.size == (tmp_path / "out.mp4").stat().st_size
    assert done.exact_times  # 40.000001 ms: ticks of a nanosecond
    assert times == [k * STEP for k in range(len(times))]


def test_a_range_by_time(
    drive: RecordingDataset, recorded: Any, log_stream: Any, tmp_path: Path
) -> None:
    stream: Recorded = recorded("raw")
    log_stream(drive, stream)
    path = tmp_path / "part.mp4"
    start = np.datetime64(START + 10 * STEP + 5, "ns")
    done = drive.export_mp4("episode_0", "/camera", path, start=start, end=START + 20 * STEP)
    assert done.frames == 10
    assert presented(path)[0] == list(stream.frames[10:20])
    for wrong in (
        {"start": START + 5 * STEP, "end": START},
        {"end": START},
        {"start": START + 48 * STEP},
    ):
        with pytest.raises(errors.FrameRangeError, match="no frame"):
            drive.export_mp4("episode_0", "/camera", path, **wrong)  # type: ignore[arg-type]
    with pytest.raises(errors.KeyNotFoundError, match="episode_0"):
        drive.export_mp4("episode_1", "/camera", path)
    assert presented(path)[0] == list(stream.frames[10:20])  # and nothing was written over
    assert [p.name for p in tmp_path.iterdir() if p.is_file()] == ["part.mp4"]


def test_a_range_without_frames_is_told_where_there_are_some(
    drive: RecordingDataset, recorded: Any, log_stream: Any, tmp_path: Path
) -> None:
    stream: Recorded = recorded("raw")
    log_stream(drive, stream)
    until = START + 48 * STEP
    last = drive.export_mp4("episode_0", "/camera", tmp_path / "last.mp4", start=until - 1)
    assert last.frames == 1
    there = f"{np.datetime64(START, 'ns')} to {np.datetime64(until, 'ns')}"
    with pytest.raises(errors.FrameRangeError, match=f"its frames are from {there}"):
        drive.export_mp4("episode_0", "/camera", tmp_path / "none.mp4", start=until)
    numbers = {"frame": stream.times - START}
    drive.log("n", "/numbers", codec="h264", index=numbers, samples=stream.samples)
    with pytest.raises(errors.FrameRangeError, match=f"from 0 to {48 * STEP}$"):
        drive.export_mp4(
            "n", "/numbers", tmp_path / "none.mp4", start=until - START, index="frame"
        )


def test_times_that_go_back_are_refused_by_name(
    drive: RecordingDataset, recorded: Any, tmp_path: Path
) -> None:
    stream: Recorded = recorded("raw")
    times = 2 * stream.times.max() - stream.times
    drive.log("e", "/camera", codec="h264", index={"log_time": times}, samples=stream.samples)
    with pytest.raises(errors.UnsupportedError, match="as where times go back: from frame"):
        drive.export_mp4("e", "/camera", tmp_path / "out.mp4")
    assert not list(tmp_path.glob("*.mp4")), "nothing was left"


HOUR = 3600 * 10**9

SPARSE = {
    "uneven milliseconds": ([16_000_000, 32_000_000, 48_000_000], True),
    "two hours of microseconds": ([100_000_001_000, 200_000_003_000], True),
    "two hours of nanoseconds": ([100_000_000_001, 200_000_000_003], False),
    "a frame an hour, to the millisecond": ([HOUR + 1_000_000, HOUR + 7_000_000], True),
    "half an hour between frames, to the nanosecond": (
        [HOUR // 200 + 1] * 46 + [HOUR // 2],
        False,
    ),
    "days of nanoseconds in bursts": ([40_000_001] * 20 + [2_000_000_000_000], False),
}


@pytest.mark.parametrize("name", SPARSE)
def test_times_are_exact_or_within_a_microsecond(
    drive: RecordingDataset, recorded: Any, tmp_path: Path, name: str
) -> None:
    steps, exact = SPARSE[name]
    stream: Recorded = recorded("raw")
    order = np.argsort(np.argsort(stream.times))
    durations = np.resize(np.array(steps, np.int64), len(order))
    shown = START + np.cumsum(durations)
    drive.log(
        "e", "/camera", codec="h264", index={"log_time": shown[order]}, samples=stream.samples
    )
    done = drive.export_mp4("e", "/camera", tmp_path / "out.mp4")
    frames, found = presented(tmp_path / "out.mp4")
    assert frames == list(stream.frames)
    assert done.exact_times is exact
    wrong = np.abs(np.array(found) - (shown - shown[0]))
    assert wrong.max() < (1 if exact else 1000)


def test_frames_of_one_time_stand_apart(
    drive: RecordingDataset, recorded: Any, tmp_path: Path
) -> None:
    stream: Recorded = recorded("baseline")
    shown = START + np.arange(len(stream.samples)) // 2 * 40_000_000
    drive.log("e", "/camera", codec="h264", index={"log_time": shown}, samples=stream.samples)
    done = drive.export_mp4("e", "/camera", tmp_path / "out.mp4")
    frames, found = presented(tmp_path / "out.mp4")
    assert frames == list(stream.frames)
    assert not done.exact_times
    assert (np.diff(found) > 0).all()
    assert np.abs(np.array(found) - (shown - shown[0])).max() < 3000


def test_frames_too_far_apart_are_refused_by_name(
    drive: RecordingDataset, recorded: Any, tmp_path: Path
) -> None:
    stream: Recorded = recorded("baseline")
    shown = START + np.arange(len(stream.samples)) * (2 * HOUR + 1)
    drive.log("e", "/camera", codec="h264", index={"log_time": shown}, samples=stream.samples)
    with pytest.raises(errors.UnsupportedError, match="7200 s lie between two frames"):
        drive.export_mp4("e", "/camera", tmp_path / "out.mp4")
    assert not list(tmp_path.glob("*.mp4")), "nothing was left"
