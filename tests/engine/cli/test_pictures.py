"""PNG files that others read, and contact sheets with every picture in its place."""

from __future__ import annotations

from io import BytesIO

import av
import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from marey.engine.cli.contact_sheet import NumberedPicture, contact_sheet
from marey.engine.cli.png import build_png

sizes = st.tuples(st.integers(1, 40), st.integers(1, 40), st.just(3))


@given(arrays(np.uint8, sizes))
def test_png_round_trip_through_ffmpeg(pixels: np.ndarray) -> None:
    with av.open(BytesIO(build_png(pixels)), format="png_pipe") as container:
        (frame,) = container.decode(video=0)
    assert np.array_equal(frame.to_ndarray(format="rgb24"), pixels)


def grey(height: int, width: int, level: int) -> np.ndarray:
    return np.full((height, width, 3), level, np.uint8)


def test_pictures_stand_in_rows_centred_in_their_cells() -> None:
    sheet = contact_sheet(
        [
            [NumberedPicture(0, grey(60, 80, 100)), NumberedPicture(1, grey(60, 80, 110))],
            [NumberedPicture(12, grey(40, 40, 120))],
        ]
    )
    assert sheet.shape == (2 * 66 + 6, 2 * 86 + 6, 3)
    assert (sheet[6, 6, 0], sheet[6, 92, 0]) == (100, 110)
    left, top = 6 + 20, 72 + 10
    assert np.array_equal(sheet[top : top + 15, left : left + 40], grey(15, 40, 120))
    assert (sheet[top - 1, left] == sheet[0, 0]).all()


def test_numbers_are_drawn_and_told_apart() -> None:
    sheets = {
        contact_sheet([[NumberedPicture(n, grey(60, 80, 100))]]).tobytes() for n in range(100)
    }
    assert len(sheets) == 100


@given(st.integers(0, 10**9), st.integers(1, 30), st.integers(1, 30))
def test_a_picture_smaller_than_its_number(number: int, height: int, width: int) -> None:
    sheet = contact_sheet([[NumberedPicture(number, grey(height, width, 100))]])
    assert sheet.shape == (height + 12, width + 12, 3)
    assert (sheet[:6] == sheet[0, 0]).all()
    assert (sheet[:, -6:] == sheet[0, 0]).all()
