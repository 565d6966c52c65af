"""Upkeep merges the end of a dataset, and leaves rows in the order of their ids."""

from __future__ import annotations

from itertools import accumulate
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from marey.storage.handle import Handle
from marey.storage.recordings.commit import append, create_store
from marey.storage.recordings.schema import SAMPLE_SCHEMA
from marey.storage.recordings.store import SampleStore, StreamName
from marey.storage.recordings.upkeep import first_to_merge, keep_up

STREAM = StreamName("e0", "/a")
LARGE = 64 << 20
KEYFRAME = 30_000

Commit = tuple[int, int, bool]
"""How many samples, the bytes of each, and whether upkeep runs behind it."""


def rows(first: int, count: int, size: int) -> pa.Table:
    rest = [None] * (count - 1)
    return pa.table(
        [
            [STREAM.segment] * count,
            [STREAM.entity] * count,
            list(range(first, first + count)),
            ["h264"] * count,
            [None] * count,
            [np.random.default_rng(first + at).bytes(size) for at in range(count)],
            [first, *rest],
            [list(b"block"), *rest],
        ],
        schema=SAMPLE_SCHEMA,
    )


def check(commits: list[Commit]) -> None:
    with TemporaryDirectory() as folder:
        uri = str(Path(folder) / "samples.lance")
        assert create_store(uri)
        store = SampleStore(Handle(uri))
        for (count, size, tidy), end in zip(
            commits, accumulate(count for count, _, _ in commits), strict=True
        ):
            store = append(store, rows(end - count, count, size), STREAM)
            if tidy:
                keep_up(store.handle)
                store = store.newest()
            order = [
                tuple(pair)
                for batch in store.scan(["decode_index"])
                for pair in zip(*(column.to_pylist() for column in batch.columns), strict=True)
            ]
            assert order == [(at, at) for at in range(end)]
            at = np.arange(end)
            assert len(store.samples(at, at)) == end
            assert all(store.read_blocks(store.blocks()))


@pytest.mark.parametrize(
    "commits",
    [
        # A commit with a keyframe outweighs all beside it, and two light ones lie before it.
        [(2, 50_000, False), (2, 100, False), (2, 100, False), (3, KEYFRAME, True)],
        [(2, 100, False)] * 2 + [(3, KEYFRAME, False)] + [(2, 100, False)] * 2 + [(1, 9, True)],
        # Many rows of few bytes among few rows of many.
        [(2, KEYFRAME, False)] * 3
        + [(300, 10, False)]
        + [(2, KEYFRAME, False)] * 3
        + [(1, 9, True)],
    ],
)
def test_what_lies_between_fragments_of_unlike_weight(commits: list[Commit]) -> None:
    check(commits)


@settings(max_examples=12, deadline=None)
@given(
    st.lists(
        st.tuples(st.integers(1, 4), st.sampled_from([10, 3000, KEYFRAME]), st.booleans()),
        min_size=3,
        max_size=9,
    )
)
def test_rows_stay_in_order(commits: list[Commit]) -> None:
    check(commits)


sizes_of_fragments = st.lists(st.integers(1, 1 << 20) | st.integers(LARGE, 2 * LARGE))


@given(sizes_of_fragments)
def test_no_fragment_is_copied_before_it_doubles(sizes: list[int]) -> None:
    first = first_to_merge(sizes)
    merged = sizes[first:]
    assert len(merged) != 1
    assert not merged or merged[0] <= sum(merged[1:])
    assert all(size < LARGE for size in merged)


@given(sizes_of_fragments)
def test_what_is_left_is_few_files(sizes: list[int]) -> None:
    small = sizes[max((at + 1 for at, size in enumerate(sizes) if size >= LARGE), default=0) :]
    left = small[: first_to_merge(sizes) - (len(sizes) - len(small))]
    # Each is more than all behind it together.
    assert len(left) <= 2 + sum(small).bit_length()
