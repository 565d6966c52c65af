"""Streams to be logged, with the truth about their frames; and datasets that hold them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

import numpy as np
import pytest

from marey import Marey
from marey.engine.recordings.dataset import RecordingDataset
from marey.tests.conftest import decode_everything
from marey.video.clips import RECIPES, make_clip
from marey.video.index.build import build_frame_index
from marey.video.source import BytesReader

START = 1_700_000_000_000_000_123
STEP = 40_000_001


@dataclass(frozen=True)
class Recorded:
    """A stream: samples in decode order, their times, and the planes of its frames in order."""

    samples: tuple[bytes, ...]
    times: np.ndarray
    frames: tuple[bytes, ...]

    @property
    def order(self) -> list[int]:
        """The times, ascending: those of the frames."""
        return sorted(self.times.tolist())

    def part(self, start: int, end: int | None = None) -> dict[str, object]:
        """Arguments of `log` for some of the samples."""
        times = self.times[start:end].view("datetime64[ns]")
        return {"index": {"log_time": times}, "samples": self.samples[start:end]}


@cache
def record(kind: str) -> Recorded:
    data = make_clip(replace(RECIPES[kind], container="h264", mux={}, shift=0, durations=()))
    index = build_frame_index(BytesReader(data)).index
    places = zip(index.offset.tolist(), index.size.tolist(), strict=True)
    samples = tuple(data[at : at + size] for at, size in places)
    times = np.zeros(len(samples), np.int64)
    times[index.frame_sample] = START + STEP * np.arange(index.frame_count)
    frames = tuple(frame.planes for frame in decode_everything(data))
    assert len(frames) == index.frame_count == len(samples)
    return Recorded(samples, times, frames)


@pytest.fixture
def recorded() -> Callable[[str], Recorded]:
    """A stream by the name of a sample clip."""
    return record


@pytest.fixture
def db(tmp_path: Path) -> Marey:
    return Marey(tmp_path / "root")


@pytest.fixture
def drive(db: Marey) -> RecordingDataset:
    """An empty dataset."""
    return db.project("robots").create_dataset("drive")


@pytest.fixture
def again(tmp_path: Path) -> Callable[[], RecordingDataset]:
    """The dataset as another process would open it."""
    return lambda: Marey(tmp_path / "root").project("robots").dataset("drive")


def log(
    drive: RecordingDataset,
    stream: Recorded,
    cuts: Sequence[int] = (),
    segment: str = "episode_0",
    entity: str = "/camera",
) -> None:
    """Log a stream in as many calls as there are pieces."""
    ends = [*cuts, len(stream.samples)]
    for start, end in zip([0, *cuts], ends, strict=True):
        drive.log(segment, entity, codec="h264", **stream.part(start, end))  # type: ignore[arg-type]


@pytest.fixture
def log_stream() -> Callable[..., None]:
    """Logs a stream in pieces."""
    return log
