"""Decoders kept warm between runs.

A context that has decoded a stream has its tables and picture buffers in place. As many as are
lent out at one time may wait: what they hold, they have held together already. Beyond that,
decoders for further streams wait within a bound of bytes; the least recently used goes first.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from threading import Lock
from types import TracebackType
from typing import Self

from .pyav import PyAvDecoder

_SPARE_BYTES = 16 << 20


class DecoderPool:
    """Lends decoders, each to one worker at a time; any number of threads may ask.

    >>> with DecoderPool() as decoders, decoders.decoder(b"") as decoder:
    ...     decoder.start(b"", width=320, height=192)
    """

    def __init__(self, *, lent: int = 1, spare_bytes: int = _SPARE_BYTES) -> None:
        """A pool for so many workers.

        Args:
            lent: Decoders that are out at one time, or about that many.
            spare_bytes: About what those may hold that wait beyond that number.
        """
        self._most_lent = lent
        self._spare_limit = spare_bytes
        self._closed = False
        self._out = 0
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
            self._closed = True
            self._idle.clear()

    @property
    def spare_bytes(self) -> int:
        """About what waiting decoders hold beyond the number that is lent at one time."""
        with self._lock:
            return self._spare_bytes()

    def _spare_bytes(self) -> int:
        spare = max(0, self._out + len(self._idle) - self._most_lent)
        return sum(decoder.idle_bytes for _, decoder in self._idle[:spare])

    def _take(self, extradata: bytes) -> PyAvDecoder:
        with self._lock:
            self._closed = False
            self._out += 1
            for position in reversed(range(len(self._idle))):
                if self._idle[position][0] == extradata:
                    return self._idle.pop(position)[1]
        return PyAvDecoder()

    def _give_back(self, extradata: bytes, decoder: PyAvDecoder) -> None:
        with self._lock:
            self._out -= 1
            if self._closed:
                return
            self._idle.append((extradata, decoder))
            while self._spare_bytes() > self._spare_limit:
                del self._idle[0]

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()
