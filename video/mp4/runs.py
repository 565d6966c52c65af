"""Movie fragments to samples: what moof boxes add to the samples of each track (8.8).

The rules of time and place follow libavformat (FFmpeg 8.1). A fragment begins at its tfdt, or
where sidx says, or where the track ended. One that begins before the last one ended overlaps:
its early samples are decoded, not shown.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

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
    parse_tfdt,
    parse_tfhd,
    parse_trun,
)
from .samples import Bools, Int32s, SampleTable, check_count
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


@dataclass(frozen=True, slots=True, eq=False)
class _Piece:
    """The samples of one run."""

    offset: Int64s
    size: Int64s
    dts: Int64s
    duration: Int64s
    composition_offset: Int64s
    description: Int32s
    sync: Bools
    overlapping: Bools


def append_fragments(
    tracks: Sequence[FragmentedTrack],
    moofs: Iterable[Box],
    sidxs: Sequence[SegmentIndex],
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
    collected = [_Collector(track, file_size) for track in tracks]
    # Of tracks with one number the first gets the samples.
    by_number = {c.track.track_id: c for c in reversed(collected)}
    index = _IndexTimes(sidxs, by_number, file_size, mfra_bytes)
    for moof in moofs:
        for collector in collected:
            collector.begin_moof()
        _read_moof(moof, by_number, index.times.get(moof.start, {}))
        for collector in collected:
            collector.end_moof()
    return [c.samples(stepwise=index.is_complete) for c in collected]


def _read_moof(
    moof: Box, collectors: Mapping[int, _Collector], index_times: Mapping[int, int]
) -> None:
    """Hand the runs of a fragment to their tracks."""
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


class _Collector:
    """Gathers the samples of one track from its fragments."""

    def __init__(self, track: FragmentedTrack, file_size: int) -> None:
        self.track = track
        """The track."""
        self.end = track.end_ticks
        """Where its samples end so far."""
        self._file_size = file_size
        self._shift = track.samples.moov_shift_ticks
        self._composed = track.samples.composed
        self._last_dts: int | None = None
        self._start_in_moof: int | None = None
        self._next_in_traf: int | None = None
        self._pieces: list[_Piece] = []
        self._shifts: list[tuple[int, int]] = []
        self._count = 0

    def begin_moof(self) -> None:
        """Forget the times of the fragment before."""
        self._start_in_moof = self._next_in_traf = None

    def end_moof(self) -> None:
        """Note how far times are shifted for the samples up to here."""
        self._shifts.append((self._count, self._shift))

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
        self._count += run.count
        check_count(self._count, self._file_size, f"trun at {box.start}")
        size = _each(run.size, defaults.size, run.count)
        duration = _each(run.duration_ticks, defaults.duration_ticks, run.count)
        composition = _each(run.composition_offset_ticks, 0, run.count)
        flags = _each(run.flags, defaults.flags, run.count)
        if run.flags is None and run.first_flags is not None:
            flags[0] = run.first_flags
        start, first_byte = self._start(index_time), base + run.data_offset
        if not 0 <= first_byte < _FARTHEST or start >= _FARTHEST:
            raise BoxError(
                f"trun at {box.start}: expected a place and a time within 62 bits, "
                f"got byte {first_byte} and time {start}"
            )
        dts = start + np.cumsum(duration) - duration
        ends = np.cumsum(size)
        last = self._last_dts
        self._pieces.append(
            _Piece(
                offset=first_byte + ends - size,
                size=size,
                dts=dts,
                duration=duration,
                composition_offset=composition,
                description=np.full(run.count, defaults.description - 1, np.int32),
                sync=(flags & (SAMPLE_IS_NON_SYNC | SAMPLE_DEPENDS_ON_OTHERS)) == 0,
                overlapping=np.zeros(run.count, np.bool_) if last is None else dts <= last,
            )
        )
        self._last_dts = int(dts[-1])
        self.end = self._next_in_traf = int(dts[-1] + duration[-1])
        self._shift = max(self._shift, min(-int(composition.min()), _INT32_MAX))
        self._composed |= run.composition_offset_ticks is not None
        return first_byte + int(ends[-1])

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
        base = self.track.samples
        if not self._pieces:
            return base
        pieces = self._pieces
        total = len(base) + self._count
        shift = np.full(total, self._shift)
        if stepwise:
            done = len(base)
            shift[:done] = base.moov_shift_ticks
            for count, known in self._shifts:
                shift[done : len(base) + count] = known
                done = len(base) + count
        return SampleTable(
            offset=np.concatenate([base.offset, *(p.offset for p in pieces)]),
            size=np.concatenate([base.size, *(p.size for p in pieces)]),
            dts_ticks=np.concatenate([base.dts_ticks, *(p.dts for p in pieces)]),
            duration_ticks=np.concatenate([base.duration_ticks, *(p.duration for p in pieces)]),
            composition_offset_ticks=np.concatenate(
                [base.composition_offset_ticks, *(p.composition_offset for p in pieces)]
            ),
            description=np.concatenate([base.description, *(p.description for p in pieces)]),
            sync=np.concatenate([base.sync, *(p.sync for p in pieces)]),
            overlapping=np.concatenate([base.overlapping, *(p.overlapping for p in pieces)]),
            shift_ticks=shift,
            moov_shift_ticks=base.moov_shift_ticks,
            in_moov=base.in_moov,
            first_run=len(pieces[0].dts),
            timed=base.timed,
            composed=self._composed,
            overfull=base.overfull,
        )


class _IndexTimes:
    """What segment indexes say of the times of fragments."""

    def __init__(
        self,
        sidxs: Iterable[SegmentIndex],
        collectors: Mapping[int, _Collector],
        file_size: int,
        mfra_bytes: int,
    ) -> None:
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
                self.times.setdefault(at, {})[sidx.track_id] = rescale(time, source, target)
                at, time = at + size, time + duration
            collector.end = time
            to_the_end = at in (file_size, file_size - mfra_bytes)
            self.is_complete |= to_the_end and not sidx.offset_from_index


def _each(values: Int64s | None, default: int, count: int) -> Int64s:
    return np.full(count, default, np.int64) if values is None else values.copy()
