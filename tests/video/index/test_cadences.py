"""Lower rates are found where a file holds them as a closed prefix, and nowhere else."""

from __future__ import annotations

from dataclasses import replace
from random import Random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from marey.tests.support.frame_indexes import random_index
from marey.video.index.cadences import cadence_steps, cadences
from marey.video.index.frames import FrameIndex
from marey.video.timing import Timebase


def layered(
    count: int, layers: list[int], *, gap: int = 0, reference: tuple[int, int] | None = None
) -> FrameIndex:
    """A clip of 30 frames a second whose samples lie layer after layer.

    Args:
        count: Frames; decoded in the order in which they are shown.
        layers: Steps, falling, and then 1.
        gap: Bytes before the third sample of the file.
        reference: A frame, and one that it refers to.
    """
    frames: list[int] = []
    for step in (*layers, 1):
        frames += sorted(set(range(0, count, step)) - set(frames))
    size = np.arange(10, 10 + count)
    offset = np.zeros(count, np.int64)
    offset[frames] = 48 + np.cumsum(size[frames]) - size[frames]
    offset[frames[2:]] += gap
    frame, refers_to = reference or (0, 0)
    return replace(
        random_index(Random(0), count),
        offset=offset,
        size=size,
        frame_sample=np.arange(count, dtype=np.int32),
        reference_start=np.int64(np.arange(count + 1) > frame) * (reference is not None),
        references=np.array([refers_to] * (reference is not None), np.int32),
        pts_ticks=7 + 512 * np.arange(count),
        last_duration_ticks=512,
        timebase=Timebase(1, 15360),
    )


@pytest.mark.parametrize(
    ("layers", "rates"),
    [
        ([], []),
        ([3], [10.0]),
        ([6, 3], [10.0, 5.0]),
        ([12, 6, 2], [15.0, 5.0, 2.5]),
        ([30], [1.0]),
    ],
)
@pytest.mark.parametrize("count", [61, 90])
def test_layers_are_rates(layers: list[int], rates: list[float], count: int) -> None:
    assert cadences(layered(count, layers)) == rates


def test_broadcast_rates_are_what_every_takes_them_for() -> None:
    from marey.expressions.selection import every
    from marey.video.index.clip import DecodedIndex

    index = replace(
        layered(50, [3]),
        timebase=Timebase(1, 24000),
        pts_ticks=1001 * np.arange(50),
        last_duration_ticks=1001,
    )
    (rate,) = cadences(index)
    assert rate == 8000 / 1001
    assert every(DecodedIndex(index), rate).tolist() == list(range(0, 50, 3))


def test_what_is_no_cadence() -> None:
    assert cadences(layered(60, [3], gap=1)) == []
    assert cadences(layered(60, [3], reference=(6, 3))) == [10.0]
    assert cadences(layered(60, [3], reference=(6, 4))) == []
    uneven = layered(60, [3])
    uneven.pts_ticks[-1] += 1
    assert cadences(uneven) == []
    assert cadences(replace(uneven, pts_ticks=np.zeros(60, np.int64))) == []


@given(st.integers(0, 1 << 32), st.integers(1, 9))
def test_a_step_is_one_by_its_definition(seed: int, count: int) -> None:
    index = random_index(Random(seed), count)
    index = replace(index, pts_ticks=40 * np.arange(index.frame_count))
    order = sorted(range(index.sample_count), key=lambda s: (int(index.offset[s]), s))

    def holds(step: int) -> bool:
        samples = index.frame_sample[::step].tolist()
        first = order[: len(samples)]
        ends = [int(index.offset[s] + index.size[s]) for s in first]
        return (
            len({*index.frame_sample.tolist()}) == index.frame_count
            and sorted(samples) == sorted(first)
            and all(index.offset[s] == end for s, end in zip(first[1:], ends, strict=False))
            and all(r in first for s in first for r in index.references_of(s).tolist())
        )

    assert cadence_steps(index) == [s for s in range(2, index.frame_count) if holds(s)]
