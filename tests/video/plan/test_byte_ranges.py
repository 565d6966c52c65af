"""Ranges cover exactly the samples, and fetch over gaps only as the cost model allows."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from marey.errors import ConfigError
from marey.tests.support.frame_indexes import reference_graphs
from marey.video.index.frames import FrameIndex
from marey.video.plan import estimate_fetches
from marey.video.plan.byte_ranges import EXACT, LOCAL, OBJECT_STORE, SourceCost, plan_ranges

SPANS = st.lists(
    st.tuples(st.integers(0, 200_000), st.integers(0, 5_000)), min_size=0, max_size=40
)
COSTS = st.sampled_from([EXACT, LOCAL, OBJECT_STORE])


def arrays(spans: list[tuple[int, int]]) -> tuple[np.ndarray, np.ndarray]:
    return np.array([s[0] for s in spans], np.int64), np.array([s[1] for s in spans], np.int64)


@given(SPANS, COSTS)
def test_every_sample_lies_in_its_range(spans: list[tuple[int, int]], cost: SourceCost) -> None:
    offset, size = arrays(spans)
    plan = plan_ranges(offset, size, cost)
    for i, (at, length) in enumerate(spans):
        held = plan.ranges[plan.buffer[i]]
        assert held.start + plan.position[i] == at
        assert held.start <= at
        assert at + length <= held.end


@given(SPANS, COSTS)
def test_ranges_ascend_and_do_not_overlap(
    spans: list[tuple[int, int]], cost: SourceCost
) -> None:
    ranges = plan_ranges(*arrays(spans), cost).ranges
    for earlier, later in pairwise(ranges):
        assert earlier.end < later.start or earlier.end == later.start == later.end


@given(SPANS, COSTS)
def test_bytes_are_those_of_the_samples_and_the_bridged_gaps(
    spans: list[tuple[int, int]], cost: SourceCost
) -> None:
    plan = plan_ranges(*arrays(spans), cost)
    needed = np.zeros(300_000, bool)
    for at, length in spans:
        needed[at : at + length] = True
    fetched = sum(r.length for r in plan.ranges)
    assert fetched == needed.sum() + plan.gap_bytes
    assert plan.gap_bytes <= cost.overfetch * needed.sum()


@given(SPANS)
def test_exact_fetches_nothing_else(spans: list[tuple[int, int]]) -> None:
    assert plan_ranges(*arrays(spans), EXACT).gap_bytes == 0


def test_a_costly_request_bridges_what_a_cheap_one_skips() -> None:
    offset = np.array([0, 50_000, 250_000])
    size = np.array([40_000, 40_000, 40_000])
    assert len(plan_ranges(offset, size, LOCAL).ranges) == 2
    assert len(plan_ranges(offset, size, EXACT).ranges) == 3
    wide = SourceCost(request_seconds=1.0, bytes_per_second=1e9, overfetch=10)
    assert len(plan_ranges(offset, size, wide).ranges) == 1


@pytest.mark.parametrize(
    "fields",
    [
        {"request_seconds": -1.0, "bytes_per_second": 1.0},
        {"request_seconds": 0.0, "bytes_per_second": 0.0},
        {"request_seconds": 0.0, "bytes_per_second": 1.0, "parallel_requests": 0},
        {"request_seconds": 0.0, "bytes_per_second": 1.0, "overfetch": -0.1},
        {"request_seconds": float("nan"), "bytes_per_second": 1.0},
    ],
)
def test_a_senseless_cost_is_refused(fields: dict[str, float]) -> None:
    with pytest.raises(ConfigError):
        SourceCost(**fields)


@given(reference_graphs(), st.integers(0, 1 << 32), st.sampled_from([LOCAL, OBJECT_STORE]))
def test_what_is_chosen_is_the_cheapest_that_the_limit_allows(
    index: FrameIndex, seed: int, cost: SourceCost
) -> None:
    samples = np.flatnonzero(np.random.default_rng(seed).random(index.sample_count) < 0.4)
    options = {o.shape: o for o in estimate_fetches(index, samples, cost)}
    allowed = [option.seconds for option in options.values() if option.is_allowed]
    assert options["widened"].is_allowed
    assert options["widened"].seconds <= min(allowed) + 1e-9
    assert options["exact"].bytes_fetched <= options["widened"].bytes_fetched
    assert options["exact"].requests >= options["widened"].requests
