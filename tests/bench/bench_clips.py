"""The clips that are read in the workloads, made once and kept on disk.

They are scenes made of arithmetic (`marey.video.synthetic`), encoded by x264 the way that
collections are: what differs is the size, the distance of key frames and the tools.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from hashlib import sha256
from pathlib import Path
from types import MappingProxyType

from marey.video.clips import RECIPES, ClipRecipe, make_clip

_EPOCH_SCENES = 50
EPOCH_ROWS = 200


def _clip(reason: str, width: int, height: int, frames: int, x264: str) -> ClipRecipe:
    # As sharp as collections are, and key frames exactly as far apart as stated.
    x264 = f"{x264}:scenecut=0:crf=23"
    return ClipRecipe(reason, width, height, frames, rate=30, x264=x264)


CLIPS: Mapping[str, ClipRecipe] = MappingProxyType(
    {
        "224p": _clip("224x224, GOP 10, 10 s", 224, 224, 300, "keyint=10"),
        "720p-250": _clip("1280x720, GOP 250, 10 s", 1280, 720, 300, "keyint=250"),
        "720p-30": _clip("1280x720, GOP 30, 10 s", 1280, 720, 300, "keyint=30"),
        "480p": _clip(
            "640x480, baseline, GOP 60, 10 s",
            640,
            480,
            300,
            "keyint=60:bframes=0:ref=1:cabac=0:8x8dct=0:weightp=0",
        ),
        "1080p": _clip("1920x1080, GOP 250, 60 s", 1920, 1080, 1800, "keyint=250"),
    }
)
"""Clips by name."""

EPOCH = _clip("224x224, GOP 10, 5 s", 224, 224, 150, "keyint=10")
"""What the many small clips are like; each scene has a seed of its own."""

TRAPS: Mapping[str, ClipRecipe] = MappingProxyType(
    {
        name: RECIPES[name]
        for name in ("closed_gops", "edit_list", "empty_edit", "variable_rate", "open_gop")
    }
)
"""Clips whose frames are easily confused."""


@dataclass(frozen=True, slots=True)
class ClipFile:
    """A clip on disk."""

    path: str
    """Where it is."""
    frames: int
    """Presented frames; of a trap those encoded."""


def folder() -> Path:
    """Where clips are kept: `$MAREY_BENCH`, else the user's cache."""
    given = os.environ.get("MAREY_BENCH")
    base = Path(given) if given else Path.home() / ".cache" / "marey-bench"
    base.mkdir(parents=True, exist_ok=True)
    return base


def clip_file(recipe: ClipRecipe) -> ClipFile:
    """The file of a recipe, made if it is not there."""
    name = sha256(repr(replace(recipe, reason="")).encode()).hexdigest()[:16]
    path = folder() / f"{name}.mp4"
    if not path.exists():
        print(f"making a clip: {recipe.reason}, scene {recipe.seed}", flush=True)
        part = path.with_suffix(f".{os.getpid()}")
        part.write_bytes(make_clip(recipe))
        part.rename(path)
    return ClipFile(str(path), recipe.frames)


def epoch_files(rows: int = EPOCH_ROWS) -> Sequence[ClipFile]:
    """Many small clips; there are fewer scenes than files, and no file twice."""
    files = []
    for row in range(rows):
        scene = clip_file(replace(EPOCH, seed=row % _EPOCH_SCENES))
        path = Path(scene.path).with_suffix(f".{row // _EPOCH_SCENES}.mp4")
        if not path.exists():
            path.write_bytes(Path(scene.path).read_bytes())
        files.append(ClipFile(str(path), scene.frames))
    return files
