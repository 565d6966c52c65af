"""A new MP4 file: ftyp and moov with the final places of all samples, then mdat for them.

The caller gives sizes and times, gets the bytes before the samples, and streams the samples
after them: no sample passes through here. `moov` stands first, so a player can start at once.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ...errors import UnsupportedError
from ..timing import Timebase, rescale
from .box import build_box, build_full_box, build_header
from .entries import build_stsd
from .headers import (
    IDENTITY_MATRIX,
    UNDETERMINED_LANGUAGE,
    Edit,
    Matrix,
    MediaHeader,
    MovieHeader,
    TrackHeader,
    build_elst,
    build_hdlr,
    build_mdhd,
    build_mvhd,
    build_tkhd,
)
from .tables import (
    CompositionOffsets,
    Int64s,
    SampleSizes,
    SampleToChunk,
    TimeToSample,
    build_ctts,
    build_stco,
    build_stsc,
    build_stss,
    build_stsz,
    build_stts,
    to_runs,
)

_FTYP = build_box("ftyp", b"isom", (0x200).to_bytes(4), b"isomiso2iso4avc1mp41")
_UINT32_MAX = (1 << 32) - 1
_INT32_MAX = (1 << 31) - 1
# Tracks take turns of half a second, so that a player that reads on finds both.
_TURN = Timebase(1, 2)


@dataclass(frozen=True, slots=True, eq=False)
class TrackSpec:
    """A track to write: `[n]` arrays in decode order."""

    descriptions: tuple[bytes, ...]
    """Whole sample entries, of `entries.build_avc_entry` or out of another file."""
    timescale: int
    """Ticks a second of its media."""
    sizes: Int64s
    """Bytes of each sample."""
    durations_ticks: Int64s
    """Decoding time from each sample to the next."""
    composition_offsets_ticks: Int64s | None = None
    """From decoding to composition time; None: nothing is reordered."""
    sync: npt.NDArray[np.bool_] | None = None
    """Decoding can start here; None: everywhere."""
    description: npt.NDArray[np.int32] | None = None
    """Which of `descriptions` holds, from 0; None: the first."""
    positions: Int64s | None = None
    """Where each sample begins in mdat, from 0; None: in decode order, tracks in turns."""
    edits: tuple[Edit, ...] = ()
    """What is shown of it; nothing said: everything."""
    handler: str = "vide"
    """`vide` or `soun`."""
    width: float = 0
    """Display width before the matrix; of video."""
    height: float = 0
    """Display height before the matrix."""
    matrix: Matrix = IDENTITY_MATRIX
    """How pictures are turned and placed."""
    language: str = UNDETERMINED_LANGUAGE
    """ISO 639-2/T code."""
    enabled: bool = True
    """Whether players present it."""


@dataclass(frozen=True, slots=True, eq=False)
class MovieLayout:
    """A file whose samples are still to be put in."""

    head: bytes
    """The boxes before mdat: ftyp and moov."""
    mdat_header: bytes
    """What follows them; then come the samples."""
    payload_bytes: int
    """Bytes of samples in mdat."""
    positions: tuple[Int64s, ...]
    """For each track, where each of its samples begins in the file."""
    sizes: tuple[Int64s, ...]
    """For each track, the bytes of each of its samples."""

    @property
    def size(self) -> int:
        """Bytes of the whole file."""
        return len(self.head) + len(self.mdat_header) + self.payload_bytes

    def order(self) -> tuple[Int64s, Int64s]:
        """The samples as they lie in mdat: the track of each, and its number in the track."""
        track = np.repeat(np.arange(len(self.positions)), [len(p) for p in self.positions])
        none = np.empty(0, np.int64)
        sample = np.concatenate((none, *(np.arange(len(p)) for p in self.positions)))
        # Samples without bytes lie where the next one does, and come before it.
        sizes, positions = (np.concatenate((none, *of)) for of in (self.sizes, self.positions))
        order = np.lexsort((sizes > 0, positions))
        return track[order], sample[order]


def build_mp4(tracks: Sequence[TrackSpec], *, timescale: int) -> MovieLayout:
    r"""Everything of an MP4 file but the samples.

    Args:
        tracks: The tracks, numbered from 1.
        timescale: Ticks a second of the movie: edits have their durations in it.

    Raises:
        UnsupportedError: A time or a size does not fit its field.

    >>> import numpy as np
    >>> track = TrackSpec((b"\0\0\0\x08avc1",), 25, np.array([10, 20]), np.array([1, 1]))
    >>> layout = build_mp4([track], timescale=25)
    >>> layout.positions[0] - len(layout.head + layout.mdat_header), layout.payload_bytes
    (array([ 0, 10]), 30)
    """
    for number, track in enumerate(tracks, 1):
        _check_fits(track, number)
    in_mdat = _take_turns(tracks)
    payload = max(
        (int((p + t.sizes).max()) for t, p in zip(tracks, in_mdat, strict=True) if len(p)),
        default=0,
    )
    mdat_header = build_header("mdat", payload)
    # The length of moov is the same wherever the samples come to lie, as long as offsets keep
    # their width: a first draft finds it out.
    for wide in (False, True):
        draft = _build_moov(tracks, in_mdat, timescale=timescale, wide=wide)
        start = len(_FTYP) + len(draft) + len(mdat_header)
        if wide or start + payload <= _UINT32_MAX:
            break
    places = tuple(start + p for p in in_mdat)
    moov = _build_moov(tracks, places, timescale=timescale, wide=wide)
    sizes = tuple(t.sizes for t in tracks)
    return MovieLayout(_FTYP + moov, mdat_header, payload, places, sizes)


def _check_fits(track: TrackSpec, number: int) -> None:
    offsets = track.composition_offsets_ticks
    limits = [
        ("size", track.sizes, 0, _UINT32_MAX),
        ("duration", track.durations_ticks, 0, _UINT32_MAX),
        ("timescale", np.array([track.timescale]), 1, _INT32_MAX),
    ]
    if offsets is not None:
        limits.append(("composition offset", offsets, -_INT32_MAX, _INT32_MAX))
    for what, values, least, most in limits:
        wrong = values[(values < least) | (values > most)]
        if len(wrong):
            raise UnsupportedError(
                f"track {number}: expected every {what} from {least} to {most}, "
                f"got {int(wrong[0])}"
            )


def _take_turns(tracks: Sequence[TrackSpec]) -> tuple[Int64s, ...]:
    """Where in mdat the samples of each track begin."""
    free = [t for t in tracks if t.positions is None]
    if len(free) == 1:
        turns = [np.zeros(len(free[0].sizes), np.int64)]
    else:
        turns = [_turn(t) for t in free]
    sizes = np.concatenate((np.empty(0, np.int64), *(t.sizes for t in free)))
    order = np.argsort(np.concatenate((np.empty(0, np.int64), *turns)), kind="stable")
    places = np.empty(len(sizes), np.int64)
    places[order] = np.cumsum(sizes[order]) - sizes[order]
    ends = np.cumsum([len(t.sizes) for t in free])[:-1]
    placed = iter(np.split(places, ends) if free else [])
    return tuple(next(placed) if t.positions is None else t.positions for t in tracks)


def _turn(track: TrackSpec) -> Int64s:
    decoded = np.cumsum(track.durations_ticks) - track.durations_ticks
    return rescale(decoded, Timebase(1, track.timescale), _TURN, "floor")


def _build_moov(
    tracks: Sequence[TrackSpec], places: Sequence[Int64s], *, timescale: int, wide: bool
) -> bytes:
    durations = [_presented_ticks(track, timescale) for track in tracks]
    return build_box(
        "moov",
        build_mvhd(
            MovieHeader(timescale, max(durations, default=0)), next_track_id=len(tracks) + 1
        ),
        *(
            _build_trak(track, place, number=number, duration=duration, wide=wide)
            for number, (track, place, duration) in enumerate(
                zip(tracks, places, durations, strict=True), 1
            )
        ),
    )


def _presented_ticks(track: TrackSpec, timescale: int) -> int:
    """How long the track presents, in the movie's ticks."""
    if track.edits:
        return sum(edit.duration_ticks for edit in track.edits)
    decoded = int(track.durations_ticks.sum())
    return rescale(decoded, Timebase(1, track.timescale), Timebase(1, timescale))


