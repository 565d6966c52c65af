"""Movie fragments to samples: what moof boxes add to the samples of each track (8.8).

The rules of time and place follow libavformat (FFmpeg 8.1). A fragment begins at its tfdt, or
where sidx says, or where the track ended. One that begins before the last one ended overlaps:
its early samples are decoded, not shown.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

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


@dataclass(slots=True)
class _State:
    """Where one track has got to."""

    track: FragmentedTrack
    end: int
    last_dts: int | None
    shift: int
    composed: bool
    start_in_moof: int | None = None
    next_in_moof: int | None = None
    pieces: list[_Piece] = field(default_factory=list)
    shifts: list[tuple[int, int]] = field(default_factory=list)
    count: int = 0


def append_fragments(
    tracks: Sequence[FragmentedTrack],
    moofs: Iterable[Box],
    sidxs: Sequence[SegmentIndex],
    *,
    file_size: int,
    mfra_bytes: int,
) -> list[SampleTable]:
    """The samples of each track, those of its fragments after those of moov.

    Raises:
        BoxError: A fragment contradicts itself, or what moov says.
    """
    states: dict[int, _State] = {}
    for track in tracks:
        states.setdefault(track.track_id, _new_state(track))
    index = _IndexTimes(sidxs, states, file_size, mfra_bytes)
    for moof in moofs:
        for state in states.values():
            state.start_in_moof = state.next_in_moof = None
        _read_moof(moof, states, index.times.get(moof.start, {}), file_size)
        for state in states.values():
            state.shifts.append((state.count, state.shift))
    return [
        _append(states[t.track_id], stepwise=index.is_complete)
        if states[t.track_id].track is t
        else t.samples
        for t in tracks
    ]


def _new_state(track: FragmentedTrack) -> _State:
    samples = track.samples
    shift = samples.moov_shift_ticks
    return _State(track, track.end_ticks, None, shift, samples.composed)


class _IndexTimes:
    """What segment indexes say of the times of fragments."""

    def __init__(
        self,
        sidxs: Iterable[SegmentIndex],
        states: Mapping[int, _State],
        file_size: int,
        mfra_bytes: int,
    ) -> None:
        self.times: dict[int, dict[int, int]] = {}
        """By place of the moof and track: the time in the track's ticks."""
        self.is_complete = False
        """An index leads to every fragment: libavformat reads each when it comes to it."""
        for sidx in sidxs:
            state = states.get(sidx.track_id)
            if state is None:
                continue
            at, time = sidx.start, sidx.earliest_ticks
            source, target = Timebase(1, sidx.timescale), Timebase(1, state.track.timescale)
            for size, duration in zip(sidx.sizes, sidx.durations_ticks, strict=True):
                self.times.setdefault(at, {})[sidx.track_id] = rescale(time, source, target)
                at, time = at + size, time + duration
            state.end = time
            to_the_end = at in (file_size, file_size - mfra_bytes)
            self.is_complete |= to_the_end and not sidx.offset_from_index


def _read_moof(
    moof: Box, states: Mapping[int, _State], index_times: Mapping[int, int], file_size: int
) -> None:
    implicit_base = moof.start
    for traf in moof.children():
        if traf.type != "traf":
            continue
        state: _State | None = None
        defaults: SampleDefaults | None = None
        base = implicit_base
        for box in traf.children():
            if box.type == "tfhd":
                header = parse_tfhd(box)
                state = states.get(header.track_id)
                if state is None:
                    # The fragment of a track that moov does not describe.
                    break
                if state.track.defaults is not None:
                    defaults = header.over(state.track.defaults)
                if header.base_data_offset is not None:
                    base = header.base_data_offset
                elif header.base_is_moof:
                    base = moof.start
                state.next_in_moof = None
            elif box.type == "tfdt" and state is not None and defaults is not None:
                if not _left_out(state.track, defaults):
                    state.start_in_moof = state.end = parse_tfdt(box)
            elif box.type == "trun":
                if state is None or defaults is None:
                    raise BoxError(
                        f"trun at {box.start}: expected tfhd before it and trex for its track"
                    )
                if _left_out(state.track, defaults):
                    continue
                run = parse_trun(box)
                if run.count:
                    index_time = index_times.get(defaults.track_id)
                    implicit_base = _read_run(
                        box, run, state, defaults, base, index_time, file_size
                    )


def _left_out(track: FragmentedTrack, defaults: SampleDefaults) -> bool:
    """Whether libavformat passes over a fragment for its sample description."""
    if not 1 <= defaults.description <= track.descriptions:
        raise BoxError(
            f"track {track.track_id}: expected a fragment's sample description from 1 to "
            f"{track.descriptions}, got {defaults.description}"
        )
    return track.only_description not in (None, defaults.description - 1)


def _read_run(
    box: Box,
    run: TrackRun,
    state: _State,
    defaults: SampleDefaults,
    base: int,
    index_time: int | None,
    file_size: int,
) -> int:
    """Add a run's samples to its track; returns the byte after the last one."""
    state.count += run.count
    check_count(state.count, file_size, f"trun at {box.start}")
    size = _each(run.size, defaults.size, run.count)
    duration = _each(run.duration_ticks, defaults.duration_ticks, run.count)
    composition = _each(run.composition_offset_ticks, 0, run.count)
    flags = _each(run.flags, defaults.flags, run.count)
    if run.flags is None and run.first_flags is not None:
        flags[0] = run.first_flags

    start, first_byte = _run_start(state, index_time), base + run.data_offset
    if not 0 <= first_byte < _FARTHEST or start >= _FARTHEST:
        raise BoxError(
            f"trun at {box.start}: expected a place and a time within 62 bits, "
            f"got byte {first_byte} and time {start}"
        )
    dts = start + np.cumsum(duration) - duration
    ends = np.cumsum(size)
    piece = _Piece(
        offset=first_byte + ends - size,
        size=size,
        dts=dts,
        duration=duration,
        composition_offset=composition,
        description=np.full(run.count, defaults.description - 1, np.int32),
        sync=(flags & (SAMPLE_IS_NON_SYNC | SAMPLE_DEPENDS_ON_OTHERS)) == 0,
        overlapping=(
            np.zeros(run.count, np.bool_) if state.last_dts is None else dts <= state.last_dts
        ),
    )
    state.pieces.append(piece)
    state.last_dts = int(dts[-1])
    state.end = state.next_in_moof = int(dts[-1] + duration[-1])
    state.shift = max(state.shift, min(-int(composition.min()), (1 << 31) - 1))
    state.composed |= run.composition_offset_ticks is not None
    return first_byte + int(ends[-1])


def _run_start(state: _State, index_time: int | None) -> int:
    if state.next_in_moof is not None:
        return state.next_in_moof
    if state.start_in_moof is not None:
        return state.start_in_moof
    if index_time is not None:
        # An index tells presentation times: what an edit list takes off is gone from them.
        return index_time + state.track.time_offset_ticks
    return state.end


def _each(values: Int64s | None, default: int, count: int) -> Int64s:
    return np.full(count, default, np.int64) if values is None else values.copy()


def _append(state: _State, *, stepwise: bool) -> SampleTable:
    """The samples of moov and of all fragments."""
    base = state.track.samples
    if not state.pieces:
        return base
    pieces = state.pieces
    total = len(base) + state.count
    shift = np.full(total, state.shift)
    if stepwise:
        # Samples get the shift that was known when their fragment was reached.
        done = len(base)
        shift[:done] = base.moov_shift_ticks
        for count, known in state.shifts:
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
        composed=state.composed,
        overfull=base.overfull,
    )
