"""Frames that engines give for the numbers asked for, where frames are easily confused.

The truth is FFmpeg's full sequential decode through PyAV. A frame counts as right if, of all
frames of the clip, the true one is the nearest to it: engines convert colours differently.
"""

from __future__ import annotations

import random
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import av
import numpy as np
import numpy.typing as npt

from .bench_clips import TRAPS, clip_file
from .engines.process import EngineFailed, EngineProcess
from .engines.registry import ENGINES
from .options import Options
from .table import print_table
from .workloads import start_engines

SETS = 12
"""Lists of frames asked for of each clip: some of one frame, some of several."""


@dataclass(frozen=True, slots=True)
class Answered:
    """What an engine gave for a clip."""

    wrong: int
    """Frames that were others than asked for."""
    frames: int
    """Frames asked for and given."""
    refused: int
    """Lists of frames that it failed on."""

    @property
    def text(self) -> str:
        """For the table."""
        given = "right" if not self.wrong else f"{self.wrong} of {self.frames} wrong"
        if self.refused:
            return f"{self.refused} of {SETS} lists refused" + (
                f", {given}" if self.frames else ""
            )
        return given


def answers(engine: EngineProcess, path: str, folder: str) -> Answered:
    """Ask an engine for random lists of frames of a clip."""
    truth = _true_frames(path)
    engine.prepare([path])
    wrong = frames = refused = 0
    for wanted in _lists(len(truth)):
        kept = Path(folder) / "frames.npy"
        try:
            engine.keep((path, wanted), str(kept))
        except EngineFailed:
            refused += 1
            continue
        given = np.load(kept).astype(np.int32)
        frames += len(wanted)
        for number, picture in zip(wanted, given, strict=True):
            distance = np.abs(truth - picture).mean(axis=(1, 2, 3))
            # Frames that look the same cannot be told apart.
            wrong += bool(distance[number] > distance.min() + 0.01)
    return Answered(wrong, frames, refused)


def _lists(count: int) -> Iterator[list[int]]:
    chance = random.Random(0)
    for at in range(SETS):
        yield sorted(chance.sample(range(count), 1 if at % 2 else 6))


def _true_frames(path: str) -> npt.NDArray[np.int32]:
    with av.open(path) as container:
        frames = [f.to_ndarray(format="rgb24") for f in container.decode(video=0)]
    return np.stack(frames).astype(np.int32)


def measure(names: Sequence[str] = ()) -> tuple[list[str], list[list[str]]]:
    """The engines that are installed, and a row of their answers for each clip."""
    usual = [name for name, engine in ENGINES.items() if not engine.is_loader]
    asked = [name for name in names or usual if name != "limit"]
    processes = dict(start_engines(asked, {}))
    rows = []
    try:
        with tempfile.TemporaryDirectory(prefix="marey-bench-") as folder:
            for name, recipe in TRAPS.items():
                path = clip_file(recipe).path
                found = [answers(engine, path, folder).text for engine in processes.values()]
                rows.append([f"{name.replace('_', ' ')}: {recipe.reason}", *found])
    finally:
        for process in processes.values():
            process.close()
    return list(processes), rows


def report(options: Options) -> None:
    """Print the table."""
    names, rows = measure(options.engines)
    print_table("Frames given for the numbers asked for", ("", *names), rows)
