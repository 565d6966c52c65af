"""Which of a stream's stored blocks speak, and in which rows its samples lie."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
import numpy.typing as npt

from ...storage.recordings.store import StoredBlock, StreamName

Int64s = npt.NDArray[np.int64]


class Chain:
    """The commits of all streams in stored order, and which of them count.

    Two writers of one stream can both commit behind the same sample, if upkeep took away in
    between what would have told of the first. The first counts: a commit that does not begin
    behind all of its stream's is void, and so are its rows.
    """

    def __init__(self) -> None:
        self.blocks: dict[StreamName, list[StoredBlock]] = {}
        """The blocks of commits that count, by stream."""
        self.void_rows: list[tuple[int, int]] = []
        """Rows that do not, from and to before; the end of the last may not be known yet."""

    def add(self, block: StoredBlock) -> bool:
        """Take the next block; whether its commit counts."""
        if self.void_rows and self.void_rows[-1][1] == OPEN_END:
            self.void_rows[-1] = (self.void_rows[-1][0], block.row_id)
        own = self.blocks.setdefault(block.stream, [])
        if own and block.decode_index <= own[-1].decode_index:
            self.void_rows.append((block.row_id, OPEN_END))
            return False
        own.append(block)
        return True


OPEN_END = 1 << 62
"""Stands for the end of a dataset's rows."""


def live_blocks(blocks: Sequence[StoredBlock]) -> list[StoredBlock]:
    """The blocks that no later one covers, in order; together they speak of every sample.

    Args:
        blocks: All of a stream, in stored order.
    """
    live: list[StoredBlock] = []
    begins = [block.decode_index for block in blocks]
    at = len(blocks) - 1
    while at >= 0:
        live.append(blocks[at])
        at = bisect_left(begins, blocks[at].first) - 1
    return live[::-1]


@dataclass(frozen=True, slots=True)
class Commits:
    """Where the samples of a stream lie: those of a commit follow each other."""

    begins: Int64s
    """Ascending: the first sample of each commit."""
    rows: Int64s
    """The row id of that."""

    @classmethod
    def of(cls, blocks: Sequence[StoredBlock]) -> Self:
        """The commits of a stream, from all its blocks."""
        return cls(
            np.array([block.decode_index for block in blocks], np.int64),
            np.array([block.row_id for block in blocks], np.int64),
        )

    def rows_of(self, samples: Int64s) -> Int64s:
        """The row ids of some samples."""
        commit = np.searchsorted(self.begins, samples, side="right") - 1
        return self.rows[commit] + samples - self.begins[commit]
