"""Movie fragments to samples: what moof boxes add to the samples of each track (8.8).

The rules of time and place follow libavformat (FFmpeg 8.1). A fragment begins at its tfdt, or
where sidx says, or where the track ended. One that begins before the last one ended overlaps:
its early samples are decoded, not shown.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from ...errors import BoxError
from ..timing import Timebase, rescale
from .box import Box
from .fragments import (
    SAMPLE_DEPENDS_ON_OTHERS,
    SAMPLE_IS_NON_SYNC,
    SampleDefaults,
    SegmentIndex,
    TrackRun,
    check_run_count,
    parse_tfdt,
    parse_tfhd,
    parse_trun,
)
from .samples import SampleTable, check_count
from .tables import Int64s

_INT32_MAX = (1 << 31) - 1
# Places and times from here up are nonsense.
_FARTHEST = 1 << 62


@dataclass(frozen=True, slots=True)
class FragmentedTrack:
    """What fragments need to know of a track that moov describes."""

    track_id: int
    """The track."""
    timescale: int
    """Ticks a second of its media."""
    descriptions: int
    """How many sample descriptions it has."""
    only_description: int | None
    """The one description, from 0, whose samples libavformat reads: None, of all."""
    defaults: SampleDefaults | None
    """Its trex."""
    samples: SampleTable
    """Its samples in moov."""
    end_ticks: int
    """Where those end."""
    time_offset_ticks: int
    """What an edit list takes off every time."""
    handler: str = "vide"
    """What it is."""
    is_read: bool = True
    """Whether its samples are asked for."""


class _Piece(NamedTuple):
    """One run, and where it begins. Its arrays are made with those of all others, at once."""

    run: TrackRun
    defaults: SampleDefaults
    first_byte: int
    start: int
    overlaps_until: int
    """Samples that decode up to here overlap the run before."""


def append_fragments(
    tracks: Sequence[FragmentedTrack],
    moofs: Sequence[Box],
    sidxs: Iterable[SegmentIndex],
    *,
    file_size: int,
    mfra_bytes: int,
) -> list[SampleTable]:
    """The samples of each track, those of its fragments after those of moov.

    Args:
        tracks: All tracks of the movie.
        moofs: The fragments, in file order.
        sidxs: The segment indexes.
        file_size: Bytes of the whole file, which bounds what its counts can mean.
        mfra_bytes: Size of the fragment index that may end the file.

    Raises:
        BoxError: A fragment contradicts itself, or what moov says.
    """
    bounds = _Bounds(file_size, {})
    collected = [_Collector(track, bounds) for track in tracks]
    # Of tracks with one number the first gets the samples.
    by_number = {c.track.track_id: c for c in reversed(collected)}
    index = _IndexTimes(sidxs, by_number, moofs, file_size=file_size, mfra_bytes=mfra_bytes)
    for moof in moofs:
        for collector in _read_moof(moof, by_number, index.times.get(moof.start, {})):
            collector.end_moof()
    return [c.samples(stepwise=index.is_complete) for c in collected]


def _read_moof(
    moof: Box, collectors: Mapping[int, _Collector], index_times: Mapping[int, int]
) -> Iterable[_Collector]:
    """Hand the runs of a fragment to their tracks; those that it names."""
    named: dict[int, _Collector] = {}
    # Data offsets count from where the data before ended, if nothing else is said (8.8.7.1).
    base = moof.start
    for traf in moof.children():
        if traf.type != "traf":
            continue
        boxes = traf.by_type()
        runs = boxes.get("trun", [])
        if "tfhd" not in boxes:
            if runs:
                raise BoxError(f"traf at {traf.start}: expected a tfhd box in it, found none")
            continue
        header = parse_tfhd(boxes["tfhd"][0])
        collector = collectors.get(header.track_id)
        if collector is None:
            # moov does not describe the track.
            continue
        named[header.track_id] = collector
        if collector.track.defaults is None:
            if runs:
                raise BoxError(
                    f"traf at {traf.start}: expected a trex box in moov for track "
                    f"{header.track_id}, found none"
                )
            continue
        defaults = header.over(collector.track.defaults)
        if not collector.takes(defaults):
            continue
        collector.begin_traf([parse_tfdt(box) for box in boxes.get("tfdt", ())])
        first_byte = base
        if header.base_data_offset is not None:
            first_byte = header.base_data_offset
        elif header.base_is_moof:
            first_byte = moof.start
        for box in runs:
            run = parse_trun(box)
            if run.count:
                index_time = index_times.get(header.track_id)
                base = collector.add_run(box, run, defaults, first_byte, index_time)
    return named.values()


@dataclass(slots=True)
class _Bounds:
    """What the runs of all tracks together may come to."""

    file_size: int
    samples: dict[str, int]
    """By the kind of track."""
    runs: int = 0

    def add(self, handler: str, samples: int, what: str) -> None:
        """Count a run."""
        self.runs += 1
        check_run_count(self.runs, self.file_size, what)
        self.samples[handler] = total = self.samples.get(handler, 0) + samples
        check_count(total, self.file_size, what, handler)


class _Collector:
    """Gathers the samples of one track from its fragments."""

    def __init__(self, track: FragmentedTrack, bounds: _Bounds) -> None:
        self.track = track
        """The track."""
        self.end = track.end_ticks
        """Where its samples end so far."""
        self._bounds = bounds
        self._shift = track.samples.moov_shift_ticks
        self._composed = track.samples.composed
        self._last_dts = -_FARTHEST
        self._start_in_moof: int | None = None
        self._next_in_traf: int | None = None
        self._pieces: list[_Piece] = []
        self._shifts: list[tuple[int, int]] = []
        self._count = 0

    def end_moof(self) -> None:
        """Note how far times are shifted for the samples up to here, and forget its times."""
        self._shifts.append((self._count, self._shift))
        self._start_in_moof = self._next_in_traf = None

    def begin_traf(self, starts: Sequence[int]) -> None:
        """Begin where tfdt says, if there is one."""
        self._next_in_traf = None
        for start in starts:
            self._start_in_moof = self.end = start

    def takes(self, defaults: SampleDefaults) -> bool:
        """Whether libavformat reads fragments of this sample description."""
        if not 1 <= defaults.description <= self.track.descriptions:
            raise BoxError(
                f"track {self.track.track_id}: expected a fragment's sample description "
                f"from 1 to {self.track.descriptions}, got {defaults.description}"
            )
        return self.track.only_description in (None, defaults.description - 1)

    def add_run(
        self,
        box: Box,
        run: TrackRun,
        defaults: SampleDefaults,
        base: int,
        index_time: int | None,
    ) -> int:
        """Add a run's samples; returns the byte after the last one."""
        if self.track.is_read:
            self._count += run.count
            self._bounds.add(self.track.handler, run.count, f"trun at {box.start}")
        start, first_byte = self._start(index_time), base + run.data_offset
        if not 0 <= first_byte < _FARTHEST or start >= _FARTHEST:
            raise BoxError(
                f"trun at {box.start}: expected a place and a time within 62 bits, "
                f"got byte {first_byte} and time {start}"
            )
        if self.track.is_read:
            self._pieces.append(_Piece(run, defaults, first_byte, start, self._last_dts))
        end = start + _total(run.duration_ticks, defaults.duration_ticks, run.count)
        last = run.duration_ticks
        self._last_dts = end - (defaults.duration_ticks if last is None else int(last[-1]))
        self.end = self._next_in_traf = end
        if run.composition_offset_ticks is not None:
            self._composed = True
            lowest = int(run.composition_offset_ticks.min())
            self._shift = max(self._shift, min(-lowest, _INT32_MAX))
        return first_byte + _total(run.size, defaults.size, run.count)

    def _start(self, index_time: int | None) -> int:
        """When a run begins."""
        if self._next_in_traf is not None:
            return self._next_in_traf
        if self._start_in_moof is not None:
            return self._start_in_moof
        if index_time is not None:
            # An index tells presentation times: what an edit list takes off is gone from them.
            return index_time + self.track.time_offset_ticks
        return self.end

    def samples(self, *, stepwise: bool) -> SampleTable:
        """The samples of moov and of all fragments.

        Args:
            stepwise: Samples get the shift that was known when their fragment was reached.
        """
        base, pieces = self.track.samples, self._pieces
        if not pieces:
            return base
        count = np.array([p.run.count for p in pieces])
        first = np.cumsum(count) - count
        size = _column((p.run.size, p.defaults.size, p.run.count) for p in pieces)
        duration = _column(
            (p.run.duration_ticks, p.defaults.duration_ticks, p.run.count) for p in pieces
        )
        flags = _column((p.run.flags, p.defaults.flags, p.run.count) for p in pieces)
        for piece, at in zip(pieces, first.tolist(), strict=True):
            if piece.run.flags is None and piece.run.first_flags is not None:
                flags[at] = piece.run.first_flags

        def each(values: Iterable[int]) -> Int64s:
            return np.repeat(np.fromiter(values, np.int64, len(pieces)), count)

        dts = each(p.start for p in pieces) + _sums_before(duration, first, count)
        total = len(base) + self._count
        shift = np.full(total, self._shift)
        if stepwise:
            done = len(base)
            shift[:done] = base.moov_shift_ticks
            for reached, known in self._shifts:
                shift[done : len(base) + reached] = known
                done = len(base) + reached
        late = SampleTable(
            offset=each(p.first_byte for p in pieces) + _sums_before(size, first, count),
            size=size,
            dts_ticks=dts,
            duration_ticks=duration,
            composition_offset_ticks=_column(
                (p.run.composition_offset_ticks, 0, p.run.count) for p in pieces
            ),
            description=each(p.defaults.description - 1 for p in pieces).astype(np.int32),
            sync=(flags & (SAMPLE_IS_NON_SYNC | SAMPLE_DEPENDS_ON_OTHERS)) == 0,
            overlapping=dts <= each(p.overlaps_until for p in pieces),
            shift_ticks=shift,
            moov_shift_ticks=base.moov_shift_ticks,
            in_moov=base.in_moov,
            first_run=pieces[0].run.count,
            timed=base.timed,
            composed=self._composed,
            overfull=base.overfull,
        )
        return late.after(base)


