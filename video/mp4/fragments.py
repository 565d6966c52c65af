"""The boxes of movie fragments: trex, tfhd, tfdt, trun and the index sidx (8.8, 8.16.3)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ...errors import BoxError
from .box import Box
from .tables import Int64s

_TFHD_BASE_DATA_OFFSET = 0x01
_TFHD_SAMPLE_DESCRIPTION = 0x02
_TFHD_DURATION = 0x08
_TFHD_SIZE = 0x10
_TFHD_FLAGS = 0x20
_TFHD_BASE_IS_MOOF = 0x020000

_TRUN_DATA_OFFSET = 0x001
_TRUN_FIRST_SAMPLE_FLAGS = 0x004
_TRUN_DURATION = 0x100
_TRUN_SIZE = 0x200
_TRUN_FLAGS = 0x400
_TRUN_COMPOSITION_OFFSET = 0x800

SAMPLE_IS_NON_SYNC = 0x0001_0000
"""sample_is_non_sync_sample of a sample's flags (8.8.3.1)."""
SAMPLE_DEPENDS_ON_OTHERS = 0x0100_0000
"""sample_depends_on is 1, or 3."""

# What is kept of a run must stay small beside the file. The shortest are fragments of one
# picture each, of live streams.
_FREE_RUNS = 1 << 17
_MIN_BYTES_A_RUN = 256

# Times and offsets from here up are nonsense; below it sums of a few of them fit in 64 bits.
_FARTHEST = 1 << 62


@dataclass(frozen=True, slots=True)
class SampleDefaults:
    """What holds for samples of which a fragment says nothing else: trex, and tfhd over it."""

    track_id: int
    """The track they are for."""
    description: int
    """Sample description, from 1."""
    duration_ticks: int
    """Time to the next sample."""
    size: int
    """Bytes of a sample."""
    flags: int
    """Flags of a sample."""


@dataclass(frozen=True, slots=True)
class TrackFragmentHeader:
    """tfhd: the track of a fragment, and what replaces its defaults."""

    track_id: int
    """The track."""
    base_data_offset: int | None
    """Where its data offsets count from, if it says so."""
    base_is_moof: bool
    """They count from the beginning of moof."""
    description: int | None
    """Sample description, from 1."""
    duration_ticks: int | None
    """Time to the next sample."""
    size: int | None
    """Bytes of a sample."""
    flags: int | None
    """Flags of a sample."""

    def over(self, defaults: SampleDefaults) -> SampleDefaults:
        """The defaults, with what this header replaces."""
        return SampleDefaults(
            track_id=self.track_id,
            description=_first_known(self.description, defaults.description),
            duration_ticks=_first_known(self.duration_ticks, defaults.duration_ticks),
            size=_first_known(self.size, defaults.size),
            flags=_first_known(self.flags, defaults.flags),
        )


@dataclass(frozen=True, slots=True, eq=False)
class TrackRun:
    """trun: samples that lie one after the other. An array is None where the defaults hold."""

    count: int
    """Samples. Where every array is None there are no bytes behind this number."""
    data_offset: int
    """First byte, from the base; may be negative."""
    first_flags: int | None
    """Flags of the first sample, where `flags` does not say."""
    duration_ticks: Int64s | None
    """Time to the next sample, of each."""
    size: Int64s | None
    """Bytes of each."""
    flags: Int64s | None
    """Flags of each."""
    composition_offset_ticks: Int64s | None
    """From decoding to composition time, of each; signed in version 0 too."""


@dataclass(frozen=True, slots=True)
class SegmentIndex:
    """sidx: where the fragments of a track begin, and when."""

    track_id: int
    """The track that the times are of."""
    timescale: int
    """Ticks a second of its times."""
    start: int
    """First byte of the first fragment."""
    offset_from_index: int
    """Bytes between the index and that byte."""
    earliest_ticks: int
    """Presentation time of the first fragment."""
    sizes: tuple[int, ...]
    """Bytes of each fragment."""
    durations_ticks: tuple[int, ...]
    """Duration of each fragment."""


def check_run_count(count: int, file_size: int, what: str) -> None:
    """Refuse a number of fragments, or of runs in them, that no file of that size has."""
    most = _FREE_RUNS + file_size // _MIN_BYTES_A_RUN
    if count > most:
        raise BoxError(
            f"{what}: expected at most {most} fragments and runs in a file of {file_size} "
            "bytes, got more"
        )


