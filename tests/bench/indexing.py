"""What indexing costs: microseconds of CPU a frame, and bytes of index a frame.

Reading the container, parsing every slice header, following the decoded picture buffer and
encoding the result are all counted; `head` is what a clip costs whatever its length.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from time import process_time

import numpy as np

from marey.video.clips import ClipRecipe, make_clip
from marey.video.index.build import build_frame_index
from marey.video.index.encode import encode_index
from marey.video.source import BytesReader

from .options import Options
from .table import print_table


def _kind(x264: str, *, preset: str = "medium") -> ClipRecipe:
    return ClipRecipe("a bench", 64, 48, 1500, x264=x264, preset=preset)


KINDS = {
    "x264 as it comes": _kind(""),
    "keyint 30": _kind("keyint=30"),
    "no B, three references": _kind("bframes=0:ref=3"),
    "kept B": _kind("bframes=5:b-pyramid=normal:ref=4"),
    "open GOPs": _kind("open-gop=1:keyint=30"),
    "four slices": _kind("slices=4"),
    "16 references": _kind("ref=16:bframes=8", preset="veryslow"),
}
"""Streams to index, by name."""


@dataclass(frozen=True, slots=True)
class Cost:
    """Indexing one clip."""

    kind: str
    frames: int
    microseconds: float
    """CPU a frame: the median of the rounds."""
    best: float
    frame_bytes: float
    """Bytes of index a frame, without the head and the parameter sets."""
    fixed_bytes: int
    """The head and the parameter sets."""


def measure(kind: str, *, frames: int = 1500, rounds: int = 7) -> Cost:
    """Index a clip again and again."""
    data = make_clip(replace(KINDS[kind], frames=frames))
    spent = []
    for _ in range(rounds):
        begin = process_time()
        index = build_frame_index(BytesReader(data)).index
        blob = encode_index(index)
        spent.append((process_time() - begin) / frames * 1e6)
    fixed = 64 + sum(len(n) for s in index.parameter_sets for n in (*s.sps, *s.pps, *s.sei))
    return Cost(
        kind,
        frames,
        float(np.median(spent)),
        min(spent),
        (len(blob) - fixed) / frames,
        fixed,
    )


def report(options: Options) -> None:
    """Print the table."""

    def rows() -> Iterator[tuple[object, ...]]:
        for kind in KINDS:
            cost = measure(kind, rounds=options.repeats or 7)
            yield (
                kind,
                cost.frames,
                f"{cost.microseconds:.0f}",
                f"{cost.best:.0f}",
                f"{cost.frame_bytes:.2f}",
                cost.fixed_bytes,
            )

    print_table(
        "Indexing, CPU and bytes a frame",
        ("stream", "frames", "median us", "best us", "bytes", "head bytes"),
        rows(),
    )
