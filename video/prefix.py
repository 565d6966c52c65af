"""The lower rate of a file that is laid out for it, as a file of its own.

Samples are taken as they are: the result is a new moov and the first bytes of mdat.
"""

from __future__ import annotations

import os
from contextlib import ExitStack, suppress
from fractions import Fraction

import numpy as np

from ..errors import UnsupportedError
from .cadence.ladder import Rate, parse_rate, show_rate, step_to
from .cadence.tracks import CodedFrames, rate_track
from .index.build import build_frame_index
from .index.cadences import cadence_steps, ticks_a_frame
from .index.frames import FrameIndex, SampleFlag
from .mp4.movie import Track, read_movie
from .mp4.write import build_mp4
from .source import ByteRange, BytesReader, FileReader, Reader
from .streams import choose_track


def prefix(file: bytes | str | os.PathLike[str], fps: Rate) -> bytes:
    """A playable MP4 of a lower rate that a file holds.

    Args:
        file: Its bytes, or its path.
        fps: A rate of its `cadences`, or the full one.

    Returns:
        The new file: the same pictures, coded as they were, each on screen until the next.

    Raises:
        UnsupportedError: The file does not hold that rate; the message names those it does.
        CorruptVideoError: It is no video that can be read.
    """
    with ExitStack() as stack:
        reader: Reader = (
            BytesReader(file)
            if isinstance(file, bytes)
            else stack.enter_context(FileReader(file))
        )
        index = build_frame_index(reader).index
        step = _step(index, fps)
        track = choose_track(read_movie(reader))
        clip = _coded_frames(index, track)
        spec = rate_track(clip, step)
        layout = build_mp4([spec], timescale=spec.timescale)
        start = int(index.offset.min())
        payload = reader.read([ByteRange(start, start + layout.payload_bytes)])[0]
        return b"".join((layout.head, layout.mdat_header, payload))


def _step(index: FrameIndex, fps: Rate) -> int:
    ticks = ticks_a_frame(index)
    steps = cadence_steps(index) if index.container == "mp4" else []
    if ticks is None or not steps:
        raise UnsupportedError(
            f"rate {show_rate(parse_rate(fps))}: the file holds no lower rate that can be read "
            "alone (marey video transcode makes files that do)"
        )
    full = Fraction(index.timebase.denominator, index.timebase.numerator * ticks)
    if parse_rate(fps) == full:
        return 1
    step = None
    with suppress(UnsupportedError):
        step = step_to(full, fps)
    if step not in steps:
        held = ", ".join(show_rate(full / s) for s in (1, *steps))
        raise UnsupportedError(f"rate {show_rate(parse_rate(fps))}: the file holds {held}")
    return step


def _coded_frames(index: FrameIndex, track: Track) -> CodedFrames:
    ticks = ticks_a_frame(index)
    assert ticks is not None  # a file with lower rates has a constant one
    shown = np.empty(index.sample_count, np.int64)
    shown[index.frame_sample] = np.arange(index.frame_count)
    return CodedFrames(
        shown=shown,
        sizes=index.size,
        positions=index.offset - int(index.offset.min()),
        sync=(index.flags & SampleFlag.IDR) != 0,
        entry=track.descriptions[0].entry,
        rate=Fraction(index.timebase.denominator, index.timebase.numerator * ticks),
        width=track.width,
        height=track.height,
        matrix=track.matrix,
    )
