"""The tables of a track: what stbl says of its samples, run by run (8.6, 8.7).

Each parser checks the declared count against the bytes of its box before it takes any of them,
and takes them all at once. The values are those of the file; `samples` makes sense of them.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ...errors import BoxError
from ..bits.cursor import Cursor
from .box import Box, build_full_box

Int64s = npt.NDArray[np.int64]

_INT64_MAX = (1 << 63) - 1


@dataclass(frozen=True, slots=True, eq=False)
class TimeToSample:
    """stts (8.6.1.2): runs of samples of one duration."""

    count: Int64s
    """Samples in each run."""
    delta_ticks: Int64s
    """Ticks to the next sample, as stored: 0 to 2^32 - 1."""


@dataclass(frozen=True, slots=True, eq=False)
class CompositionOffsets:
    """ctts (8.6.1.3): runs of samples of one composition offset."""

    count: Int64s
    """Samples in each run."""
    offset_ticks: Int64s
    """From decoding to composition time; signed in version 0 too, since files mean it so."""


@dataclass(frozen=True, slots=True, eq=False)
class SampleToChunk:
    """stsc (8.7.4): runs of chunks of one shape."""

    first_chunk: Int64s
    """The run's first chunk, from 1."""
    samples_per_chunk: Int64s
    """Samples in each chunk of the run."""
    description: Int64s
    """Sample description of the run, from 1."""


@dataclass(frozen=True, slots=True, eq=False)
class SampleSizes:
    """stsz or stz2 (8.7.3): the bytes of each sample."""

    count: int
    """Samples, as declared. With a constant size there are no bytes behind this number."""
    constant: int
    """Bytes of every sample, or 0: they differ."""
    sizes: Int64s
    """Bytes of each, empty where they are constant."""


@dataclass(frozen=True, slots=True, eq=False)
class SampleGroup:
    """sbgp (8.9.2): runs of samples that belong to one group."""

    grouping: str
    """What the groups are about: `rap ` is random access points."""
    count: Int64s
    """Samples in each run."""
    group: Int64s
    """Group description of the run, from 1; 0 is none."""


def _rows(cursor: Cursor, columns: int, name: str) -> Int64s:
    """A count, and the rows of 32-bit integers that follow it; `[rows, columns]`."""
    count = cursor.u32()
    data = cursor.take(4 * columns * count, f"{count} {name}")
    return np.frombuffer(data, ">u4").reshape(count, columns).astype(np.int64)


def _build_rows(*columns: Int64s) -> bytes:
    rows = np.stack(columns, axis=1)
    return len(rows).to_bytes(4) + rows.astype(">u4").tobytes()


def parse_stts(box: Box) -> TimeToSample:
    """Decoding times."""
    cursor, _, _ = box.full_cursor()
    rows = _rows(cursor, 2, "runs")
    return TimeToSample(rows[:, 0], rows[:, 1])


def build_stts(table: TimeToSample) -> bytes:
    """An stts box."""
    return build_full_box("stts", 0, 0, _build_rows(table.count, table.delta_ticks))


def parse_ctts(box: Box) -> CompositionOffsets:
    """Composition offsets."""
    cursor, _, _ = box.full_cursor()
    rows = _rows(cursor, 2, "runs")
    return CompositionOffsets(rows[:, 0], rows[:, 1].astype(np.int32).astype(np.int64))


def build_ctts(table: CompositionOffsets) -> bytes:
    """A ctts box: version 0, or 1 where an offset is negative."""
    version = int(bool(np.any(table.offset_ticks < 0)))
    return build_full_box("ctts", version, 0, _build_rows(table.count, table.offset_ticks))


def parse_stsc(box: Box) -> SampleToChunk:
    """Samples per chunk."""
    cursor, _, _ = box.full_cursor()
    rows = _rows(cursor, 3, "runs")
    return SampleToChunk(rows[:, 0], rows[:, 1], rows[:, 2])


def build_stsc(table: SampleToChunk) -> bytes:
    """An stsc box."""
    rows = _build_rows(table.first_chunk, table.samples_per_chunk, table.description)
    return build_full_box("stsc", 0, 0, rows)


