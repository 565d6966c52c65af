"""The sound of a stretch of frames: which samples of the clip's sound track go along, and when
they are heard.

Compressed sound needs a little of what is before to be decoded as it was, so the track begins
with a tenth of a second that its edit list hides; the same edit list cuts the first sample to
the moment of the first frame. Samples and their description are copied: every codec goes along.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from ...errors import CorruptVideoError, UnsupportedError
from ..index.frames import FrameIndex, Int64s
from ..mp4.cuts import time_offset_ticks
from ..mp4.entries import SampleDescription
from ..mp4.headers import Edit
from ..mp4.movie import Movie, Track, read_movie
from ..mp4.write import TrackSpec
from ..plan.byte_ranges import SourceCost, plan_ranges
from ..source import Reader
from ..timing import Timebase, rescale
from .plan import RemuxPlan

_SOUND = "soun"
# Longest of what codecs ask for: Opus, 80 ms (RFC 7845).
_WARM_UP = Timebase(1, 10)
# Codecs whose samples stand alone.
_LOSSLESS = frozenset({"alac", "fLaC"})
_MOST_SHARED = 4
_WINDOW_BYTES = 16 << 20
_END_OF_TIME = (1 << 62) - 1
# 8.5.2, AudioSampleEntry; and SoundDescriptionV1 of QuickTime, which goes on.
_DATA_REFERENCE = slice(14, 16)
_VERSION = slice(16, 18)
_CHANNELS = slice(24, 26)
_BITS = slice(26, 28)
_SAMPLES_PER_PACKET = slice(36, 40)
_BYTES_PER_FRAME = slice(44, 48)


@dataclass(frozen=True, slots=True, eq=False)
class Sound:
    """A stretch of a sound track."""

    source: Track
    """The clip's track."""
    first: int
    """The first sample that goes along."""
    end: int
    """One past the last one."""
    pause_ticks: int
    """How long after the first frame it begins; all ticks are those of the track."""
    start_ticks: int
    """What is hidden of the samples, from the first one's beginning."""
    heard_ticks: int
    """How long it is heard."""

    def track(self, timescale: int) -> TrackSpec:
        """The track to write, in a movie of that timescale."""
        samples = self.source.samples
        of = slice(self.first, self.end)
        media, movie = Timebase(1, self.source.timescale), Timebase(1, timescale)
        edits = [Edit(rescale(self.heard_ticks, media, movie), self.start_ticks)]
        if self.pause_ticks:
            edits.insert(0, Edit(rescale(self.pause_ticks, media, movie), -1))
        sync = samples.sync[of]
        return TrackSpec(
            descriptions=tuple(map(_entry, self.source.descriptions)),
            timescale=self.source.timescale,
            sizes=samples.size[of],
            durations_ticks=samples.duration_ticks[of],
            sync=None if sync.all() else sync,
            description=samples.description[of],
            edits=tuple(edits),
            handler=_SOUND,
            language=self.source.language,
        )

    def read(self, reader: Reader, cost: SourceCost) -> Iterator[bytes]:
        """The samples' bytes, some at a time."""
        samples = self.source.samples
        offset, size = (
            samples.offset[self.first : self.end],
            samples.size[self.first : self.end],
        )
        # Samples of uncompressed sound are tiny: what lies in a row is read as one.
        begins = np.flatnonzero(np.concatenate(([True], offset[1:] != offset[:-1] + size[:-1])))
        lengths = np.add.reduceat(size, begins)
        window = np.cumsum(lengths) // _WINDOW_BYTES
        cuts = np.flatnonzero(np.diff(window)) + 1
        for at, length in zip(
            np.split(offset[begins], cuts), np.split(lengths, cuts), strict=True
        ):
            fetch = plan_ranges(at, length, cost)
            buffers = reader.read(fetch.ranges)
            for buffer, start, count in zip(
                fetch.buffer.tolist(), fetch.position.tolist(), length.tolist(), strict=True
            ):
                yield bytes(buffers[buffer][start : start + count])


def plan_sound(plan: RemuxPlan, reader: Reader) -> Sound | None:
    """The sound while a plan's frames are shown; None where the clip has none then.

    Of several sound tracks the first that players present is taken.

    Args:
        plan: Of frames that follow each other.
        reader: The clip; the boxes that say where its sound is are read.

    Raises:
        CorruptVideoError: The sound track is damaged.
        UnsupportedError: The frames leave out some between them; or the track is encrypted, is
            cut by its edit list in their time, or packs its samples in a way that only
            QuickTime knows.
    """
    frames = plan.frames
    gaps = np.flatnonzero(np.diff(frames) != 1)
    if len(gaps):
        before, after = frames[gaps[0] : gaps[0] + 2].tolist()
        raise UnsupportedError(
            f"audio => true for frames that leave some out: after {before} comes {after}. "
            "Sound is kept for frames that follow each other without a gap"
        )
    if plan.index.container != "mp4":
        return None
    movie = read_movie(reader, handlers=(_SOUND,))
    track = _choose(movie)
    if track is None or not len(track.samples):
        return None
    _check(track, reader.size)
    return _cut(plan.index, frames, track, movie)


def _choose(movie: Movie) -> Track | None:
    tracks = [track for track in movie.tracks if track.handler == _SOUND]
    chosen = next((track for track in tracks if track.enabled), next(iter(tracks), None))
    if chosen is not None and chosen.damage is not None:
        raise CorruptVideoError(f"sound track {chosen.track_id}: {chosen.damage}")
    return chosen


