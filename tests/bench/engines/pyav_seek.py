"""PyAV as it is used by hand: seek to the key frame before, decode on, convert what is wanted.

Frame numbers become times by the average rate: PyAV has no other way that does not read the
whole file.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

import av
import numpy as np

from .registry import Frames, Size


class Reader:
    """See `Engine`."""

    def prepare(self, paths: Sequence[str]) -> None:
        pass

    def read(
        self, items: Iterable[tuple[str, list[int]]], size: Size | None
    ) -> Iterator[Frames]:
        for path, frames in items:
            yield _read(path, frames, size)

    def notes(self) -> Mapping[str, float]:
        return {}


def _read(path: str, frames: list[int], size: Size | None) -> Frames:
    with av.open(path) as container:
        stream = container.streams.video[0]
        stream.codec_context.thread_count = 1
        width, height = size or (stream.codec_context.width, stream.codec_context.height)
        assert stream.average_rate is not None
        assert stream.time_base is not None
        step = 1 / (stream.average_rate * stream.time_base)
        pixels = np.empty((len(frames), height, width, 3), np.uint8)
        start, second = stream.start_time or 0, 1 / stream.time_base
        now = None
        decoded: Iterator[av.VideoFrame] = iter(())
        for at, frame in enumerate(frames):
            wanted = start + int(frame * step)
            # Near targets are met by decoding on, far ones by a seek.
            if now is None or wanted - now > second:
                container.seek(wanted, stream=stream, backward=True)
                decoded = container.decode(stream)
            for picture in decoded:
                now = picture.pts
                if picture.pts is not None and picture.pts >= wanted - step / 2:
                    rgb = picture.reformat(width=width, height=height, format="rgb24")
                    pixels[at] = rgb.to_ndarray()
                    break
        return pixels


def version() -> str:
    return f"PyAV {av.__version__}"
