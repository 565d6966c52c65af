"""What one frame of a long clip costs, beside one of a short clip with the same GOP.

The clips are one encoded stretch of ten seconds, muxed again and again: real pictures, cheap to
make. A read goes end to end, `to_table` on a fresh `Marey`, so no index is kept; decoding
and planning are also measured alone. Ratios are of the medians of rounds that alternate.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from io import BytesIO
from pathlib import Path
from random import Random
from statistics import median
from time import process_time

import av
import numpy as np
import pyarrow as pa

from marey import Marey
from marey import expressions as se
from marey.video.clips import ClipRecipe, make_clip
from marey.video.index.build import build_frame_index
from marey.video.index.encode import encode_index, open_index
from marey.video.plan import plan_read
from marey.video.source import BytesReader

from .options import Options
from .table import print_table

FPS = 30
SHORT, LONG = 300, 108_000
"""Frames of ten seconds and of an hour."""
KINDS = {
    "GOP 30": "keyint=30:min-keyint=30:scenecut=0",
    "GOP 250": "keyint=250:min-keyint=250:scenecut=0",
    "open GOPs of 60": "keyint=60:min-keyint=60:scenecut=0:open-gop=1",
    "intra only": "keyint=1",
}
"""Streams, by name."""


def repeated(stretch: bytes, times: int) -> bytes:
    """An MP4 of one stretch of video, again and again.

    Args:
        stretch: An MP4 of whole GOPs.
        times: How often.
    """
    with av.open(BytesIO(stretch)) as source:
        video = source.streams.video[0]
        packets = [
            (bytes(p), p.pts, p.dts, p.is_keyframe) for p in source.demux(video) if p.size
        ]
        step = packets[1][2] - packets[0][2]
        file = BytesIO()
        with av.open(file, "w", format="mp4") as target:
            stream = target.add_stream_from_template(video)
            for turn in range(times):
                shift = turn * step * len(packets)
                for data, pts, dts, is_keyframe in packets:
                    packet = av.Packet(data)
                    packet.stream, packet.time_base = stream, video.time_base
                    packet.pts, packet.dts = pts + shift, dts + shift
                    packet.is_keyframe = is_keyframe
                    target.mux(packet)
    return file.getvalue()


@dataclass(frozen=True, slots=True)
class Cost:
    """One frame, in milliseconds of CPU: medians over random frames."""

    kind: str
    short_plan: float
    long_plan: float
    plan_ratio: float
    short_read: float
    long_read: float
    read_ratio: float
    index_bytes: float
    """A frame of the long clip."""
    indexing: float
    """Frames of the long clip a second, the index encoded."""


def measure(kind: str, *, frames: int = LONG, rounds: int = 60) -> Cost:
    """One random frame of a short and of a long clip, in turns."""
    recipe = ClipRecipe("a bench", 64, 48, SHORT, x264=KINDS[kind], preset="veryfast")
    short = make_clip(recipe)
    clips = {"short": short, "long": repeated(short, frames // SHORT)}
    begin = process_time()
    index = build_frame_index(BytesReader(clips["long"])).index
    blobs = {"long": encode_index(index)}
    indexing = index.frame_count / (process_time() - begin)
    blobs["short"] = encode_index(build_frame_index(BytesReader(short)).index)
    chance = Random(1)
    with tempfile.TemporaryDirectory() as folder:
        table = (
            Marey(Path(folder))
            .project("bench")
            .create_table("clips", key_schema={"name": pa.string()})
        )
        table.write(
            {"name": list(clips), "video": [se.Video(se.Blob(c)) for c in clips.values()]}
        )
        counts = {"short": SHORT, "long": index.frame_count}
        plans = _alternate(lambda name, at: _plan(blobs[name], at), counts, chance, rounds)
        reads = _alternate(partial(_read, Path(folder)), counts, chance, rounds)
    return Cost(
        kind,
        plans["short"],
        plans["long"],
        plans["long"] / plans["short"],
        reads["short"],
        reads["long"],
        reads["long"] / reads["short"],
        len(blobs["long"]) / index.frame_count,
        indexing,
    )


def _plan(blob: bytes, frame: int) -> None:
    """Open a stored index and plan a read of one frame."""
    frames = np.array([frame])
    for part, places in open_index(blob).split(frames):
        plan_read(part, frames[places] - part.first_frame)


def _read(folder: Path, name: str, frame: int) -> None:
    """One frame out of a table that nothing is known of yet."""
    frames = se.aux("frames", pa.list_(pa.uint32()))
    with Marey(folder) as db:
        clips = db.project("bench").table("clips")
        scan = db.scan({"f": se.video.read(clips["video"], frames)})
        keys = {"name": [name], "frames": pa.array([[frame]], pa.list_(pa.uint32()))}
        scan.to_table(key_table=pa.table(keys))


def _alternate(
    call: Callable[[str, int], None], counts: dict[str, int], chance: Random, rounds: int
) -> dict[str, float]:
    """The median milliseconds of CPU of each clip, in turns."""
    spent: dict[str, list[float]] = {name: [] for name in counts}
    for _ in range(rounds):
        for name, count in counts.items():
            frame = chance.randrange(count)
            begin = process_time()
            call(name, frame)
            spent[name].append((process_time() - begin) * 1e3)
    return {name: median(times) for name, times in spent.items()}


def report(options: Options) -> None:
    """Print the table."""
    kinds = KINDS if options.everything else ("GOP 250", "open GOPs of 60")
    print_table(
        "One random frame, milliseconds of CPU: ten seconds and an hour",
        (
            "stream",
            *("plan 10 s", "plan 1 h", "ratio"),
            *("read 10 s", "read 1 h", "ratio"),
            *("bytes", "frames/s"),
        ),
        (
            (
                cost.kind,
                *(f"{cost.short_plan:.2f}", f"{cost.long_plan:.2f}", f"{cost.plan_ratio:.2f}"),
                *(f"{cost.short_read:.1f}", f"{cost.long_read:.1f}", f"{cost.read_ratio:.2f}"),
                *(f"{cost.index_bytes:.2f}", f"{cost.indexing:.0f}"),
            )
            for cost in (measure(kind, rounds=options.repeats or 60) for kind in kinds)
        ),
    )
