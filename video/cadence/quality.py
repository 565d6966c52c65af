"""How many bits a frame gets: one rate factor for all, or an exact quantiser for each rate."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ...errors import ConfigError
from .ladder import Ladder, Rate, picture_types, step_to

DEFAULT_RATE_FACTOR = 23.0
_LEAST = 1  # below, x264 codes without loss, and then without B pictures
_MOST = 51
_ABOVE_LARGEST = 2
_FARTHEST = 36  # what x264's ratios between picture types have room for (libx264)


@dataclass(frozen=True, slots=True)
class RateFactor:
    """x264 spends bits for a constant quality."""

    crf: float
    """1 to 51; lower is better."""


@dataclass(frozen=True, slots=True)
class Quantisers:
    """Every frame has the quantiser of the lowest rate that contains it."""

    full: int
    """Of frames of the full rate alone."""
    by_step: tuple[tuple[int, int], ...]
    """Each lower rate's step and quantiser."""

    def of_frames(self, ladder: Ladder, count: int) -> list[int]:
        """The quantiser of each frame."""
        known = dict(self.by_step)
        return [known.get(ladder.step_of(frame), self.full) for frame in range(count)]

    @property
    def bounds(self) -> tuple[int, int]:
        """The smallest and the largest."""
        values = (self.full, *(qp for _, qp in self.by_step))
        return min(values), max(values)


Quality = RateFactor | Quantisers


def plan_quality(
    quality: float | Sequence[int], ladder: Ladder, lower: Sequence[Rate]
) -> Quality:
    """What a `quality` argument means.

    Args:
        quality: A rate factor; or exact quantisers, one for each of `lower`.
        ladder: The ladder made of `lower`.
        lower: The rates as they were given.

    Raises:
        ConfigError: A value is out of its range, or there is not one for each rate.
    """
    if not isinstance(quality, Sequence):
        if not _LEAST <= quality <= _MOST:
            raise ConfigError(f"quality {quality!r}: expected {_LEAST} to {_MOST}")
        return RateFactor(float(quality))
    if len(quality) != len(lower):
        raise ConfigError(
            f"quality: expected one value for all, or one for each of the {len(lower)} lower "
            f"rates, got {len(quality)}"
        )
    for value in quality:
        if isinstance(value, bool) or value != int(value) or not _LEAST <= value <= _MOST:
            raise ConfigError(
                f"quality {value!r}: expected a whole quantiser from {_LEAST} to {_MOST}"
            )
    full = int(max(quality)) + _ABOVE_LARGEST
    if full > _MOST:
        raise ConfigError(
            f"quality {max(quality)}: frames of the full rate get {_ABOVE_LARGEST} more, and "
            f"there is none above {_MOST}"
        )
    if full - min(quality) > _FARTHEST:
        raise ConfigError(
            f"quality {min(quality)} and {full}: quantisers can be {_FARTHEST} apart"
        )
    steps = [step_to(ladder.rate, rate) for rate in lower]
    return Quantisers(full, tuple(zip(steps, map(int, quality), strict=True)))


@dataclass(frozen=True, slots=True)
class PictureCoding:
    """What the encoder is told of each frame."""

    types: str
    """As `ladder.picture_types` gives them."""
    quantisers: Sequence[int] | None
    """Exact ones, where they are wanted."""


def code_pictures(ladder: Ladder, quality: Quality, count: int) -> PictureCoding:
    """How each of `count` frames is to be coded."""
    quantisers = None
    if isinstance(quality, Quantisers):
        quantisers = quality.of_frames(ladder, count)
    return PictureCoding(picture_types(ladder, count), quantisers)
