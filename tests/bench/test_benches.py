"""The benches run, small; what they measure without a clock is held to its bar."""

from __future__ import annotations

import pytest

from marey.tests.bench import closures, indexing, long, recordings, reheading

CLOSED = ["one reference", "strict pyramid", "open GOPs of 30", "intra refresh of 40"]


@pytest.mark.parametrize("kind", CLOSED)
def test_no_more_is_decoded_than_references_ask_for(kind: str) -> None:
    found = closures.measure(kind, frames=50)
    assert found.plan <= found.r0
    assert found.r0 <= found.whole <= found.since_idr


@pytest.mark.parametrize("kind", ["medium", "CAVLC, no B", "temporal direct, five B"])
def test_nothing_is_rewritten_where_nothing_needs_to_be(kind: str) -> None:
    """Closures of streams whose P frames list all there is: everything but unneeded B."""
    found = closures.measure(kind, frames=40)
    assert found.rewritten_share == 0
    assert found.plan == found.whole == found.r0


@pytest.mark.parametrize("kind", reheading.KINDS)
def test_every_kind_is_rewritten(kind: str) -> None:
    cost = reheading.measure(kind, frames=8, rounds=1)
    assert cost.slice_bytes > 0
    assert cost.microseconds > 0


@pytest.mark.parametrize("kind", ["x264 as it comes", "keyint 30", "no B, three references"])
def test_six_bytes_a_frame(kind: str) -> None:
    assert indexing.measure(kind, frames=400, rounds=1).frame_bytes <= 6


@pytest.mark.parametrize("kind", ["GOP 30", "open GOPs of 60"])
def test_long_clips_are_read_and_their_index_is_small(kind: str) -> None:
    cost = long.measure(kind, frames=1800, rounds=1)
    assert cost.index_bytes <= 6
    assert min(cost.long_plan, cost.long_read, cost.indexing) > 0


def test_frames_of_a_recorded_stream_are_measured() -> None:
    costs = list(recordings.measure(frames=60, width=160, height=96, rounds=1))
    assert [cost.frame for cost in costs] == [3, 59]
    assert all(0 < cost.samples < 30 for cost in costs)
