"""Video files on their way into a table: looked into one by one, then written.

As many are written at a time as fit in memory, each time one version.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from ...errors import MareyError
from ...expressions import Blob, Video
from ...video.index.build import build_frame_index
from ...video.source import FileReader
from ..progress import progress
from ..table import Table
from .outcome import complain

_VERSION_BYTES = 256 << 20
_VERSION_ROWS = 10_000

_Key = TypeVar("_Key", bound=str | int)


@dataclass(frozen=True, slots=True)
class VideoFile:
    """A file that can be read as a video."""

    path: Path
    """Where it lies."""
    frame_count: int
    """Presented frames."""
    sample_count: int
    """Coded samples."""
    bytes: int
    """Its size."""


def survey(path: Path) -> VideoFile | None:
    """Index a file; None if that cannot be, after a complaint that names it."""
    try:
        with FileReader(path) as reader:
            index = build_frame_index(reader).index
    except MareyError as error:
        complain(f"{str(path)!r} cannot be read: {error}")
        return None
    return VideoFile(path, index.frame_count, index.sample_count, index.source_bytes)


def write_files(
    table: Table,
    files: Mapping[_Key, VideoFile],
    *,
    key: str,
    column: str,
    reference: bool = False,
) -> int:
    """Write files into a table, a row each.

    Args:
        table: With one key column.
        files: By their keys; at least one.
        key: The key column.
        column: The video column.
        reference: Store where the files lie, and not their bytes.

    Returns:
        The last version that was written.
    """
    version = written = 0
    with progress("writing", len(files)) as advance:
        for keys in _parts(files, reference=reference):
            paths = [files[k].path for k in keys]
            try:
                blobs = [Blob.from_uri(p) if reference else Blob.from_file(p) for p in paths]
                version = table.write({key: keys, column: [Video(blob) for blob in blobs]})
            except (MareyError, OSError, KeyboardInterrupt):
                if written:
                    complain(f"{written} of {len(files)} rows had been written by then")
                raise
            written += len(keys)
            advance(len(keys))
    return version


def _parts(files: Mapping[_Key, VideoFile], *, reference: bool) -> Iterator[list[_Key]]:
    """The keys in stretches that are written together."""
    part: list[_Key] = []
    held = 0
    for key, file in files.items():
        size = 0 if reference else file.bytes
        if part and (held + size > _VERSION_BYTES or len(part) == _VERSION_ROWS):
            yield part
            part, held = [], 0
        part.append(key)
        held += size
    if part:
        yield part
