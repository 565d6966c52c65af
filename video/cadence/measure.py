"""What a finished file costs and gives: bytes, samples to decode, PSNR against the source."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import numpy.typing as npt

from ...errors import DecodeError
from ..index.frames import FrameIndex
from ..plan import plan_read
from .ladder import Ladder
from .pictures import PictureSource
from .planes import plane_rows
from .survey import Advance


@dataclass(frozen=True, slots=True)
class RateReport:
    """What one rate of a file costs and gives."""

    fps: Fraction
    """Frames a second."""
    frames: int
    """How many there are."""
    bytes: int
    """Coded bytes that they are made of: so much is read for them."""
    prefix_share: float
    """Those bytes as a share of all coded pictures."""
    samples_a_frame: float
    """Samples that are decoded for each frame, if all of this rate are asked for."""
    psnr: float
    """Of all planes of all its frames against the source, in dB; infinite where equal."""
    psnr_y: float
    """Of luma alone."""


def measure_rates(
    path: Path, index: FrameIndex, ladder: Ladder, source: PictureSource, advance: Advance
) -> tuple[RateReport, ...]:
    """A report for the full rate and each lower one, falling.

    Raises:
        DecodeError: The file and the source have not as many frames.
    """
    errors = _squared_errors(path, source, index.frame_count, advance)
    total = int(index.size.sum())
    reports = []
    for step in (1, *ladder.steps):
        frames = np.arange(0, index.frame_count, step)
        coded = int(index.size[index.frame_sample[frames]].sum())
        decoded = plan_read(index, frames).samples_decoded
        of_luma, samples_of_luma, of_all, samples_of_all, peak = errors[frames].sum(axis=0)
        peak /= len(frames)
        reports.append(
            RateReport(
                fps=ladder.rate / step,
                frames=len(frames),
                bytes=coded,
                prefix_share=coded / total,
                samples_a_frame=decoded / len(frames),
                psnr=_psnr(of_all / samples_of_all, peak),
                psnr_y=_psnr(of_luma / samples_of_luma, peak),
            )
        )
    return tuple(reports)


def _psnr(mean_squared_error: float, peak: float) -> float:
    if not mean_squared_error:
        return math.inf
    return 10 * math.log10(peak**2 / mean_squared_error)


def _squared_errors(
    path: Path, source: PictureSource, count: int, advance: Advance
) -> npt.NDArray[np.float64]:
    """`[frames, 5]`: squared error and samples of luma, then of all planes; the peak value."""
    rows = np.zeros((count, 5))
    pairs = zip(_decoded(path), source.frames(), strict=True)
    number = -1
    try:
        for number, (found, wanted) in enumerate(pairs):
            rows[number] = _compare(found, wanted)
            advance(1)
    except (ValueError, IndexError) as error:
        raise DecodeError(
            f"the file and its source part after {number + 1} frames, expected {count} in both"
        ) from error
    return rows


def _decoded(path: Path) -> Iterator[av.VideoFrame]:
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        stream.thread_type = "AUTO"
        yield from container.decode(stream)


def _compare(found: av.VideoFrame, wanted: av.VideoFrame) -> tuple[float, ...]:
    squared, samples = [], []
    for a, b in zip(found.planes, wanted.planes, strict=True):
        difference = plane_rows(found, a).astype(np.float32) - plane_rows(wanted, b)
        # Row by row: single precision holds the sum of a row exactly enough.
        squared.append(float(np.einsum("ij,ij->i", difference, difference).sum(dtype=float)))
        samples.append(difference.size)
    peak = (1 << found.format.components[0].bits) - 1
    return squared[0], samples[0], sum(squared), sum(samples), peak
