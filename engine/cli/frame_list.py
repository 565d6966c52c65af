"""Frames as people type them: `0,8,16`, `100:200:5`, `-1`."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import typer

if TYPE_CHECKING:
    from ...video.index.frames import FrameIndex, Int64s

_PART = re.compile(r"(-?\d{1,18})|(-?\d{1,18})?:(-?\d{1,18})?(?::(-?\d{1,18})?)?")

Part = int | slice
"""One number, or a stretch as Python slices it."""


def parse_frames(text: str) -> list[Part]:
    """The parts of a list; how many frames a clip has is not asked yet.

    >>> parse_frames("0, 8,100:200:5,-1")
    [0, 8, slice(100, 200, 5), -1]

    Raises:
        typer.BadParameter: Some part is neither a number nor a stretch.
    """
    return [_parse_part(part.strip()) for part in text.split(",")]


def _parse_part(text: str) -> Part:
    match = _PART.fullmatch(text)
    if match is None:
        raise typer.BadParameter(
            f"{text!r}: expected frame numbers such as 0,8,16 or start:stop:step",
            param_hint="--frames",
        )
    number, *bounds = match.groups()
    if number is not None:
        return int(number)
    start, stop, step = (None if bound is None else int(bound) for bound in bounds)
    if step == 0:
        raise typer.BadParameter(f"{text!r}: a step of 0 leads nowhere", param_hint="--frames")
    return slice(start, stop, step)


def choose_frames(parts: list[Part], index: FrameIndex) -> Int64s:
    """Frame numbers of one clip, ascending, each once.

    Raises:
        FrameRangeError: A number that the clip does not have, or no frame at all.
    """
    import numpy as np

    from ...errors import FrameRangeError

    count = index.frame_count
    numbers = [
        part + count if -count <= part < 0 else part for part in parts if isinstance(part, int)
    ]
    index.check_frames(np.array(numbers, np.int64))
    stretches = [np.arange(*part.indices(count)) for part in parts if isinstance(part, slice)]
    chosen: Int64s = np.unique(np.concatenate([np.array(numbers, np.int64), *stretches]))
    if not len(chosen):
        raise FrameRangeError(f"the list names none of the {count} frames")
    return chosen
