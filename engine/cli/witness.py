"""The witness for exactness: every frame of a file, as libavcodec alone decodes it.

Nothing of Marey is in this: no index, no plan, no chosen frames. PyAV opens the file and
decodes it from the start, in order and in one thread.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from hashlib import blake2b
from pathlib import Path
from time import perf_counter

import av
import av.error
import numpy as np
import pyarrow as pa

from ...errors import DecodeError
from .outcome import complain


def confirm(name: str, path: Path, digests: Mapping[int, bytes], *, deadline: float) -> int:
    """Hold frames to the full decode of their file, up to the last of them.

    Args:
        name: What to call the file.
        path: Where it lies.
        digests: Of the planes of each frame, by its number; at least one.
        deadline: When to stop, on the clock of `perf_counter`.

    Returns:
        How many frames were confirmed: fewer than there are where time ran out, or where the
        full decode fails, which is complained of.

    Raises:
        DecodeError: A frame is not what the full decode gives.
    """
    confirmed, last = 0, max(digests)
    try:
        for number, planes in enumerate(decode_all(path)):
            if number in digests:
                if digests[number] != digest(planes):
                    raise DecodeError(
                        f"frame {number} of {name!r} is not what a full decode gives"
                    )
                confirmed += 1
            if number == last or perf_counter() > deadline:
                return confirmed
    except av.error.FFmpegError as error:
        complain(f"{name!r} is not checked in full: its full decode fails: {error}")
        return confirmed
    raise DecodeError(f"a full decode of {name!r} has no frame {last}")


def digest(planes: bytes | pa.Buffer) -> bytes:
    """Tells the planes of one frame from those of any other."""
    return blake2b(planes, digest_size=16).digest()


def decode_all(path: Path) -> Iterator[bytes]:
    """The planes of every presented frame, packed, little endian above 8 bits."""
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        stream.codec_context.thread_count = 1
        # Where a stream does not say how far frames are reordered, go by what its level allows:
        # otherwise libavcodec drops some at the start.
        stream.codec_context.options = {"strict": "1"}
        for frame in container.decode(stream):
            yield _packed(frame)


def _packed(frame: av.VideoFrame) -> bytes:
    wide = 2 if frame.format.components[0].bits > 8 else 1
    planes = []
    for plane in frame.planes:
        rows = np.frombuffer(memoryview(plane), np.uint8).reshape(plane.height, plane.line_size)
        planes.append(rows[:, : plane.width * wide].tobytes())
    return b"".join(planes)
