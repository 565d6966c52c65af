"""Frames as people type them mean what Python's slices mean."""

from __future__ import annotations

from contextlib import suppress

import pytest
import typer
from hypothesis import given
from hypothesis import strategies as st

from marey.engine.cli.frame_list import choose_frames, parse_frames
from marey.errors import FrameRangeError
from marey.video.clips import ClipRecipe, make_clip
from marey.video.index.build import build_frame_index
from marey.video.source import BytesReader

COUNT = 10
INDEX = build_frame_index(
    BytesReader(make_clip(ClipRecipe("ten frames", width=16, height=16, frames=COUNT)))
).index

bounds = st.none() | st.integers(-2 * COUNT, 2 * COUNT)
slices = st.builds(slice, bounds, bounds, bounds.filter(lambda step: step != 0))
parts = st.lists(st.integers(-COUNT, COUNT - 1) | slices, min_size=1)


def typed(part: int | slice) -> str:
    if isinstance(part, int):
        return str(part)
    start, stop, step = (
        "" if b is None else str(b) for b in (part.start, part.stop, part.step)
    )
    return f"{start}:{stop}:{step}" if step else f"{start}:{stop}"


@given(parts)
def test_what_is_typed_is_what_is_parsed(parts: list[int | slice]) -> None:
    assert parse_frames(", ".join(map(typed, parts))) == parts


@given(parts)
def test_frames_are_those_of_python(parts: list[int | slice]) -> None:
    every = range(COUNT)
    expected = set[int]()
    for part in parts:
        expected |= {every[part]} if isinstance(part, int) else set(every[part])
    if expected:
        assert choose_frames(parts, INDEX).tolist() == sorted(expected)
    else:
        with pytest.raises(FrameRangeError, match="names none of the 10 frames"):
            choose_frames(parts, INDEX)


@pytest.mark.parametrize("text", ["", "1,", ",", "1.5", "a", "1:2:3:4", "1 2", "١x", "9" * 19])
def test_anything_else_is_wrong_use(text: str) -> None:
    with pytest.raises(typer.BadParameter, match="expected frame numbers such as 0,8,16"):
        parse_frames(text)


@given(st.text("0123456789:-, x"))
def test_wrong_use_or_as_many_parts_as_there_are(text: str) -> None:
    with suppress(typer.BadParameter):
        assert len(parse_frames(text)) == 1 + text.count(",")


@pytest.mark.parametrize("number", [COUNT, -COUNT - 1, 10**17])
def test_a_number_that_is_not_there(number: int) -> None:
    with pytest.raises(FrameRangeError, match=str(number)):
        choose_frames([number], INDEX)