class _IndexTimes:
    """What segment indexes say of the times of fragments."""

    def __init__(
        self,
        sidxs: Iterable[SegmentIndex],
        collectors: Mapping[int, _Collector],
        moofs: Iterable[Box],
        *,
        file_size: int,
        mfra_bytes: int,
    ) -> None:
        begins = {moof.start for moof in moofs}
        self.times: dict[int, dict[int, int]] = {}
        """By place of the moof and track: the time in the track's ticks."""
        self.is_complete = False
        """An index leads to every fragment: libavformat reads each when it comes to it."""
        for sidx in sidxs:
            collector = collectors.get(sidx.track_id)
            if collector is None:
                continue
            at, time = sidx.start, sidx.earliest_ticks
            source, target = Timebase(1, sidx.timescale), Timebase(1, collector.track.timescale)
            for size, duration in zip(sidx.sizes, sidx.durations_ticks, strict=True):
                if at in begins:
                    self.times.setdefault(at, {})[sidx.track_id] = rescale(time, source, target)
                at, time = at + size, time + duration
            collector.end = time
            to_the_end = at in (file_size, file_size - mfra_bytes)
            self.is_complete |= to_the_end and not sidx.offset_from_index


def _total(values: Int64s | None, default: int, count: int) -> int:
    return default * count if values is None else int(values.sum())


def _column(runs: Iterable[tuple[Int64s | None, int, int]]) -> Int64s:
    """One field of all samples: stored values, or as many defaults."""
    return np.concatenate(
        [np.full(n, default) if values is None else values for values, default, n in runs]
    )


def _sums_before(values: Int64s, first: Int64s, count: Int64s) -> Int64s:
    """The sum of the values before each within its run."""
    before = np.cumsum(values) - values
    return before - np.repeat(before[first], count)
