"""Boxes: a size, a four-character code and a body, which may hold boxes again (4.2).

A box is a view into bytes that are already in memory. One that claims to end after the box
around it is cut there, as libavformat does it: whoever reads its fields finds out what is
missing. Nothing here recurses, so no file can nest boxes too deeply.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import NamedTuple

from ...errors import BoxError
from ..bits.cursor import Cursor

# No box of ours has more children: a movie has a few tracks, a track fragment some runs.
_MAX_CHILDREN = 1 << 16
_COMPACT_FIELDS = struct.Struct(">I4s")
_COMPACT_HEADER = _COMPACT_FIELDS.size
_LARGE_HEADER = 16


class BoxHeader(NamedTuple):
    """The first bytes of a box. A tuple: a file can have hundreds of thousands of boxes."""

    type: str
    """Four-character code, Latin-1."""
    size: int
    """Bytes of header and body, as claimed; 0 is: to the end of what is around."""
    header_size: int
    """Bytes before the body: 8, or 16 where the size has 64 bits."""


def parse_header(data: memoryview, start: int) -> BoxHeader:
    r"""The header that `data` begins with; errors name `start`, its place in the file.

    >>> parse_header(memoryview(b"\x00\x00\x00\x08free"), 0)
    BoxHeader(type='free', size=8, header_size=8)
    """
    if len(data) < _COMPACT_HEADER:
        raise BoxError(f"box at {start}: expected 8 bytes of header, {len(data)} left")
    size, header_size = int.from_bytes(data[:4]), _COMPACT_HEADER
    box_type = bytes(data[4:8]).decode("latin-1")
    if size == 1:
        header_size = _LARGE_HEADER
        if len(data) < header_size:
            raise BoxError(
                f"{box_type} at {start}: expected 16 bytes of header, {len(data)} left"
            )
        size = int.from_bytes(data[8:16])
    if 0 < size < header_size:
        raise BoxError(
            f"{box_type} at {start}: expected a size of 0 or from {header_size} up, got {size}"
        )
    return BoxHeader(box_type, size, header_size)


class Box(NamedTuple):
    """A box whose body is in memory.

    >>> moov = parse_box(build_box("moov", build_box("free"), build_box("skip", b"abc")))
    >>> [(child.type, child.start, bytes(child.body)) for child in moov.children()]
    [('free', 8, b''), ('skip', 16, b'abc')]
    """

    type: str
    """Four-character code, Latin-1."""
    start: int
    """Where its header begins in the file."""
    body_start: int
    """Where its body begins in the file."""
    body: memoryview
    """Its bytes after the header."""

    def __repr__(self) -> str:
        return f"<{self.type} at {self.start}, {len(self.body)} bytes>"

    def cursor(self) -> Cursor:
        """Reads the fields of the body."""
        return Cursor(self.body, what=self.type, base=self.body_start)

    def full_cursor(self) -> tuple[Cursor, int, int]:
        """Reads the fields of a FullBox after its version and flags, which come with it."""
        cursor = self.cursor()
        return cursor, cursor.u8(), cursor.u24()

    def children(self, after: int = 0) -> Iterator[Box]:
        """The boxes in the body, from `after` bytes on.

        Bytes at the end that are too few for a header are padding, and a size that is smaller
        than a header ends the list: QuickTime closes some lists with 4 zero bytes.
        """
        body, at, end = self.body, after, len(self.body)
        for _ in range(_MAX_CHILDREN):
            if end - at < _COMPACT_HEADER:
                return
            size, code = _COMPACT_FIELDS.unpack_from(body, at)
            first = at + _COMPACT_HEADER
            if size == 1:
                first = at + _LARGE_HEADER
                size = int.from_bytes(body[at + _COMPACT_HEADER : first])
            if 0 < size < first - at or first > end:
                return
            stop = min(at + size, end) if size else end
            base = self.body_start
            yield Box(code.decode("latin-1"), base + at, base + first, body[first:stop])
            at = stop
        raise BoxError(
            f"{self.type} at {self.start}: expected at most {_MAX_CHILDREN} boxes in it"
        )

    def by_type(self, after: int = 0) -> dict[str, list[Box]]:
        """The boxes in the body by their four-character code, each list in file order."""
        found: dict[str, list[Box]] = {}
        for child in self.children(after):
            found.setdefault(child.type, []).append(child)
        return found

    def find(self, *path: str) -> Box | None:
        """The first box down a path of four-character codes, if it is there."""
        box: Box | None = self
        for box_type in path:
            if box is None:
                return None
            box = next((child for child in box.children() if child.type == box_type), None)
        return box


def parse_box(data: bytes | memoryview, start: int = 0) -> Box:
    """The box that `data` begins with; `start` says where in the file it lies.

    Raises:
        BoxError: There is no whole box.
    """
    view = memoryview(data)
    header = parse_header(view, start)
    size = header.size or len(view)
    if size > len(view):
        raise BoxError(f"{header.type} at {start}: expected {size} bytes, {len(view)} left")
    return Box(header.type, start, start + header.header_size, view[header.header_size : size])


def build_box(box_type: str, *parts: bytes) -> bytes:
    r"""A box of these parts; its size takes 64 bits where it must.

    >>> build_box("free", b"ab")
    b'\x00\x00\x00\nfreeab'
    """
    body = b"".join(parts)
    return build_header(box_type, len(body)) + body


def build_header(box_type: str, body_size: int) -> bytes:
    """The header of a box whose body, of that many bytes, follows."""
    code = box_type.encode("latin-1")
    if body_size + _COMPACT_HEADER < 1 << 32:
        return (body_size + _COMPACT_HEADER).to_bytes(4) + code
    return (1).to_bytes(4) + code + (body_size + _LARGE_HEADER).to_bytes(8)


def build_full_box(box_type: str, version: int, flags: int, *parts: bytes) -> bytes:
    """A FullBox of these parts: version and flags stand before them (4.2)."""
    return build_box(box_type, version.to_bytes(1), flags.to_bytes(3), *parts)
