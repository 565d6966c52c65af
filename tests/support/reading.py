"""A clip read in two ways: frame by frame of a full sequential decode, and by plans.

The truth is libavcodec's, kept as hashes so that many clips fit in memory.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache
from hashlib import blake2b
from io import BytesIO

import av
import numpy as np

from marey.video.decode.frame import PixelOutput, output_shape
from marey.video.decode.pool import DecoderPool
from marey.video.decode.run import decode_into
from marey.video.index.build import build_frame_index
from marey.video.index.encode import decode_index, encode_index
from marey.video.index.frames import FrameIndex
from marey.video.plan import EXACT, ReadPlan, Strategy, packets, plan_read
from marey.video.source import BytesReader

NATIVE = PixelOutput("native")


def digest(planes: bytes | bytearray) -> bytes:
    return blake2b(planes, digest_size=12).digest()


def packed_planes(frame: av.VideoFrame) -> bytes:
    """Planes without padding, one after the other."""
    wide = 2 if frame.format.components[0].bits > 8 else 1
    rows = (np.frombuffer(p, np.uint8).reshape(p.height, p.line_size) for p in frame.planes)
    return b"".join(
        r[:, : p.width * wide].tobytes() for p, r in zip(frame.planes, rows, strict=True)
    )


def sequential(data: bytes, *, container: str | None = None) -> list[bytes]:
    """The digest of every frame of a full, sequential, one-thread decode."""
    with av.open(BytesIO(data), format=container) as file:
        stream = file.streams.video[0]
        stream.codec_context.thread_count = 1
        stream.codec_context.options = {"strict": "1"}
        return [digest(packed_planes(frame)) for frame in file.decode(stream)]


@cache
def shared_pool() -> DecoderPool:
    """Decoders that all tests lend: contexts of other clips must not shine through."""
    return DecoderPool()


class Clip:
    """A clip, its index (encoded and decoded once, as it is stored), and its truth."""

    def __init__(self, data: bytes, *, container: str | None = None) -> None:
        self.data = data
        self.index = decode_index(encode_index(build_frame_index(BytesReader(data)).index))
        self.truth = sequential(data, container=container)

    def plan(self, frames: Iterable[int], force: Strategy | None = None) -> ReadPlan:
        return plan_read(self.index, np.array(list(frames)), cost=EXACT, force=force)

    def wrong(self, frames: Iterable[int], force: Strategy | None = None) -> list[int]:
        """Those of the frames that a plan does not give exactly."""
        plan = self.plan(frames, force)
        found = decode_plan(self.index, self.data, plan)
        return [
            frame
            for frame, sample in zip(
                plan.frames.tolist(), plan.frame_samples.tolist(), strict=True
            )
            if found.get(sample) != self.truth[frame]
        ]


def decode_plan(index: FrameIndex, data: bytes, plan: ReadPlan) -> dict[int, bytes]:
    """The digest of every wanted picture, by its sample."""
    view = memoryview(data)
    buffers = [view[r.start : r.end] for r in plan.ranges]
    pictures: dict[int, bytearray] = {}

    def room(sample: int) -> memoryview:
        shape = output_shape(index.parameter_sets_at(sample).format, NATIVE)
        pictures[sample] = bytearray(shape.frame_bytes)
        return memoryview(pictures[sample])

    decode_into(
        plan,
        index,
        NATIVE,
        packets_of=lambda run: packets(run, buffers),
        decoders=shared_pool(),
        destination=room,
    )
    return {sample: digest(planes) for sample, planes in pictures.items()}
