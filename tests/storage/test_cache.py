"""The cache keeps within its bytes, and the last used longest."""

from __future__ import annotations

import tracemalloc

import pytest
from hypothesis import given
from hypothesis import strategies as st

from marey.storage import cache as cache_module
from marey.storage.cache import Cache, Room

MAX_BYTES = 8000
SIZES = st.integers(0, 9000)
PUT = st.tuples(st.sampled_from("ab"), st.integers(0, 8), SIZES, st.booleans())
GET = st.tuples(st.sampled_from("ab"), st.integers(0, 8))


@given(st.lists(PUT | GET, max_size=80))
def test_a_room_gives_what_was_put_last_or_nothing_and_keeps_to_its_bytes(
    steps: list[tuple[str, int, int, bool] | tuple[str, int]],
) -> None:
    room = Room(MAX_BYTES)
    caches: dict[str, Cache[object]] = {name: Cache(room) for name in "ab"}
    put: dict[tuple[str, int], object] = {}
    for step in steps:
        match step:
            case name, key:
                assert caches[name].get(key) in (None, put.get((name, key)))
            case name, key, size, lasting:
                value = put[name, key] = object()
                caches[name].put(key, value, size=size, lasting=lasting)
                # There is always room for what is small, whatever else there is.
                found = caches[name].get(key)
                assert found is value or (found is None and size > MAX_BYTES // 16)
        assert room.size <= MAX_BYTES


def fill(cache: Cache[int], keys: range, *, size: int) -> int:
    """Look for values and put those that are not there: one pass. How many were there."""
    found = 0
    for key in keys:
        if cache.get(key) is None:
            cache.put(key, key, size=size)
        else:
            found += 1
    return found


def test_a_pass_over_more_than_fits_takes_its_line_and_pushes_nothing_out() -> None:
    room = Room(1 << 20)
    cache: Cache[int] = Cache(room)
    cache.put("keys", 1, size=400_000, lasting=True)
    for _ in range(3):
        fill(cache, range(10_000), size=1000)
        assert cache.get("keys") == 1
        assert room.size < 400_400 + 3 * (1 << 17) + (1 << 16)


def test_what_fits_is_there_from_the_third_pass_on_at_the_latest() -> None:
    room = Room(1 << 20)
    cache: Cache[int] = Cache(room)
    rows = range(600)
    fill(cache, rows, size=1000)
    fill(cache, rows, size=1000)
    assert fill(cache, rows, size=1000) == fill(cache, rows, size=1000) == len(rows)
    few = range(1000, 1150)
    fill(cache, few, size=1000)
    assert fill(cache, few, size=1000) == len(few)


@pytest.mark.parametrize("lasting", [False, True])
def test_a_value_larger_than_the_room_replaces_but_is_not_kept(lasting: bool) -> None:
    room = Room(max_bytes=1000)
    cache: Cache[str] = Cache(room)
    cache.put("k", "old", size=4, lasting=lasting)
    cache.put("k", "new", size=1001, lasting=lasting)
    assert cache.get("k") is None
    assert room.size == 0


def test_an_entry_counts_for_what_it_takes() -> None:
    room = Room(max_bytes=10**6)
    cache: Cache[int] = Cache(room)
    snapshot = ("table id", 3, "video")
    tracemalloc.start()
    for row in range(1000, 2000):
        cache.put((*snapshot, row), row, size=0)
    traces = tracemalloc.take_snapshot().traces
    tracemalloc.stop()
    # Other threads of the process allocate, too.
    places = {cache_module.__file__, __file__}
    taken = sum(trace.size for trace in traces if trace.traceback[0].filename in places)
    assert 100 * 1000 < taken <= room.size <= 2 * taken
