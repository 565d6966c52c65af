"""Pixels out of libavcodec: planes as they are, RGB and gray as PyAV converts them."""

import re
from dataclasses import replace
from io import BytesIO

import av
import numpy as np
import pytest

from marey.errors import DecodeError
from marey.video.clips import RECIPES, ClipRecipe, make_clip
from marey.video.decode.frame import PixelOutput, output_shape
from marey.video.decode.pyav import PyAvDecoder, PyAvPicture, _sample_layout
from marey.video.h264.avcc import build_avcc, parse_avcc
from marey.video.h264.sps import build_sps, parse_sps
from marey.video.index.frames import PictureFormat

SIZES_AND_FORMATS = [
    "default",
    "cropped",
    "cropped_odd",
    "chroma_422",
    "monochrome",
    "ten_bits",
    "ten_bits_444",
    "full_range_709",
    "limited_709",
    "mbaff",
]


def first_frame(data: bytes) -> av.VideoFrame:
    with av.open(BytesIO(data), "r") as container:
        container.streams.video[0].codec_context.thread_count = 1
        return next(container.decode(video=0))


def first_picture(coded, width: int, height: int):
    decoder = PyAvDecoder()
    decoder.start(coded.extradata, width=width, height=height)
    return [*send(decoder, 0, padded(coded.packets[0])), *decoder.drain()][0]


def send(decoder: PyAvDecoder, sample: int, packet) -> list[PyAvPicture]:
    return decoder.send(decoder.prepare(sample, packet))


def padded(packet: bytes) -> memoryview:
    return memoryview(packet + bytes(64))[: len(packet)]


def written(picture, output: PixelOutput) -> np.ndarray:
    shape = output_shape(picture.format, output)
    room = np.full(shape.frame_bytes + 16, 0xA5, np.uint8)
    picture.write(output, room.data[: shape.frame_bytes])
    assert (room[shape.frame_bytes :] == 0xA5).all(), "written past the end"
    return room[: shape.frame_bytes]


def rows_of(frame: av.VideoFrame, channels: int) -> np.ndarray:
    plane = frame.planes[0]
    rows = np.frombuffer(memoryview(plane), np.uint8).reshape(plane.height, plane.line_size)
    return rows[:, : plane.width * channels]


@pytest.mark.parametrize("name", SIZES_AND_FORMATS)
def test_full_size_rgb_is_what_pyav_gives(name, clip, samples):
    recipe = RECIPES[name]
    expected = first_frame(clip(name)).to_ndarray(format="rgb24")
    picture = first_picture(samples(name), recipe.width, recipe.height)
    assert np.array_equal(written(picture, PixelOutput()), expected.reshape(-1))


@pytest.mark.parametrize("size", [(48, 64), (49, 63), (192, 320), (1, 1), (97, 5)])
@pytest.mark.parametrize("name", ["default", "cropped_odd", "ten_bits", "full_range_709"])
def test_resized_rgb_is_what_pyav_gives(name, size, clip, samples):
    height, width = size
    expected = first_frame(clip(name)).reformat(width, height, "rgb24")
    picture = first_picture(samples(name), RECIPES[name].width, RECIPES[name].height)
    found = written(picture, PixelOutput("rgb24", height, width))
    assert np.array_equal(found.reshape(height, -1), rows_of(expected, 3))


@pytest.mark.parametrize("name", SIZES_AND_FORMATS)
def test_gray_is_what_swscale_gives(name, clip, samples):
    recipe = RECIPES[name]
    expected = first_frame(clip(name)).reformat(format="gray")
    picture = first_picture(samples(name), recipe.width, recipe.height)
    found = written(picture, PixelOutput("gray8"))
    assert np.array_equal(found.reshape(recipe.height, -1), rows_of(expected, 1))


