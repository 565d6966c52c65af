"""Bytes that are no longer those that were indexed are refused before they are decoded."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from marey.errors import CorruptVideoError
from marey.video.clips import RECIPES
from marey.video.index.build import build_frame_index
from marey.video.plan.indexed_bytes import check_indexed
from marey.video.source import BytesReader


@pytest.mark.parametrize("name", RECIPES)
def test_what_was_indexed_passes(clip: Callable[[str], bytes], name: str) -> None:
    data = clip(name)
    index = build_frame_index(BytesReader(data)).index
    for sample in range(index.sample_count):
        start = int(index.offset[sample])
        check_indexed(index, sample, data[start : start + int(index.size[sample])])


@pytest.mark.parametrize(
    ("name", "other"), [("default", "closed_gops"), ("raw", "closed_gops"), ("mbaff", "slices")]
)
def test_another_video_in_its_place_does_not(
    clip: Callable[[str], bytes], name: str, other: str
) -> None:
    index = build_frame_index(BytesReader(clip(name))).index
    data = clip(other) + bytes(index.source_bytes)
    # The first sample of both may be an IDR picture of the same length.
    for sample in range(1, index.sample_count):
        start = int(index.offset[sample])
        with pytest.raises(
            CorruptVideoError, match=f"sample {sample}: its bytes are not those"
        ):
            check_indexed(index, sample, data[start : start + int(index.size[sample])])