def _build_trak(
    track: TrackSpec, places: Int64s, *, number: int, duration: int, wide: bool
) -> bytes:
    header = TrackHeader(
        number, track.enabled, duration, track.matrix, track.width, track.height
    )
    audio = track.handler == "soun"
    media = MediaHeader(track.timescale, int(track.durations_ticks.sum()), track.language)
    data_reference = build_full_box("dref", 0, 0, (1).to_bytes(4), build_full_box("url ", 0, 1))
    return build_box(
        "trak",
        build_tkhd(header, audible=audio),
        build_box("edts", build_elst(track.edits)) if track.edits else b"",
        build_box(
            "mdia",
            build_mdhd(media),
            build_hdlr(track.handler, "SoundHandler" if audio else "VideoHandler"),
            build_box(
                "minf",
                build_full_box("smhd", 0, 0, bytes(4))
                if audio
                else build_full_box("vmhd", 0, 1, bytes(8)),
                build_box("dinf", data_reference),
                _build_stbl(track, places, wide=wide),
            ),
        ),
    )


def _build_stbl(track: TrackSpec, places: Int64s, *, wide: bool) -> bytes:
    offsets, sync = track.composition_offsets_ticks, track.sync
    starts, stsc = _chunks(track, places)
    boxes = [
        build_stsd(track.descriptions),
        build_stts(TimeToSample(*to_runs(track.durations_ticks))),
    ]
    if offsets is not None and bool(offsets.any()):
        boxes.append(build_ctts(CompositionOffsets(*to_runs(offsets))))
    if sync is not None and not bool(sync.all()):
        boxes.append(build_stss(np.flatnonzero(sync) + 1))
    boxes.append(build_stsc(stsc))
    boxes.append(build_stsz(_stsz(track.sizes)))
    boxes.append(build_stco(places[starts], wide=wide))
    return build_box("stbl", *boxes)


def _stsz(sizes: Int64s) -> SampleSizes:
    """One size for all where they agree: uncompressed sound has a sample for each moment."""
    constant = int(sizes[0]) if len(sizes) else 0
    if constant and bool((sizes == constant).all()):
        return SampleSizes(len(sizes), constant, np.empty(0, np.int64))
    return SampleSizes(len(sizes), 0, sizes)


def _chunks(track: TrackSpec, places: Int64s) -> tuple[Int64s, SampleToChunk]:
    """The first sample of each chunk, and the runs of like chunks: as few as there can be.

    A chunk is a stretch of samples without a gap, of one description.
    """
    count = len(places)
    described = np.zeros(count, np.int32) if track.description is None else track.description
    begins = np.ones(count, np.bool_)
    begins[1:] = (places[1:] != places[:-1] + track.sizes[:-1]) | (np.diff(described) != 0)
    starts = np.flatnonzero(begins)
    in_chunk, of_chunk = np.diff(starts, append=count), described[starts].astype(np.int64) + 1
    new_run = np.ones(len(starts), np.bool_)
    new_run[1:] = (np.diff(in_chunk) != 0) | (np.diff(of_chunk) != 0)
    runs = np.flatnonzero(new_run)
    return starts, SampleToChunk(runs + 1, in_chunk[runs], of_chunk[runs])
