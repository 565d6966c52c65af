"""The witness for exactness: every frame of a file, as libavcodec alone decodes it.

Nothing of Marey is in this: no index, no plan, no chosen frames. PyAV opens the file and
decodes all of it, in order and in one thread.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import av
import numpy as np


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
