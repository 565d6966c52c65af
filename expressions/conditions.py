"""What values of parameters must satisfy beyond their types."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from ..errors import ExpressionError, FrameRangeError, MareyError
from ..video.decode.frame import MAX_SIDE


@dataclass(frozen=True, slots=True)
class Condition:
    """What a value must satisfy; nulls satisfy everything."""

    text: str
    """The end of "must be"."""
    holds: Callable[[Any], bool]
    """Whether a value that is not null satisfies it."""
    error: type[MareyError] = ExpressionError
    """What a value is that does not."""


def one_of(choices: tuple[str, ...]) -> Condition:
    """The condition to be one of a few words."""
    return Condition("one of " + ", ".join(map(repr, choices)), frozenset(choices).__contains__)


AT_LEAST_ONE = Condition("at least 1", lambda value: value >= 1)
POSITIVE = Condition("finite and above 0", lambda value: 0 < value < math.inf)
FINITE = Condition(
    "finite numbers", lambda values: all(v is not None and math.isfinite(v) for v in values)
)
NOT_ZERO = Condition("other than 0", lambda value: value != 0)
SEED = Condition("at least 0 and below 2**53", lambda value: 0 <= value < 1 << 53)
SIDE = Condition(f"at least 1 and at most {MAX_SIDE}", lambda value: 1 <= value <= MAX_SIDE)
SOME_FRAMES = Condition(
    "a list of at least one", lambda frames: len(frames) > 0, FrameRangeError
)