def parse_stsz(box: Box) -> SampleSizes:
    """Sample sizes, of either box: stz2 packs them into 4, 8 or 16 bits."""
    cursor, _, _ = box.full_cursor()
    constant, bits = 0, 32
    if box.type == "stz2":
        cursor.skip(3, "reserved")
        bits = cursor.u8()
        if bits not in (4, 8, 16):
            raise BoxError(
                f"stz2 at {box.start}: expected sizes of 4, 8 or 16 bits, got {bits}"
            )
    else:
        constant = cursor.u32()
    count = cursor.u32()
    if constant:
        return SampleSizes(count, constant, np.empty(0, np.int64))
    data = cursor.take((count * bits + 7) // 8, f"{count} sizes of {bits} bits")
    if bits == 4:
        packed = np.frombuffer(data, np.uint8)
        sizes = np.stack((packed >> 4, packed & 15), axis=1).reshape(-1)[:count]
    else:
        sizes = np.frombuffer(data, {8: ">u1", 16: ">u2", 32: ">u4"}[bits])
    return SampleSizes(count, 0, sizes.astype(np.int64))


def build_stsz(table: SampleSizes) -> bytes:
    """An stsz box."""
    sizes = b"" if table.constant else table.sizes.astype(">u4").tobytes()
    return build_full_box(
        "stsz", 0, 0, table.constant.to_bytes(4), table.count.to_bytes(4), sizes
    )


def parse_stco(box: Box) -> Int64s:
    """Where each chunk begins in the file, of either box: co64 has 64 bits for it.

    As many chunks as there are bytes for, if the count is larger, as libavformat reads it.
    """
    cursor, _, _ = box.full_cursor()
    width = 8 if box.type == "co64" else 4
    count = min(cursor.u32(), cursor.remaining // width)
    offsets = np.frombuffer(cursor.take(width * count, f"{count} chunks"), f">u{width}")
    if count and int(offsets.max()) > _INT64_MAX:
        raise BoxError(
            f"co64 at {box.start}: expected offsets below 2^63, got {int(offsets.max())}"
        )
    return offsets.astype(np.int64)


def build_stco(offsets: Int64s, *, wide: bool) -> bytes:
    """An stco box, or a co64 box where `wide`."""
    return build_full_box(
        "co64" if wide else "stco",
        0,
        0,
        len(offsets).to_bytes(4),
        offsets.astype(">u8" if wide else ">u4").tobytes(),
    )


def parse_stss(box: Box) -> Int64s:
    """Samples at which decoding can start, from 1; QuickTime's stps lists partial ones."""
    cursor, _, _ = box.full_cursor()
    return _rows(cursor, 1, "samples")[:, 0]


def build_stss(samples: Int64s) -> bytes:
    """An stss box."""
    return build_full_box("stss", 0, 0, _build_rows(samples))


def parse_sbgp(box: Box) -> SampleGroup:
    """Which samples belong to which groups."""
    cursor, version, _ = box.full_cursor()
    grouping = bytes(cursor.take(4, "grouping_type")).decode("latin-1")
    if version == 1:
        cursor.skip(4, "grouping_type_parameter")
    rows = _rows(cursor, 2, "runs")
    return SampleGroup(grouping, rows[:, 0], rows[:, 1])


def to_runs(values: Int64s) -> tuple[Int64s, Int64s]:
    """How often each value comes in a row, and the values: what stts and ctts store.

    >>> count, value = to_runs(np.array([4, 4, 2, 4]))
    >>> count.tolist(), value.tolist()
    ([2, 1, 1], [4, 2, 4])
    """
    if not len(values):
        return np.empty(0, np.int64), np.empty(0, np.int64)
    first = np.flatnonzero(np.diff(values, prepend=values[0] - 1))
    return np.diff(first, append=len(values)), values[first]


def from_runs(count: Int64s, value: Int64s, limit: int) -> Int64s:
    """At most `limit` values out of their runs, whatever the runs claim.

    >>> from_runs(np.array([2, 1 << 32]), np.array([7, 5]), 4).tolist()
    [7, 7, 5, 5]
    """
    # Each run is cut to `limit` first, so that no sum leaves 64 bits.
    ends = np.minimum(np.cumsum(np.minimum(count, limit)), limit)
    return np.repeat(value, np.diff(ends, prepend=0))
