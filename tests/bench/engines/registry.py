"""The engines that are compared, and what each must do."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Protocol

import numpy as np
import numpy.typing as npt

Frames = npt.NDArray[np.uint8]
"""`[frames, height, width, 3]`, RGB."""

Size = tuple[int, int]
"""Width and height."""


class Engine(Protocol):
    """Frames of files by number, as a user of the library would ask for them."""

    def prepare(self, paths: Sequence[str]) -> None:
        """What is done once, when a file becomes known: it is not measured."""
        ...

    def read(
        self, items: Iterable[tuple[str, list[int]]], size: Size | None
    ) -> Iterator[Frames]:
        """The frames of each item: a path, and frame numbers in rising order."""
        ...

    def notes(self) -> Mapping[str, float]:
        """What the engine itself counted of the latest `read`."""
        ...


@dataclass(frozen=True, slots=True)
class Registered:
    """Where an engine is found."""

    module: str
    """Beside this one; it has a class `Reader` and a function `version`."""
    is_peer: bool
    """It runs in the peers' environment, if that was made."""
    what: str
    """In a few words."""
    is_loader: bool = False
    """It has worker processes of its own, and takes part in epochs alone."""


ENGINES: Mapping[str, Registered] = MappingProxyType(
    {
        "limit": Registered("limit", False, "the decoder alone, fed the fewest whole packets"),
        "marey": Registered("table", False, "a scan with a key table"),
        "loader": Registered("loader", False, "a data loader with two workers", is_loader=True),
        "pyav": Registered("pyav_seek", False, "PyAV: seek, decode, convert"),
        "opencv": Registered("opencv", True, "VideoCapture, CAP_PROP_POS_FRAMES"),
        "decord": Registered("decord2", True, "VideoReader.get_batch"),
        "torchcodec": Registered("torchcodec_exact", True, "VideoDecoder, seek_mode exact"),
    }
)
"""By name, in the order of the tables; ratios are to the first."""
