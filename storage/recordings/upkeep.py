"""Upkeep of a dataset's samples: few files, and no old versions.

Rows must stay in the order of their ids, and Lance sorts fragments by theirs, of which a merged
one gets a new one, behind all others. So what is merged is the end of the dataset: all
fragments from one on, into one. That one has at least its own weight behind it, so that no
sample is copied more often than the dataset doubles; and a large one is never copied.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ...errors import ConflictError
from ..handle import Handle, translate_errors
from ..optimize import Optimized
from .exclusive import exclusive

SMALL_FRAGMENTS = 32
"""With so many fragments to be merged, upkeep is due."""

_LARGE_BYTES = 64 << 20
_BATCH_BYTES = 8 << 20


@dataclass(frozen=True, slots=True)
class _Fragment:
    number: int
    rows: int
    size: int


def is_due(handle: Handle) -> bool:
    """Whether there are many small files."""
    sizes = [fragment.size for fragment in _fragments(handle)]
    return len(sizes) - first_to_merge(sizes) >= SMALL_FRAGMENTS


def first_to_merge(sizes: Sequence[int]) -> int:
    """From which fragment on all are merged; their number if none are.

    Args:
        sizes: Bytes of each fragment, at least one, in stored order.

    >>> first_to_merge([100, 10, 5, 3, 3]), first_to_merge([100, 1, 2, 30, 4])
    (1, 1)
    """
    large = [at for at, size in enumerate(sizes) if size >= _LARGE_BYTES]
    first = large[-1] + 1 if large else 0
    rest = sum(sizes[first:])
    for size in sizes[first:]:
        rest -= size
        if size <= rest:
            return first
        first += 1
    return len(sizes)


def keep_up(handle: Handle) -> Optimized:
    """Merge small fragments, and remove every version but the newest.

    Readers of an older version go on with a newer one: see `store`. What an unfinished write
    has left goes when it is a week old, as another writer may yet commit it. In an object store
    nobody else may write meanwhile: see `exclusive`.
    """
    with exclusive(handle.uri), translate_errors(f"upkeep of {handle.uri}"):
        newest = handle.newest()
        before = _fragments(newest)
        first = first_to_merge([fragment.size for fragment in before])
        try:
            _merge(newest, before, first)
        except (ConflictError, OSError) as error:
            if "conflict" not in str(error).lower():
                raise  # somebody else merges otherwise: theirs will do
        dataset = handle.newest().reopen()
        removed = dataset.cleanup_old_versions(
            retain_versions=1, error_if_tagged_old_versions=False
        )
        after = len(dataset.get_fragments())
    return Optimized(
        fragments_before=len(before),
        fragments_after=after,
        versions_removed=removed.old_versions,
        bytes_removed=removed.bytes_removed,
    )


def _merge(newest: Handle, fragments: Sequence[_Fragment], first: int) -> None:
    """Make one fragment of all from the first on."""
    merged = fragments[first:]
    if not merged:
        return
    rows = sum(fragment.rows for fragment in merged)
    row_bytes = max(1, sum(fragment.size for fragment in merged) // rows)
    newest.reopen().optimize.compact_files(
        target_rows_per_fragment=rows + 1,  # none has enough rows to be left out
        excluded_fragment_ids=[fragment.number for fragment in fragments[:first]],
        batch_size=max(1, min(4096, _BATCH_BYTES // row_bytes)),
        num_threads=1,
    )


def _fragments(handle: Handle) -> list[_Fragment]:
    return [
        _Fragment(
            fragment.fragment_id,
            fragment.metadata.num_rows,
            max(1, sum(file.file_size_bytes or 0 for file in fragment.metadata.files)),
        )
        for fragment in handle.lance.get_fragments()
    ]
