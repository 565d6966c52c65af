"""Moving pictures made of arithmetic: the raw material of sample clips.

They hold what makes an encoder use its tools: a panning texture (motion vectors), shapes that
move over it (occlusion, bidirectional prediction), noise (residuals), a fade (weighted
prediction) and a scene cut (intra pictures). The same arguments give the same bytes anywhere.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

Picture = npt.NDArray[np.uint8]
"""`[3, height, width]`: luma and both chroma planes, all at full size."""

_NOISE_MARGIN = 64
"""Rows and columns that the noise field has above a picture's, so that it can be moved."""

_BLOCK = 8
"""Rows and columns of the texture's grain."""


def moving_pictures(width: int, height: int, count: int, *, seed: int = 0) -> Iterator[Picture]:
    """Pictures of one small scene, in display order.

    The fade lies between one half and five eighths of the clip, the cut at three quarters.

    >>> first, second = moving_pictures(32, 16, 2)
    >>> first.shape, bool((first == second).all())
    ((3, 16, 32), False)
    """
    random = np.random.default_rng(seed)
    texture = _texture(random, width, height)
    noise = random.integers(-3, 4, (height + _NOISE_MARGIN, width + _NOISE_MARGIN), np.int16)
    rows = np.arange(height, dtype=np.int16)[:, None]
    columns = np.arange(width, dtype=np.int16)
    phase = int(random.integers(0, 256))
    radius = max(4, height // 5)
    for number in range(count):
        if number == count * 3 // 4:
            texture = 255 - texture
        top, left = number // 2 % (len(texture) // 2), 2 * number % (texture.shape[1] // 2)
        luma = texture[top : top + height, left : left + width].copy()

        centre = (number * 3 + phase) % width
        half = np.sqrt(np.maximum(0, radius**2 - (columns - centre) ** 2.0)).astype(np.int16)
        disc = abs(rows - height // 2) < half
        np.subtract(255, luma, out=luma, where=disc)
        down, across = (number * 2 + phase) % height, width * 2 // 3
        bar = np.s_[max(0, down - radius // 2) : down + radius // 2, across - radius : across]
        luma[bar] = (number * 7 + phase) % 256

        if count // 2 <= number < count * 5 // 8:
            dimmed = 8 * (number - count // 2) // max(1, count // 8)
            luma = luma * np.int16(16 - dimmed) // np.int16(16)
        top, left = random.integers(0, _NOISE_MARGIN, 2)
        luma += noise[top : top + height, left : left + width]

        picture = np.empty((3, height, width), np.uint8)
        np.clip(luma, 0, 255, out=picture[0], casting="unsafe")
        picture[1] = 96 + _wave(columns + (2 * number + phase) % 256)
        picture[2] = 160 - _wave(rows + columns // 2 + (number + 2 * phase) % 256)
        yield picture


def woven(pictures: Iterator[Picture]) -> Iterator[Picture]:
    """Two pictures in one, as an interlaced camera takes them: even rows first, then odd."""
    for even in pictures:
        odd = next(pictures, even)
        frame = even.copy()
        frame[:, 1::2] = odd[:, 1::2]
        yield frame


def _wave(position: npt.NDArray[np.int16]) -> npt.NDArray[np.int16]:
    """Up from 0 to 64 and down again, every 256 samples."""
    return abs(position % np.int16(256) - np.int16(128)) // np.int16(2)


def _texture(random: np.random.Generator, width: int, height: int) -> npt.NDArray[np.int16]:
    """A smooth random field, twice over, so that a window can move through a whole period."""
    shape = (height // _BLOCK + 1, width // _BLOCK + 1)
    field = np.kron(
        random.integers(20, 236, shape, np.int16), np.ones((_BLOCK, _BLOCK), np.int16)
    )
    for axis in (0, 1, 0, 1):
        shifted = [np.roll(field, shift, axis) for shift in range(_BLOCK)]
        field = np.add.reduce(shifted, dtype=np.int16) // np.int16(_BLOCK)
    return np.tile(field, (2, 2))
