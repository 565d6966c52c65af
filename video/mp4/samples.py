"""Tables to samples: where each sample lies, when it is decoded and shown, what describes it.

Files disagree with themselves. Where tables contradict one another this follows libavformat's
mov demuxer (FFmpeg 8.1), whose reading every other tool is compared with: runs are cut where
the samples end, and the last one goes on where they do not. Counts are only believed as far as
bytes of the file stand behind them.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from ...errors import BoxError
from .box import Box
from .chunks import place_samples
from .tables import (
    CompositionOffsets,
    Int64s,
    SampleGroup,
    SampleSizes,
    SampleToChunk,
    TimeToSample,
    from_runs,
    parse_ctts,
    parse_sbgp,
    parse_stco,
    parse_stsc,
    parse_stss,
    parse_stsz,
    parse_stts,
)
from .times import composition_offsets, corrected_deltas, counted, durations

Int32s = npt.NDArray[np.int32]
Bools = npt.NDArray[np.bool_]

# Times from here up are nonsense.
_FARTHEST = (1 << 62) - 1
_MAX_SAMPLE_BYTES = 0x3FFF_FFFF
# Arrays for every sample must stay small beside the file that declares them. An hour in which
# nothing moves has 108,000 pictures of some 40 bytes each; sound has more samples, and smaller.
_FREE_SAMPLES = {"vide": 1 << 18}
_MIN_BYTES_A_SAMPLE = {"vide": 80}
_FREE_OTHERS = 1 << 20
_MIN_BYTES_OF_OTHERS = 16


# Of tables whose rows are not two numbers of 32 bits, or whose count is not the first field.
_ROW_BITS = {"stsc": 96, "stco": 32, "stss": 32, "stps": 32, "stsz": 32, "stz2": 4}
_COUNT_AT = {"stsz": 8, "stz2": 8, "sbgp": 8}


@dataclass(frozen=True, slots=True, eq=False)
class SampleTable:
    """The samples of one track in decode order."""

    offset: Int64s
    """First byte in the file."""
    size: Int64s
    """Bytes; some samples have none."""
    dts_ticks: Int64s
    """Decoding time on the media's own timeline, before any edit list."""
    duration_ticks: Int64s
    """Time to the next sample as stated; that of the last sample is only stated here."""
    composition_offset_ticks: Int64s
    """From decoding time to composition time; may be negative."""
    description: Int32s
    """Which of the track's sample descriptions holds, from 0."""
    sync: Bools
    """Decoding can start here, as the container has it: a listed sync sample (8.6.2), a partial
    one (QuickTime stps) or a random access point (sbgp). All are where nothing is listed."""
    overlapping: Bools
    """In a fragment that begins before the one before it ended: decoded, not shown. Whether the
    first run of all overlaps what is in moov, edits decide."""
    shift_ticks: Int64s
    """How far libavformat moves decoding times down and so composition times up again: the most
    negative composition offset that it knows of."""
    moov_shift_ticks: int
    """The part of it that moov's own table tells."""
    in_moov: int
    """How many of the samples come from moov; the others come from fragments."""
    first_run: int
    """How many samples the first run of all fragments has."""
    timed: int
    """How many of those in moov stts or ctts reach."""
    composed: bool
    """Composition offsets are stored, be they all 0."""
    overfull: bool
    """Chunks hold more samples than stsz counts: FFmpeg then leaves the edit list aside."""

    def __len__(self) -> int:
        return len(self.offset)

    def __repr__(self) -> str:
        return f"<SampleTable: {len(self)} samples, {int(self.size.sum())} bytes>"

    def beyond(self, size: int) -> Int64s:
        """The samples that do not lie whole within `size` bytes: those that a cut file lost."""
        return np.flatnonzero(self.offset + self.size > size)

    def after(self, earlier: SampleTable) -> SampleTable:
        """These samples, with those of another table before them.

        What is not told of single samples, and `shift_ticks`, holds for both already.
        """
        return replace(
            self,
            offset=np.concatenate((earlier.offset, self.offset)),
            size=np.concatenate((earlier.size, self.size)),
            dts_ticks=np.concatenate((earlier.dts_ticks, self.dts_ticks)),
            duration_ticks=np.concatenate((earlier.duration_ticks, self.duration_ticks)),
            composition_offset_ticks=np.concatenate(
                (earlier.composition_offset_ticks, self.composition_offset_ticks)
            ),
            description=np.concatenate((earlier.description, self.description)),
            sync=np.concatenate((earlier.sync, self.sync)),
            overlapping=np.concatenate((earlier.overlapping, self.overlapping)),
        )


