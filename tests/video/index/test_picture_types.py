"""I, P and B as FFmpeg tells them."""

from __future__ import annotations

from collections.abc import Callable
from io import BytesIO

import av
import numpy as np
import pytest
from av.video.frame import PictureType

from marey.video.index.build import build_frame_index
from marey.video.index.picture_types import UNKNOWN, picture_types
from marey.video.source import BytesReader

KINDS = {PictureType.I: "I", PictureType.P: "P", PictureType.B: "B"}


@pytest.mark.parametrize(
    "name", ["default", "baseline", "mbaff", "slices", "raw", "raw_resized", "avc3"]
)
def test_kinds_are_those_of_a_full_decode(name: str, clip: Callable[[str], bytes]) -> None:
    reader = BytesReader(clip(name))
    index = build_frame_index(reader).index
    with av.open(BytesIO(clip(name))) as container:
        expected = [KINDS[frame.pict_type] for frame in container.decode(video=0)]
    assert list(picture_types(index, index.frame_sample.astype(np.int64), reader)) == expected


def test_what_cannot_be_read_is_not_known(clip: Callable[[str], bytes]) -> None:
    data = bytearray(clip("default"))
    index = build_frame_index(BytesReader(bytes(data))).index
    at = int(index.offset[3])
    data[at + 4 : at + int(index.size[3])] = bytes(int(index.size[3]) - 4)
    samples = np.array([3, 0])
    assert list(picture_types(index, samples, BytesReader(data))) == [UNKNOWN, "I"]
