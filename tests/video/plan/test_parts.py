"""Plans over parts of an index: the same as over the whole, whatever the blocks are."""

from __future__ import annotations

from collections.abc import Callable
from random import Random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from marey.errors import BitstreamError, FrameIndexError
from marey.tests.support.frame_indexes import reference_graphs
from marey.tests.support.stored_indexes import unpack
from marey.video.clips import ClipRecipe, make_clip
from marey.video.index.build import build_frame_index
from marey.video.index.encode import decode_index, encode_index, open_index
from marey.video.index.frames import FrameIndex, SampleFlag
from marey.video.plan import EXACT, ReadPlan, Strategy, plan_read
from marey.video.source import BytesReader

Outcome = set[tuple[object, ...]] | str


def runs_of(plan: ReadPlan, index: FrameIndex) -> set[tuple[object, ...]]:
    """What a plan decodes, as the clip numbers it."""
    return {
        (
            run.strategy,
            *(run.samples + index.first_sample).tolist(),
            -1,
            *(run.targets + index.first_sample).tolist(),
            run.extradata,
            *((index.first_sample + at, nals) for at, nals in run.prefixes.items()),
        )
        for run in plan.runs
    }


def outcome_of(
    parts: list[tuple[FrameIndex, np.ndarray]], frames: np.ndarray, force: Strategy | None
) -> Outcome:
    runs: set[tuple[object, ...]] = set()
    try:
        for part, places in parts:
            local = frames[places] - part.first_frame
            runs |= runs_of(plan_read(part, local, cost=EXACT, force=force), part)
    except BitstreamError:
        return "refused"
    return runs


def assert_planned_alike(index: FrameIndex, block_samples: int, chance: Random) -> None:
    clip = open_index(encode_index(index, block_samples=block_samples))
    k = index.frame_count
    for _ in range(4 if k else 0):
        frames = np.array([chance.randrange(k) for _ in range(chance.choice((1, 2, 5)))])
        force = chance.choice((None, None, "whole", "rewritten"))
        whole = [(index, np.arange(len(frames)))]
        parts = list(clip.split(frames))
        assert sorted(p for _, places in parts for p in places.tolist()) == list(
            range(len(frames))
        )
        assert outcome_of(parts, frames, force) == outcome_of(whole, frames, force)


@given(reference_graphs(120), st.integers(1, 40), st.integers(0, 1 << 32))
def test_plans_over_parts_are_those_over_the_whole(
    index: FrameIndex, block_samples: int, seed: int
) -> None:
    # No decoder's sets are in these: headers that may not change keep to whole runs.
    index.flags[:] |= np.uint16(SampleFlag.FIXED_HEADERS)
    assert_planned_alike(index, block_samples, Random(seed))


KINDS = {
    "closed GOPs": "keyint=12:scenecut=0:bframes=3",
    "open GOPs": "keyint=12:scenecut=0:open-gop=1:bframes=3",
    "one endless GOP": "keyint=infinite:scenecut=0:bframes=3",
    "intra refresh": "keyint=10:intra-refresh=1:bframes=0",
}


def long_clip(x264: str) -> bytes:
    return make_clip(ClipRecipe("of many blocks", 64, 48, 120, x264=x264))


@pytest.mark.parametrize("kind", KINDS)
def test_plans_of_clips_over_parts_are_those_over_the_whole(kind: str) -> None:
    index = build_frame_index(BytesReader(long_clip(KINDS[kind]))).index
    for block_samples in (8, 20, 50):
        assert_planned_alike(index, block_samples, Random(block_samples))


@pytest.mark.parametrize("name", ["edit_list", "mbaff", "raw_resized", "open_gop"])
def test_plans_of_odd_clips(name: str, clip: Callable[[str], bytes]) -> None:
    index = build_frame_index(BytesReader(clip(name))).index
    assert_planned_alike(index, 4, Random(name))


def test_closed_gops_are_read_one_block_a_frame() -> None:
    index = build_frame_index(BytesReader(long_clip(KINDS["closed GOPs"]))).index
    clip = open_index(encode_index(index, block_samples=24))
    assert len(clip.directory) == 5
    for frame in range(0, 120, 7):
        ((part, _),) = clip.split(np.array([frame]))
        assert (part.sample_count, part.ends_gop) == (24, True)
    both = list(clip.split(np.array([0, 119, 1])))
    assert [places.tolist() for _, places in both] == [[0, 2], [1]]


def test_blocks_of_open_gops_are_joined() -> None:
    index = build_frame_index(BytesReader(long_clip(KINDS["open GOPs"]))).index
    clip = open_index(encode_index(index, block_samples=24))
    sizes = {
        part.sample_count for frame in range(120) for part, _ in clip.split(np.array([frame]))
    }
    assert 24 < max(sizes) <= 48, "two blocks at most"


def test_a_block_that_hides_its_reach_is_refused() -> None:
    """Either it is seen when the block is decoded, or when a plan follows its references."""
    index = build_frame_index(BytesReader(long_clip(KINDS["one endless GOP"]))).index
    stored = unpack(encode_index(index, block_samples=24))
    assert stored.records[2][6] > 40
    stored.records[2][6] = 4
    clip = open_index(stored.pack())
    with pytest.raises(FrameIndexError, match="4 before the block"):
        list(clip.split(np.array([60])))
    part = index.part(slice(48, 72), slice(48, 72))
    with pytest.raises(FrameIndexError, match=r"sample \d+ depends on samples before 48"):
        plan_read(part, np.array([3]))


def test_parts_say_how_long_their_last_frames_stand(clip: Callable[[str], bytes]) -> None:
    index = build_frame_index(BytesReader(clip("variable_rate"))).index
    stored = open_index(encode_index(index, block_samples=4))
    assert len(stored.directory) > 3
    found = np.concatenate([part.duration_ticks for part in stored.parts()])
    assert found.tolist() == index.duration_ticks.tolist()
    assert decode_index(encode_index(index)).duration_ticks.tolist() == found.tolist()
