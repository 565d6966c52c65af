"""OpenCV: a `VideoCapture` set to a frame number, unless that frame is the next."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

import cv2
import numpy as np

from .registry import Frames, Size


class Reader:
    """See `Engine`."""

    def __init__(self) -> None:
        cv2.setNumThreads(1)

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
    capture = cv2.VideoCapture(path, cv2.CAP_FFMPEG, [cv2.CAP_PROP_N_THREADS, 1])
    pictures, last = [], -1
    for frame in frames:
        if frame != last + 1:
            capture.set(cv2.CAP_PROP_POS_FRAMES, frame)
        there, picture = capture.read()
        if not there:
            raise RuntimeError(f"no frame {frame}")
        last = frame
        if size is not None:
            picture = cv2.resize(picture, size, interpolation=cv2.INTER_LINEAR)
        pictures.append(cv2.cvtColor(picture, cv2.COLOR_BGR2RGB))
    return np.stack(pictures)


def version() -> str:
    return f"OpenCV {cv2.__version__}"