@dataclass(frozen=True, slots=True, eq=False)
class TrackTables:
    """What stbl stores of a track's samples; tables that it lacks are empty."""

    stts: TimeToSample
    """Decoding times."""
    ctts: CompositionOffsets | None
    """Composition offsets."""
    stsc: SampleToChunk
    """Samples per chunk."""
    stsz: SampleSizes
    """Sample sizes."""
    stco: Int64s
    """Chunk offsets."""
    stss: Int64s | None
    """Sync samples; None where the box is missing."""
    stps: Int64s
    """Partial sync samples of QuickTime."""
    random_access: SampleGroup | None
    """Samples of a `rap ` group, as far as it reaches."""

    @property
    def declares_times(self) -> bool:
        """Whether stts has entries; it has none where all samples are in fragments."""
        return len(self.stts.count) > 0

    def end_ticks(self) -> int:
        """The sum of all durations that stts states."""
        counts: list[int] = self.stts.count.tolist()
        runs = zip(counts, corrected_deltas(self.stts).tolist(), strict=True)
        total: int = sum(count * delta for count, delta in runs)
        return min(total, _FARTHEST)


def parse_tables(stbl: Box | None, *, most_rows: int = 1 << 32) -> TrackTables:
    """The tables of a sample table box.

    Of a table that is there twice the one counts that libavformat takes.

    Args:
        stbl: The box, if there is one.
        most_rows: Rows that a table may have: no more than the file can have samples.
    """
    boxes = stbl.by_type() if stbl is not None else {}

    def last(*types: str) -> Box | None:
        found = [box for box_type in types for box in boxes.get(box_type, ())]
        return _checked(max(found, key=lambda box: box.start, default=None), most_rows)

    def first(*types: str) -> Box | None:
        found = [box for box_type in types for box in boxes.get(box_type, ())]
        return _checked(min(found, key=lambda box: box.start, default=None), most_rows)

    none = np.empty(0, np.int64)
    stts, ctts, stss, stps = last("stts"), last("ctts"), last("stss"), last("stps")
    stsc, stsz, stco = first("stsc"), last("stsz", "stz2"), first("stco", "co64")
    groups = (parse_sbgp(box) for box in boxes.get("sbgp", ()) if _checked(box, most_rows))
    return TrackTables(
        stts=parse_stts(stts) if stts else TimeToSample(none, none),
        ctts=parse_ctts(ctts) if ctts else None,
        stsc=parse_stsc(stsc) if stsc else SampleToChunk(none, none, none),
        stsz=parse_stsz(stsz) if stsz else SampleSizes(0, 0, none),
        stco=parse_stco(stco) if stco else none,
        stss=parse_stss(stss) if stss else None,
        stps=parse_stss(stps) if stps else none,
        random_access=next((g for g in groups if g.grouping == "rap " and len(g.count)), None),
    )


