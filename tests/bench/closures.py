"""Frames decoded for one requested frame, mean over all frames, on 14 kinds of streams.

R0 is what cannot be undercut: the frame and all that its slices can name, and theirs. `all` is
a decode of everything since the last IDR picture, what a player does that seeks.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

import numpy as np

from marey.video.clips import ClipRecipe, make_clip
from marey.video.index.build import build_frame_index
from marey.video.index.frames import FrameIndex
from marey.video.plan import EXACT, Strategy, plan_read
from marey.video.source import BytesReader

from .options import Options
from .table import print_table


def _kind(x264: str, *, preset: str = "medium", interlaced: bool = False) -> ClipRecipe:
    return ClipRecipe("a bench", 320, 192, 120, x264=x264, preset=preset, interlaced=interlaced)


KINDS = {
    "one reference": _kind("keyint=60:bframes=0:ref=1:scenecut=0"),
    "medium": _kind("keyint=60"),
    "strict pyramid": _kind("keyint=60:b-pyramid=strict"),
    "five references, eight B": _kind("keyint=60:ref=5:bframes=8:b-adapt=2"),
    "temporal direct, five B": _kind("keyint=60:direct=temporal:bframes=5:b-adapt=0"),
    "CAVLC, no B": _kind("keyint=60:cabac=0:bframes=0:ref=3:weightp=0:8x8dct=0"),
    "MBAFF": _kind("keyint=60:tff=1", interlaced=True),
    "open GOPs of 30": _kind("open-gop=1:keyint=30"),
    "four slices": _kind("keyint=60:slices=4"),
    "intra refresh of 40": _kind("intra-refresh=1:keyint=40"),
    "one GOP, no scene cut": _kind("keyint=250:scenecut=0"),
    "zero latency": _kind("keyint=60:bframes=0:rc-lookahead=0:sync-lookahead=0"),
    "veryslow, 16 references": _kind("keyint=120:ref=16", preset="veryslow"),
    "no pyramid": _kind("keyint=60:b-pyramid=none"),
}
"""What encoders make of one scene, by name."""


@dataclass(frozen=True, slots=True)
class Decoded:
    """Means over all frames of one stream, each asked for alone."""

    kind: str
    r0: float
    plan: float
    whole: float
    rewritten_share: float
    """Frames whose plan rewrites."""
    since_idr: float


def measure(kind: str, *, frames: int = 120) -> Decoded:
    """One kind of stream, of so many frames."""
    data = make_clip(replace(KINDS[kind], frames=frames))
    index = build_frame_index(BytesReader(data)).index
    plans = [_plan(index, frame) for frame in range(index.frame_count)]
    return Decoded(
        kind=kind,
        r0=_mean(len(_hull(index, sample)) for sample in index.frame_sample.tolist()),
        plan=_mean(decoded for decoded, _ in plans),
        whole=_mean(_plan(index, f, "whole")[0] for f in range(index.frame_count)),
        rewritten_share=_mean(rewrites for _, rewrites in plans),
        since_idr=float(
            np.mean((index.frame_sample - index.idr_before[index.frame_sample]) + 1)
        ),
    )


def _plan(index: FrameIndex, frame: int, force: Strategy | None = None) -> tuple[int, bool]:
    plan = plan_read(index, np.array([frame]), cost=EXACT, force=force)
    return plan.samples_decoded, any(run.strategy == "rewritten" for run in plan.runs)


def _hull(index: FrameIndex, sample: int) -> set[int]:
    """All that a sample depends on, the slow and obvious way."""
    hull = {sample}
    while more := {r for s in hull for r in index.references_of(s).tolist()} - hull:
        hull |= more
    return hull


def _mean(values: Iterable[float]) -> float:
    return float(np.mean(list(values)))


def report(_: Options) -> None:
    """Print the table."""

    def rows() -> Iterator[tuple[object, ...]]:
        for kind in KINDS:
            found = measure(kind)
            yield (
                kind,
                f"{found.r0:.2f}",
                f"{found.plan:.2f}",
                f"{found.whole:.2f}",
                f"{found.since_idr:.2f}",
                f"{found.rewritten_share:.0%}",
            )

    print_table(
        "Frames decoded for one requested frame",
        ("stream", "R0", "plan", "whole", "all", "rewritten"),
        rows(),
    )