def parse_trex(box: Box) -> SampleDefaults:
    """The defaults of a track's fragments."""
    cursor, _, _ = box.full_cursor()
    return SampleDefaults(*(cursor.u32() for _ in range(5)))


def parse_tfhd(box: Box) -> TrackFragmentHeader:
    """The header of a track fragment."""
    cursor, _, flags = box.full_cursor()
    track_id = cursor.u32()
    if not track_id:
        raise BoxError(f"tfhd at {box.start}: expected a track number from 1 up, got 0")

    def optional(flag: int) -> int | None:
        return cursor.u32() if flags & flag else None

    base = cursor.u64() if flags & _TFHD_BASE_DATA_OFFSET else None
    if base is not None and base >= _FARTHEST:
        raise BoxError(f"tfhd at {box.start}: expected a data offset below 2^62, got {base}")
    return TrackFragmentHeader(
        track_id=track_id,
        base_data_offset=base,
        base_is_moof=bool(flags & _TFHD_BASE_IS_MOOF),
        description=optional(_TFHD_SAMPLE_DESCRIPTION),
        duration_ticks=optional(_TFHD_DURATION),
        size=optional(_TFHD_SIZE),
        flags=optional(_TFHD_FLAGS),
    )


def parse_tfdt(box: Box) -> int:
    """The decoding time of a track fragment's first sample."""
    cursor, version, _ = box.full_cursor()
    time = cursor.u64() if version else cursor.u32()
    if time >= _FARTHEST:
        raise BoxError(f"tfdt at {box.start}: expected a time below 2^62, got {time}")
    return time


def parse_trun(box: Box) -> TrackRun:
    """A run of samples."""
    cursor, _, flags = box.full_cursor()
    count = cursor.u32()
    data_offset = cursor.i32() if flags & _TRUN_DATA_OFFSET else 0
    first_flags = cursor.u32() if flags & _TRUN_FIRST_SAMPLE_FLAGS else None
    columns = [
        flag
        for flag in (_TRUN_DURATION, _TRUN_SIZE, _TRUN_FLAGS, _TRUN_COMPOSITION_OFFSET)
        if flags & flag
    ]
    data = cursor.take(4 * len(columns) * count, f"{count} samples of {len(columns)} fields")
    rows = np.frombuffer(data, ">u4").reshape(-1, max(len(columns), 1)).astype(np.int64)

    def column(flag: int) -> Int64s | None:
        return rows[:, columns.index(flag)] if flag in columns else None

    offsets = column(_TRUN_COMPOSITION_OFFSET)
    return TrackRun(
        count=count,
        data_offset=data_offset,
        first_flags=first_flags,
        duration_ticks=column(_TRUN_DURATION),
        size=column(_TRUN_SIZE),
        flags=column(_TRUN_FLAGS),
        composition_offset_ticks=(
            offsets.astype(np.int32).astype(np.int64) if offsets is not None else None
        ),
    )


def parse_sidx(box: Box) -> SegmentIndex | None:
    """A segment index; None where it lists other indexes, or nothing that can be told."""
    cursor, version, _ = box.full_cursor()
    track_id, timescale = cursor.u32(), cursor.i32()
    earliest = cursor.u64() if version else cursor.u32()
    offset = cursor.u64() if version else cursor.u32()
    cursor.skip(2, "reserved")
    count = cursor.u16()
    rows = np.frombuffer(cursor.take(12 * count, f"{count} references"), ">u4").reshape(-1, 3)
    is_index = bool(np.any(rows[:, 0] >> 31))
    if (
        is_index
        or not count
        or timescale <= 0
        or version > 1
        or max(earliest, offset) >= _FARTHEST
    ):
        return None
    return SegmentIndex(
        track_id=track_id,
        timescale=timescale,
        start=box.body_start + len(box.body) + offset,
        offset_from_index=offset,
        earliest_ticks=earliest,
        sizes=tuple(rows[:, 0].tolist()),
        durations_ticks=tuple(rows[:, 1].tolist()),
    )


def _first_known(value: int | None, default: int) -> int:
    return default if value is None else value
