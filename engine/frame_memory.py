"""Memory for the frames of one batch after the other, used again once nobody holds it.

Memory that a process takes anew is dear: the kernel clears every page of it, and puts them in
place one by one. That takes a tenth to a half of the time that small pictures take to decode,
and a third of that where pages are large, as numpy asks for them.
"""

from __future__ import annotations

import threading
import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Generic, TypeAlias, TypeVar

import numpy as np
import pyarrow as pa

Bytes: TypeAlias = np.ndarray[tuple[int], np.dtype[np.uint8]]

LEAST_BYTES = 1 << 20
"""Less comes from Arrow's own pool, which is good at it."""

_STEPS = 8
"""Blocks are of so many sizes between one power of two and the next, so that they fit again."""

_PATIENCE_SECONDS = 0.1
"""How long to wait for a turn. Whoever has it may wait for this thread, or be it: wherever
something is allocated, the collector can end a run that nobody holds any more."""


class Block:
    """Memory that one buffer has at a time."""

    def __init__(self, size: int) -> None:
        """Take new memory."""
        self.size = size
        """How many bytes."""
        self._memory = self._take()
        self._lent: weakref.ref[Bytes] | None = None

    def _take(self) -> Bytes:
        return np.empty(self.size, np.uint8)

    @property
    def is_free(self) -> bool:
        """Whether nobody holds it."""
        return self._lent is None or self._lent() is None

    def lend(self, size: int) -> pa.Buffer:
        """Its first bytes: held until the buffer and all that is made of it are gone."""
        view = self._memory[:size]
        self._lent = weakref.ref(view)
        return pa.py_buffer(view)


BlockT = TypeVar("BlockT", bound=Block)


class FrameMemory(Generic[BlockT]):
    """Blocks of memory, and who makes them; used by any number of threads.

    Args:
        new_block: Makes a block of so many bytes.
        most_bytes: What all blocks may have together before free ones are given back.
    """

    def __init__(self, new_block: Callable[[int], BlockT], *, most_bytes: int) -> None:
        self.most_bytes = most_bytes
        self.blocks: list[BlockT] = []
        self._new_block = new_block
        self._lock = threading.Lock()

    def allocate(self, size: int) -> pa.Buffer:
        """Memory for so many bytes, that holds anything."""
        if size < LEAST_BYTES:
            return pa.allocate_buffer(size)
        with self._turn() as granted:
            block = self._block_for(size) if granted else None
            return pa.allocate_buffer(size) if block is None else block.lend(size)

    def settle(self) -> None:
        """After a run: keep no more than the bound, whoever lets go of the rest, and when."""
        with self._turn() as granted:
            if granted:  # otherwise a run is under way, and settles when it ends
                by_use = sorted(self.blocks, key=lambda block: block.is_free)
                self._forget(by_use, self.most_bytes)

    def clear(self) -> None:
        """Keep nothing."""
        with self._turn() as granted:
            if granted:
                self._forget(list(self.blocks), 0)

    @contextmanager
    def _turn(self) -> Iterator[bool]:
        """One thread at a time; or, after some patience, False."""
        granted = self._lock.acquire(timeout=_PATIENCE_SECONDS)
        try:
            yield granted
        finally:
            if granted:
                self._lock.release()

    def _block_for(self, size: int) -> BlockT | None:
        """A free block, or a new one where none fits and one can be made."""
        free = [block for block in self.blocks if block.is_free]
        fitting = [block for block in free if size <= block.size <= 2 * size]
        if fitting:
            block = min(fitting, key=lambda block: block.size)
        else:
            try:
                block = self._new_block(rounded(size))
            except OSError:  # too many open files; frames can do without
                return None
            self.blocks.append(block)
        self._forget([other for other in free if other is not block], self.most_bytes)
        return block

    def _forget(self, blocks: list[BlockT], most_bytes: int) -> None:
        """Let go of some of the blocks, those at the front first, down to so many bytes."""
        excess = sum(block.size for block in self.blocks) - most_bytes
        for block in blocks:
            if excess <= 0:
                break
            self.blocks.remove(block)
            excess -= block.size


class LateBuffer:
    """Memory that is taken when it is first asked for: windows that wait for a decoder, whose
    media is fetched already, have none.
    """

    def __init__(self, allocate: Callable[[int], pa.Buffer], size: int) -> None:
        self._allocate = allocate
        self._size = size
        self._buffer: pa.Buffer | None = None
        self._lock = threading.Lock()

    def buffer(self) -> pa.Buffer:
        """The memory."""
        with self._lock:
            if self._buffer is None:
                self._buffer = self._allocate(self._size)
            return self._buffer

    def view(self) -> memoryview:
        """The same, to write to."""
        return memoryview(self.buffer()).cast("B")


def rounded(size: int) -> int:
    """The size of a block for so many bytes: what is not used of it is never touched.

    >>> rounded(1 << 20), rounded((1 << 20) + 1)
    (1048576, 1179648)
    """
    step = (1 << (size - 1).bit_length()) // (2 * _STEPS)
    return -(-size // step) * step
