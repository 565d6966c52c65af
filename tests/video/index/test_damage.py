"""Lost samples: what depends on one is LOST, what merely comes later is UNCLOSED.

Streams are built by a tree of references, so what depends on what is known beforehand. Two
losses cannot be told from the bits that are left: a picture that carried MMCO 5 may take all
signs of itself with it, and one that gave out a long-term index leaves the picture that had it
before. A full decode cannot tell either; such streams stay UNCLOSED at most.
"""

from __future__ import annotations

import random
from dataclasses import replace

import numpy as np
import pytest

from marey.errors import BitstreamError
from marey.tests.support.adversarial_streams import STREAMS, random_stream
from marey.tests.support.reference_trees import TreeStream, build_stream
from marey.video.index.build import build_frame_index
from marey.video.index.frames import FrameIndex, SampleFlag
from marey.video.plan import plan_read
from marey.video.source import BytesReader


def dependents(stream: TreeStream) -> set[int]:
    """Pictures that refer, directly or not, to one that was left out."""
    lost = set(stream.skip)
    for number, coded in enumerate(stream.pictures):
        if coded.parent in lost:
            lost.add(number)
    return lost - stream.skip


def index_of(stream: TreeStream, seed: int = 0) -> tuple[FrameIndex, list[int]]:
    """The index, and the number in the tree of each sample."""
    index = build_frame_index(BytesReader(build_stream(stream, seed=seed))).index
    numbers = [i for i in range(len(stream.pictures)) if i not in stream.skip]
    assert index.sample_count == len(numbers)
    return index, numbers


def flagged(index: FrameIndex, numbers: list[int], flag: int) -> set[int]:
    return {numbers[s] for s in np.flatnonzero(index.flags & flag).tolist()}


@pytest.mark.parametrize(
    ("name", "skip"),
    [
        ("layers", {6}),
        ("layers", {20, 24}),
        ("chains", {17}),
        ("golden", {5}),
        ("golden_long_term", {17}),
        ("star", {9}),
        ("forgetful", {3}),
    ],
)
def test_what_depends_on_a_lost_picture(name: str, skip: set[int]) -> None:
    stream = replace(STREAMS[name], skip=frozenset(skip))
    index, numbers = index_of(stream)
    lost = flagged(index, numbers, SampleFlag.LOST)
    assert dependents(stream) <= lost
    unclosed = flagged(index, numbers, SampleFlag.UNCLOSED)
    assert lost <= unclosed
    assert all(number > min(skip) for number in unclosed)


@pytest.mark.parametrize("seed", range(30))
def test_random_losses(seed: int) -> None:
    rng = random.Random(seed)
    stream = random_stream(rng)
    candidates = [
        i for i, c in enumerate(stream.pictures) if i and not c.idr and not c.forget_all
    ]
    skip = frozenset(rng.sample(candidates, rng.randint(1, 3)))
    stream = replace(stream, skip=skip)
    index, numbers = index_of(stream, seed % 3)
    kept_long = any(
        stream.pictures[i].long_term >= 0 or stream.pictures[i].convert for i in skip
    )
    sign = SampleFlag.UNCLOSED if kept_long else SampleFlag.LOST
    assert dependents(stream) <= flagged(index, numbers, sign)
    # Everything is clean again from the next IDR picture on.
    clean = flagged(index, numbers, SampleFlag.IDR)
    assert not clean & flagged(index, numbers, SampleFlag.UNCLOSED | SampleFlag.LOST)
    before = [n for n in numbers if n < min(skip)]
    assert not set(before) & flagged(index, numbers, SampleFlag.UNCLOSED | SampleFlag.LOST)


def test_lost_frames_fail_by_name_and_others_are_planned() -> None:
    stream = replace(STREAMS["chains"], skip=frozenset({17}))
    index, numbers = index_of(stream)
    lost = flagged(index, numbers, SampleFlag.LOST)
    for frame, sample in enumerate(index.frame_sample.tolist()):
        if numbers[sample] in lost:
            with pytest.raises(BitstreamError, match=f"sample {sample} depends on"):
                plan_read(index, np.array([frame]))
        else:
            assert plan_read(index, np.array([frame])).samples_decoded
    assert 0 < len(lost) < len(numbers)


def test_a_lost_picture_that_nothing_refers_to_harms_nothing() -> None:
    stream = replace(STREAMS["layers"], skip=frozenset({1, 3, 33}))
    index, numbers = index_of(stream)
    assert not flagged(index, numbers, SampleFlag.UNCLOSED | SampleFlag.LOST)
