"""Frames of a file as pictures, a bounded number at a time."""

from __future__ import annotations

from collections.abc import Iterator

from ...errors import InputError
from ...video.decode.frame import Frame, PixelOutput, output_shape
from ...video.decode.pool import DecoderPool
from ...video.decode.run import decode_frames
from ...video.index.frames import FrameIndex, Int64s
from ...video.plan import plan_read
from ...video.source import Reader
from .contact_sheet import NumberedPicture, Pixels, contact_sheet

_BUFFER_BYTES = 64 << 20
# A sheet is one picture in memory.
_MOST_ON_SHEET = 1000
_SHEET_ROWS = 120
_SHEET_COLUMNS = 8


def read_stills(
    reader: Reader, index: FrameIndex, frames: Int64s, output: PixelOutput
) -> Iterator[Frame]:
    """Decode frames (ascending, each once) and give them one by one.

    Raises:
        VideoError: A frame cannot be had exactly.
    """
    with DecoderPool() as decoders:
        for part in _parts(index, frames, output):
            plan = plan_read(index, part)
            yield from decode_frames(
                plan, reader.read(plan.ranges), index, output, decoders=decoders
            )


def check_fits_on_sheet(count: int) -> None:
    """Refuse more frames than a sheet has room for.

    Raises:
        InputError: There are.
    """
    if count > _MOST_ON_SHEET:
        raise InputError(f"a sheet of {count} frames: there is room for {_MOST_ON_SHEET}")


def sheet_of_stills(reader: Reader, index: FrameIndex, frames: Int64s) -> Pixels:
    """Frames (ascending, each once) on one picture, eight in a row, each small and numbered."""
    height = min(_SHEET_ROWS, index.frame_format(int(frames[0])).height)
    pictures = [
        NumberedPicture(still.frame_index, still.to_numpy())
        for still in read_stills(reader, index, frames, PixelOutput(height=height))
    ]
    starts = range(0, len(pictures), _SHEET_COLUMNS)
    return contact_sheet([pictures[at : at + _SHEET_COLUMNS] for at in starts])


def _parts(index: FrameIndex, frames: Int64s, output: PixelOutput) -> Iterator[Int64s]:
    """Stretches of frames that are of one size and fit in the buffer."""
    start = 0
    shape = None
    room = 0
    for i, frame in enumerate(frames.tolist()):
        found = output_shape(index.frame_format(frame), output)
        if found != shape or not room:
            if i > start:
                yield frames[start:i]
            start, shape = i, found
            room = max(1, _BUFFER_BYTES // found.frame_bytes)
        room -= 1
    if len(frames) > start:
        yield frames[start:]
