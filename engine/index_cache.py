"""Frame indexes, opened and decoded, kept between batches and scans within a bound of bytes.

A stored row never changes within a version of its table, so an entry is known by table,
version, column and row, and is never stale. The table goes by its id: one that was dropped and
made again has the same name and counts its versions from 1 again.

The opened index of a clip and the parts of it that were decoded are entries of their own: each
goes when it has not been used for longest, whatever becomes of the others.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import fields

import numpy as np

from ..errors import MareyError
from ..storage.cache import Cache, Room
from ..video.index.clip import ClipIndex, DecodedIndex
from ..video.index.encode import open_index
from ..video.index.frames import FrameIndex
from .snapshot import FrameGraph, Snapshot

_PART_BYTES = 3072
"""What a decoded part takes beside its arrays: the objects themselves."""
_CLIP_BYTES = 2048
"""What an opened index takes beside its bytes: the objects and the parameter sets."""
_BLOCK_BYTES = 128
"""What an opened index takes for each of its blocks beside their bytes."""
_NUMBER_BYTES = 40
"""A plain number in a list, as planning keeps references."""


def part_bytes(part: FrameIndex) -> int:
    """About how much memory the decoded index of a clip, or of a part of it, holds."""
    arrays = (getattr(part, f.name) for f in fields(part))
    held = sum(array.nbytes for array in arrays if isinstance(array, np.ndarray))
    numbers = len(part.references) + part.sample_count
    return held + 8 * part.frame_count + _NUMBER_BYTES * numbers + _PART_BYTES


def index_bytes(index: ClipIndex) -> int:
    """About how much memory an opened index holds, what was decoded apart."""
    return index.stored_bytes + _BLOCK_BYTES * len(index.directory) + _CLIP_BYTES


class IndexCache:
    """The least recently used go first; safe from any thread."""

    def __init__(self, room: Room) -> None:
        self._kept: Cache[ClipIndex | FrameIndex] = Cache(room)

    def load(
        self, dataset: Snapshot, column: str, row_ids: Sequence[int]
    ) -> list[ClipIndex | MareyError | None]:
        """The indexes of some rows: one read for all that are not here yet.

        Args:
            dataset: A snapshot of the table.
            column: Its video column.
            row_ids: Rows, in any order, with duplicates.

        Returns:
            For each row its index, None where the video is null, or the error that its stored
            index gives.
        """
        snapshot = (dataset.table_id, dataset.version, column)
        found: dict[int, ClipIndex | MareyError | None] = {}
        for row in dict.fromkeys(row_ids):
            kept = self._kept.get((*snapshot, row))
            found[row] = kept if isinstance(kept, ClipIndex) else None
        missing = [row for row, index in found.items() if index is None]
        if missing:
            graphs = dataset.frame_graphs(missing, column)
            for row, graph in zip(missing, graphs, strict=True):
                found[row] = self._opened(graph, (*snapshot, row))
        return [found[row] for row in row_ids]

    def _opened(
        self, graph: FrameGraph, key: tuple[Hashable, ...]
    ) -> ClipIndex | MareyError | None:
        if graph is None or isinstance(graph, MareyError):
            return graph
        if isinstance(graph, FrameIndex):
            return DecodedIndex(graph)  # whoever made it keeps it
        try:
            # A copy: what was read holds the graphs of other rows as well.
            index = open_index(bytes(graph), parts=_Parts(self._kept, key))
        except MareyError as error:
            return error
        self._kept.put(key, index, size=index_bytes(index))
        return index


class _Parts:
    """The decoded parts of one clip, in the cache."""

    __slots__ = ("_kept", "_key")

    def __init__(self, kept: Cache[ClipIndex | FrameIndex], key: tuple[Hashable, ...]) -> None:
        self._kept = kept
        self._key = key

    def get(self, first_block: int, end_block: int) -> FrameIndex | None:
        kept = self._kept.get((*self._key, first_block, end_block))
        return kept if isinstance(kept, FrameIndex) else None

    def put(self, first_block: int, end_block: int, part: FrameIndex) -> None:
        key = (*self._key, first_block, end_block)
        self._kept.put(key, part, size=part_bytes(part))
