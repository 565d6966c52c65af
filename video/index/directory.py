"""The directory of a stored index: which samples and frames each block holds, and where its
bytes are.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import astuple

import numpy as np
import numpy.typing as npt

from .block import BlockEntry
from .columns import require, require_honest
from .frames import Int64s

_RECORD = np.dtype(
    [
        ("samples", "<u4"),
        ("frames", "<u4"),
        ("jumps", "<u4"),
        ("references", "<u4"),
        ("body_bytes", "<u4"),
        ("stored_bytes", "<u4"),
        ("reach", "<u4"),
        ("begins_gop", "<u4"),
        ("offset", "<i8"),
        ("first_pts", "<i8"),
        ("latest_pts", "<i8"),
    ]
)
RECORD_BYTES = _RECORD.itemsize
"""Bytes of one record."""


def pack_directory(entries: Sequence[BlockEntry]) -> bytes:
    """A record for each block, in order."""
    return np.array([astuple(entry) for entry in entries], _RECORD).tobytes()


class Directory:
    """The blocks of one stored index, in order.

    Args:
        records: From `pack_directory`.
        stored_bytes: Bytes of all blocks together.

    Raises:
        FrameIndexError: The records do not add up.
    """

    def __init__(self, records: bytes | memoryview, stored_bytes: int) -> None:
        table: npt.NDArray[np.void] = np.frombuffer(records, _RECORD)
        self._records = table
        self.first_sample = _before(table["samples"])
        """`[b + 1]` first sample of each block, and one past the last."""
        self.first_frame = _before(table["frames"])
        """`[b + 1]` first frame of each block, and one past the last."""
        self._place = _before(table["stored_bytes"])
        found = int(self._place[-1])
        require(found == stored_bytes, f"blocks of {found} bytes, {stored_bytes} are there")
        require_honest(found, int(table["body_bytes"].sum(dtype=np.int64)))
        lowest = self.first_sample[:-1] - table["reach"]
        require(len(table) > 0, "no block")
        require(int(lowest.min()) >= 0, "a block reaches to before the first sample")
        require(int(table["begins_gop"].max()) <= 1, "a block with unknown flags")
        require(bool(table["begins_gop"][0]), "sample 0 is not a start")
        # The block that each must be read from, to know all that its frames need.
        self._from: Int64s = np.searchsorted(self.first_sample[:-1], lowest, side="right") - 1

    def __len__(self) -> int:
        return len(self._records)

    def entry(self, block: int) -> BlockEntry:
        """What is known of one block."""
        return BlockEntry(*self._records[block].item())

    def place(self, block: int) -> slice:
        """Where a block lies among the bytes of all."""
        return slice(int(self._place[block]), int(self._place[block + 1]))

    def begins_gop(self, block: int) -> bool:
        """Whether a block, or the end of the clip, is where a GOP begins."""
        return block == len(self) or bool(self._records["begins_gop"][block])

    def blocks_of(self, frames: npt.NDArray[np.integer]) -> Int64s:
        """The block of each frame."""
        return np.searchsorted(self.first_frame, frames, side="right") - 1

    def stretches(self, blocks: Int64s) -> list[tuple[int, int]]:
        """The blocks to read for the frames of some blocks (ascending, each once).

        Returns:
            Ranges from a block to before another. Blocks whose frames need none of each other's
            samples are in different ones.
        """
        found: list[tuple[int, int]] = []
        for block in reversed(blocks.tolist()):
            first, end = int(self._from[block]), block + 1
            while found and found[-1][0] < end:
                merged = found.pop()
                first, end = min(first, merged[0]), max(end, merged[1])
            found.append((first, end))
        return found[::-1]

    def has_frames(self) -> Int64s:
        """The blocks that have frames."""
        return np.flatnonzero(self._records["frames"])

    def times(self, name: str) -> Int64s:
        """`[b]` the `first_pts` or the `latest_pts` of each block, in ticks."""
        times: Int64s = self._records[name].astype(np.int64)
        return times


def _before(counts: npt.NDArray[np.integer]) -> Int64s:
    sums = np.zeros(len(counts) + 1, np.int64)
    np.cumsum(counts, out=sums[1:])
    return sums
