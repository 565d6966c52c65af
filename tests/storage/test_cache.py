"""The cache keeps within its bytes, and the last used longest."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from marey.storage.cache import Cache

steps = st.lists(
    st.tuples(st.sampled_from("abcdef"), st.none() | st.integers(0, 8)), max_size=60
)


@given(steps)
def test_it_holds_the_last_used_values_that_fit(steps: list[tuple[str, int | None]]) -> None:
    cache: Cache[int] = Cache(max_bytes=10)
    used: dict[str, int] = {}  # by use, the last used at the end
    for key, size in steps:
        if size is None:
            assert cache.get(key) == used.get(key)
            if key in used:
                used[key] = used.pop(key)
        else:
            cache.put(key, size, size=size)
            used.pop(key, None)
            used[key] = size
            while sum(used.values()) > 10:
                del used[next(iter(used))]
        assert cache.size == sum(used.values()) <= 10


def test_a_value_larger_than_the_cache_replaces_but_is_not_kept() -> None:
    cache: Cache[str] = Cache(max_bytes=10)
    cache.put("k", "old", size=4)
    cache.put("k", "new", size=11)
    assert cache.get("k") is None
    assert cache.size == 0