@pytest.mark.parametrize("name", SIZES_AND_FORMATS)
def test_yuv420p_is_what_swscale_gives(name, clip, samples):
    recipe = RECIPES[name]
    expected = first_frame(clip(name)).reformat(format="yuv420p")
    planes = [
        np.frombuffer(memoryview(p), np.uint8)
        .reshape(p.height, p.line_size)[:, : p.width]
        .reshape(-1)
        for p in expected.planes
    ]
    picture = first_picture(samples(name), recipe.width, recipe.height)
    assert np.array_equal(written(picture, PixelOutput("yuv420p")), np.concatenate(planes))


def test_matrix_and_range_come_from_the_stream(clip, samples):
    picture = first_picture(samples("limited_709"), 160, 96)
    frame = first_frame(clip("limited_709"))
    as_601 = rows_of(frame.reformat(format="rgb24", src_colorspace="ITU601"), 3)
    as_709 = rows_of(frame.reformat(format="rgb24", src_colorspace="ITU709"), 3)
    found = written(picture, PixelOutput()).reshape(96, -1)
    assert np.array_equal(found, as_709)
    assert not np.array_equal(found, as_601)


def test_full_range_is_not_stretched(clip, samples):
    full = written(first_picture(samples("full_range_709"), 160, 96), PixelOutput())
    limited = written(first_picture(samples("limited_709"), 160, 96), PixelOutput())
    assert not np.array_equal(full, limited)


def test_native_planes_above_eight_bits_are_little_endian(samples, truth):
    picture = first_picture(samples("ten_bits"), 160, 96)
    planes = written(picture, PixelOutput("native"))
    assert planes.tobytes() == truth("ten_bits")[0].planes
    assert planes.view("<u2").max() < 1024


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("default", PictureFormat(160, 96, 8, 8, 1)),
        ("cropped_odd", PictureFormat(161, 97, 8, 8, 3)),
        ("ten_bits_422", PictureFormat(160, 96, 10, 10, 2)),
        ("monochrome", PictureFormat(160, 96, 8, 8, 1)),
        ("full_range_709", PictureFormat(160, 96, 8, 8, 1)),
    ],
)
def test_format_of_a_picture(name, expected, samples):
    assert first_picture(samples(name), expected.width, expected.height).format == expected


@pytest.mark.parametrize(
    ("name", "layout"),
    [
        ("yuv420p", (1, 8)),
        ("yuvj422p", (2, 8)),
        ("yuv420p14le", (1, 14)),
        ("gbrp", (3, 8)),
        ("gbrp10le", (3, 10)),
    ],
)
def test_sample_layouts_that_h264_has(name, layout):
    assert _sample_layout(name) == layout


@pytest.mark.parametrize("name", ["nv12", "gray", "yuv410p", "yuv420p10be", "cuda"])
def test_sample_layouts_that_h264_has_not(name):
    with pytest.raises(DecodeError, match=name):
        _sample_layout(name)


def test_room_of_another_size_is_refused(samples):
    picture = first_picture(samples("default"), 160, 96)
    with pytest.raises(ValueError, match="expected room for 46080 bytes, got 46081"):
        picture.write(PixelOutput(), memoryview(bytearray(46081)))


def test_container_may_show_less_than_the_macroblocks(samples):
    # A stream of 160x96 without cropping, in a container that says 150x90.
    picture = first_picture(samples("default"), 150, 90)
    assert (picture.format.width, picture.format.height) == (150, 90)


def test_empty_samples_are_passed_over(samples):
    decoder = PyAvDecoder()
    decoder.start(samples("zero_latency").extradata, width=160, height=96)
    pictures = send(decoder, 0, padded(samples("zero_latency").packets[0]))
    assert send(decoder, 1, b"") == []
    pictures += send(decoder, 2, padded(samples("zero_latency").packets[1]))
    pictures += decoder.drain()
    assert [p.sample for p in pictures] == [0, 2]


