"""The NAL units of a byte stream (Annex B) of any length, read in windows.

A unit is held by its head alone, as much of it as anything is read from: one that is as large
as its file takes no more than another. Where it ends is told all the same, without the zeros
behind it.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from ..source import ByteRange, Reader
from .nal import START_CODE, without_zeros

HEAD_BYTES = 1 << 18
"""What is held of a NAL unit: a supplemental message is looked for in so much (`sei`); a slice
header and a parameter set are shorter."""
_WINDOW_BYTES = 8 << 20
# Before a window: a start code may begin in the one before, with a zero byte ahead of it.
_OVERLAP = 3


class StreamUnit(NamedTuple):
    """One NAL unit of a byte stream."""

    code_begin: int
    """Where its start code begins, with the zero_byte if there is one (B.1.1)."""
    begin: int
    """Its first byte."""
    end: int
    """One past its last byte."""
    head: memoryview
    """Its first bytes, all of them if they are no more than are held."""


class ByteStream:
    """A byte stream that can be gone through again and again.

    >>> from marey.video.source import BytesReader
    >>> stream = ByteStream(BytesReader(bytes.fromhex("00000001 67 42 00 000001 68 ce")))
    >>> [(unit.code_begin, unit.begin, unit.end) for unit in stream.units()]
    [(0, 4, 6), (6, 10, 12)]

    Args:
        reader: Its bytes.
        window_bytes: How many to read at once.
        head_bytes: How many to hold of a NAL unit.
    """

    def __init__(
        self,
        reader: Reader,
        *,
        window_bytes: int = _WINDOW_BYTES,
        head_bytes: int = HEAD_BYTES,
    ) -> None:
        self.size = reader.size
        """Bytes in the stream."""
        self._reader = reader
        self._window_bytes = window_bytes
        self._head_bytes = head_bytes
        self._last_read: tuple[ByteRange, memoryview] | None = None

    def units(self) -> Iterator[StreamUnit]:
        """The NAL units in order.

        Bytes before the first start code are passed over, empty NAL units too.
        """
        open_unit: _OpenUnit | None = None
        for start in range(0, self.size, self._window_bytes):
            base = max(0, start - _OVERLAP)
            window = self._read(ByteRange(base, min(start + self._window_bytes, self.size)))
            fresh = start - base
            begin = -1
            code_begin = 0
            # A code that ended with the window before was seen there.
            for match in START_CODE.finditer(window, max(0, fresh - 2)):
                at, after = match.span()
                if open_unit is not None:
                    unit = open_unit.close(window, base, fresh, at)
                    open_unit = None
                elif begin >= 0:
                    unit = self._unit(window, base, code_begin, begin, at)
                else:
                    unit = None
                if unit is not None:
                    yield unit
                begin = after
                code_begin = at - 1 if at and window[at - 1] == 0 else at
            if begin >= 0:
                open_unit = _OpenUnit(base + code_begin, base + begin, self._head_bytes)
                fresh = begin
            if open_unit is not None:
                open_unit.extend(window, base, fresh)
        if open_unit is not None:
            unit = open_unit.close(memoryview(b""), self.size, 0, 0)
            if unit is not None:
                yield unit

    def _unit(
        self, window: memoryview, base: int, code_begin: int, begin: int, stop: int
    ) -> StreamUnit | None:
        """A unit that lies in one window, None if it is empty."""
        end = without_zeros(window, begin, stop)
        if end == begin:
            return None
        head = window[begin : min(end, begin + self._head_bytes)]
        return StreamUnit(base + code_begin, base + begin, base + end, head)

    def _read(self, place: ByteRange) -> memoryview:
        # The first window is often looked at twice.
        if self._last_read is None or self._last_read[0] != place:
            self._last_read = None
            self._last_read = place, self._reader.read([place])[0]
        return self._last_read[1]


class _OpenUnit:
    """A NAL unit whose end is in a later window."""

    def __init__(self, code_begin: int, begin: int, head_bytes: int) -> None:
        self._code_begin = code_begin
        self._begin = begin
        self._end = begin  # without zeros, as far as it was seen
        self._head = bytearray()
        self._head_bytes = head_bytes

    def extend(self, window: memoryview, base: int, start: int) -> None:
        """The rest of a window, from an offset on, belongs to it."""
        self._take(window, base, start, len(window))

    def close(self, window: memoryview, base: int, start: int, stop: int) -> StreamUnit | None:
        """It ends before an offset of a window: None if it is empty."""
        self._take(window, base, start, max(start, stop))
        if self._end == self._begin:
            return None
        head = memoryview(self._head)[: self._end - self._begin]
        return StreamUnit(self._code_begin, self._begin, self._end, head)

    def _take(self, window: memoryview, base: int, start: int, stop: int) -> None:
        end = without_zeros(window, start, stop)
        if end > start:
            self._end = base + end
        room = self._head_bytes - len(self._head)
        self._head += window[start : min(stop, start + room)]
