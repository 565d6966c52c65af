"""What each step of a write and of a read costs by itself: microseconds of CPU.

A step is run in rounds of many calls; the median round counts. Plans are for 4 random frames.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from itertools import starmap
from pathlib import Path
from statistics import median
from time import process_time

import numpy as np

from marey.video.decode.decoder import Picture
from marey.video.decode.frame import PixelOutput, output_shape
from marey.video.decode.pyav import PyAvDecoder
from marey.video.index.build import build_frame_index
from marey.video.index.encode import decode_index, encode_index
from marey.video.index.frames import FrameIndex
from marey.video.plan import LOCAL, Strategy, packets, plan_read
from marey.video.source import BytesReader
from marey.video.streams import read_mp4_track

from .bench_clips import CLIPS, clip_file
from .options import Options
from .table import print_table

ROUNDS = 7
_ROUND_SECONDS = 0.03
_RGB = PixelOutput("rgb24")

Step = tuple[Callable[[], object], int]
"""A call, and how many things it does."""


def steps(data: bytes) -> Mapping[str, Step]:
    """The steps of a clip, in the order of a write and then of a read."""
    reader = BytesReader(data)
    index = build_frame_index(reader).index
    blob = encode_index(index)
    frames = np.sort(np.random.default_rng(0).choice(index.frame_count, 4, replace=False))
    return {
        "parse the container, a clip": (lambda: read_mp4_track(reader), 1),
        "index, a frame": (lambda: build_frame_index(reader), index.frame_count),
        "encode the index, a clip": (lambda: encode_index(index), 1),
        "decode the index, a clip": (lambda: decode_index(blob), 1),
        "plan, 4 frames": (lambda: plan_read(index, frames, cost=LOCAL), 1),
        "packets as they are, a sample": _packets(data, index, "whole"),
        "packets rewritten, a sample": _packets(data, index, "rewritten"),
        **_decoder_steps(data, index),
    }


def _packets(data: bytes, index: FrameIndex, strategy: Strategy) -> Step:
    plan = plan_read(index, np.arange(index.frame_count), cost=LOCAL, force=strategy)
    buffers = BytesReader(data).read(plan.ranges)

    def make() -> None:
        for run in plan.runs:
            for _ in packets(run, buffers):
                pass

    return make, plan.samples_decoded


def _decoder_steps(data: bytes, index: FrameIndex) -> dict[str, Step]:
    plan = plan_read(index, np.arange(min(30, index.frame_count)), cost=LOCAL, force="whole")
    (run,) = plan.runs[:1]
    samples = list(packets(run, BytesReader(data).read(plan.ranges)))
    form = index.parameter_sets[0].format
    decoder = PyAvDecoder()

    def decode() -> list[Picture]:
        decoder.start(run.extradata, width=form.width, height=form.height)
        ready = starmap(decoder.prepare, samples)
        pictures = [picture for sample in ready for picture in decoder.send(sample)]
        return [*pictures, *decoder.drain()]

    picture = decode()[0]
    target = memoryview(bytearray(output_shape(form, _RGB).frame_bytes))
    return {
        "decode, a sample": (decode, len(samples)),
        "convert to rgb24, a frame": (partial(picture.write, _RGB, target), 1),
    }


def measure(step: Step, *, rounds: int = ROUNDS) -> float:
    """Microseconds of CPU for each thing that a step does."""
    call, things = step
    call()
    spent = []
    for _ in range(rounds):
        begin, calls = process_time(), 0
        while calls == 0 or process_time() - begin < _ROUND_SECONDS:
            call()
            calls += 1
        spent.append((process_time() - begin) / calls / things * 1e6)
    return median(spent)


def report(options: Options) -> None:
    """Print the table."""
    names = [name for name in CLIPS if options.everything or name != "1080p"]
    columns = []
    for name in names:
        found = steps(Path(clip_file(CLIPS[name]).path).read_bytes())
        rounds = options.repeats or ROUNDS
        columns.append({title: measure(step, rounds=rounds) for title, step in found.items()})
    rows = [(title, *(f"{column[title]:,.1f}" for column in columns)) for title in columns[0]]
    print_table("Steps, microseconds of CPU", ("", *names), rows)
