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
    assert done.exact_times is False  # 40.000001 ms and more: too many ticks of a nanosecond
    assert max(abs(t - k * STEP) for k, t in enumerate(times)) < 1000


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
    for wrong in ({"start": START + 5 * STEP, "end": START}, {"end": START}):
        with pytest.raises(errors.FrameRangeError, match="no frame"):
            drive.export_mp4("episode_0", "/camera", path, **wrong)  # type: ignore[arg-type]
    with pytest.raises(errors.KeyNotFoundError, match="episode_0"):
        drive.export_mp4("episode_1", "/camera", path)
    assert presented(path)[0] == list(stream.frames[10:20])  # and nothing was written over
    assert [p.name for p in tmp_path.iterdir() if p.is_file()] == ["part.mp4"]


def test_times_that_ticks_can_hold_are_exact(
    drive: RecordingDataset, recorded: Any, tmp_path: Path
) -> None:
    stream: Recorded = recorded("raw")
    order = np.argsort(np.argsort(stream.times))
    uneven = np.cumsum(1 + np.arange(len(order)) % 3) * 16_000_000
    times = (START + uneven)[order]
    drive.log("e", "/camera", codec="h264", index={"log_time": times}, samples=stream.samples)
    done = drive.export_mp4("e", "/camera", tmp_path / "out.mp4")
    assert done.exact_times
    frames, found = presented(tmp_path / "out.mp4")
    assert frames == list(stream.frames)
    assert found == (uneven - uneven[0]).tolist()
