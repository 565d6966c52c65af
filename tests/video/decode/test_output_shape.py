"""What a read's output looks like: sizes, bytes, and what is refused."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from marey.errors import FrameIndexError, InputError, UnsupportedError
from marey.video.decode.frame import (
    MAX_SIDE,
    FrameBatch,
    OutputShape,
    PixelOutput,
    output_shape,
    plane_sizes,
)
from marey.video.index.frames import PictureFormat

HD = PictureFormat(1280, 720, 8, 8, 1)


def odd(chroma_format_idc: int) -> PictureFormat:
    return PictureFormat(161, 97, 8, 8, chroma_format_idc)


sides = st.integers(1, 4096)


@pytest.mark.parametrize(
    ("source", "output", "height", "width", "size"),
    [
        (HD, PixelOutput(), 720, 1280, 720 * 1280 * 3),
        (HD, PixelOutput("gray8"), 720, 1280, 720 * 1280),
        (HD, PixelOutput("yuv420p"), 720, 1280, 720 * 1280 * 3 // 2),
        (HD, PixelOutput("native"), 720, 1280, 720 * 1280 * 3 // 2),
        (HD, PixelOutput(width=224), 126, 224, 126 * 224 * 3),
        (HD, PixelOutput(height=1), 1, 2, 6),
        (HD, PixelOutput(width=1), 1, 1, 3),
        (HD, PixelOutput("native", height=720), 720, 1280, 720 * 1280 * 3 // 2),
        (
            PictureFormat(161, 97, 8, 8, 0),
            PixelOutput("native"),
            97,
            161,
            97 * 161 + 2 * 49 * 81,
        ),
        (
            PictureFormat(161, 97, 8, 8, 1),
            PixelOutput("native"),
            97,
            161,
            97 * 161 + 2 * 49 * 81,
        ),
        (
            PictureFormat(161, 97, 8, 8, 2),
            PixelOutput("native"),
            97,
            161,
            97 * 161 + 2 * 97 * 81,
        ),
        (odd(3), PixelOutput("native"), 97, 161, 97 * 161 * 3),
        (PictureFormat(16, 16, 10, 10, 1), PixelOutput("native"), 16, 16, 16 * 16 * 3),
        (PictureFormat(16, 16, 10, 10, 1), PixelOutput("yuv420p"), 16, 16, 16 * 16 * 3 // 2),
        (PictureFormat(3, 3, 8, 8, 3), PixelOutput("yuv420p"), 3, 3, 9 + 2 * 4),
    ],
)
def test_size_of_a_frame(source, output, height, width, size):
    shape = output_shape(source, output)
    assert (shape.height, shape.width, shape.frame_bytes) == (height, width, size)


def test_rgb_has_three_channels_and_planes_have_none():
    assert output_shape(HD, PixelOutput()).frame_shape == (720, 1280, 3)
    for pixel_format in ("gray8", "yuv420p", "native"):
        assert output_shape(HD, PixelOutput(pixel_format)).frame_shape == (720, 1280)


@given(sides, sides, sides)
def test_one_side_alone_keeps_the_aspect_ratio(height, width, wanted):
    source = PictureFormat(width, height, 8, 8, 1)
    exact = height * wanted / width
    if exact > MAX_SIDE:
        with pytest.raises(UnsupportedError, match="in proportion"):
            output_shape(source, PixelOutput(width=wanted))
        return
    shape = output_shape(source, PixelOutput(width=wanted))
    assert shape.width == wanted
    assert abs(shape.height - max(1, exact)) <= 0.5


@given(sides, sides, st.integers(0, 3))
def test_planes_cover_the_picture(height, width, chroma_format_idc):
    luma, blue, red = plane_sizes(height, width, chroma_format_idc)
    assert luma == (height, width)
    assert blue == red
    rows, columns = blue
    assert rows in (height, math.ceil(height / 2))
    assert columns in (width, math.ceil(width / 2))


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"height": 0}, InputError, "height 0: a picture has at least 1 pixel a side"),
        ({"width": -4}, InputError, "width -4: a picture has at least 1 pixel a side"),
        ({"width": 20_000}, UnsupportedError, "width 20000: pictures have at most 16384"),
        (
            {"pixel_format": "rgb"},
            InputError,
            "pixel_format 'rgb': expected one of rgb24, gray8, yuv420p, native",
        ),
    ],
)
def test_sizes_and_formats_that_are_refused(arguments, error, message):
    with pytest.raises(error) as caught:
        PixelOutput(**arguments)
    assert str(caught.value) == message


def test_native_planes_are_not_resized():
    with pytest.raises(UnsupportedError, match="own 1280x720 planes, 224x224 was asked for"):
        output_shape(HD, PixelOutput("native", 224, 224))


def test_index_that_says_pictures_have_no_pixels():
    with pytest.raises(FrameIndexError, match="0x16"):
        output_shape(PictureFormat(0, 16, 8, 8, 1), PixelOutput(height=4))


def batch(shape: OutputShape, count: int = 3) -> FrameBatch:
    return FrameBatch(
        np.arange(count),
        np.arange(count) / 4,
        np.full(count, 0.25),
        np.arange(count * shape.frame_bytes, dtype=np.uint8).reshape(count, -1),
        shape,
    )


def test_batch_is_a_sequence_of_views():
    frames = batch(OutputShape(2, 4, 24, (2, 4, 3)))
    assert [f.frame_index for f in frames] == [0, 1, 2]
    assert frames[-1].pts_seconds == 0.5
    assert frames[1].to_numpy().shape == (2, 4, 3)
    assert frames.to_numpy().shape == (3, 2, 4, 3)
    assert np.shares_memory(frames[1:][0].to_numpy(), frames.data)
    assert frames[1:].frame_indices.tolist() == [1, 2]


def test_planes_of_several_sizes_stay_packed():
    frames = batch(OutputShape(4, 4, 24, (4, 4)))
    assert frames.to_numpy().shape == (3, 24)
    assert frames[0].to_numpy().shape == (24,)


def test_repr_shows_shapes_and_no_pixels():
    frames = batch(OutputShape(2, 4, 24, (2, 4, 3)))
    assert repr(frames) == "FrameBatch(3 frames, 2x4x3, 24 bytes each)"
    assert repr(frames[2]) == "Frame(2, 0.500 s, 2x4x3, 24 bytes each)"
