"""Ranges of a local file, read by position, with room after each for decoders to read into."""

from __future__ import annotations

import os
from collections.abc import Sequence

from ..errors import CorruptVideoError, MareyError, SourceNotFoundError, StorageError

PADDING_BYTES = 64
"""Readable bytes behind every range: libavcodec reads whole words, past the end of a packet."""


def read_file(path: str, ranges: Sequence[tuple[int, int]]) -> list[memoryview | MareyError]:
    """The bytes of each range of a file, or what is wrong.

    Args:
        path: The file; it is opened for this call alone, as it may be replaced.
        ranges: First byte, one past the last byte; not reversed.

    Returns:
        For each range its bytes, behind which `PADDING_BYTES` more may be read, or
        `SourceNotFoundError`, `StorageError`, or `CorruptVideoError` past the end.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except (FileNotFoundError, NotADirectoryError):
        return [SourceNotFoundError(f"no such file: {path!r}")] * len(ranges)
    except OSError as error:
        return [StorageError(f"cannot open {path!r}: {error.strerror}")] * len(ranges)
    try:
        size = os.fstat(descriptor).st_size
        return [_read(descriptor, path, size, start, end) for start, end in ranges]
    finally:
        os.close(descriptor)


def _read(
    descriptor: int, path: str, size: int, start: int, end: int
) -> memoryview | MareyError:
    # Memory is taken for as many bytes as are asked for: they must be there.
    length = end - start
    if end > size:
        return _cut_short(path, size, end)
    try:
        data = os.pread(descriptor, length + PADDING_BYTES, start)
        if len(data) < length + PADDING_BYTES:
            data = _read_on(descriptor, start, length, data)
    except OSError as error:
        return StorageError(f"cannot read {path!r} at {start}: {error.strerror}")
    if len(data) < length:
        return _cut_short(path, start + len(data), end)
    return memoryview(data)[:length]


def _read_on(descriptor: int, start: int, length: int, begun: bytes) -> bytes:
    """The rest of a range, as far as the file goes, and zeros for the padding."""
    pieces = [begun]
    have = len(begun)
    while have < length and (piece := os.pread(descriptor, length - have, start + have)):
        pieces.append(piece)
        have += len(piece)
    return b"".join(pieces if have < length else [*pieces, bytes(PADDING_BYTES)])


def _cut_short(path: str, size: int, end: int) -> CorruptVideoError:
    return CorruptVideoError(f"{path!r} ends at {size:,}, bytes to {end:,} were asked for")
