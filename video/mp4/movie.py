"""A movie and its tracks: all that the boxes of a file say, without a byte of its samples."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass, replace

from ...errors import BoxError
from ..source import Reader
from .box import Box
from .cuts import time_offset_ticks
from .entries import SampleDescription, parse_stsd
from .fragments import SampleDefaults, parse_sidx, parse_trex
from .headers import (
    IDENTITY_MATRIX,
    UNDETERMINED_LANGUAGE,
    Edit,
    Matrix,
    MediaHeader,
    TrackHeader,
    parse_elst,
    parse_hdlr,
    parse_mdhd,
    parse_mvhd,
    parse_tkhd,
)
from .locate import read_movie_boxes
from .runs import FragmentedTrack, append_fragments
from .samples import (
    SampleTable,
    TrackTables,
    build_samples,
    empty_samples,
    most_samples,
    parse_tables,
)

_VIDEO = "vide"
_MEDIA = (_VIDEO, "soun")
# Files have a few tracks; of these numbers, each costs a little time and memory.
_MAX_TRACKS = 1024
_MAX_EDITS = 1 << 16


@dataclass(frozen=True, slots=True)
class Track:
    """One track."""

    track_id: int
    """Its number in the file; 0 where it has none."""
    enabled: bool
    """Whether players present it."""
    handler: str
    """What it is: `vide`, `soun`, ..."""
    timescale: int
    """Ticks a second of its media."""
    duration_ticks: int
    """Length of its media as stated, 0 where it is not."""
    descriptions: tuple[SampleDescription, ...]
    """How its samples are coded."""
    samples: SampleTable
    """Its samples, in fragments too; none of tracks that are neither video nor audio."""
    edits: tuple[Edit, ...]
    """Its edit list, empty where it has none."""
    edits_cut: bool
    """FFmpeg follows the whole edit list; else only its beginning: in a fragmented file."""
    only_description: int | None
    """The one description, from 0, whose samples libavformat reads: None, of all."""
    width: float
    """Display width, before the matrix."""
    height: float
    """Display height, before the matrix."""
    matrix: Matrix
    """How pictures are turned and placed."""
    language: str
    """ISO 639-2/T code, or `und`."""
    damage: str | None
    """Why its samples cannot be read; never of a video track, which is refused then."""

    @property
    def is_h264(self) -> bool:
        """A video track that begins with H.264, in the clear or encrypted."""
        return self.handler == _VIDEO and bool(
            self.descriptions and self.descriptions[0].codec == "h264"
        )


@dataclass(frozen=True, slots=True)
class Movie:
    """A file's tracks."""

    timescale: int
    """Ticks a second of movie time, in which edits are as long as they are."""
    duration_ticks: int
    """Length of the presentation as stated, 0 where it is not."""
    tracks: tuple[Track, ...]
    """In file order."""
    matrix: Matrix = IDENTITY_MATRIX
    """How all pictures are turned and placed, after what their track says."""


def read_movie(reader: Reader, *, handlers: Collection[str] = _MEDIA) -> Movie:
    """The tracks of an MP4, MOV or 3GP file.

    Args:
        reader: The file.
        handlers: The kinds of tracks whose samples are wanted; others come without.

    Raises:
        BoxError: There is no movie, or a box that matters is damaged.
    """
    found = read_movie_boxes(reader)
    moov = found.moov.by_type()
    if "mvhd" not in moov:
        raise BoxError(f"moov at {found.moov.start}: expected an mvhd box in it, found none")
    header = parse_mvhd(moov["mvhd"][0])
    traks = moov.get("trak", ())
    if len(traks) > _MAX_TRACKS:
        raise BoxError(f"moov: expected at most {_MAX_TRACKS} tracks, got {len(traks)}")
    tracks: list[Track] = []
    end_ticks: list[int] = []
    edits_cut = True
    edit_count = 0
    sample_counts: dict[str, int] = dict.fromkeys(_MEDIA, 0)
    for trak in traks:
        track, tables = _parse_trak(trak, header.timescale, reader.size)
        # After the first track that states no times, libavformat follows no edit lists.
        edits_cut = edits_cut and tables.declares_times
        track = replace(track, edits_cut=edits_cut)
        if track.handler in handlers:
            before = sample_counts.get(track.handler, 0)
            track = _with_samples(track, tables, reader.size, before)
            sample_counts[track.handler] = before + len(track.samples)
        tracks.append(track)
        end_ticks.append(tables.end_ticks() if found.moofs else 0)
        edit_count += len(track.edits)
        if edit_count > _MAX_EDITS:
            raise BoxError(f"moov: expected at most {_MAX_EDITS} edits in all of its tracks")
    if found.moofs:
        defaults = _fragment_defaults(moov.get("mvex", ()))
        ends = [
            FragmentedTrack(
                track_id=track.track_id,
                timescale=track.timescale,
                descriptions=len(track.descriptions),
                only_description=track.only_description,
                defaults=defaults.get(track.track_id),
                samples=track.samples,
                end_ticks=its_end_ticks,
                time_offset_ticks=time_offset_ticks(
                    track.edits, track.timescale, header.timescale
                ),
                handler=track.handler,
                is_read=track.handler in handlers,
            )
            for track, its_end_ticks in zip(tracks, end_ticks, strict=True)
        ]
        sidxs = filter(None, map(parse_sidx, found.sidxs))
        samples = append_fragments(
            ends, found.moofs, sidxs, file_size=reader.size, mfra_bytes=found.mfra_bytes
        )
        tracks = [replace(t, samples=s) for t, s in zip(tracks, samples, strict=True)]
    return Movie(header.timescale, header.duration_ticks, tuple(tracks), header.matrix)