def _check(track: Track, source_bytes: int) -> None:
    """Refuse samples that cannot be copied as they are."""
    samples = track.samples
    total = int(samples.size.sum())
    if total > _MOST_SHARED * source_bytes:
        raise UnsupportedError(
            f"sound track {track.track_id}: its samples share their bytes, they are {total} "
            f"long together, the source has {source_bytes}"
        )
    for description in track.descriptions:
        if description.format == "enca":
            raise UnsupportedError(f"sound track {track.track_id} is encrypted")
    if _is_uncompressed(track):
        entry, size = track.descriptions[0].entry, int(samples.size[0])
        expected = _bytes_per_frame(entry)
        if expected != size:
            raise UnsupportedError(
                f"sound track {track.track_id} of {track.descriptions[0].format!r}: expected "
                f"{expected} bytes for each moment, got samples of {size}; QuickTime's packing "
                "of sound is not carried over"
            )


def _is_uncompressed(track: Track) -> bool:
    """Whether each tick is a sample of its own."""
    samples = track.samples
    alike = bool((samples.size == samples.size[0]).all())
    return alike and bool((samples.duration_ticks == 1).all()) and len(samples) > 1


def _bytes_per_frame(entry: bytes) -> int:
    """Bytes for one moment in all channels; 0 where a sample entry does not tell."""
    version = int.from_bytes(entry[_VERSION])
    if version == 1 and len(entry) >= _BYTES_PER_FRAME.stop:
        alone = int.from_bytes(entry[_SAMPLES_PER_PACKET]) == 1
        return int.from_bytes(entry[_BYTES_PER_FRAME]) if alone else 0
    return int.from_bytes(entry[_CHANNELS]) * int.from_bytes(entry[_BITS]) // 8


def _cut(index: FrameIndex, frames: Int64s, track: Track, movie: Movie) -> Sound | None:
    """What is heard from the first frame to the end of the last."""
    media = Timebase(1, track.timescale)
    begin_ticks = int(index.pts_ticks[frames[0]])
    end_ticks = int(index.pts_ticks[frames[-1]] + index.duration_ticks[frames[-1]])
    begin = rescale(begin_ticks, index.timebase, media)
    end = rescale(end_ticks, index.timebase, media)
    heard = [
        stretch
        for stretch in _stretches(track, movie.timescale)
        if stretch.start < end and stretch.end > begin
    ]
    if not heard:
        return None
    if len(heard) > 1:
        raise UnsupportedError(
            f"sound track {track.track_id}: its edit list cuts it within the time of frames "
            f"{int(frames[0])} to {int(frames[-1])}"
        )
    (stretch,) = heard
    decoded, lasts = track.samples.dts_ticks, track.samples.duration_ticks
    to_media = stretch.media - stretch.start
    first_heard = max(max(begin, stretch.start) + to_media, int(decoded[0]))
    last_heard = min(min(end, stretch.end) + to_media, int(decoded[-1] + lasts[-1]))
    if first_heard >= last_heard:
        return None
    warm_up = 0
    if not _is_uncompressed(track) and track.descriptions[0].format not in _LOSSLESS:
        warm_up = rescale(1, _WARM_UP, media)
    first = _last_at_or_before(decoded, first_heard - warm_up)
    while first and not track.samples.sync[first]:
        first -= 1
    return Sound(
        source=track,
        first=first,
        # libavformat leaves out a sample that is alone and cut.
        end=min(len(decoded), max(int(np.searchsorted(decoded, last_heard)), first + 2)),
        pause_ticks=first_heard - to_media - begin,
        start_ticks=first_heard - int(decoded[first]),
        heard_ticks=last_heard - first_heard,
    )


@dataclass(frozen=True, slots=True)
class _Stretch:
    """Part of the presentation that plays media without a cut; in ticks of the track."""

    start: int
    end: int
    media: int
    """The media's time at its start."""


def _stretches(track: Track, movie_timescale: int) -> Iterator[_Stretch]:
    """What the edit list plays and when, as libavformat follows it (`mp4.edits`)."""
    fragmented = len(track.samples) > track.samples.in_moov
    if fragmented or not track.edits or not track.edits_cut:
        offset = time_offset_ticks(track.edits, track.timescale, movie_timescale)
        yield _Stretch(-offset, _END_OF_TIME, 0)
        return
    at = 0
    media, movie = Timebase(1, track.timescale), Timebase(1, movie_timescale)
    for edit in track.edits:
        length = rescale(edit.duration_ticks, movie, media)
        if at + length > _END_OF_TIME:
            raise CorruptVideoError(f"sound track {track.track_id}: its edits end out of range")
        if edit.media_time_ticks >= 0:
            yield _Stretch(at, at + length, edit.media_time_ticks)
        at += length


def _last_at_or_before(ascending: Int64s, value: int) -> int:
    return max(0, int(np.searchsorted(ascending, value, side="right")) - 1)


def _entry(description: SampleDescription) -> bytes:
    """A description's entry, with the one data reference that the new file has."""
    entry = description.entry
    return entry[: _DATA_REFERENCE.start] + (1).to_bytes(2) + entry[_DATA_REFERENCE.stop :]
