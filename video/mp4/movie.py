"""A movie and its tracks: all that the boxes of a file say, without a byte of its samples."""

from __future__ import annotations

from collections.abc import Iterable
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
from .samples import SampleTable, TrackTables, build_samples, empty_samples, parse_tables

_VIDEO = "vide"
_MEDIA = (_VIDEO, "soun")


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


def read_movie(reader: Reader) -> Movie:
    """The tracks of an MP4, MOV or 3GP file.

    Raises:
        BoxError: There is no movie, or a box that matters is damaged.
    """
    found = read_movie_boxes(reader)
    moov = found.moov.by_type()
    if "mvhd" not in moov:
        raise BoxError(f"moov at {found.moov.start}: expected an mvhd box in it, found none")
    header = parse_mvhd(moov["mvhd"][0])
    tracks: list[Track] = []
    tables: list[TrackTables] = []
    edits_cut = True
    for trak in moov.get("trak", ()):
        track, its_tables = _parse_trak(trak, header.timescale)
        # After the first track that states no times, libavformat follows no edit lists.
        edits_cut = edits_cut and its_tables.declares_times
        tracks.append(_with_samples(track, its_tables, edits_cut, reader.size))
        tables.append(its_tables)
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
                end_ticks=its_tables.end_ticks(),
                time_offset_ticks=time_offset_ticks(
                    track.edits, track.timescale, header.timescale
                ),
            )
            for track, its_tables in zip(tracks, tables, strict=True)
        ]
        sidxs = [sidx for sidx in map(parse_sidx, found.sidxs) if sidx is not None]
        samples = append_fragments(
            ends, found.moofs, sidxs, file_size=reader.size, mfra_bytes=found.mfra_bytes
        )
        tracks = [replace(t, samples=s) for t, s in zip(tracks, samples, strict=True)]
    return Movie(header.timescale, header.duration_ticks, tuple(tracks))


def _parse_trak(trak: Box, movie_timescale: int) -> tuple[Track, TrackTables]:
    """What a trak box says; its samples are still to be made of its tables."""
    tkhd, edts, mdia = trak.find("tkhd"), trak.find("edts"), trak.find("mdia")
    header = parse_tkhd(tkhd) if tkhd else TrackHeader(0, False, 0, IDENTITY_MATRIX, 0, 0)
    elst = [parse_elst(box) for box in edts.by_type().get("elst", ())] if edts else []
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
        tables = parse_tables(stbl)
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
        # Of several lists the last one counts; empty ones do not.
        edits=next((edits for edits in reversed(elst) if edits), ()),
        edits_cut=True,
        only_description=_only_description(descriptions),
        width=header.width,
        height=header.height,
        matrix=header.matrix,
        language=media.language,
        damage=damage,
    )
    return track, tables


def _with_samples(track: Track, tables: TrackTables, edits_cut: bool, file_size: int) -> Track:
    samples, damage = track.samples, track.damage
    if track.handler in _MEDIA and damage is None:
        try:
            samples = build_samples(
                tables, descriptions=len(track.descriptions), file_size=file_size
            )
        except BoxError as error:
            if track.handler == _VIDEO:
                raise BoxError(f"track {track.track_id}: {error}") from error
            damage = str(error)
    return replace(track, samples=samples, damage=damage, edits_cut=edits_cut)


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