def _parse_trak(trak: Box, movie_timescale: int, file_size: int) -> tuple[Track, TrackTables]:
    """What a trak box says; its samples are still to be made of its tables."""
    tkhd, edts, mdia = trak.find("tkhd"), trak.find("edts"), trak.find("mdia")
    header = parse_tkhd(tkhd) if tkhd else TrackHeader(0, False, 0, IDENTITY_MATRIX, 0, 0)
    # Of several lists the last one counts; empty ones do not.
    elst = reversed(edts.by_type().get("elst", ())) if edts else ()
    edits = next(filter(None, map(parse_elst, elst)), ())
    mdhd = mdia.find("mdhd") if mdia else None
    hdlr = mdia.find("hdlr") if mdia else None
    stbl = mdia.find("minf", "stbl") if mdia else None
    stsd = stbl.find("stsd") if stbl else None
    media = parse_mdhd(mdhd) if mdhd else MediaHeader(movie_timescale, 0, UNDETERMINED_LANGUAGE)
    handler = parse_hdlr(hdlr) if hdlr else ""
    descriptions: tuple[SampleDescription, ...] = ()
    damage = None
    tables = parse_tables(None)
    try:
        if stsd:
            descriptions = parse_stsd(stsd, handler=handler)
        tables = parse_tables(stbl, most_rows=most_samples(file_size, handler))
    except BoxError as error:
        if handler == _VIDEO:
            raise
        damage = str(error)
    track = Track(
        track_id=header.track_id,
        enabled=header.enabled,
        handler=handler,
        timescale=media.timescale,
        duration_ticks=media.duration_ticks,
        descriptions=descriptions,
        samples=empty_samples(),
        edits=edits,
        edits_cut=True,
        only_description=_only_description(descriptions),
        width=header.width,
        height=header.height,
        matrix=header.matrix,
        language=media.language,
        damage=damage,
    )
    return track, tables


def _with_samples(track: Track, tables: TrackTables, file_size: int, before: int) -> Track:
    if track.damage is not None:
        return track
    try:
        samples = build_samples(
            tables,
            descriptions=len(track.descriptions),
            file_size=file_size,
            handler=track.handler,
            before=before,
        )
    except BoxError as error:
        if track.handler == _VIDEO:
            raise BoxError(f"track {track.track_id}: {error}") from error
        return replace(track, damage=str(error))
    return replace(track, samples=samples)


def _only_description(descriptions: tuple[SampleDescription, ...]) -> int | None:
    """The one description whose samples are read, where the others have another format.

    libavformat compares the original format of the first with the others as they stand, so
    that it takes an encrypted one for another format.
    """
    if not descriptions:
        return None
    first, *others = descriptions
    code = first.format.encode("latin-1")
    return None if any(other.entry[4:8] == code for other in others) else 0


def _fragment_defaults(mvexs: Iterable[Box]) -> dict[int, SampleDefaults]:
    """The trex of each track; of two the first counts."""
    found: dict[int, SampleDefaults] = {}
    for mvex in mvexs:
        for box in mvex.by_type().get("trex", ()):
            defaults = parse_trex(box)
            found.setdefault(defaults.track_id, defaults)
    return found
