"""A cache that is bounded in bytes and safe between threads."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Hashable
from typing import Generic, TypeVar

Value = TypeVar("Value")


class Cache(Generic[Value]):
    """Values under keys; the least recently used go first once the bytes are used up.

    >>> cache: Cache[str] = Cache(max_bytes=10)
    >>> cache.put("a", "x", size=6)
    >>> cache.put("b", "y", size=6)
    >>> cache.get("a"), cache.get("b")
    (None, 'y')
    """

    def __init__(self, max_bytes: int) -> None:
        self._max_bytes = max_bytes
        self._lock = threading.Lock()
        self._entries: OrderedDict[Hashable, tuple[Value, int]] = OrderedDict()
        self._bytes = 0

    def get(self, key: Hashable) -> Value | None:
        """The value kept under `key`, or None."""
        with self._lock:
            entry = self._entries.get(key)
            if entry is None:
                return None
            self._entries.move_to_end(key)
            return entry[0]

    def put(self, key: Hashable, value: Value, *, size: int) -> None:
        """Keep a value of `size` bytes, unless it is larger than the whole cache."""
        with self._lock:
            _, replaced = self._entries.pop(key, (None, 0))
            self._bytes -= replaced
            if size > self._max_bytes:
                return
            self._entries[key] = (value, size)
            self._bytes += size
            while self._bytes > self._max_bytes:
                _, (_, dropped) = self._entries.popitem(last=False)
                self._bytes -= dropped

    @property
    def size(self) -> int:
        """Bytes that are kept now."""
        return self._bytes

    @property
    def max_bytes(self) -> int:
        """Bytes that may be kept."""
        return self._max_bytes
