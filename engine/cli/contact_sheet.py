"""A contact sheet: the frames of several clips on one picture, a clip a row, each numbered."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Pixels = npt.NDArray[np.uint8]

_GAP = 6
_BACKGROUND = 24
_INK = 255
_DOT = 3
"""Pixels a dot of a digit has on a side."""

# Five rows of three dots, the top row in the highest bits.
_DIGITS = (
    0b111_101_101_101_111,
    0b010_110_010_010_111,
    0b111_001_111_100_111,
    0b111_001_111_001_111,
    0b101_101_111_001_001,
    0b111_100_111_001_111,
    0b111_100_111_101_111,
    0b111_001_001_010_010,
    0b111_101_111_101_111,
    0b111_101_111_001_111,
)


@dataclass(frozen=True, slots=True, eq=False)
class NumberedPicture:
    """One picture of a sheet."""

    number: int
    """Written in its corner."""
    pixels: Pixels
    """`[height, width, 3]`."""


def contact_sheet(rows: Sequence[Sequence[NumberedPicture]]) -> Pixels:
    """All pictures on one: as many columns as the longest row has, cells of the largest size.

    >>> grey = np.full((40, 60, 3), 128, np.uint8)
    >>> contact_sheet([[NumberedPicture(0, grey), NumberedPicture(8, grey)]]).shape
    (52, 138, 3)
    """
    columns = max(map(len, rows))
    height = max(picture.pixels.shape[0] for row in rows for picture in row)
    width = max(picture.pixels.shape[1] for row in rows for picture in row)
    step_down, step_across = height + _GAP, width + _GAP
    sheet = np.full(
        (len(rows) * step_down + _GAP, columns * step_across + _GAP, 3), _BACKGROUND, np.uint8
    )
    for r, row in enumerate(rows):
        for c, picture in enumerate(row):
            top, left = _GAP + r * step_down, _GAP + c * step_across
            _place(sheet[top : top + height, left : left + width], picture)
    return sheet


def _place(cell: Pixels, picture: NumberedPicture) -> None:
    """Centre a picture in its cell, and write its number on it."""
    height, width = picture.pixels.shape[:2]
    top, left = (cell.shape[0] - height) // 2, (cell.shape[1] - width) // 2
    cell[top : top + height, left : left + width] = picture.pixels
    label = _label(picture.number)
    corner = cell[-label.shape[0] :, : label.shape[1]]
    corner[:] = label[-corner.shape[0] :, : corner.shape[1], None]


def _label(number: int) -> Pixels:
    """A number as white dots on black, one dot of margin around each digit."""
    digits = [_DIGITS[int(digit)] for digit in str(number)]
    dots = np.zeros((7, 4 * len(digits) + 1), np.uint8)
    for place, digit in enumerate(digits):
        bits = np.array([digit >> bit & 1 for bit in reversed(range(15))], np.uint8)
        dots[1:6, 4 * place + 1 : 4 * place + 4] = bits.reshape(5, 3)
    return np.kron(dots * np.uint8(_INK), np.ones((_DOT, _DOT), np.uint8))
