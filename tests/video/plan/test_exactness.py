"""Every frame, however sparsely and in whatever company, is that of a full sequential decode.

Single frames hide most faults: what a wrong buffer would spoil is often decoded with that
buffer empty. So sets of frames are asked for in one pass, in any order, and twice.
`MAREY_LONG=1` asks for a thousand sets of each adversarial stream.
"""

from __future__ import annotations

import os
import random
from collections.abc import Callable, Iterator

import pytest

from marey.tests.support.adversarial_streams import STREAMS, random_stream
from marey.tests.support.reading import Clip
from marey.tests.support.reference_trees import build_stream
from marey.video.clips import RECIPES
from marey.video.plan import Strategy

LONG = bool(os.environ.get("MAREY_LONG"))
SETS = 1000 if LONG else 24
RANDOM_STREAMS = 500 if LONG else 40
FORCED: tuple[Strategy, ...] = ("whole", "rewritten")


def random_sets(rng: random.Random, frames: int, count: int) -> Iterator[list[int]]:
    """In any order, with duplicates, most across several GOPs."""
    for _ in range(count):
        yield [rng.randrange(frames) for _ in range(rng.choice((1, 2, 2, 3, 5, 8)))]


@pytest.mark.parametrize("name", RECIPES)
def test_every_frame_of_every_recipe(name: str, clip: Callable[[str], bytes]) -> None:
    read = Clip(clip(name))
    frames = read.index.frame_count
    assert frames == len(read.truth)
    sets = [[frame] for frame in range(frames)]
    sets += random_sets(random.Random(name), frames, 8)
    sets.append(list(range(frames)))
    for force in FORCED:
        for frames_wanted in sets:
            assert not read.wrong(frames_wanted, force), (force, frames_wanted)
    # Left to choose, a plan is of one of the two kinds or of both: only the mixed are new.
    for frames_wanted in sets:
        kinds = {run.strategy for run in read.plan(frames_wanted).runs}
        if len(kinds) > 1:
            assert not read.wrong(frames_wanted), frames_wanted


@pytest.mark.parametrize("name", STREAMS)
def test_sets_of_adversarial_streams(name: str) -> None:
    read = Clip(build_stream(STREAMS[name]), container="h264")
    frames = read.index.frame_count
    assert frames == len(read.truth) == len(STREAMS[name].pictures)
    rng = random.Random(name)
    for force in (*FORCED, None):
        for frames_wanted in random_sets(rng, frames, SETS):
            assert not read.wrong(frames_wanted, force), (force, frames_wanted)


@pytest.mark.parametrize("name", ["star", "star_long_term", "golden", "chains", "layers"])
def test_adversarial_streams_are_rewritten(name: str) -> None:
    """Whole runs drag along what nobody asked for: forced or not, closures stay small."""
    read = Clip(build_stream(STREAMS[name]), container="h264")
    last = read.index.frame_count - 1
    rewritten, whole = read.plan([last], "rewritten"), read.plan([last], "whole")
    assert {run.strategy for run in rewritten.runs} == {"rewritten"}
    assert rewritten.samples_decoded < whole.samples_decoded


@pytest.mark.parametrize("first", range(0, RANDOM_STREAMS, 10))
def test_random_reference_structures(first: int) -> None:
    """MMCO 1 to 6, long-term references, all picture order types, intra pictures anywhere."""
    for seed in range(first, first + 10):
        rng = random.Random(seed)
        read = Clip(build_stream(random_stream(rng), seed=seed % 3), container="h264")
        frames = read.index.frame_count
        assert frames == len(read.truth)
        for force in (*FORCED, None):
            for frames_wanted in random_sets(rng, frames, 4):
                assert not read.wrong(frames_wanted, force), (seed, force, frames_wanted)
