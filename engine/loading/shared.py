"""Memory that a worker process and its owner both have: frames go over without a copy.

::

    worker    FrameMemory of SharedBlocks    decodes into them, says where in which they lie
    owner     Borrowed                       maps each once, marks it when it has let go

    block   | mark, 4096 bytes | bytes of a batch ... |     1: the owner holds it, 0: it is free

A block is a file without a name (memfd): it is gone with the last process that has it mapped,
however that ends. Its mark is written by one side at a time: by the worker when it hands the
block over, by the owner when it lets go.
"""

from __future__ import annotations

import mmap
import os
import weakref
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa

from ..frame_memory import LEAST_BYTES, Block, Bytes, FrameMemory

CAN_SHARE = hasattr(os, "memfd_create")
"""Whether there are such files here: Linux has them."""

_HEADER = 4096
_ALIGNMENT = 64
_WORTH_BYTES = 64 << 10
"""A buffer that is smaller is sent as it is."""

MOST_NEW = 200
"""Blocks that can be handed over for the first time together: so many open files."""


class SharedBlock(Block):
    """A block that another process can map."""

    def __init__(self, size: int) -> None:
        """Make the file.

        Raises:
            OSError: There are too many open files.
        """
        self.file = os.memfd_create("marey-frames")
        """Open until the other process has it."""
        super().__init__(size)
        self.number = -1
        """By which both processes know it, once the other has it."""

    def _take(self) -> Bytes:
        os.ftruncate(self.file, _HEADER + self.size)
        self._map = mmap.mmap(self.file, _HEADER + self.size)
        return np.frombuffer(self._map, np.uint8, offset=_HEADER)

    @property
    def is_free(self) -> bool:
        """Whether neither process holds it."""
        return not self.is_handed_over and super().is_free

    @property
    def is_handed_over(self) -> bool:
        """Whether the other process holds it."""
        return self._map[0] == 1

    def hand_over(self) -> None:
        """From now on the other process holds it."""
        self._map[0] = 1

    def offset(self, address: int) -> int | None:
        """Which of its bytes lies at an address."""
        offset = address - self._memory.ctypes.data
        return offset if 0 <= offset < self.size else None

    def close(self) -> None:
        """The other process has the file, or nobody will."""
        if self.file >= 0:
            os.close(self.file)
            self.file = -1

    def __del__(self) -> None:
        self.close()


@dataclass(frozen=True, slots=True)
class Place:
    """Where the bytes of a buffer are."""

    block: int
    """The number of a block."""
    offset: int
    """In the block."""


@dataclass(slots=True)
class Parcel:
    """What is handed over with one message."""

    places: list[Place | None]
    """By buffer; None for one that is sent itself."""
    new: list[SharedBlock] = field(default_factory=list)
    """Blocks that the other process has not seen."""
    gone: list[int] = field(default_factory=list)
    """Numbers of blocks that are not used any more."""


class Lender:
    """The blocks of a worker process, and which of them the other process knows."""

    def __init__(self, memory: FrameMemory[SharedBlock]) -> None:
        self._memory = memory
        self._known: dict[int, weakref.ref[SharedBlock]] = {}
        self._count = 0

    def pack(self, buffers: Sequence[memoryview]) -> Parcel:
        """Hand over what lies in blocks, and copy into one what is large and does not."""
        parcel = Parcel([None] * len(buffers))
        parcel.gone += [number for number, block in self._known.items() if block() is None]
        for number in parcel.gone:
            del self._known[number]
        # A block that was handed over before has its mark for that: bytes in it are copied.
        lent = [block for block in tuple(self._memory.blocks) if not block.is_handed_over]
        others: dict[int, Bytes] = {}
        for at, buffer in enumerate(buffers):
            if buffer.nbytes < _WORTH_BYTES:
                continue
            view = np.frombuffer(buffer, np.uint8)
            found = _find(lent, view)
            if found is None:
                others[at] = view
            else:
                self._put(parcel, at, *found)
        self._copy(parcel, others)
        return parcel

    def _copy(self, parcel: Parcel, views: dict[int, Bytes]) -> None:
        sizes = [-(-view.nbytes // _ALIGNMENT) * _ALIGNMENT for view in views.values()]
        if sum(sizes) < LEAST_BYTES:
            return
        target = np.frombuffer(self._memory.allocate(sum(sizes)), np.uint8)
        found = _find(tuple(self._memory.blocks), target)
        if found is None:
            return
        block, offset = found
        begin = 0
        for (at, view), size in zip(views.items(), sizes, strict=True):
            target[begin : begin + view.nbytes] = view
            self._put(parcel, at, block, offset + begin)
            begin += size

    def _put(self, parcel: Parcel, at: int, block: SharedBlock, offset: int) -> None:
        if block.number < 0:
            if len(parcel.new) == MOST_NEW:
                return
            block.number = self._count
            self._count += 1
            self._known[block.number] = weakref.ref(block)
            parcel.new.append(block)
        block.hand_over()
        parcel.places[at] = Place(block.number, offset)


def _find(blocks: Sequence[SharedBlock], view: Bytes) -> tuple[SharedBlock, int] | None:
    """The block that some bytes lie in, and where."""
    address = view.ctypes.data
    for block in blocks:
        offset = block.offset(address)
        if offset is not None:
            return block, offset
    return None


class Borrowed:
    """The blocks of another process, mapped here."""

    def __init__(self) -> None:
        self._maps: dict[int, mmap.mmap] = {}

    def add(self, number: int, file: int) -> None:
        """Map a new block; the file is closed."""
        try:
            self._maps[number] = mmap.mmap(file, 0)
        finally:
            os.close(file)

    def forget(self, number: int) -> None:
        """A block is not used any more; what lies in it stays for those who hold it."""
        del self._maps[number]

    def unpack(
        self, places: Sequence[Place | None], sizes: Sequence[int]
    ) -> list[pa.Buffer | None]:
        """The buffers of one message; its blocks are free when all in them have been let go."""
        holders: dict[int, Bytes] = {}
        buffers: list[pa.Buffer | None] = []
        for place, size in zip(places, sizes, strict=True):
            if place is None:
                buffers.append(None)
                continue
            if place.block not in holders:
                holders[place.block] = _holder(self._maps[place.block])
            holder = holders[place.block]
            buffers.append(pa.py_buffer(holder[place.offset : place.offset + size]))
        return buffers


def _holder(block: mmap.mmap) -> Bytes:
    """A view of a block, on which all that is made of it hangs."""
    view = np.frombuffer(block, np.uint8, offset=_HEADER)
    weakref.finalize(view, _let_go, block, os.getpid()).atexit = False
    return view


def _let_go(block: mmap.mmap, process: int) -> None:
    # A forked child has the same memory, and what it lets go of its parent may hold.
    if os.getpid() == process:
        block[0] = 0
