"""The bench of what ladders cost: its arithmetic, and that it measures what it says."""

from __future__ import annotations

from pathlib import Path

import pytest

from marey.tests.bench.bd_rate import Clip, Point, bd_rate, measure
from marey.video.cadence.libx264 import pixel_formats
from marey.video.cadence.pictures import PictureSource
from marey.video.cadence.survey import survey_pictures
from marey.video.clips import ClipRecipe, make_clip


def curve(scale: float, psnrs: range) -> list[Point]:
    return [Point(round(scale * 1.1**psnr * 1e6), float(psnr), 1.0, 1.0) for psnr in psnrs]


@pytest.mark.parametrize("psnrs", [range(30, 45, 4), range(33, 48, 4)])
@pytest.mark.parametrize("scale", [0.5, 1.0, 1.25])
def test_more_bytes_for_the_same_quality(psnrs: range, scale: float) -> None:
    reference = curve(1.0, range(30, 45, 4))
    assert bd_rate(reference, curve(scale, psnrs)) == pytest.approx(scale - 1, abs=1e-6)


def test_ways_to_encode(tmp_path: Path) -> None:
    data = make_clip(ClipRecipe("a source", rate=30, frames=24, width=64, height=48))
    source = PictureSource(data, pixel_formats=pixel_formats())
    clip = Clip(source, survey_pictures(source), tmp_path, "veryfast")
    points = measure(clip, factors=(24, 32))
    for good, bad in points.values():
        assert good.bytes > bad.bytes
        assert good.psnr > bad.psnr
    for name in ("one lower rate", "two lower rates"):
        assert {point.decoded for point in points[name]} == {1.0}
    assert points["x264 as it comes"][0].decoded > 1.0
