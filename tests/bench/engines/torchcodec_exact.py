"""torchcodec: a `VideoDecoder` a file in its exact mode, one thread."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

import numpy as np
import torch
import torchcodec
from torchcodec.decoders import VideoDecoder

from .registry import Frames, Size


class Reader:
    """See `Engine`."""

    def __init__(self) -> None:
        torch.set_num_threads(1)

    def prepare(self, paths: Sequence[str]) -> None:
        pass

    def read(
        self, items: Iterable[tuple[str, list[int]]], size: Size | None
    ) -> Iterator[Frames]:
        options = {}
        if size is not None:
            from torchcodec.transforms import Resize

            options["transforms"] = [Resize((size[1], size[0]))]
        for path, frames in items:
            decoder = VideoDecoder(
                path,
                dimension_order="NHWC",
                num_ffmpeg_threads=1,
                seek_mode="exact",
                **options,
            )
            yield np.asarray(decoder.get_frames_at(indices=frames).data.numpy())

    def notes(self) -> Mapping[str, float]:
        return {}


def version() -> str:
    return f"torchcodec {torchcodec.__version__}, torch {torch.__version__}"
