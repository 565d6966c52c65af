"""Upkeep of a dataset's samples: few files, and no old versions.

Small fragments are merged only with at least their own weight in others, so that no sample is
copied more often than the dataset doubles, and never once its fragment is large.
"""

from __future__ import annotations

from ...errors import ConflictError
from ..handle import Handle, translate_errors
from ..optimize import FragmentSize, Optimized, fragments_to_leave
from .exclusive import exclusive

SMALL_FRAGMENTS = 32
"""With so many fragments below `_LARGE_BYTES`, upkeep is due."""

_LARGE_BYTES = 64 << 20
_BATCH_BYTES = 8 << 20


def is_due(handle: Handle) -> bool:
    """Whether there are many small files."""
    return sum(size.rows < _LARGE_BYTES for size in _sizes(handle)) >= SMALL_FRAGMENTS


def keep_up(handle: Handle) -> Optimized:
    """Merge small fragments, and remove every version but the newest.

    Readers of an older version go on with a newer one: see `store`. What an unfinished write
    has left goes when it is a week old, as another writer may yet commit it. In an object store
    nobody else may write meanwhile: see `exclusive`.
    """
    with exclusive(handle.uri), translate_errors(f"upkeep of {handle.uri}"):
        newest = handle.newest()
        before = _sizes(newest)
        dataset = newest.reopen()
        rows = dataset.count_rows()
        row_bytes = max(1, sum(size.rows for size in before) // max(1, rows))
        try:
            dataset.optimize.compact_files(
                target_rows_per_fragment=max(2, _LARGE_BYTES // row_bytes),
                excluded_fragment_ids=fragments_to_leave(before, _LARGE_BYTES),
                batch_size=max(1, min(4096, _BATCH_BYTES // row_bytes)),
                num_threads=1,
            )
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


def _sizes(handle: Handle) -> list[FragmentSize]:
    """The fragments, weighed by the bytes of their files."""
    return [
        FragmentSize(
            fragment.fragment_id,
            sum(file.file_size_bytes or 0 for file in fragment.metadata.files),
            0,
        )
        for fragment in handle.lance.get_fragments()
    ]
