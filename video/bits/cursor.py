"""Big-endian fields, one after the other, from a stretch of bytes: the body of an MP4 box.

A cursor never reads past its end: such a read raises `BoxError` and moves nothing, so a count
taken from the file may be multiplied out and handed to `take` as it is. `take` copies nothing.
"""

from __future__ import annotations

from ...errors import BoxError


class Cursor:
    """A position in a stretch of bytes, and typed reads that move it.

    >>> cursor = Cursor(bytes([0, 0, 1, 2, 0xFF, 0xFF]), what="stts", base=100)
    >>> cursor.u32(), cursor.offset, cursor.remaining
    (258, 104, 2)
    >>> try:
    ...     cursor.u32()
    ... except BoxError as error:
    ...     print(error)
    stts at 104: expected 4 bytes for u32, 2 left
    """

    __slots__ = ("_base", "_data", "_end", "_position", "_what")

    def __init__(
        self, data: bytes | bytearray | memoryview, *, what: str = "data", base: int = 0
    ) -> None:
        """A cursor at the start of `data`.

        Args:
            data: The bytes to read; kept as a view.
            what: What they are, for error messages: the box's four-character code.
            base: Where `data` starts in the whole file, for error messages and `offset`.
        """
        view = memoryview(data)
        self._data = view if view.format == "B" and view.ndim == 1 else view.cast("B")
        self._end = len(self._data)
        self._position = 0
        self._what = what
        self._base = base

    def __repr__(self) -> str:
        return f"<Cursor {self._what!r} at {self.offset}, {self.remaining} bytes left>"

    @property
    def position(self) -> int:
        """Bytes read so far."""
        return self._position

    @property
    def offset(self) -> int:
        """The position counted from the start of the file: `base` included."""
        return self._base + self._position

    @property
    def remaining(self) -> int:
        """Bytes not read yet."""
        return self._end - self._position

    def take(self, size: int, name: str = "bytes") -> memoryview:
        """The next `size` bytes, as a view; `name` says in an error what they were to be."""
        start = self._position
        if not 0 <= size <= self._end - start:
            raise BoxError(
                f"{self._what} at {self.offset}: expected {size} bytes for {name}, "
                f"{self.remaining} left"
            )
        self._position = end = start + size
        return self._data[start:end]

    def skip(self, size: int, name: str = "skipped bytes") -> None:
        """Move on by `size` bytes."""
        self.take(size, name)

    def u8(self) -> int:
        """An unsigned byte."""
        return self.take(1, "u8")[0]

    def u16(self) -> int:
        """An unsigned 16-bit integer."""
        return int.from_bytes(self.take(2, "u16"))

    def u24(self) -> int:
        """An unsigned 24-bit integer: the flags of a full box."""
        return int.from_bytes(self.take(3, "u24"))

    def u32(self) -> int:
        """An unsigned 32-bit integer."""
        return int.from_bytes(self.take(4, "u32"))

    def u64(self) -> int:
        """An unsigned 64-bit integer."""
        return int.from_bytes(self.take(8, "u64"))

    def i16(self) -> int:
        """A signed 16-bit integer."""
        return int.from_bytes(self.take(2, "i16"), signed=True)

    def i32(self) -> int:
        """A signed 32-bit integer."""
        return int.from_bytes(self.take(4, "i32"), signed=True)

    def i64(self) -> int:
        """A signed 64-bit integer."""
        return int.from_bytes(self.take(8, "i64"), signed=True)
