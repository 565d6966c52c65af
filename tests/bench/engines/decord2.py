"""decord2: a `VideoReader` a file, one thread."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from importlib.metadata import version as installed

import decord
import numpy as np

from .registry import Frames, Size


class Reader:
    """See `Engine`."""

    def prepare(self, paths: Sequence[str]) -> None:
        pass

    def read(
        self, items: Iterable[tuple[str, list[int]]], size: Size | None
    ) -> Iterator[Frames]:
        scaled = {} if size is None else {"width": size[0], "height": size[1]}
        for path, frames in items:
            reader = decord.VideoReader(path, num_threads=1, **scaled)
            yield np.asarray(reader.get_batch(frames).asnumpy())

    def notes(self) -> Mapping[str, float]:
        return {}


def version() -> str:
    return f"decord2 {installed('decord2')}"
