"""What the container of a file says, as plain facts."""

from __future__ import annotations

from math import atan2, degrees

from ...video.index.frames import FrameIndex
from ...video.mp4.headers import Matrix, combine
from ...video.mp4.locate import read_movie_boxes
from ...video.mp4.movie import Track, read_movie
from ...video.source import Reader
from ...video.streams import choose_track


def container_facts(reader: Reader, index: FrameIndex) -> dict[str, object]:
    """Facts by name; None where a raw stream has nothing to say.

    Raises:
        VideoError: The boxes of the file are damaged.
    """
    if index.container != "mp4":
        names = "moov", "fragmented", "tracks", "edits", "rotation", "pixel_aspect"
        nothing: dict[str, object] = {}
        nothing.update((name, None) for name in names)
        return nothing
    movie = read_movie(reader, handlers=())
    boxes = read_movie_boxes(reader)
    track = choose_track(movie)
    aspect = next((d.pixel_aspect for d in track.descriptions if d.pixel_aspect), None)
    first_sample = int(index.offset.min())
    return {
        "moov": "first" if boxes.moov.start < first_sample else "last",
        "fragmented": bool(boxes.moofs),
        "tracks": [_described(t) for t in movie.tracks],
        "edits": len(track.edits),
        "rotation": _rotation(combine(track.matrix, movie.matrix)),
        "pixel_aspect": None if aspect is None else f"{aspect[0]}:{aspect[1]}",
    }


def _described(track: Track) -> str:
    """Such as `1 vide avc1 160x96`."""
    words = [str(track.track_id), track.handler, *(d.format for d in track.descriptions[:1])]
    if track.width and track.height:
        words.append(f"{track.width:g}x{track.height:g}")
    if not track.enabled:
        words.append("disabled")
    return " ".join(words)


def _rotation(matrix: Matrix) -> int:
    """Degrees clockwise by which players turn pictures, 0 to 359.

    >>> _rotation((0, 65536, 0, -65536, 0, 0, 0, 0, 1 << 30))
    90
    """
    a, b, *_ = matrix
    return round(degrees(atan2(b, a))) % 360
