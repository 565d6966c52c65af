"""Where the bytes of a video come from: byte ranges, and the small interface that reads them.

`video` never opens a table or an object store. Whoever holds the bytes fits `Reader`.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Protocol, Self

from ..errors import CorruptVideoError, SourceNotFoundError, StorageError


@dataclass(frozen=True, slots=True)
class ByteRange:
    """A half-open range of bytes in one object.

    >>> ByteRange(4, 10).length
    6
    """

    start: int
    """First byte."""
    end: int
    """One past the last byte."""

    @property
    def length(self) -> int:
        """Bytes in the range."""
        return self.end - self.start


class Reader(Protocol):
    """Random access to the bytes of one video."""

    @property
    def size(self) -> int:
        """Bytes in the whole source."""
        ...

    def read(self, ranges: Sequence[ByteRange]) -> list[memoryview]:
        """The bytes of each range, in the order asked for.

        Raises:
            CorruptVideoError: A range ends past the source.
        """
        ...


def check_ranges(ranges: Sequence[ByteRange], size: int) -> None:
    """Refuse a range that does not lie within `size` bytes."""
    for r in ranges:
        if not 0 <= r.start <= r.end <= size:
            raise CorruptVideoError(
                f"bytes {r.start} to {r.end} were asked for, the source has {size}"
            )


class BytesReader:
    """A video that is already in memory.

    >>> BytesReader(b"abcdef").read([ByteRange(1, 3)])[0].tobytes()
    b'bc'
    """

    def __init__(self, data: bytes | bytearray | memoryview) -> None:
        self._data = memoryview(data).cast("B")

    @property
    def size(self) -> int:
        """Bytes in the whole source."""
        return len(self._data)

    def read(self, ranges: Sequence[ByteRange]) -> list[memoryview]:
        """Views into the data: nothing is copied."""
        check_ranges(ranges, self.size)
        return [self._data[r.start : r.end] for r in ranges]


class FileReader:
    """A video in a local file, read by position; a context manager.

    Raises:
        SourceNotFoundError: The file does not exist.
        StorageError: It cannot be opened or read.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self._path = Path(path)
        try:
            self._descriptor = os.open(self._path, os.O_RDONLY | os.O_CLOEXEC)
            self._size = os.fstat(self._descriptor).st_size
        except FileNotFoundError as error:
            raise SourceNotFoundError(f"no such file: {str(self._path)!r}") from error
        except OSError as error:
            raise StorageError(f"cannot open {str(self._path)!r}: {error.strerror}") from error

    @property
    def size(self) -> int:
        """Bytes in the file when it was opened."""
        return self._size

    def read(self, ranges: Sequence[ByteRange]) -> list[memoryview]:
        """One positioned read a range."""
        check_ranges(ranges, self._size)
        return [self._read_exactly(r) for r in ranges]

    def _read_exactly(self, r: ByteRange) -> memoryview:
        pieces: list[bytes] = []
        at = r.start
        while at < r.end:
            try:
                piece = os.pread(self._descriptor, r.end - at, at)
            except OSError as error:
                raise StorageError(
                    f"cannot read {str(self._path)!r} at {at}: {error.strerror}"
                ) from error
            if not piece:
                raise CorruptVideoError(
                    f"{str(self._path)!r} ends at {at}, it had {r.end} bytes when it was opened"
                )
            pieces.append(piece)
            at += len(piece)
        return memoryview(pieces[0] if len(pieces) == 1 else b"".join(pieces))

    def close(self) -> None:
        """Release the file; a second call does nothing."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def __del__(self) -> None:
        if hasattr(self, "_descriptor"):
            self.close()