def test_samples_of_parameter_sets_alone_are_passed_over(samples, damage):
    coded = samples("avc3")
    decoder = PyAvDecoder()
    decoder.start(coded.extradata, width=160, height=96)
    sets_alone = damage.without_types(coded.packets[0], 5, 6)
    assert send(decoder, 0, padded(sets_alone)) == []
    pictures = [*send(decoder, 1, padded(coded.packets[0])), *decoder.drain()]
    assert [(p.sample, p.damaged) for p in pictures] == [(1, False)]


def test_slices_without_a_header_are_an_error():
    decoder = PyAvDecoder()
    decoder.start(b"", width=0, height=0)
    with pytest.raises(DecodeError, match="sample 7: libavcodec"):
        send(decoder, 7, padded(bytes.fromhex("00000001 65 ff ff ff")))


def test_parameter_sets_sent_in_one_run_do_not_outlive_it(samples, planes_of):
    """A sample that replaces the parameter sets of the stream belongs to its run alone."""
    coded = samples("default")
    other = make_clip(
        ClipRecipe("other sets under the same ids", tag="avc3", x264="repeat-headers=1:cabac=0")
    )
    with av.open(BytesIO(other), "r") as container:
        intruder = bytes(next(container.demux(video=0)))
    decoder = PyAvDecoder()

    def planes_of_first() -> bytes:
        decoder.start(coded.extradata, width=160, height=96)
        picture = [*send(decoder, 0, padded(coded.packets[0])), *decoder.drain()][0]
        return written(picture, PixelOutput("native")).tobytes()

    before = planes_of_first()
    context = decoder._context
    decoder.start(coded.extradata, width=160, height=96)
    send(decoder, 0, padded(intruder))
    assert planes_of_first() == before
    assert decoder._context is context, "the context was not reused: the test shows nothing"


def test_pictures_above_every_level_are_refused_before_they_are_allocated(samples, monkeypatch):
    from marey.video.decode import pyav

    monkeypatch.setitem(pyav._OPTIONS, "max_pixels", str(160 * 96 - 1))
    decoder = PyAvDecoder()
    coded = samples("default")
    decoder.start(coded.extradata, width=0, height=0)
    with pytest.raises(DecodeError):
        send(decoder, 0, padded(coded.packets[0]))


def decoded(decoder: PyAvDecoder, extradata: bytes, packets) -> dict[int, bytes]:
    decoder.start(extradata, width=160, height=96)
    pictures = [p for i, packet in enumerate(packets) for p in send(decoder, i, padded(packet))]
    pictures += decoder.drain()
    return {p.sample: written(p, PixelOutput("native")).tobytes() for p in pictures}


def test_faults_of_an_old_encoder_do_not_outlive_its_stream(samples):
    """libavcodec undoes faults of the x264 that a 4:4:4 stream names, and goes on doing so."""
    coded = samples("chroma_444")
    by_old_x264 = [
        re.sub(rb"x264 - core \d+", b"x264 - core 140", p) for p in coded.packets[:5]
    ]
    decoder = PyAvDecoder()
    true = decoded(decoder, coded.extradata, coded.packets[:5])
    assert decoded(decoder, coded.extradata, by_old_x264) != true, "the test shows nothing"
    unnamed = [by_old_x264[0][4 + int.from_bytes(by_old_x264[0][:4]) :], *coded.packets[1:5]]
    assert decoded(decoder, coded.extradata, unnamed) == true


def test_no_picture_is_dropped_where_the_stream_states_no_reorder_depth(samples, damage):
    coded = samples("default")
    config = parse_avcc(coded.extradata)
    assert parse_sps(config.sps[0]).vui is not None
    silent = build_sps(replace(parse_sps(config.sps[0]), vui=None))
    extradata = build_avcc(replace(config, sps=(silent,)))
    packets = [damage.without_types(packet, 7) for packet in coded.packets]
    found = decoded(PyAvDecoder(), extradata, packets)
    assert sorted(found) == list(range(len(packets)))
