"""Requests checked against frame indexes: what a row will hold, and how many bytes it takes.

After this a row's cost is known although not a byte of media was read.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from ..errors import FrameRangeError, MareyError, RowTooLargeError, VideoError
from ..video.decode.frame import OutputShape, PixelOutput, output_shape
from ..video.index.clip import ClipIndex
from ..video.index.frames import FrameIndex, Int64s
from .context import QueryContext
from .fault import Fault
from .requests import NULL_FRAME, ReadRequest, RemuxRequest, Request, Slot, read_requests


@dataclass(frozen=True, slots=True)
class WantedFrames:
    """A `video_read` that can be kept."""

    table: int
    """Number of the video column."""
    row: int
    """The handle's row."""
    index: ClipIndex
    """Of the clip."""
    frames: Int64s
    """Frame numbers, in order, duplicates kept; all of them are there."""
    output: PixelOutput
    """What the pixels are to be."""
    shape: OutputShape
    """What each frame will be."""

    @property
    def output_bytes(self) -> int:
        """Bytes of all its frames."""
        return len(self.frames) * self.shape.frame_bytes


@dataclass(frozen=True, slots=True)
class WantedFile:
    """A `video_remux` that can be kept."""

    table: int
    """Number of the video column."""
    row: int
    """The handle's row."""
    index: FrameIndex
    """Of the whole clip."""
    frames: Int64s
    """Frame numbers as asked for; all of them are there."""
    audio: bool
    """Whether the sound goes along."""

    @property
    def output_bytes(self) -> int:
        """About the bytes of its file: those of the samples of its frames, and then some."""
        samples = self.index.frame_sample[np.unique(self.frames)]
        return 2 * int(self.index.size[samples].sum()) + 64 * len(samples)


Wanted = WantedFrames | WantedFile


@dataclass(frozen=True, slots=True)
class Refused:
    """A request that cannot be kept."""

    table: int
    """Number of the video column."""
    row: int
    """The handle's row."""
    fault: Fault
    """Why."""


def check_requests(
    batch: pa.RecordBatch, slots: Sequence[Slot], context: QueryContext, *, max_row_bytes: int
) -> list[tuple[Wanted | Refused | None, ...]]:
    """For each row of a plan's result, what each slot will hold; None where that is null.

    The frame indexes of all rows are loaded by one read a table.
    """
    columns = [read_requests(batch, slot) for slot in slots]
    asked = [request for column in columns for request in column if request is not None]
    indexes = iter(context.load([(request.table, request.row) for request in asked]))
    checked = [
        [None if request is None else _check(request, next(indexes)) for request in column]
        for column in columns
    ]
    return [_check_size(row, max_row_bytes) for row in zip(*checked, strict=True)]


def _check(request: Request, index: ClipIndex | MareyError | None) -> Wanted | Refused | None:
    if index is None:
        return None
    if isinstance(index, MareyError):
        return Refused(request.table, request.row, Fault(index))
    frames = np.arange(index.frame_count) if request.frames is None else request.frames
    outside = frames[(frames < 0) | (frames >= index.frame_count)]
    if len(outside):
        first = int(outside[0])
        error = (
            FrameRangeError("a frame number in the list is null")
            if first == NULL_FRAME
            else _range_error(index, outside)
        )
        return Refused(request.table, request.row, Fault(error, _shown_frame(first)))
    try:
        if isinstance(request, RemuxRequest):
            return WantedFile(request.table, request.row, index.whole(), frames, request.audio)
        output, shape = _shape(index, frames, request)
    except MareyError as error:
        return Refused(request.table, request.row, Fault(error))
    return WantedFrames(request.table, request.row, index, frames, output, shape)


def _shown_frame(frame: int) -> int | None:
    return frame if 0 <= frame < 1 << 32 else None


def _range_error(index: ClipIndex, frames: Int64s) -> MareyError:
    try:
        index.check_frames(frames)
    except FrameRangeError as error:
        return error
    raise AssertionError("frames are outside the index and inside it")


def _shape(
    index: ClipIndex, frames: Int64s, request: ReadRequest
) -> tuple[PixelOutput, OutputShape]:
    output = PixelOutput(
        pixel_format=request.pixel_format,  # type: ignore[arg-type]  # PixelOutput checks it
        height=request.height,
        width=request.width,
    )
    formats = index.formats(frames)
    shapes = dict.fromkeys(output_shape(form, output) for form in formats)
    if len(shapes) > 1:
        sizes = " and ".join(f"{form.width}x{form.height}" for form in formats[:2])
        raise VideoError(
            f"the frames asked for differ in size ({sizes}): give height and width, or read "
            "frames of one size at a time"
        )
    return output, next(iter(shapes))


def _check_size(
    row: tuple[Wanted | Refused | None, ...], max_row_bytes: int
) -> tuple[Wanted | Refused | None, ...]:
    size = sum(w.output_bytes for w in row if isinstance(w, WantedFrames | WantedFile))
    if size <= max_row_bytes:
        return row
    return refuse_large_row(row, f"{size:,} bytes for its frames", max_row_bytes)


def refuse_large_row(
    row: tuple[Wanted | Refused | None, ...], needed: str, max_row_bytes: int
) -> tuple[Wanted | Refused | None, ...]:
    """What a row will hold that needs more memory than is allowed: nothing."""
    error = RowTooLargeError(
        f"the row needs {needed}, max_row_bytes is {max_row_bytes:,}: "
        "ask for fewer or smaller frames a row, or allow more in EngineConfig"
    )
    return tuple(None if w is None else _too_large(w, error) for w in row)


def _too_large(wanted: Wanted | Refused, error: RowTooLargeError) -> Refused:
    return (
        wanted
        if isinstance(wanted, Refused)
        else Refused(wanted.table, wanted.row, Fault(error))
    )
