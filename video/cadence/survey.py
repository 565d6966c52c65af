"""What the pictures of a source are, before any is encoded: how many, how large, how often.

A ladder needs frames at a constant rate: each k-th of them is a lower rate only then. Clocks of
containers are coarse, so a frame may be off by less than a tick of the clock.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from fractions import Fraction

import av
import numpy as np
import numpy.typing as npt
from av.video.reformatter import ColorRange

from ...errors import CorruptVideoError, UnsupportedError
from .pictures import PictureSource, seconds_of

Advance = Callable[[int], None]
"""Told how many more are done."""

_BROADCAST = 1001
_USUAL = (
    *map(Fraction, (24, 25, 30, 50, 60, 120, 15, 12, 10, 5, 1, 100, 240)),
    *(Fraction(nominal * 1000, _BROADCAST) for nominal in (24, 30, 60, 48, 120, 240)),
)
_LARGEST_PART = Fraction(1, 4)


@dataclass(frozen=True, slots=True)
class Colours:
    """What the samples of a picture mean, by ITU-T H.273; 2 is unspecified."""

    primaries: int
    """Colour primaries."""
    transfer: int
    """Transfer characteristics."""
    matrix: int
    """Matrix coefficients."""
    full_range: bool
    """Whether samples use all their values."""


@dataclass(frozen=True, slots=True)
class Survey:
    """The pictures of a source."""

    count: int
    """How many there are."""
    rate: Fraction
    """Frames a second."""
    width: int
    """Columns."""
    height: int
    """Rows."""
    pixel_format: str
    """As FFmpeg calls it."""
    pixel_aspect: Fraction
    """Width of a pixel over its height."""
    colours: Colours
    """Of the first picture."""
    start_seconds: Fraction
    """When the first picture is shown, on the source's own clock."""


def survey_pictures(source: PictureSource, advance: Advance = lambda _: None) -> Survey:
    """Look at every picture once.

    Raises:
        CorruptVideoError: There is none, or one cannot be decoded.
        UnsupportedError: They do not come at a constant rate, or have a size that cannot be
            encoded.
    """
    times: list[int] = []
    first: av.VideoFrame | None = None
    for frame in source.frames():
        if frame.pts is None:
            raise UnsupportedError(f"{source.name}: frame {len(times)} has no time")
        first = first or frame
        times.append(frame.pts)
        advance(1)
    if first is None:
        raise CorruptVideoError(f"{source.name}: there is no picture in it")
    _check_size(first)
    start_seconds = seconds_of(first)
    timebase = Fraction(first.time_base or 1)
    stated, shape = _stated(source)
    return Survey(
        count=len(times),
        rate=constant_rate(np.array(times), timebase, stated, name=source.name),
        width=first.width,
        height=first.height,
        pixel_format=first.format.name,
        pixel_aspect=_pixel_aspect(source, shape, first.width, first.height),
        colours=_colours(first),
        start_seconds=start_seconds,
    )


def _colours(frame: av.VideoFrame) -> Colours:
    return Colours(
        primaries=int(frame.color_primaries),
        transfer=int(frame.color_trc),
        matrix=int(frame.colorspace),
        full_range=int(frame.color_range) == ColorRange.JPEG
        or frame.format.name.startswith("yuvj"),
    )


def _stated(source: PictureSource) -> tuple[list[Fraction], tuple[Fraction, int, int]]:
    """The rates that the source states, and the shape of its pixels and pictures."""
    with source.open() as container:
        stream = source.stream_of(container)
        rates = (stream.average_rate, stream.guessed_rate, stream.base_rate)
        if source.constant_rate is not None:
            rates = (source.constant_rate, None, None)
        aspect = Fraction(stream.sample_aspect_ratio or 1)
        shape = (aspect if aspect > 0 else Fraction(1), stream.width, stream.height)
        return [Fraction(rate) for rate in rates if rate], shape


def constant_rate(
    times: npt.NDArray[np.int64], timebase: Fraction, stated: Iterable[Fraction], *, name: str
) -> Fraction:
    """The rate at which frames come.

    Args:
        times: When each is shown, in ticks.
        timebase: Seconds a tick.
        stated: Rates that the container states: the first that fits is taken.
        name: The source, for messages.

    Raises:
        UnsupportedError: Frames do not come at a constant rate.

    >>> constant_rate(np.array([0, 33, 67, 100]), Fraction(1, 1000), [], name="a clip")
    Fraction(30, 1)
    """
    steps = np.diff(times)
    candidates = list(stated)
    if not len(steps):
        return (candidates or [Fraction(25)])[0]
    if steps.min() > 0:
        same = bool((steps == steps[0]).all())
        if same:
            candidates.append(1 / (int(steps[0]) * timebase))
        candidates += _USUAL
        mean = Fraction(len(steps), int(times[-1] - times[0])) / timebase
        candidates.append(mean.limit_denominator(_BROADCAST))
        for rate in candidates:
            if _fits(times, timebase, rate):
                return rate
    usual = int(np.median(steps))
    odd = int(np.argmax(np.abs(steps - usual)))
    raise UnsupportedError(
        f"{name}: its frames do not come at a constant rate: frame {odd + 1} comes "
        f"{float(steps[odd] * timebase):.4f} s after the one before it, others "
        f"{float(usual * timebase):.4f} s; a constant rate (--constant-rate N) repeats and "
        "drops frames to make one"
    )


def _fits(times: npt.NDArray[np.int64], timebase: Fraction, rate: Fraction) -> bool:
    ticks = 1 / (rate * timebase)
    if float(ticks) * len(times) > 2**62:
        return False
    exact = np.arange(len(times)) * float(ticks)
    off = (times - times[0]) - exact
    # Where the first time was rounded, all are off by as much: only their spread counts.
    most = min(1.0, float(ticks * _LARGEST_PART))
    return bool(off.max() - off.min() < most + 1e-6)


def _check_size(frame: av.VideoFrame) -> None:
    width, height, pixel_format = frame.width, frame.height, frame.format.name
    across = 2 if "420" in pixel_format or "422" in pixel_format else 1
    down = 2 if "420" in pixel_format else 1
    if width % across or height % down:
        even = f"{max(2, width // across * across)}x{max(2, height // down * down)}"
        raise UnsupportedError(
            f"pictures of {width}x{height} in {pixel_format}: sides must be even, as in a size "
            f"of {even}"
        )


def _pixel_aspect(
    source: PictureSource, shape: tuple[Fraction, int, int], width: int, height: int
) -> Fraction:
    """Pixels are stretched so that pictures keep their shape; filters may mean to change it."""
    aspect, source_width, source_height = shape
    if source.options.filters or not source_width or not source_height:
        return aspect
    turned = source_width * height != source_height * width and (
        source_width * width == source_height * height
    )
    if turned:
        return 1 / aspect
    stretched = aspect * Fraction(source_width * height, source_height * width)
    return stretched.limit_denominator(1000)
