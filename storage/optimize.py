"""Upkeep: small fragments into larger ones, and old versions out.

Lance copies the media of every fragment that it merges. Left alone it would merge all small
ones each time, and a table that grows bit by bit would be copied over and over. Here a fragment
is merged only with at least its own weight in others: it is then part of one at least twice as
large, so no video is copied more often than the table doubles.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

from lance import LanceDataset

from ..errors import ConflictError, InputError
from .handle import Handle, translate_errors
from .read import quote
from .schema import SOURCE

_FRAGMENT_BYTES = 1 << 30
_FRAGMENT_ROWS = 1 << 20
_BATCH_BYTES = 32 << 20
_BATCH_ROWS = 1024
_EXTERNAL = 3
_ATTEMPTS = 3
_DELETED_SHARE = 0.2
"""A fragment with more deleted rows than this is rewritten, to give their bytes back."""


@dataclass(frozen=True, slots=True)
class Optimized:
    """What an `optimize` did."""

    fragments_before: int
    """Fragments that the table had."""
    fragments_after: int
    """Fragments that it has now."""
    versions_removed: int
    """Old versions that are gone."""
    bytes_removed: int
    """Bytes given back."""


@dataclass(frozen=True, slots=True)
class FragmentSize:
    """How large one fragment is."""

    number: int
    """Its id."""
    rows: int
    """Rows in it that are not deleted."""
    deleted: int
    """Rows in it that are."""

    @property
    def must_be_rewritten(self) -> bool:
        """Whether enough of it is deleted."""
        return self.deleted > _DELETED_SHARE * (self.rows + self.deleted)


def optimize(handle: Handle, *, keep_versions_seconds: float, only_writer: bool) -> Optimized:
    """Merge fragments and remove old versions; see `Dataset.optimize`."""
    if keep_versions_seconds < 0:
        raise InputError(
            f"keep_versions_seconds must be 0 or more, got {keep_versions_seconds}"
        )
    # Zero would say "no limit" to Lance.
    age = max(timedelta(seconds=keep_versions_seconds), timedelta(microseconds=1))
    before = len(handle.lance.get_fragments())
    dataset = _compact(handle)
    with translate_errors(f"cleanup of {handle.uri}"):
        removed = dataset.cleanup_old_versions(
            older_than=age, delete_unverified=only_writer, error_if_tagged_old_versions=False
        )
        return Optimized(
            fragments_before=before,
            fragments_after=len(dataset.get_fragments()),
            versions_removed=removed.old_versions,
            bytes_removed=removed.bytes_removed,
        )


def _compact(handle: Handle) -> LanceDataset:
    for _ in range(_ATTEMPTS - 1):
        try:
            return _compact_once(handle)
        except ConflictError:
            # A write into a fragment that was being merged: it wins, this starts over.
            handle = handle.newest()
    return _compact_once(handle)


def _compact_once(handle: Handle) -> LanceDataset:
    row_bytes = _media_row_bytes(handle)
    target_rows = max(2, min(_FRAGMENT_ROWS, _FRAGMENT_BYTES // row_bytes))
    dataset = handle.reopen()
    with translate_errors(f"optimize of {handle.uri}"):
        dataset.optimize.compact_files(
            target_rows_per_fragment=target_rows,
            materialize_deletions_threshold=_DELETED_SHARE,
            excluded_fragment_ids=fragments_to_leave(_sizes(dataset), target_rows),
            batch_size=max(1, min(_BATCH_ROWS, _BATCH_BYTES // row_bytes)),
            num_threads=1,
        )
    return dataset


def fragments_to_leave(sizes: Sequence[FragmentSize], target_rows: int) -> list[int]:
    """The fragments that are not worth a copy: heavier than all they would be merged with.

    Args:
        sizes: All fragments, in the order of the table.
        target_rows: Fragments of so many rows are large enough, and end a run of small ones.

    >>> sizes = [FragmentSize(n, rows, 0) for n, rows in enumerate([100, 10, 5, 3, 3])]
    >>> fragments_to_leave(sizes, target_rows=1000)
    [0]
    """
    left: list[int] = []
    runs = _small_runs(sizes, target_rows)
    while runs:
        run = runs.pop()
        rows = sum(size.rows for size in run)
        for at, size in enumerate(run):
            if size.rows > rows - size.rows and not size.must_be_rewritten:
                left.append(size.number)
                runs += [run[:at], run[at + 1 :]]
                break
    return sorted(left)


def _small_runs(sizes: Sequence[FragmentSize], target_rows: int) -> list[list[FragmentSize]]:
    runs: list[list[FragmentSize]] = [[]]
    for size in sizes:
        if size.rows < target_rows or size.must_be_rewritten:
            runs[-1].append(size)
        else:
            runs.append([])
    return runs


def _sizes(dataset: LanceDataset) -> list[FragmentSize]:
    return [
        FragmentSize(m.id, m.num_rows, m.num_deletions)
        for m in (fragment.metadata for fragment in dataset.get_fragments())
    ]


def _media_row_bytes(handle: Handle) -> int:
    """Bytes of video that a row has in the table, in the mean; references have none."""
    rows = total = 0
    columns = {name: quote(f"{name}.{SOURCE}") for name in handle.video_columns}
    if not columns:
        return 1
    with translate_errors(f"scan of {handle.uri}"):
        for batch in handle.lance.scanner(columns=columns, batch_size=1 << 16).to_batches():
            rows += batch.num_rows
            for name in columns:
                descriptors = batch.column(name)
                sizes = descriptors.field("size").fill_null(0).to_numpy(zero_copy_only=False)
                kinds = (
                    descriptors.field("kind")
                    .fill_null(_EXTERNAL)
                    .to_numpy(zero_copy_only=False)
                )
                total += int(sizes[kinds != _EXTERNAL].sum())
    return max(1, total // max(1, rows))
