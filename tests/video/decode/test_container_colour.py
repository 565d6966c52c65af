"""Colours that only the container states: pixels follow them, as in a full decode."""

from __future__ import annotations

from collections.abc import Callable
from io import BytesIO

import av
import numpy as np
import pytest

from marey.tests.support.remaking import remade
from marey.video.decode.frame import PixelFormat, PixelOutput
from marey.video.decode.isolated import IsolatedDecoderPool
from marey.video.decode.pool import DecoderPool
from marey.video.decode.run import decode_frames
from marey.video.index.build import build_frame_index
from marey.video.index.frames import ContainerColour
from marey.video.mp4.entries import build_avc_entry
from marey.video.mp4.movie import read_movie
from marey.video.plan import plan_read
from marey.video.source import BytesReader

FRAMES = [0, 7, 3]
COLOURS = [(2, 2, 1, False), (1, 1, 1, True), (9, 16, 9, False), (2, 2, 6, True)]


def with_colour(data: bytes, colour: tuple[int, int, int, bool] | None) -> bytes:
    """The clip in a file whose sample entry states colours."""
    (track,) = read_movie(BytesReader(data)).tracks
    avcc = track.descriptions[0].avcc
    assert avcc is not None
    entry = build_avc_entry(bytes(avcc), width=160, height=96, colour=colour)
    return remade(data, descriptions=(entry,))


def by_ffmpeg(data: bytes, pixel_format: str) -> list[bytes]:
    with av.open(BytesIO(data)) as container:
        frames = list(container.decode(video=0))
        form = {"rgb24": "rgb24", "gray8": "gray"}[pixel_format]
        return [f.to_ndarray(format=form).tobytes() for f in frames]


@pytest.mark.parametrize(
    ("pool", "colour", "pixel_format"),
    [
        (IsolatedDecoderPool, COLOURS[1], "rgb24"),
        *((DecoderPool, c, f) for c in (None, *COLOURS) for f in ("rgb24", "gray8")),
    ],
)
def test_pixels_follow_the_container(
    clip: Callable[[str], bytes],
    colour: tuple[int, int, int, bool] | None,
    pixel_format: PixelFormat,
    pool: type[DecoderPool | IsolatedDecoderPool],
) -> None:
    data = with_colour(clip("closed_gops"), colour)
    index = build_frame_index(BytesReader(data)).index
    assert index.colour == (colour and ContainerColour(*colour[2:]))
    plan = plan_read(index, np.array(FRAMES))
    buffers = BytesReader(data).read(plan.ranges)
    decoders = pool()
    batch = decode_frames(plan, buffers, index, PixelOutput(pixel_format), decoders=decoders)
    decoders.close()
    truth = by_ffmpeg(data, pixel_format)
    for frame in batch:
        assert frame.data.tobytes() == truth[frame.frame_index]
