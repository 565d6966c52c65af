"""Which of a stream's stored blocks speak, and in which rows its samples lie."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from ...storage.recordings.store import StoredBlock

Int64s = npt.NDArray[np.int64]


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


def rows_of_samples(blocks: Sequence[StoredBlock], samples: Int64s) -> Int64s:
    """The row ids of some samples: those of a commit follow its first."""
    begins = np.array([block.decode_index for block in blocks], np.int64)
    rows = np.array([block.row_id for block in blocks], np.int64)
    commit = np.searchsorted(begins, samples, side="right") - 1
    return rows[commit] + samples - begins[commit]
