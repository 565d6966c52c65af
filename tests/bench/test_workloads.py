"""Engines in their processes give the right frames and count what they do."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from marey.tests.bench import epoch
from marey.tests.bench.engines.process import EngineFailed, EngineProcess, Spent
from marey.tests.bench.workloads import CASES, Measured, tables
from marey.video.clips import RECIPES, make_clip

FRAMES = [0, 7, 20, 21, 47]


@pytest.fixture(scope="module")
def clip_path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("bench") / "clip.mp4"
    path.write_bytes(make_clip(RECIPES["closed_gops"]))
    return path


@pytest.fixture(scope="module")
def kept(clip_path: Path) -> dict[str, tuple[np.ndarray, Spent]]:
    """Frames of the engines that are always there, and what a second reading cost."""
    found = {}
    for name in ("limit", "marey"):
        engine = EngineProcess(name)
        try:
            engine.prepare([str(clip_path)])
            pixels = clip_path.with_name(f"{name}.npy")
            engine.keep((str(clip_path), FRAMES), str(pixels))
            found[name] = np.load(pixels), engine.read([(str(clip_path), FRAMES)], None)
        finally:
            engine.close()
    return found


def test_the_limit_decodes_the_frames_that_marey_reads(
    kept: dict[str, tuple[np.ndarray, Spent]],
) -> None:
    limit, ours = (kept[name][0] for name in ("limit", "marey"))
    assert limit.shape == (len(FRAMES), 96, 160, 3)
    assert (limit == ours).all()
    assert len({picture.tobytes() for picture in limit}) == len(FRAMES)


def test_marey_decodes_no_more_samples_than_the_limit(
    kept: dict[str, tuple[np.ndarray, Spent]],
) -> None:
    limit, ours = (kept[name][1] for name in ("limit", "marey"))
    assert 0 < ours.notes["samples"] <= limit.notes["samples"]
    assert 0 < limit.notes["media_bytes"] <= ours.notes["media_bytes"] <= ours.read
    assert min(limit.cpu, limit.wall, ours.cpu, ours.wall) > 0


def test_a_failing_engine_says_why(clip_path: Path) -> None:
    engine = EngineProcess("limit")
    try:
        with pytest.raises(EngineFailed, match="limit: KeyError"):
            engine.read([(str(clip_path), [0])], None)
    finally:
        engine.close()


def test_ratios_are_of_the_same_repeat() -> None:
    case = CASES[0]

    def spent(cpu: float) -> Spent:
        return Spent(cpu, cpu, 1000, 2_000_000, {"media_bytes": 500})

    found = Measured(versions={"limit": "", "marey": ""})
    found.spent[case, "limit"] = {0: spent(1.0), 1: spent(2.0), 2: spent(4.0)}
    found.spent[case, "marey"] = {0: spent(3.0), 1: spent(2.0), 2: spent(8.0)}
    cpu, _, read, peak = (rows for _, _, rows in tables(found))
    assert cpu == [[case.title, "2000.0", "2.00"]]
    assert read == [[case.title, "0", "0", "1"]]
    assert peak == [[case.title, "2", "2"]]


def test_an_epoch_is_measured_by_two_processes_of_each(clip_path: Path) -> None:
    paths = [str(clip_path.with_name(f"{at}.mp4")) for at in range(3)]
    for path in paths:
        Path(path).write_bytes(clip_path.read_bytes())
    found = epoch.measure(paths, frames=48, repeats=1, engines=("limit", "loader"))
    assert not found.absent
    assert all(spent.cpu > 0 for own in found.spent.values() for spent in own)
    assert [row[0].split(":")[0] for row in epoch.rows(found)] == ["limit", "loader"]
