"""The indexes of a dataset's streams as readers see them, kept between versions.

A dataset only grows, so what was read of its blocks stays true: a newer version adds blocks
behind those that are known, and an older one is the same list cut short.
"""

from __future__ import annotations

import threading
from bisect import bisect_left, bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from operator import attrgetter

import numpy as np

from ...storage.cache import Cache, Room
from ...storage.recordings.store import SampleStore, StoredBlock, StreamName
from ...video.index.frames import FrameIndex
from ...video.index.stream_block import IndexBlock, block_bytes, join_blocks, narrowed
from ...video.index.stream_encode import decode_block
from ...video.index.stream_frames import stream_frames
from ...video.timing import Timebase
from .chain import Chain, Commits, Int64s, live_blocks

_FRAMES_BYTES = 180
"""What the frame index of a stream takes for each sample, with what planning keeps of it."""
_COMMIT_BYTES = 200
"""What a commit takes: its block's place, and that of its rows."""

_Key = tuple[str, StreamName]
_row_id = attrgetter("row_id")


@dataclass(frozen=True)
class Stream:
    """One stream at one version."""

    name: StreamName
    """Its segment and entity."""
    blocks: Sequence[StoredBlock]
    """All of its blocks."""
    whole: IndexBlock
    """The index of all its samples."""
    facts: dict[str, Mapping[str, object]] = field(
        default_factory=dict, compare=False, repr=False
    )
    """What was found out of it, by timeline; for whoever finds it out."""
    _frames: dict[str, FrameIndex] = field(default_factory=dict, compare=False, repr=False)

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

    @cached_property
    def commits(self) -> Commits:
        """In which rows its samples lie."""
        return Commits.of(self.blocks)

    def frame_index(self, timeline: str, timebase: Timebase) -> FrameIndex:
        """Its frame index by the times of one timeline; that of the last one is kept.

        Raises:
            UnsupportedError: The stream is of a codec that is not decoded.
        """
        kept = self._frames.get(timeline)
        if kept is None:
            kept = stream_frames(self.whole, timeline, timebase)
            self._frames.clear()
            self._frames[timeline] = kept
        return kept


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
        room: For those that are decoded.
    """

    def __init__(self, room: Room) -> None:
        self._directories: dict[str, _Directory] = {}
        self._room = room
        self._kept: Cache[Stream] = Cache(room)
        # One is kept however long it is: made anew for each frame, it would be in memory too.
        self._last: tuple[_Key | None, Stream | None] = (None, None)
        self._lock = threading.Lock()

    def __reduce__(self) -> tuple[object, ...]:
        return StreamIndexes, (self._room,)

    def names(self, store: SampleStore) -> list[StreamName]:
        """The streams of a version, in the order in which they began."""
        directory = self._directory(store)
        with directory.lock:
            streams = list(directory.chain.blocks.items())
        # Streams begin in stored order: those that begin behind the version are at the end.
        there = bisect_left(streams, store.row_count, key=lambda stream: stream[1][0].row_id)
        return [name for name, _ in streams[:there]]

    def void_rows(self, store: SampleStore) -> list[tuple[int, int]]:
        """The rows that no stream counts as its own; see `Chain`."""
        directory = self._directory(store)
        with directory.lock:
            return list(directory.chain.void_rows)

    def blocks(self, store: SampleStore, name: StreamName) -> list[StoredBlock]:
        """All blocks of a stream that the version holds, none if it has not begun."""
        directory = self._directory(store)
        with directory.lock:
            known = directory.chain.blocks.get(name, [])
            return known[: bisect_left(known, store.row_count, key=_row_id)]

    def open(self, store: SampleStore, name: StreamName) -> Stream:
        """A stream that the version holds."""
        key = (store.dataset_id, name)
        kept = self._find(key)
        directory = self._directory(store)
        with directory.lock:
            known = directory.chain.blocks[name]
            last = known[bisect_left(known, store.row_count, key=_row_id) - 1]
        if kept is not None and kept.blocks[-1].row_id == last.row_id:
            return kept
        shorter = kept if kept is not None and kept.blocks[-1].row_id < last.row_id else None
        stream = self._read(store, name, self.blocks(store, name), shorter)
        if kept is None or kept.end < stream.end:
            size = block_bytes(stream.whole) + _FRAMES_BYTES * stream.end
            size += _COMMIT_BYTES * len(stream.blocks)
            self._kept.put(key, stream, size=size, lasting=True)
            self._last = (key, stream)
        return stream

    def _find(self, key: _Key) -> Stream | None:
        known, stream = self._last
        return stream if known == key else self._kept.get(key)

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
        return Stream(name, tuple(blocks), narrowed(join_blocks(parts)))

    def _directory(self, store: SampleStore) -> _Directory:
        """The blocks of the dataset, at least those of a version."""
        with self._lock:
            directory = self._directories.setdefault(store.dataset_id, _Directory())
        with directory.lock:
            if directory.rows < store.row_count:
                for block in store.blocks(after=directory.rows - 1):
                    directory.chain.add(block)
                directory.rows = store.row_count
        return directory
