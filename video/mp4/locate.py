"""Finding the boxes that describe a movie, in few reads: never the samples themselves.

Boxes at the top of a file follow one another, so the walk goes from header to header and skips
what they announce. It reads a little ahead: a short moov, or a fragment's moof and the header
after it, come with one read. Where moov says nothing of fragments the walk ends with it.
"""

from __future__ import annotations

from dataclasses import dataclass

from ...errors import BoxError
from ..source import ByteRange, Reader
from .box import Box, parse_header
from .fragments import check_run_count

_AHEAD = 1 << 14
_HEADER_BYTES = 16
# What files begin with, or with one of these before it; files without ftyp exist.
_FIRST_BOXES = frozenset(
    {"ftyp", "styp", "moov", "moof", "mdat", "sidx", "free", "skip", "wide"}
    | {"pnot", "junk", "pict", "uuid", "udta", "prfl"}
)


@dataclass(frozen=True, slots=True)
class MovieBoxes:
    """The boxes of a file that say where its samples are and when."""

    moov: Box
    """The movie box."""
    moofs: tuple[Box, ...]
    """Movie fragments, in file order."""
    sidxs: tuple[Box, ...]
    """Segment indexes, in file order."""
    mfra_bytes: int
    """What the last four bytes of the file state as the size of a fragment index (mfro)."""


def is_mp4(head: bytes) -> bool:
    r"""Whether a file that begins so can be MP4, MOV or 3GP.

    >>> is_mp4(b"\x00\x00\x00\x18ftypmp42")
    True
    >>> is_mp4(b"\x00\x00\x00\x01\x67\x42\x00\x1e")  # H.264 in Annex B
    False
    """
    try:
        header = parse_header(memoryview(head)[:_HEADER_BYTES], 0)
    except BoxError:
        return False
    return header.type in _FIRST_BOXES


def read_movie_boxes(reader: Reader) -> MovieBoxes:
    """The moov box, wherever it is, and every fragment's moof.

    A file that was cut short still gives what it has: the last box ends with the file.

    Raises:
        BoxError: There is no moov box; the message lists what there is.
    """
    window = _Window(reader)
    size = reader.size
    seen: list[str] = []
    moov: Box | None = None
    moofs: list[Box] = []
    sidxs: list[Box] = []
    at = 0
    while size - at >= 8:
        try:
            header = parse_header(window.read(at, min(at + _HEADER_BYTES, size)), at)
        except BoxError:
            # Bytes that are no box end the list, as they do for libavformat.
            if moov is None:
                raise
            break
        end = min(at + header.size, size) if header.size else size
        if header.type in ("moov", "moof", "sidx"):
            body_start = at + header.header_size
            box = Box(
                header.type, at, body_start, window.read(body_start, max(body_start, end))
            )
            if header.type in ("moof", "sidx"):
                (moofs if header.type == "moof" else sidxs).append(box)
                check_run_count(len(moofs) + len(sidxs), size, f"{header.type} at {at}")
            elif moov is None:
                moov = box
                if moov.find("mvex") is None:
                    break
        if len(seen) < 16:
            cut = (
                ""
                if at + header.size <= size
                else f" (cut: {header.size} bytes, {size - at} left)"
            )
            seen.append(header.type + cut)
        at = end
    if moov is None:
        raise BoxError(
            f"no moov box in {size} bytes: found {', '.join(map(ascii, seen)) or 'no box'}"
        )
    mfra_bytes = int.from_bytes(window.read(max(0, size - 4), size)) if sidxs else 0
    return MovieBoxes(moov, tuple(moofs), tuple(sidxs), mfra_bytes)


class _Window:
    """The last stretch of bytes that was read."""

    def __init__(self, reader: Reader) -> None:
        self._reader = reader
        self._start = 0
        self._data = memoryview(b"")

    def read(self, start: int, end: int) -> memoryview:
        """Bytes within the source; more of them are read than asked for."""
        if not self._start <= start <= end <= self._start + len(self._data):
            ahead = min(max(end, start + _AHEAD), self._reader.size)
            self._start = start
            self._data = self._reader.read([ByteRange(start, ahead)])[0]
        return self._data[start - self._start : end - self._start]
