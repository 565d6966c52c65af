"""Runs as sets of samples: closed, least, independent, and whole where they claim to be.

The indexes are drawn, not taken from files: any acyclic graph of references may come.
"""

from __future__ import annotations

import random
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from marey.errors import BitstreamError, FrameRangeError
from marey.tests.support.frame_indexes import random_index, reference_graphs
from marey.video.index.frames import FrameIndex, SampleFlag
from marey.video.plan import EXACT, LOCAL, OBJECT_STORE, plan_read
from marey.video.plan.closure import plan_closures
from marey.video.plan.whole import SampleRun, plan_whole

SEEDS = st.integers(0, 1 << 32)


def drawn_targets(index: FrameIndex, seed: int) -> np.ndarray:
    rng = random.Random(seed)
    samples = [s for s in range(index.sample_count) if not is_second(index, s)]
    return np.array(sorted(rng.sample(samples, rng.randint(1, min(6, len(samples))))), np.int64)


def is_second(index: FrameIndex, sample: int) -> bool:
    return bool(index.flags[sample] & SampleFlag.SECOND_FIELD)


def companions(index: FrameIndex, sample: int) -> list[int]:
    """The other field of a pair."""
    if is_second(index, sample):
        return [sample - 1]
    following = sample + 1
    return [following] if following < index.sample_count and is_second(index, following) else []


def needs(index: FrameIndex, sample: int) -> set[int]:
    return {*index.references_of(sample).tolist(), *companions(index, sample)}


def brute_force_hull(index: FrameIndex, targets: np.ndarray) -> set[int]:
    hull: set[int] = set(targets.tolist())
    while more := set().union(*(needs(index, s) for s in hull)) - hull:
        hull |= more
    return hull


def all_samples(runs: list[SampleRun]) -> list[int]:
    return sorted(s for run in runs for s in run.samples.tolist())


@given(reference_graphs(), SEEDS)
def test_closures_are_the_least_closed_sets(index: FrameIndex, seed: int) -> None:
    targets = drawn_targets(index, seed)
    runs = plan_closures(index, targets)
    # Equal to the hull: closed, nothing beyond it, and no sample in two runs.
    assert all_samples(runs) == sorted(brute_force_hull(index, targets))


@given(reference_graphs(), SEEDS)
def test_closures_are_independent_and_connected(index: FrameIndex, seed: int) -> None:
    for run in plan_closures(index, drawn_targets(index, seed)):
        samples = set(run.samples.tolist())
        assert set(run.targets.tolist()) <= samples
        assert len(run.targets)
        for sample in samples:
            assert needs(index, sample) <= samples
        reached, waiting = set(), [min(samples)]
        while waiting:
            sample = waiting.pop()
            reached.add(sample)
            near = needs(index, sample) | {s for s in samples if sample in needs(index, s)}
            waiting += near - reached
        assert reached == samples


@given(reference_graphs(), SEEDS)
def test_whole_runs_hold_every_reference_since_the_start(index: FrameIndex, seed: int) -> None:
    targets = drawn_targets(index, seed)
    runs = plan_whole(index, targets)
    assert sorted(t for run in runs for t in run.targets.tolist()) == targets.tolist()
    for run in runs:
        samples = set(run.samples.tolist())
        first, last = int(run.samples[0]), int(run.targets[-1])
        assert index.flags[first] & SampleFlag.START
        assert (index.decode_from[run.targets] >= first).all()
        for sample in range(first, last + 1):
            if index.flags[sample] & SampleFlag.REFERENCE or sample in run.targets:
                assert sample in samples
        for sample in samples:
            assert set(companions(index, sample)) <= samples
        # Beyond references and targets nothing but their other fields.
        for sample in samples:
            wanted = {sample, *companions(index, sample)}
            assert any(
                index.flags[s] & SampleFlag.REFERENCE or s in run.targets for s in wanted
            )


@given(reference_graphs(), SEEDS)
def test_whole_runs_are_closed(index: FrameIndex, seed: int) -> None:
    for run in plan_whole(index, drawn_targets(index, seed)):
        samples = set(run.samples.tolist())
        for target in run.targets.tolist():
            assert brute_force_hull(index, np.array([target])) <= samples


def flagged(index: FrameIndex, sample: int, flag: int) -> FrameIndex:
    flags = index.flags.copy()
    flags[sample] |= flag
    return replace(index, flags=flags)


@given(reference_graphs(), SEEDS)
def test_unclosed_stretches_are_decoded_in_full(index: FrameIndex, seed: int) -> None:
    unclosed = random.Random(seed).randrange(index.sample_count)
    for run in plan_whole(
        flagged(index, unclosed, SampleFlag.UNCLOSED), drawn_targets(index, seed)
    ):
        first, last = int(run.samples[0]), int(run.samples[-1])
        if first <= unclosed <= last:
            assert run.samples.tolist() == list(range(first, last + 1))


@given(reference_graphs(), SEEDS)
def test_damage_on_the_way_is_refused_by_name(index: FrameIndex, seed: int) -> None:
    targets = drawn_targets(index, seed)
    damaged = random.Random(seed).randrange(index.sample_count)
    runs = plan_whole(index, targets)
    on_the_way = any(r.samples[0] <= damaged <= r.samples[-1] for r in runs)
    broken = flagged(index, damaged, SampleFlag.DAMAGED)
    if on_the_way:
        with pytest.raises(BitstreamError, match=f"sample {damaged}"):
            plan_whole(broken, targets)
    else:
        plan_whole(broken, targets)


@given(reference_graphs(), SEEDS, st.sampled_from([EXACT, LOCAL, OBJECT_STORE]))
def test_ranges_hold_the_samples_of_every_run(
    index: FrameIndex, seed: int, cost: object
) -> None:
    rng = random.Random(seed)
    frames = [rng.randrange(index.frame_count) for _ in range(rng.randint(1, 6))]
    plan = plan_read(index, np.array(frames), cost=cost, force="whole")
    assert plan.frames.tolist() == sorted(set(frames))
    needed = np.zeros(index.source_bytes, bool)
    for run in plan.runs:
        for sample, buffer, position, size in zip(
            run.samples, run.buffer, run.position, run.size, strict=True
        ):
            held = plan.ranges[buffer]
            assert held.start + position == index.offset[sample]
            assert size == index.size[sample]
            assert index.offset[sample] + size <= held.end
            needed[index.offset[sample] : index.offset[sample] + size] = True
    fetched = np.zeros(index.source_bytes, bool)
    for held in plan.ranges:
        fetched[held.start : held.end] = True
    assert plan.bytes_fetched == fetched.sum()
    assert not (needed & ~fetched).any()
    if cost is EXACT:
        assert (needed == fetched).all()


@given(SEEDS)
def test_frames_that_are_not_there(seed: int) -> None:
    index = random_index(random.Random(seed), 5)
    for frame in (-1, index.frame_count, 1 << 40, -(1 << 62)):
        with pytest.raises(FrameRangeError, match=str(frame)):
            plan_read(index, np.array([0, frame]))


def test_no_frames_need_nothing() -> None:
    plan = plan_read(random_index(random.Random(0), 5), np.array([], np.int64))
    assert plan.ranges == ()
    assert plan.runs == ()
    assert plan.bytes_fetched == plan.samples_decoded == 0
