"""Caches that share one bound in bytes, safe between threads.

What one pass over a large table leaves behind must not push out what is used again and again.
So values that are new wait in a line of three eighths of the bytes, and leave it in the order
in which they came, used or not; of those that left the keys are remembered for a while. What is
kept again under such a key has the rest of the bytes, by when it was used last ("2Q": Johnson
and Shasha, VLDB 1994). A table that there is no room for never gets there: it takes its
line, however many rows it has.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Hashable
from typing import Generic, TypeVar, cast

Value = TypeVar("Value")

_Place = tuple[object, Hashable]

_ENTRY_BYTES = 400
"""What an entry takes beside its value: its place in the order, and a key of a few numbers."""
_LEFT_BYTES = 150
"""What it takes to remember a key."""
_LEFT_SHARE = 16
"""The part of the bytes for keys that are remembered, of as many rows as there is room for."""


class Room:
    """Bytes that caches share.

    Args:
        max_bytes: What all values together may take, with what it takes to keep them.
    """

    def __init__(self, max_bytes: int) -> None:
        self.max_bytes = max_bytes
        """Bytes that may be kept."""
        self._most_new = max_bytes * 3 // 8
        self.most_lasting = max_bytes * 3 // 4
        """Of them what may last."""
        self._lock = threading.Lock()
        self._new: OrderedDict[_Place, tuple[object, int]] = OrderedDict()
        self._new_bytes = 0
        self._lasting: OrderedDict[_Place, tuple[object, int]] = OrderedDict()
        self._lasting_bytes = 0
        # Hashes: who is taken for another is kept a little longer.
        self._left: OrderedDict[int, None] = OrderedDict()

    def __reduce__(self) -> tuple[object, ...]:
        return Room, (self.max_bytes,)

    @property
    def size(self) -> int:
        """Bytes that are kept now."""
        return self._new_bytes + self._lasting_bytes + _LEFT_BYTES * len(self._left)

    def find(self, owner: object, key: Hashable) -> object | None:
        """What a cache keeps under a key."""
        place = (owner, key)
        with self._lock:
            entry = self._lasting.get(place)
            if entry is not None:
                self._lasting.move_to_end(place)
            else:
                entry = self._new.get(place)
            return None if entry is None else entry[0]

    def keep(
        self, owner: object, key: Hashable, value: object, size: int, *, lasting: bool = False
    ) -> None:
        """Keep a value of a cache, if there is room.

        Args:
            owner: The cache.
            key: Of the cache's own.
            value: What to keep.
            size: Its bytes.
            lasting: Whether it is known to be used again, so that it need not wait in line.
        """
        place, needed = (owner, key), size + _ENTRY_BYTES
        with self._lock:
            _, replaced = self._new.pop(place, (None, 0))
            self._new_bytes -= replaced
            _, outlasted = self._lasting.pop(place, (None, 0))
            self._lasting_bytes -= outlasted
            known = hash(place) in self._left
            self._left.pop(hash(place), None)
            if needed > (self.most_lasting if lasting else self.max_bytes // 2):
                return
            if lasting or known or outlasted:
                self._lasting[place] = (value, needed)
                self._lasting_bytes += needed
            else:
                self._new[place] = (value, needed)
                self._new_bytes += needed
            self._make_room()

    def _make_room(self) -> None:
        while self._new_bytes > self._most_new and len(self._new) > 1:
            self._leave()
        while self._lasting_bytes > self.most_lasting:
            self._drop()
        while self.size > self.max_bytes:
            if len(self._lasting) > 1:
                self._drop()
            else:
                self._leave()  # rather than a large value that is used again and again

    def _drop(self) -> None:
        _, (_, dropped) = self._lasting.popitem(last=False)
        self._lasting_bytes -= dropped

    def _leave(self) -> None:
        place, (_, dropped) = self._new.popitem(last=False)
        self._new_bytes -= dropped
        self._left[hash(place)] = None
        if _LEFT_BYTES * len(self._left) > self.max_bytes // _LEFT_SHARE:
            self._left.popitem(last=False)


class Cache(Generic[Value]):
    """Values of one kind under keys, in a room that others may share.

    >>> room = Room(max_bytes=2000)
    >>> names: Cache[str] = Cache(room)
    >>> numbers: Cache[int] = Cache(room)
    >>> names.put("a", "x", size=500)
    >>> numbers.put("a", 1, size=500)
    >>> names.get("a"), numbers.get("a")
    (None, 1)
    """

    def __init__(self, room: Room) -> None:
        self._room = room

    def get(self, key: Hashable) -> Value | None:
        """The value kept under `key`, or None."""
        return cast("Value | None", self._room.find(self, key))

    def put(self, key: Hashable, value: Value, *, size: int, lasting: bool = False) -> None:
        """Keep a value of `size` bytes, if there is room; see `Room.keep`."""
        self._room.keep(self, key, value, size, lasting=lasting)

    @property
    def most_lasting(self) -> int:
        """The largest value that may be kept, if it is lasting."""
        return self._room.most_lasting
