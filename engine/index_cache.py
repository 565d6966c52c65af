"""Decoded frame indexes, kept between batches and scans within a bound of bytes.

A stored row never changes within a version of its table, so an entry is known by table,
version, column and row, and is never stale. The table goes by its id: one that was dropped and
made again has the same name and counts its versions from 1 again.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields

import numpy as np

from ..errors import MareyError
from ..storage.cache import Cache
from ..video.index.encode import decode_index
from ..video.index.frames import FrameIndex
from .snapshot import FrameGraph, Snapshot

_OBJECT_BYTES = 4096
"""What an index takes beside its arrays: the objects themselves and the parameter sets."""

_NUMBER_BYTES = 40
"""A plain number in a list, as planning keeps references."""


def index_bytes(index: FrameIndex) -> int:
    """About how much memory a decoded index holds."""
    arrays = (getattr(index, f.name) for f in fields(index))
    held = sum(array.nbytes for array in arrays if isinstance(array, np.ndarray))
    numbers = len(index.references) + index.sample_count
    return held + 8 * index.frame_count + _NUMBER_BYTES * numbers + _OBJECT_BYTES


class IndexCache:
    """The least recently used go first; safe from any thread."""

    def __init__(self, limit_bytes: int) -> None:
        self._kept: Cache[FrameIndex] = Cache(limit_bytes)

    def load(
        self, dataset: Snapshot, column: str, row_ids: Sequence[int]
    ) -> list[FrameIndex | MareyError | None]:
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
        found: dict[int, FrameIndex | MareyError | None] = {
            row: self._kept.get((*snapshot, row)) for row in dict.fromkeys(row_ids)
        }
        missing = [row for row, index in found.items() if index is None]
        if missing:
            graphs = dataset.frame_graphs(missing, column)
            for row, graph in zip(missing, graphs, strict=True):
                index = found[row] = _decode(graph)
                if isinstance(index, FrameIndex):
                    self._kept.put((*snapshot, row), index, size=index_bytes(index))
        return [found[row] for row in row_ids]


def _decode(graph: FrameGraph) -> FrameIndex | MareyError | None:
    if graph is None or isinstance(graph, FrameIndex | MareyError):
        return graph
    try:
        return decode_index(graph)
    except MareyError as error:
        return error
