"""What closed lower rates cost in quality: `python -m tests.bench.bd_rate FILE ...`

Each file is encoded by x264 as it comes, by x264 with the IDR pictures of a ladder and nothing
else of it, and with ladders of one and two lower rates: every third frame, and every sixth. The
Bjøntegaard rate is how many more bytes a ladder takes for the same PSNR, over a range of rate
factors. Beside it, what reading every third frame takes: the bytes of its closures against all
bytes, and the samples decoded for each frame.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from tempfile import TemporaryDirectory

import av
import numpy as np
from av.video.frame import PictureType

from marey.video.cadence.arguments import SourceOptions
from marey.video.cadence.job import Job, run_job
from marey.video.cadence.ladder import Ladder, plan_ladder
from marey.video.cadence.libx264 import pixel_formats
from marey.video.cadence.measure import measure_rates
from marey.video.cadence.pictures import PictureSource
from marey.video.cadence.quality import RateFactor
from marey.video.cadence.settings import EncoderSettings
from marey.video.cadence.survey import Survey, survey_pictures
from marey.video.index.build import build_frame_index
from marey.video.plan import EXACT, plan_read
from marey.video.source import FileReader

from .table import print_table

RATE_FACTORS = (20, 24, 28, 32)
STEPS = (3, 6)


@dataclass(frozen=True)
class Point:
    """One encode."""

    bytes: int
    """Of all pictures."""
    psnr: float
    """Of luma, over all frames."""
    read_share: float
    """Bytes of the closures of every third frame, of all."""
    decoded: float
    """Samples decoded for each of those frames."""


@dataclass(frozen=True)
class Clip:
    """What is encoded."""

    pictures: PictureSource
    survey: Survey
    folder: Path
    preset: str

    def by_x264(self, rate_factor: float, *, gop: int | None) -> Point:
        """x264's own choice of picture types; with a fixed GOP, IDR pictures are forced."""
        path = self.folder / "plain.mp4"
        rate = self.survey.rate
        with av.open(str(path), "w") as file:
            stream = file.add_stream("libx264", rate=rate)
            stream.width, stream.height = self.survey.width, self.survey.height
            stream.pix_fmt = self.survey.pixel_format
            stream.codec_context.time_base = 1 / rate
            given = {"preset": self.preset, "crf": str(rate_factor), "tune": "psnr"}
            if gop is not None:
                given["x264-params"] = f"keyint={gop}:min-keyint={gop}:scenecut=0"
            stream.codec_context.options = given
            for number, frame in enumerate(self.pictures.frames()):
                frame.pts, frame.time_base = number, 1 / rate
                frame.pict_type = PictureType.NONE
                file.mux(stream.encode(frame))
            file.mux(stream.encode(None))
        return self._point(path, plan_ladder(rate, [rate / STEPS[0]]))

    def by_ladder(self, rate_factor: float, ladder: Ladder) -> Point:
        """The same with types that close the ladder's rates."""
        job = Job(
            pictures=self.pictures,
            survey=self.survey,
            ladder=ladder,
            quality=RateFactor(rate_factor),
            settings=EncoderSettings(preset=self.preset, tune="psnr"),
            program=None,
            multi_track=False,
            keep_sound=False,
            progress=lambda *_: _Silent(),
        )
        return self._point(run_job(job, self.folder)[0], ladder)

    def _point(self, path: Path, ladder: Ladder) -> Point:
        with FileReader(path) as reader:
            index = build_frame_index(reader).index
        full, *_ = measure_rates(path, index, ladder, self.pictures, lambda _: None)
        plan = plan_read(index, np.arange(0, index.frame_count, STEPS[0]), cost=EXACT)
        return Point(
            bytes=full.bytes,
            psnr=full.psnr_y,
            read_share=plan.bytes_fetched / full.bytes,
            decoded=plan.samples_decoded / len(plan.frames),
        )


class _Silent:
    def __enter__(self):
        return lambda _: None

    def __exit__(self, *_: object) -> None:
        pass


def bd_rate(reference: Sequence[Point], other: Sequence[Point]) -> float:
    """How many more bytes `other` takes for the same PSNR, as a share (VCEG-M33).

    The logarithm of the bytes is a cubic in the PSNR; the mean distance of two such curves,
    where both have points.
    """
    low = max(min(p.psnr for p in points) for points in (reference, other))
    high = min(max(p.psnr for p in points) for points in (reference, other))
    areas = []
    for points in (reference, other):
        curve = np.polynomial.Polynomial.fit(
            [p.psnr for p in points], [np.log(p.bytes) for p in points], min(3, len(points) - 1)
        ).integ()
        areas.append(curve(high) - curve(low))
    return float(np.exp((areas[1] - areas[0]) / (high - low)) - 1)


def measure(clip: Clip, factors: Sequence[float] = RATE_FACTORS) -> dict[str, list[Point]]:
    """The points of each way to encode, by its name."""
    rate = clip.survey.rate
    one, two = (plan_ladder(rate, [rate / s for s in STEPS[:n]]) for n in (1, 2))
    ways = {
        "x264 as it comes": lambda q: clip.by_x264(q, gop=None),
        "a GOP of two seconds": lambda q: clip.by_x264(q, gop=two.gop),
        "one lower rate": lambda q: clip.by_ladder(q, one),
        "two lower rates": lambda q: clip.by_ladder(q, two),
    }
    return {name: [encode(factor) for factor in factors] for name, encode in ways.items()}


def rows(points: dict[str, list[Point]]) -> Iterator[tuple[str, str, str, str]]:
    """A line for each way to encode, against the first."""
    reference = next(iter(points.values()))
    for name, found in points.items():
        cost = "" if found is reference else f"{bd_rate(reference, found):+.1%}"
        share = np.mean([p.read_share for p in found])
        yield name, cost, f"{share:.0%}", f"{np.mean([p.decoded for p in found]):.2f}"


def main() -> None:
    """Measure the files of the command line."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.bd_rate", description=__doc__)
    parser.add_argument("files", nargs="+", metavar="FILE")
    parser.add_argument("--seconds", type=Fraction, default=Fraction(8))
    parser.add_argument("--size", metavar="WxH", default="640x360")
    parser.add_argument("--preset", default="medium")
    given = parser.parse_args()
    width, height = map(int, given.size.split("x"))
    for file in given.files:
        options = SourceOptions(seconds=given.seconds)
        source = PictureSource(file, options, (width, height), None, pixel_formats())
        with TemporaryDirectory() as folder:
            clip = Clip(source, survey_pictures(source), Path(folder), given.preset)
            fps = float(clip.survey.rate)
            print_table(
                f"{file}: {clip.survey.count} frames of {given.size}, {fps:g} a second",
                ("", "bytes for the same PSNR", "read for every 3rd", "decoded a frame"),
                list(rows(measure(clip))),
            )


if __name__ == "__main__":
    main()
