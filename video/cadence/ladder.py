"""Which frames belong to which rate, and how each is coded so that every rate is closed.

A *ladder* is a full rate and one or two lower ones. Frame k belongs to the rate of step s if s
divides k. A rate is closed if its frames refer to none but each other. x264 gives three means
to that end, and no more:

- a B picture refers only to the I and P pictures around it. Frames of the lowest rate are I
  and P (*anchors*), those between them B: so every rate is closed, if an anchor is at most 17
  frames from the next;
- with `b-pyramid=strict` the picture in the middle of a run of B pictures is a reference too,
  for that run alone. It may be that of the middle rate, where there are two steps from anchor
  to anchor; where only the full rate lies between anchors, it saves bits;
- frames that lie further apart are IDR pictures, which refer to nothing.

The last frame before an IDR picture cannot be a B picture. It is a P picture, and so is, after
the last anchor of a GOP, every frame of a lower rate: no later picture refers to those.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

from ...errors import ConfigError, UnsupportedError

Rate = int | float | str | Fraction
"""Frames a second. Text may be a fraction: `24000/1001`."""

_MOST_LOWER_RATES = 2
_LONGEST_STEP = 17  # X264_BFRAME_MAX pictures lie between two anchors
_FREE_STEP = 4
_GOP_SECONDS = 2
_OFFERED = 8
_LONGEST_GOP = 1 << 16


@dataclass(frozen=True, slots=True)
class Ladder:
    """A full rate, lower ones, and the structure that closes them."""

    rate: Fraction
    """The full rate, frames a second."""
    steps: tuple[int, ...]
    """Frames from one frame of a lower rate to the next: ascending, so rates fall."""
    anchor: int
    """Frames from one I or P picture to the next."""
    gop: int
    """Frames from one IDR picture to the next."""
    pyramid: bool
    """Whether the middle of a run of B pictures is a reference."""

    @property
    def rates(self) -> tuple[Fraction, ...]:
        """The lower rates, falling."""
        return tuple(self.rate / step for step in self.steps)

    @property
    def longest_run(self) -> int:
        """B pictures in a row, at most."""
        return self.anchor - 1

    def step_of(self, frame: int) -> int:
        """The step of the lowest rate that contains a frame; 1 for the full rate alone."""
        return next((step for step in reversed(self.steps) if frame % step == 0), 1)


def plan_ladder(rate: Fraction, lower: Sequence[Rate], *, gop: int | None = None) -> Ladder:
    """A ladder of some rates.

    Args:
        rate: The full rate.
        lower: One or two lower rates, in any order.
        gop: Frames from one IDR picture to the next; None: about two seconds.

    Raises:
        UnsupportedError: No such ladder can be closed; the message names some that can.

    >>> plan_ladder(Fraction(30), [10, 5])
    Ladder(rate=Fraction(30, 1), steps=(3, 6), anchor=6, gop=60, pyramid=True)
    """
    if not 1 <= len(lower) <= _MOST_LOWER_RATES:
        raise UnsupportedError(f"a ladder has one or two lower rates, got {len(lower)}")
    steps = tuple(sorted(step_to(rate, wanted) for wanted in lower))
    if len(steps) == _MOST_LOWER_RATES and (steps[1] % steps[0] or steps[1] == steps[0]):
        higher, lowest = (rate / step for step in steps)
        offer = ", ".join(show_rate(higher / k) for k in range(2, 2 + _OFFERED))
        raise UnsupportedError(
            f"rates {show_rate(higher)} and {show_rate(lowest)}: the lower one must be part of "
            f"the higher one; beside {show_rate(higher)} can stand {offer}"
        )
    far = [step for step in steps if step > _LONGEST_STEP]
    near = [step for step in steps if step <= _LONGEST_STEP]
    anchor = near[-1] if near else _FREE_STEP
    usual = far[0] if far else anchor * max(1, round(_GOP_SECONDS * rate / anchor))
    if gop is not None:
        _check_gop(gop, steps[-1], fixed=usual if far else None)
    middle = near[0] if len(near) == _MOST_LOWER_RATES else anchor
    return Ladder(
        rate=rate,
        steps=steps,
        anchor=anchor,
        gop=gop or usual,
        pyramid=anchor > 3 and anchor in (middle, 2 * middle),
    )


def step_to(rate: Fraction, lower: Rate) -> int:
    """The step that makes one rate from another.

    Raises:
        UnsupportedError: None does; the message names rates that can be made.

    >>> step_to(Fraction(24000, 1001), 7.992), step_to(Fraction(30), "7.5")
    (3, 4)
    """
    wanted = parse_rate(lower)
    step = round(rate / wanted)
    if step > 1 and _is_meant(wanted, rate / step):
        return step
    offer = ", ".join(show_rate(rate / k) for k in range(2, 2 + _OFFERED))
    raise UnsupportedError(
        f"rate {show_rate(wanted)}: expected a whole part of the {show_rate(rate)} frames a "
        f"second that there are, such as {offer}"
    )


def parse_rate(rate: Rate) -> Fraction:
    """A rate as it was written.

    Raises:
        ConfigError: It is no number above 0.
    """
    try:
        if isinstance(rate, str) and "_" in rate:
            raise ValueError(rate)
        # A double stands for the decimal that Python shows for it.
        parsed = Fraction(str(rate) if isinstance(rate, float) else rate)
    except (TypeError, ValueError, OverflowError, ZeroDivisionError):
        parsed = Fraction(0)
    if parsed <= 0:
        raise ConfigError(f"rate {rate!r}: expected a number above 0, as 10 or 24000/1001")
    return parsed


def _is_meant(wanted: Fraction, exact: Fraction) -> bool:
    """Broadcast rates are written with two decimals or more: 7.99 is 8000/1001, 8 is not."""
    return wanted == exact or any(
        wanted == Fraction(str(round(float(exact), digits))) for digits in range(2, 17)
    )


def show_rate(rate: Fraction) -> str:
    """A rate for people, to three decimals.

    >>> show_rate(Fraction(30000, 1001)), show_rate(Fraction(15, 2)), show_rate(Fraction(5))
    ('29.97', '7.5', '5')
    """
    return f"{float(rate):.3f}".rstrip("0").rstrip(".")


def _check_gop(gop: int, step: int, *, fixed: int | None) -> None:
    if fixed is not None and gop != fixed:
        raise UnsupportedError(
            f"keyint {gop}: frames of the lowest rate are {step} apart, so far that they are "
            f"coded on their own: expected {fixed}"
        )
    if not 1 <= gop <= _LONGEST_GOP or gop % step:
        near = max(1, round(gop / step)) * step
        raise UnsupportedError(
            f"keyint {gop}: an IDR picture belongs to every rate: expected a multiple of "
            f"{step}, such as {near}"
        )


def picture_types(ladder: Ladder, count: int) -> str:
    """How each of `count` frames is coded, in display order.

    Returns:
        A letter a frame, as x264's `--qpfile` has them: `I` an IDR picture, `P`, `B` a B
        picture that others refer to, `b` one that none does.

    >>> picture_types(plan_ladder(Fraction(30), [10, 5], gop=12), 20)
    'IbbBbbPBbPbPIbbBbbPP'
    """
    return "".join(
        _gop_types(ladder, min(ladder.gop, count - first))
        for first in range(0, count, ladder.gop)
    )


def _gop_types(ladder: Ladder, length: int) -> str:
    last_anchor = (length - 1) // ladder.anchor * ladder.anchor
    types = []
    for place in range(length):
        in_tail = place > last_anchor and ladder.step_of(place) > 1
        is_p = place % ladder.anchor == 0 or place == length - 1 or in_tail
        types.append("P" if is_p else "b")
    types[0] = "I"
    if ladder.pyramid:
        _raise_middles(types)
    return "".join(types)


def _raise_middles(types: list[str]) -> None:
    """Mark what x264 makes a reference: the middle of each run of two B pictures or more."""
    first = 0
    for place, letter in enumerate(types):
        if letter == "b":
            continue
        run = place - first
        if run > 1:
            types[first + (run - 1) // 2] = "B"
        first = place + 1