def _checked(box: Box | None, most_rows: int) -> Box | None:
    """The box of a table, which does not have more rows than it may."""
    if box is None:
        return None
    body, row_bits, at = box.body, _ROW_BITS.get(box.type, 64), _COUNT_AT.get(box.type, 4)
    if box.type == "sbgp" and bytes(body[:1]) == b"\1":
        at += 4  # grouping_type_parameter
    if box.type == "stsz" and any(body[4:8]):
        return box  # one size for all: no rows
    rows = min(int.from_bytes(body[at : at + 4]), 8 * len(body) // row_bits)
    if rows > most_rows:
        raise BoxError(
            f"{box.type} at {box.start}: expected at most {most_rows} rows in a file of this "
            f"size, got {rows}"
        )
    return box


def build_samples(
    tables: TrackTables,
    *,
    descriptions: int,
    file_size: int,
    handler: str = "vide",
    before: int = 0,
) -> SampleTable:
    """The samples that a track's tables describe.

    Args:
        tables: What stbl stores.
        descriptions: Sample descriptions of the track.
        file_size: Bytes of the whole file, which bounds what its counts can mean.
        handler: What the track is.
        before: Samples that other tracks of its kind have: the file's bytes bound them all.

    Raises:
        BoxError: The tables cannot mean any samples.
    """
    _check_complete(tables)
    # One more than can be, so that more than can be is found out.
    declared = min(tables.stsz.count, max(0, most_samples(file_size, handler) - before) + 1)
    places = place_samples(tables.stsc, tables.stsz, tables.stco, declared)
    count = len(places.offset)
    check_count(before + count, file_size, "stsz", handler)
    if count and not 0 <= int(places.description.max()) < descriptions:
        raise BoxError(
            f"stsc: expected a sample description from 1 to {descriptions}, "
            f"got {int(places.description.max()) + 1}"
        )
    if count and int(places.size.max()) > _MAX_SAMPLE_BYTES:
        raise BoxError(
            f"stsz: expected samples below 1 GiB, got one of {int(places.size.max())} bytes"
        )
    duration, timed = durations(tables.stts, tables.ctts, declared)
    duration = duration[:count]
    offsets, shift = composition_offsets(tables.ctts, declared)
    return SampleTable(
        offset=places.offset,
        size=places.size,
        dts_ticks=np.cumsum(duration) - duration,
        duration_ticks=duration,
        composition_offset_ticks=offsets[:count],
        description=places.description,
        sync=_sync(tables, count),
        overlapping=np.zeros(count, np.bool_),
        shift_ticks=np.broadcast_to(np.int64(shift), (count,)),
        moov_shift_ticks=shift,
        in_moov=count,
        first_run=0,
        timed=timed,
        composed=tables.ctts is not None and bool(np.any(counted(tables.ctts))),
        overfull=places.overfull,
    )


def empty_samples() -> SampleTable:
    """No samples at all."""
    return build_samples(parse_tables(None), descriptions=0, file_size=0)


def check_count(count: int, file_size: int, what: str, handler: str = "vide") -> None:
    """Refuse a number of samples that no file of that size can hold."""
    most = most_samples(file_size, handler)
    if count > most:
        raise BoxError(
            f"{what}: expected at most {most} samples in a file of {file_size} bytes, got more"
        )


def most_samples(file_size: int, handler: str) -> int:
    """How many samples the tracks of a kind may have together in a file of so many bytes."""
    free = _FREE_SAMPLES.get(handler, _FREE_OTHERS)
    return free + file_size // _MIN_BYTES_A_SAMPLE.get(handler, _MIN_BYTES_OF_OTHERS)


def _check_complete(tables: TrackTables) -> None:
    chunks, samples = len(tables.stco), tables.stsz.count
    if chunks and not (tables.declares_times and len(tables.stsc.first_chunk) and samples):
        raise BoxError(
            f"stbl: {chunks} chunks, but one of stts, stsc and stsz is empty or missing"
        )
    if samples and not chunks:
        raise BoxError(f"stbl: {samples} samples, but stco is empty or missing")


def _sync(tables: TrackTables, count: int) -> Bools:
    """Where decoding can start; lists count from 1, or from 0 in files that begin so."""
    if tables.stss is None:
        return np.ones(count, np.bool_)
    sync = np.zeros(count, np.bool_)
    stss, stps, group = tables.stss, tables.stps, tables.random_access
    base = int((len(stss) > 0 and stss[0] > 0) or (len(stps) > 0 and stps[0] > 0))
    listed = _passed(stss - base, sync)
    sync[listed[listed < count]] = True
    partial = _passed(stps - base, sync)
    sync[partial[partial < count]] = True
    if group is not None:
        member = from_runs(group.count, group.group, count) > 0
        sync[: len(member)] |= member
    elif not len(stss) and not len(stps):
        sync[:1] = True
    return sync


def _passed(listed: Int64s, taken: Bools) -> Int64s:
    """The entries of a list of samples that libavformat gets to.

    It waits for one sample after the other, and for ever for one that does not come: because it
    is behind, or because another list has taken it.
    """
    waits = np.diff(listed, prepend=-1) <= 0
    inside = np.flatnonzero((listed >= 0) & (listed < len(taken)))
    waits[inside] |= taken[listed[inside]]
    stuck = np.flatnonzero(waits)
    return listed[: stuck[0]] if len(stuck) else listed
