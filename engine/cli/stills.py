"""Frames of a file as pictures, a bounded number at a time."""

from __future__ import annotations

from collections.abc import Iterator

from ...video.decode.frame import Frame, PixelOutput, output_shape
from ...video.decode.pool import DecoderPool
from ...video.decode.run import decode_frames
from ...video.index.frames import FrameIndex, Int64s
from ...video.plan import plan_read
from ...video.source import Reader

_BUFFER_BYTES = 64 << 20


def read_stills(
    reader: Reader, index: FrameIndex, frames: Int64s, output: PixelOutput
) -> Iterator[Frame]:
    """Decode frames (ascending, each once) and give them one by one.

    Raises:
        VideoError: A frame cannot be had exactly.
    """
    with DecoderPool() as decoders:
        for part in _parts(index, frames, output):
            plan = plan_read(index, part)
            yield from decode_frames(
                plan, reader.read(plan.ranges), index, output, decoders=decoders
            )


def _parts(index: FrameIndex, frames: Int64s, output: PixelOutput) -> Iterator[Int64s]:
    """Stretches of frames that are of one size and fit in the buffer."""
    start = 0
    shape = None
    room = 0
    for i, frame in enumerate(frames.tolist()):
        found = output_shape(index.frame_format(frame), output)
        if found != shape or not room:
            if i > start:
                yield frames[start:i]
            start, shape = i, found
            room = max(1, _BUFFER_BYTES // found.frame_bytes)
        room -= 1
    if len(frames) > start:
        yield frames[start:]
