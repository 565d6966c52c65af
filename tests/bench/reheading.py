"""What rewriting costs: microseconds of CPU a slice, the copy of slice data counted apart.

Real parameters: CABAC and CAVLC, MBAFF, several slices, many references, small and large
slices. The whole way of a sample through `ClosureRewriter` is measured.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from time import process_time

import numpy as np

from marey.video.clips import ClipRecipe, make_clip
from marey.video.index.build import build_frame_index
from marey.video.plan import EXACT, plan_read
from marey.video.plan.rewriting import ClosureRewriter
from marey.video.source import BytesReader

from .options import Options
from .table import print_table


def _kind(x264: str, *, preset: str = "medium", interlaced: bool = False) -> ClipRecipe:
    return ClipRecipe("a bench", 320, 192, 120, x264=x264, preset=preset, interlaced=interlaced)


def _large(x264: str) -> ClipRecipe:
    return ClipRecipe("a bench", 1280, 720, 24, x264=x264, preset="veryfast")


KINDS = {
    "CABAC, strict pyramid": _kind("keyint=60:b-pyramid=strict"),
    "CAVLC with B": _kind("keyint=60:cabac=0:ref=3"),
    "MBAFF": _kind("keyint=60:tff=1", interlaced=True),
    "four slices": _kind("keyint=60:slices=4"),
    "16 references, weights": _kind("keyint=120:ref=16", preset="veryslow"),
    "CABAC, 720p": _large("b-pyramid=strict"),
    "CAVLC, 720p": _large("cabac=0:ref=3"),
}
"""Streams to rewrite, by name."""


@dataclass(frozen=True, slots=True)
class Cost:
    """Rewriting every sample of a stream once."""

    kind: str
    slices: int
    slice_bytes: float
    """Mean."""
    microseconds: float
    """CPU a slice: the median of the rounds."""
    best: float
    """That of the best round: what a machine without neighbours would show."""


def measure(kind: str, *, frames: int = 120, rounds: int = 15) -> Cost:
    """Rewrite a stream again and again."""
    recipe = KINDS[kind]
    recipe = replace(recipe, frames=min(frames, recipe.frames))
    data = memoryview(make_clip(recipe))
    index = build_frame_index(BytesReader(bytes(data))).index
    plan = plan_read(index, np.arange(index.frame_count), cost=EXACT, force="rewritten")
    slices = len(index.size) * (4 if "slices=4" in recipe.x264 else 1)
    assert {run.strategy for run in plan.runs} == {"rewritten"}
    spent = []
    for _ in range(rounds):
        begin = process_time()
        for run in plan.runs:
            rewriter = ClosureRewriter(run.index, run.samples)
            for sample in run.samples.tolist():
                at = int(index.offset[sample])
                rewriter.rewrite(sample, data[at : at + int(index.size[sample])])
        spent.append((process_time() - begin) / slices * 1e6)
    return Cost(
        kind, slices, float(index.size.sum()) / slices, float(np.median(spent)), min(spent)
    )


def report(options: Options) -> None:
    """Print the table."""

    def rows() -> Iterator[tuple[object, ...]]:
        for kind in KINDS:
            cost = measure(kind, rounds=options.repeats or 15)
            yield (
                kind,
                cost.slices,
                f"{cost.slice_bytes:.0f}",
                f"{cost.microseconds:.0f}",
                f"{cost.best:.0f}",
            )

    print_table(
        "Rewriting, CPU a slice",
        ("stream", "slices", "bytes", "median us", "best us"),
        rows(),
    )
