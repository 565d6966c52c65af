"""Decoders kept warm between runs.

A context that has decoded a stream has its tables and picture buffers in place. What waits here
is bounded by bytes: the least recently used goes first.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from threading import Lock
from types import TracebackType
from typing import Self

from .pyav import PyAvDecoder

_IDLE_BYTES = 256 << 20


class DecoderPool:
    """Lends decoders, each to one worker at a time; any number of threads may ask.

    >>> with DecoderPool() as decoders, decoders.decoder(b"") as decoder:
    ...     decoder.start(b"", width=320, height=192)
    """

    def __init__(self, *, idle_bytes: int = _IDLE_BYTES) -> None:
        """A pool whose waiting decoders hold at most about `idle_bytes`."""
        self._limit = idle_bytes
        self._lock = Lock()
        # By when they came back, with the parameter sets they last decoded under.
        self._idle: list[tuple[bytes, PyAvDecoder]] = []

    @contextmanager
    def decoder(self, extradata: bytes) -> Iterator[PyAvDecoder]:
        """A decoder for a stream with these parameter sets, back in the pool at the end."""
        decoder = self._take(extradata)
        try:
            yield decoder
        finally:
            self._give_back(extradata, decoder)

    def close(self) -> None:
        """Let go of all that wait; those lent out go when they come back."""
        with self._lock:
            self._limit = 0
            self._idle.clear()

    def _take(self, extradata: bytes) -> PyAvDecoder:
        with self._lock:
            for position in reversed(range(len(self._idle))):
                if self._idle[position][0] == extradata:
                    return self._idle.pop(position)[1]
        return PyAvDecoder()

    def _give_back(self, extradata: bytes, decoder: PyAvDecoder) -> None:
        with self._lock:
            self._idle.append((extradata, decoder))
            total = sum(waiting.idle_bytes for _, waiting in self._idle)
            while total > self._limit:
                total -= self._idle.pop(0)[1].idle_bytes

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()
