"""Recorded streams: frames against the decode of their closures alone; appends as they add up.

Frames are of a stream of 720p with an IDR picture every 60 samples, logged in many commits.
Each round takes the scan and the bare decode in turn, so that what else the machine does falls
on both. Appends are calls of one sample each, and one logger that takes them one by one.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from itertools import product
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from time import process_time

import av
import numpy as np

from marey import Marey
from marey import expressions as se
from marey.engine.recordings.dataset import RecordingDataset
from marey.video.clips import ClipRecipe, make_clip
from marey.video.index.build import build_frame_index
from marey.video.index.frames import FrameIndex
from marey.video.plan import EXACT, packets, plan_read
from marey.video.plan.parameter_sets import extradata
from marey.video.source import BytesReader

from .options import Options
from .table import print_table

_STEP = 33_333_333
_SAMPLES_A_COMMIT = 30


@dataclass(frozen=True, slots=True)
class Cost:
    """Milliseconds of CPU for one frame, the median of some rounds."""

    frame: int
    keyed: bool
    """Whether a key table named the segment; otherwise all segments are read, which is one."""
    scan: float
    decode: float
    """Of the closure, by libavcodec alone."""
    samples: int
    """In the closure."""


@cache
def _stream(frames: int, width: int, height: int) -> tuple[bytes, FrameIndex]:
    recipe = ClipRecipe("a bench", width, height, frames, container="h264", x264="keyint=60")
    data = make_clip(recipe)
    return data, build_frame_index(BytesReader(data)).index


def log_stream(drive: RecordingDataset, data: bytes, index: FrameIndex) -> None:
    """The whole stream, in commits of a second."""
    samples = [
        data[at : at + size]
        for at, size in zip(index.offset.tolist(), index.size.tolist(), strict=True)
    ]
    times = np.empty(len(samples), np.int64)
    times[index.frame_sample] = np.arange(len(samples)) * _STEP
    for at in range(0, len(samples), _SAMPLES_A_COMMIT):
        part = slice(at, at + _SAMPLES_A_COMMIT)
        drive.log(
            "episode_0",
            "/camera",
            codec="h264",
            index={"log_time": times[part]},
            samples=samples[part],
        )


def measure(
    *, frames: int = 600, width: int = 1280, height: int = 720, rounds: int = 9
) -> Iterator[Cost]:
    """Frames 3 and the last of a stream."""
    data, index = _stream(frames, width, height)
    with TemporaryDirectory() as root:
        db = Marey(Path(root))
        drive = db.project("bench").create_dataset("drive")
        log_stream(drive, data, index)
        clip = drive.video("/camera")
        for frame, keyed in product((3, frames - 1), (True, False)):
            scan = db.scan({"f": se.video.read(clip["video"], [frame], pixel_format="native")})
            keys = {"segment_id": ["episode_0"]} if keyed else None
            costs: list[tuple[float, float]] = []
            for _ in range(rounds + 1):
                begin = process_time()
                scan.to_table(key_table=keys)
                middle = process_time()
                samples = _decode_closure(data, index, frame)
                costs.append((middle - begin, process_time() - middle))
            scanned, decoded = zip(*costs[1:], strict=True)  # the first fills caches
            yield Cost(frame, keyed, 1000 * median(scanned), 1000 * median(decoded), samples)


def _decode_closure(data: bytes, index: FrameIndex, frame: int) -> int:
    """Decode what the plan decodes, with nothing around it; how many samples that is."""
    plan = plan_read(index, np.array([frame]), cost=EXACT)
    buffers = BytesReader(data).read(plan.ranges)
    for run in plan.runs:
        context = av.CodecContext.create("h264", "r")
        context.thread_count = 1
        context.extradata = extradata(
            run.index.parameter_sets_at(int(run.samples[0])), run.index.nal_length_size
        )
        for _, packet in packets(run, buffers):
            context.decode(av.Packet(bytes(packet)))
        context.decode(None)
    return plan.samples_decoded


@dataclass(frozen=True, slots=True)
class Growth:
    """What appending takes as a stream grows."""

    how: str
    sample_bytes: float
    """Of a sample, in the mean."""
    first: float
    """Milliseconds of CPU for a sample, over the first tenth."""
    last: float
    """Over the last tenth."""
    overhead: float
    """Bytes on disk for a sample beside its own, after `optimize`."""
    files: int
    """The most there were at any time that was looked at."""


def measure_appends(samples: int, *, one_a_call: bool) -> Growth:
    """Append so many different samples one by one."""
    data, index = _stream(samples, 96, 64)
    taken = [
        data[at : at + size]
        for at, size in zip(index.offset.tolist(), index.size.tolist(), strict=True)
    ]
    parts = np.array_split(np.arange(samples), 10)
    with TemporaryDirectory() as root:
        drive = Marey(Path(root)).project("bench").create_dataset("drive")
        spent, files = [], []
        logger = drive.logger("e", "/camera", codec="h264")
        for part in parts:
            begin = process_time()
            for at in part.tolist():
                if one_a_call:
                    time = {"log_time": [at * _STEP]}
                    drive.log("e", "/camera", codec="h264", index=time, samples=[taken[at]])
                else:
                    logger.append(at * _STEP, taken[at])
            spent.append((process_time() - begin) / len(part))
            files.append(len(_files(root)))
        logger.close()
        drive.optimize()
        own = sum(map(len, taken))
        stored = sum(file.stat().st_size for file in _files(root))
    return Growth(
        "a call for each" if one_a_call else "a logger",
        own / samples,
        1000 * spent[0],
        1000 * spent[-1],
        (stored - own) / samples,
        max(files),
    )


def _files(root: str) -> list[Path]:
    return [path for path in Path(root).rglob("*") if path.is_file()]


def report(options: Options) -> None:
    """Print the tables."""

    def rows() -> Iterator[tuple[object, ...]]:
        for cost in measure(rounds=options.repeats or 9):
            yield (
                f"frame {cost.frame}",
                "by key" if cost.keyed else "of all",
                cost.samples,
                f"{cost.scan:.1f}",
                f"{cost.decode:.1f}",
                f"{cost.scan / cost.decode:.2f}",
                f"{cost.scan - cost.decode:.1f}",
            )

    print_table(
        "A frame of a recorded stream of 600 samples, 1280x720, ms of CPU",
        ("frame", "segment", "samples", "scan", "decode", "ratio", "difference"),
        rows(),
    )

    def appends() -> Iterator[tuple[object, ...]]:
        counts = (20_000, 20_000) if options.everything else (1_500, 20_000)
        for count, one_a_call in zip(counts, (True, False), strict=True):
            grown = measure_appends(count, one_a_call=one_a_call)
            yield (
                f"{count:,}",
                grown.how,
                f"{grown.sample_bytes:.0f}",
                f"{grown.first:.2f}",
                f"{grown.last:.2f}",
                f"{grown.overhead:.1f}",
                grown.files,
            )

    print_table(
        "Samples appended one by one: ms of CPU for one, bytes on disk beside it",
        ("samples", "through", "bytes", "first tenth", "last tenth", "beside", "most files"),
        appends(),
    )
