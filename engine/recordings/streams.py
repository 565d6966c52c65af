"""The indexes of a dataset's streams as readers see them, kept between versions.

A dataset only grows, so what was read of its blocks stays true: a newer version adds blocks
behind those that are known, and an older one is the same list cut short.
"""

from __future__ import annotations

import threading
from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from ...storage.cache import Cache
from ...storage.recordings.store import SampleStore, StoredBlock, StreamName
from ...video.index.frames import FrameIndex
from ...video.index.stream_block import IndexBlock, block_bytes, join_blocks
from ...video.index.stream_encode import decode_block
from ...video.index.stream_frames import stream_frames
from ...video.timing import Timebase
from .chain import Chain, Int64s, live_blocks, rows_of_samples


@dataclass(frozen=True)
class Stream:
    """One stream at one version."""

    name: StreamName
    """Its segment and entity."""
    blocks: Sequence[StoredBlock]
    """All of its blocks."""
    whole: IndexBlock
    """The index of all its samples."""

    @property
    def codec(self) -> str:
        """Its codec."""
        return self.blocks[-1].codec

    @property
    def end(self) -> int:
        """How many samples it has."""
        return self.whole.end

    @cached_property
    def byte_starts(self) -> Int64s:
        """`[n + 1]` where each sample begins among the stream's bytes, and their end."""
        starts = np.zeros(self.whole.count + 1, np.int64)
        np.cumsum(self.whole.size, out=starts[1:])
        return starts

    def rows(self, samples: Int64s) -> Int64s:
        """The row ids of some samples."""
        return rows_of_samples(self.blocks, samples)

    def frame_index(self, timeline: str, timebase: Timebase) -> FrameIndex:
        """Its frame index by the times of one timeline.

        Raises:
            UnsupportedError: The stream is of a codec that is not decoded.
        """
        return stream_frames(self.whole, timeline, timebase)


@dataclass(slots=True)
class _Directory:
    """The blocks of a dataset, as far as they were looked up."""

    rows: int = 0
    """Rows that were looked at."""
    chain: Chain = field(default_factory=Chain)
    lock: threading.Lock = field(default_factory=threading.Lock)


class StreamIndexes:
    """Reads and keeps indexes; safe from any thread.

    Args:
        limit_bytes: What the decoded ones may take together.
    """

    def __init__(self, limit_bytes: int) -> None:
        self._directories: dict[str, _Directory] = {}
        self._kept: Cache[Stream] = Cache(limit_bytes)
        self._lock = threading.Lock()

    def __reduce__(self) -> tuple[object, ...]:
        return StreamIndexes, (self._kept.max_bytes,)

    def names(self, store: SampleStore) -> list[StreamName]:
        """The streams of a version, in the order in which they began."""
        return list(self._blocks(store))

    def void_rows(self, store: SampleStore) -> list[tuple[int, int]]:
        """The rows that no stream counts as its own; see `Chain`."""
        self._blocks(store)
        return list(self._directories[store.dataset_id].chain.void_rows)

    def open(self, store: SampleStore, name: StreamName) -> Stream:
        """A stream that the version holds."""
        blocks = self._blocks(store)[name]
        key = (store.dataset_id, name)
        kept = self._kept.get(key)
        if kept is not None and kept.blocks[-1].row_id == blocks[-1].row_id:
            return kept
        if kept is not None and kept.blocks[-1].row_id < blocks[-1].row_id:
            stream = self._read(store, name, blocks, kept)
        else:
            stream = self._read(store, name, blocks, None)
        if kept is None or kept.end < stream.end:
            self._kept.put(key, stream, size=3 * block_bytes(stream.whole) + 200 * len(blocks))
        return stream

    def _read(
        self,
        store: SampleStore,
        name: StreamName,
        blocks: Sequence[StoredBlock],
        known: Stream | None,
    ) -> Stream:
        """The stream from its blocks, on top of a shorter version of it."""
        live = live_blocks(blocks)
        parts: list[IndexBlock] = []
        if known is not None:
            # From the last block on that begins within what is known: where it says anew what
            # is known already, it is heard.
            parts = [known.whole]
            live = live[bisect_right([block.first for block in live], known.end) - 1 :]
        parts += map(decode_block, store.read_blocks(live))
        return Stream(name, tuple(blocks), join_blocks(parts))

    def _blocks(self, store: SampleStore) -> dict[StreamName, list[StoredBlock]]:
        """The blocks of a version, by stream."""
        with self._lock:
            directory = self._directories.setdefault(store.dataset_id, _Directory())
        with directory.lock:
            if directory.rows < store.row_count:
                for block in store.blocks(after=directory.rows - 1):
                    directory.chain.add(block)
                directory.rows = store.row_count
            if directory.rows == store.row_count:
                return {n: list(blocks) for n, blocks in directory.chain.blocks.items()}
            older = {}
            for name, blocks in directory.chain.blocks.items():
                there = bisect_left(blocks, store.row_count, key=lambda block: block.row_id)
                if there:
                    older[name] = blocks[:there]
            return older
