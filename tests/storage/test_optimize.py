"""Upkeep: fewer fragments and versions, the same rows, and media copied seldom."""

from __future__ import annotations

import os
from collections.abc import Callable

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from marey.errors import InputError, MareyError
from marey.storage.dataset import Dataset
from marey.storage.optimize import FragmentSize, fragments_to_leave
from marey.storage.schema import VideoValue

MakeVideo = Callable[..., VideoValue]

fragment_lists = st.lists(st.integers(1, 200), max_size=12).map(
    lambda rows: [FragmentSize(number, n, 0) for number, n in enumerate(rows)]
)


def merged_runs(sizes: list[FragmentSize], target_rows: int) -> list[list[FragmentSize]]:
    """What Lance merges: neighbours that are small and not left."""
    left = fragments_to_leave(sizes, target_rows)
    runs: list[list[FragmentSize]] = [[]]
    for size in sizes:
        if size.number in left or size.rows >= target_rows:
            runs.append([])
        else:
            runs[-1].append(size)
    return [run for run in runs if len(run) > 1]


@given(fragment_lists, st.integers(2, 300))
def test_what_is_copied_at_least_doubles(sizes: list[FragmentSize], target_rows: int) -> None:
    for run in merged_runs(sizes, target_rows):
        rows = sum(size.rows for size in run)
        assert all(2 * size.rows <= rows for size in run)


@given(st.lists(st.integers(1, 5), min_size=1, max_size=60))
def test_a_row_is_copied_as_often_as_the_table_doubles(appends: list[int]) -> None:
    """Append and optimize in turn: the copies of all rows are rows times a logarithm."""
    sizes: list[FragmentSize] = []
    copied = 0
    for number, rows in enumerate(appends):
        sizes.append(FragmentSize(number, rows, 0))
        for run in merged_runs(sizes, 1 << 20):
            total = sum(size.rows for size in run)
            copied += total
            at = sizes.index(run[0])
            sizes[at : at + len(run)] = [FragmentSize(run[0].number, total, 0)]
    total = sum(appends)
    assert copied <= total * total.bit_length()


def test_a_fragment_with_many_deleted_rows_is_rewritten() -> None:
    sizes = [FragmentSize(0, 100, 0), FragmentSize(1, 50, 50), FragmentSize(2, 1, 0)]
    assert fragments_to_leave(sizes, 1000) == [0]


def test_small_fragments_become_one_and_rows_stay(clips: Dataset, video: MakeVideo) -> None:
    sources = [os.urandom(70_000) for _ in range(8)]
    for key, source in enumerate(sources):
        clips.write(pa.table({"clip_id": [key]}), {"video": [video(source)]})
    clips.delete("clip_id = 5")
    row_ids = clips.find_keys(pa.table({"clip_id": range(8)}))
    done = clips.optimize(keep_versions_seconds=0)
    assert (done.fragments_before, done.fragments_after) == (7, 1)
    assert done.bytes_removed > 7 * 70_000
    assert clips.find_keys(pa.table({"clip_id": range(8)})) == row_ids
    wanted = [(row, 0, 70_000) for row in row_ids.drop_null().to_pylist()]
    assert clips.read_ranges("video", wanted) == sources[:5] + sources[6:]


def test_a_large_fragment_is_not_copied_for_a_small_one(
    clips: Dataset, video: MakeVideo, folder_bytes: Callable[[], int]
) -> None:
    clips.write(pa.table({"clip_id": range(20)}), {"video": [video(os.urandom(100_000))] * 20})
    clips.write(pa.table({"clip_id": [20]}), {"video": [video(b"x")]})
    before = folder_bytes()
    done = clips.optimize()
    assert (done.fragments_before, done.fragments_after) == (2, 2)
    assert folder_bytes() - before < 10_000


def test_references_weigh_nothing_and_are_kept(
    clips: Dataset, video: MakeVideo, folder_bytes: Callable[[], int]
) -> None:
    clips.write(pa.table({"clip_id": [0], "label": ["a"]}))
    clips.write(pa.table({"clip_id": [1]}))
    done = clips.optimize()
    assert done.fragments_after == 1


def test_old_versions_go_and_say_so(clips: Dataset) -> None:
    clips.write(pa.table({"clip_id": [1]}))
    old = clips.version
    snapshot = clips.at(old)
    clips.write(pa.table({"clip_id": [2]}))
    assert clips.optimize().versions_removed == 0
    assert snapshot.count() == 1
    assert clips.optimize(keep_versions_seconds=0).versions_removed >= 2
    with pytest.raises(MareyError, match=f"no version {old} "):
        clips.at(old)
    assert [v.number for v in clips.versions()] == [clips.version]


def test_an_empty_table_and_a_wrong_age(clips: Dataset) -> None:
    done = clips.optimize()
    assert (done.fragments_before, done.fragments_after) == (0, 0)
    with pytest.raises(InputError, match="keep_versions_seconds must be 0 or more, got -1"):
        clips.optimize(keep_versions_seconds=-1)
