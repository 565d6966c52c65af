"""Ranges of a local file, read by position, with room after each for decoders to read into.

A referenced file is held against what was recorded of it: its size, and when it was modified.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass

from ..errors import (
    CorruptVideoError,
    MareyError,
    SourceChangedError,
    SourceNotFoundError,
    StorageError,
)

PADDING_BYTES = 64
"""Readable bytes behind every range: libavcodec reads whole words, past the end of a packet."""


@dataclass(frozen=True, slots=True)
class FileState:
    """What was recorded of a referenced file."""

    uri: str
    """By which it is referred to, for messages."""
    size: int
    """Bytes."""
    tag: str | None
    """When it was modified, as `file_tag` has it; not looked at if None."""


def file_tag(status: os.stat_result) -> str:
    """What tells one state of a file from another."""
    return f"modified {status.st_mtime_ns}"


def read_file(
    path: str, ranges: Sequence[tuple[int, int]], recorded: FileState | None = None
) -> list[memoryview | MareyError]:
    """The bytes of each range of a file, or what is wrong.

    Args:
        path: The file; it is opened for this call alone, as it may be replaced.
        ranges: First byte, one past the last byte; not reversed.
        recorded: What the file has to be.

    Returns:
        For each range its bytes, behind which `PADDING_BYTES` more may be read, or
        `SourceNotFoundError`, `SourceChangedError`, `StorageError`, or `CorruptVideoError` past
        the end.
    """
    name = recorded.uri if recorded else repr(path)
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except (FileNotFoundError, NotADirectoryError):
        return [SourceNotFoundError(f"no such file: {name}")] * len(ranges)
    except OSError as error:
        return [StorageError(f"cannot open: {error.strerror}: {name}")] * len(ranges)
    try:
        status = os.fstat(descriptor)
        change = _change(status, recorded)
        if change:
            return [SourceChangedError(f"{change}: {name}")] * len(ranges)
        size = status.st_size
        return [_read(descriptor, name, size, start, end) for start, end in ranges]
    finally:
        os.close(descriptor)


def _change(status: os.stat_result, recorded: FileState | None) -> str | None:
    """How a file differs from what was recorded of it."""
    if recorded is None:
        return None
    if status.st_size != recorded.size:
        return f"it had {recorded.size:,} bytes and has {status.st_size:,}"
    if recorded.tag is not None and file_tag(status) != recorded.tag:
        return "it was modified"
    return None


def _read(
    descriptor: int, name: str, size: int, start: int, end: int
) -> memoryview | MareyError:
    # Memory is taken for as many bytes as are asked for: they must be there.
    length = end - start
    if end > size:
        return _cut_short(name, size, end)
    try:
        data = os.pread(descriptor, length + PADDING_BYTES, start)
        if len(data) < length + PADDING_BYTES:
            data = _read_on(descriptor, start, length, data)
    except OSError as error:
        return StorageError(f"cannot read at {start:,}: {error.strerror}: {name}")
    if len(data) < length:
        return _cut_short(name, start + len(data), end)
    return memoryview(data)[:length]


def _read_on(descriptor: int, start: int, length: int, begun: bytes) -> bytes:
    """The rest of a range, as far as the file goes, and zeros for the padding."""
    pieces = [begun]
    have = len(begun)
    while have < length and (piece := os.pread(descriptor, length - have, start + have)):
        pieces.append(piece)
        have += len(piece)
    return b"".join(pieces if have < length else [*pieces, bytes(PADDING_BYTES)])


def _cut_short(name: str, size: int, end: int) -> CorruptVideoError:
    return CorruptVideoError(f"it ends at {size:,}, bytes to {end:,} were asked for: {name}")
