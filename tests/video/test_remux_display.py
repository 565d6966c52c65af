"""A remuxed file is shown as the clip is: turned, with its pixel aspect, crop and colours."""

from __future__ import annotations

from collections.abc import Callable
from io import BytesIO
from typing import Any

import av
import numpy as np
import pytest

from marey.tests.support.remaking import remade
from marey.video.index.build import build_frame_index
from marey.video.mp4.box import build_box
from marey.video.mp4.entries import build_avc_entry
from marey.video.mp4.headers import IDENTITY_MATRIX, Matrix, MovieHeader, build_mvhd
from marey.video.mp4.movie import read_movie
from marey.video.remux import remux_frames
from marey.video.source import BytesReader

FRAMES = np.array([3, 7, 8])
A_QUARTER_LEFT: Matrix = (0, -65536, 0, 65536, 0, 0, 0, 160 << 16, 1 << 30)
UPSIDE_DOWN: Matrix = (-65536, 0, 0, 0, -65536, 0, 160 << 16, 96 << 16, 1 << 30)
CLAP = build_box("clap", b"".join(n.to_bytes(4) for n in (140, 1, 90, 1, 4, 2, 0, 1)))
LOOKS = {
    "as it is coded": {},
    "turned": {"matrix": A_QUARTER_LEFT},
    "upside down": {"matrix": UPSIDE_DOWN},
    "wide pixels": {"pixel_aspect": (16, 11), "width": 232.5},
    "colours": {"colour": (9, 16, 9, False)},
    "full range": {"colour": (1, 13, 1, True), "pixel_aspect": (1, 1)},
}


def looking(data: bytes, look: dict[str, Any]) -> bytes:
    avcc = read_movie(BytesReader(data)).tracks[0].descriptions[0].avcc
    assert avcc is not None
    entry_fields = {k: v for k, v in look.items() if k in ("pixel_aspect", "colour")}
    track_fields = {k: v for k, v in look.items() if k not in entry_fields}
    entry = build_avc_entry(avcc, width=160, height=96, **entry_fields)
    return remade(data, descriptions=(entry,), **track_fields)


def remuxed(data: bytes) -> bytes:
    index = build_frame_index(BytesReader(data)).index
    return remux_frames(index, FRAMES, BytesReader(data))


def as_ffmpeg_shows(data: bytes) -> tuple[Any, list[bytes]]:
    with av.open(BytesIO(data)) as container:
        frames = list(container.decode(video=0))
        stream = container.streams.video[0]
        first = frames[0]
        form = (
            stream.sample_aspect_ratio,
            stream.display_aspect_ratio,
            first.rotation,
            first.color_primaries,
            first.color_trc,
            first.colorspace,
            first.color_range,
            (first.width, first.height),
        )
        return form, [frame.to_ndarray(format="rgb24").tobytes() for frame in frames]


@pytest.mark.parametrize("look", LOOKS.values(), ids=LOOKS)
def test_ffmpeg_shows_it_the_same(look: dict[str, Any], clip: Callable[[str], bytes]) -> None:
    data = looking(clip("closed_gops"), look)
    form, frames = as_ffmpeg_shows(data)
    assert as_ffmpeg_shows(remuxed(data)) == (form, [frames[k] for k in FRAMES])


def test_what_the_movie_turns_is_turned(clip: Callable[[str], bytes]) -> None:
    """QuickTime turns whole movies too; a new file has it all in its track."""
    data = looking(clip("closed_gops"), {"matrix": UPSIDE_DOWN})
    plain = build_mvhd(MovieHeader(12800, 0), next_track_id=2)[28:]
    turned = build_mvhd(MovieHeader(12800, 0, A_QUARTER_LEFT), next_track_id=2)[28:]
    assert data.count(plain) == 1
    data = data.replace(plain, turned)
    form, _ = as_ffmpeg_shows(data)
    assert form[2] in (90, -90)
    assert as_ffmpeg_shows(remuxed(data))[0] == form


def test_boxes_of_the_entry_are_kept_in_the_index_and_the_file(
    clip: Callable[[str], bytes],
) -> None:
    track = read_movie(BytesReader(clip("closed_gops"))).tracks[0]
    entry = track.descriptions[0].entry
    data = remade(clip("closed_gops"), descriptions=(build_box("avc1", entry[8:], CLAP),))
    file = remuxed(data)
    (description,) = read_movie(BytesReader(file)).tracks[0].descriptions
    assert description.display_boxes == CLAP


def test_a_raw_stream_says_nothing_of_it(clip: Callable[[str], bytes]) -> None:
    track = read_movie(BytesReader(remuxed(clip("raw")))).tracks[0]
    assert (track.width, track.height, track.matrix) == (160, 96, IDENTITY_MATRIX)
    assert track.descriptions[0].display_boxes == b""
