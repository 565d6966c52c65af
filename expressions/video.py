"""The functions on videos: `se.video.read(...)` and the rest.

Each builds one `Call`; types and constants are checked when the scan is built. The same
functions exist in SQL as `video_read` and so on. A selection (`uniform`, `random_clip`,
`every`, `at`, `range`, `keyframes`) gives a list of frame numbers, which `read` and `remux`
take, and which can be a column of its own.
"""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from typing import Literal, TypeAlias

import numpy as np
import numpy.typing as npt

from ..errors import ExpressionError
from .functions import FUNCTIONS
from .node import Call, Expr, as_expr

FrameNumbers: TypeAlias = Expr | Sequence[int] | npt.NDArray[np.integer]
"""Frame numbers for every row alike, or an expression that gives each row its own."""

Times: TypeAlias = Expr | float | Sequence[float] | npt.NDArray[np.floating]
"""Seconds, likewise; one time stands for a list of one."""

PixelFormat: TypeAlias = Literal["rgb24", "gray8", "yuv420p", "native"]
AtMode: TypeAlias = Literal["floor", "nearest", "ceil", "exact"]


def read(
    video: Expr,
    frame_indices: FrameNumbers | None = None,
    *,
    height: int | Expr | None = None,
    width: int | Expr | None = None,
    pixel_format: PixelFormat | Expr = "rgb24",
) -> Expr:
    """The pixels of the chosen frames.

    Args:
        video: A video column.
        frame_indices: Frame numbers in display order, from 0; order and duplicates are kept.
            Every frame where they are left out.
        height: Rows of pixels; one of height and width alone keeps the aspect ratio, neither
            the size.
        width: Pixels a row.
        pixel_format: `native` gives the stream's own planes.

    Returns:
        `struct<frames: list<struct<data, frame_index, pts_seconds, duration_seconds>>,
        frame_shape>`.
    """
    return _call("video_read", video, frame_indices, height, width, pixel_format)


def remux(
    video: Expr, frame_indices: FrameNumbers | None = None, *, audio: bool | Expr = False
) -> Expr:
    """A playable MP4 of the chosen frames in display order, each once, without encoding anew.

    Args:
        video: A video column.
        frame_indices: Frame numbers; every frame where they are left out.
        audio: Whether to keep the sound. The frames must follow each other without a gap, else
            the row fails; a clip without sound gives a file without it.
    """
    return _call("video_remux", video, frame_indices, audio)


def uniform(video: Expr, n: int | Expr, jitter_seed: int | Expr | None = None) -> Expr:
    """`n` frames spread evenly: the middle frame of each of `n` equal parts of the clip.

    A clip of fewer frames gives each of them once.

    Args:
        video: A video column.
        n: How many.
        jitter_seed: Takes a frame of each part by chance instead, drawn as `random_clip` does.
    """
    return _call("video_uniform", video, n, jitter_seed)


def random_clip(
    video: Expr, frames: int | Expr, stride: int | Expr = 1, seed: int | Expr = 0
) -> Expr:
    """Every `stride`-th frame from one drawn by chance on, `frames` of them.

    What is drawn depends on `seed`, the epoch of the data loader (0 elsewhere) and the stored
    row, and on nothing else. A clip that is too short gives the frames that it has.

    Args:
        video: A video column.
        frames: How many.
        stride: From one to the next.
        seed: Another one, other clips.
    """
    return _call("video_random_clip", video, frames, stride, seed)


def every(video: Expr, fps: float | Fraction | Expr) -> Expr:
    """The frame on screen at each tick of a clock of `fps` ticks a second.

    The clock starts with the first frame. Ticks are exact: 29.97 means 30000/1001, 23.976 means
    24000/1001. Above the clip's own rate frames repeat.
    """
    return _call("video_every", video, fps)


def at(video: Expr, seconds: Times, mode: AtMode | Expr = "floor") -> Expr:
    """The frame at each time.

    Args:
        video: A video column.
        seconds: Times on the presentation timeline, as `pts_seconds` gives them.
        mode: `floor` takes the frame on screen (an error of the row before the first), `ceil`
            the next one to begin (an error after the last), `nearest` the one whose beginning
            is nearest, the earlier of two, and `exact` the one that begins at that very time,
            an error where none does.
    """
    return _call("video_at", video, seconds, mode)


def range(
    video: Expr, start: int | Expr, stop: int | Expr | None = None, step: int | Expr = 1
) -> Expr:
    """Frames as a Python slice takes them.

    Negative numbers count from the end, and what lies outside the clip is left out.

    Args:
        video: A video column.
        start: The first frame.
        stop: The frame to stop before; as far as there are frames where it is left out.
        step: From one to the next; a negative one goes backwards.
    """
    return _call("video_range", video, start, stop, step)


def keyframes(video: Expr) -> Expr:
    """The frames at which decoding can start."""
    return _call("video_keyframes", video)


def _call(name: str, *values: object) -> Call:
    function = FUNCTIONS[name]
    arguments: list[Expr | None] = []
    for parameter, value in zip(function.parameters, values, strict=True):
        try:
            left_out = value is None and not parameter.required
            arguments.append(None if left_out else as_expr(value))
        except ExpressionError as error:
            where = f"video.{function.python_name}: {parameter.name}"
            raise ExpressionError(f"{where}: {error}") from None
    return Call(name, tuple(arguments))
