"""One value is a rate factor; of a list, each frame has the value of its lowest rate."""

from __future__ import annotations

from fractions import Fraction

import pytest

from marey.errors import ConfigError
from marey.video.cadence.ladder import plan_ladder
from marey.video.cadence.quality import RateFactor, code_pictures, plan_quality

RATE = Fraction(30)


@pytest.mark.parametrize(
    ("lower", "quality", "first"),
    [
        ([10], [25], [25, 27, 27, 25, 27, 27, 25, 27]),
        ([10, 5], [23, 27], [27, 29, 29, 23, 29, 29, 27, 29]),
        ([5, 10], [27, 23], [27, 29, 29, 23, 29, 29, 27, 29]),
        ([10, 5], [27, 23], [23, 29, 29, 27, 29, 29, 23, 29]),
    ],
)
def test_quantisers_of_frames(lower: list[int], quality: list[int], first: list[int]) -> None:
    ladder = plan_ladder(RATE, lower)
    coding = code_pictures(ladder, plan_quality(quality, ladder, lower), 70)
    assert coding.quantisers is not None
    assert len(coding.quantisers) == len(coding.types) == 70
    assert list(coding.quantisers[:8]) == first


def test_a_rate_factor() -> None:
    ladder = plan_ladder(RATE, [10])
    assert plan_quality(22.5, ladder, [10]) == RateFactor(22.5)
    assert code_pictures(ladder, RateFactor(22.5), 4).quantisers is None


@pytest.mark.parametrize(
    ("quality", "message"),
    [
        (0.5, "expected 1 to 51"),
        (52, "expected 1 to 51"),
        (float("nan"), "expected 1 to 51"),
        ([23, 27], "1 lower rates, got 2"),
        ([], "got 0"),
        ([0], "from 1 to 51"),
        ([22.5], "whole quantiser"),
        ([True], "whole quantiser"),
        ([50], "none above 51"),
    ],
)
def test_values_that_cannot_be(quality: object, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        plan_quality(quality, plan_ladder(RATE, [10]), [10])
