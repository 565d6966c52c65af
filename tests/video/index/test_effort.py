"""What indexing may cost: counted, so that the same file is always refused."""

from __future__ import annotations

import tracemalloc
from contextlib import suppress

import pytest

from marey.errors import MareyError, UnsupportedError
from marey.tests.fuzz.hostile_streams import STREAMS
from marey.video.index.build import build_frame_index
from marey.video.index.effort import Effort
from marey.video.source import BytesReader


def test_effort_ends_at_the_same_unit() -> None:
    effort = Effort(1000)
    effort.spend(1_200_000 + 1500)
    with pytest.raises(UnsupportedError, match="indexing 1000 bytes takes more than 1201500"):
        effort.spend(1)


@pytest.mark.parametrize(
    ("name", "size"), [("undecided_starts", 250_000), ("new_sequence_sets", 500_000)]
)
def test_stream_out_of_proportion_is_refused(name: str, size: int) -> None:
    with pytest.raises(UnsupportedError, match=f"indexing {size} bytes takes more than"):
        build_frame_index(BytesReader(STREAMS[name](size)))


@pytest.mark.parametrize("name", ["small_slices", "weights", "list_modifications"])
def test_thousands_of_slices_in_a_picture_are_refused(name: str) -> None:
    with pytest.raises(UnsupportedError, match="more than 8192 slices in one sample"):
        build_frame_index(BytesReader(STREAMS[name](400_000)))


@pytest.mark.parametrize("name", STREAMS)
def test_hostile_stream_is_indexed_or_refused(name: str) -> None:
    with suppress(MareyError):
        build_frame_index(BytesReader(STREAMS[name](20_000)))


@pytest.mark.parametrize(
    ("name", "share"), [("slice_group_maps", 12), ("start_codes", 2), ("new_picture_sets", 12)]
)
def test_nothing_is_kept_for_each_nal_unit(name: str, share: int) -> None:
    data = STREAMS[name](100_000)
    tracemalloc.start()
    try:
        build_frame_index(BytesReader(data))
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < share * len(data)
