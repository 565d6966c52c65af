"""One block of a stored index: consecutive samples, and the consecutive frames they carry.

A block is stored by itself: its numbers count from its own first sample and frame, so it can be
read without the others, and written before later ones are known. `docs/formats/frame-index.md`
describes every byte. Columns are stored as differences from what is usual (samples follow each
other, frames are evenly spaced, a picture refers to the last few references), split into byte
planes (`columns`), and compressed together, so that the usual costs next to nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ...errors import UnsupportedError
from .columns import (
    ColumnReader,
    compress,
    decompress,
    from_second_differences,
    pack_column,
    require,
    require_within,
    second_differences,
    unzigzag,
    zigzag,
)
from .frames import Flags, FrameIndex, Int32s, Int64s, SampleFlag

_MOST_BODY_BYTES = (1 << 32) - 1


@dataclass(frozen=True, slots=True)
class BlockEntry:
    """What the directory of a stored index says of one block."""

    samples: int
    """Samples in it."""
    frames: int
    """Presented frames that they carry."""
    jumps: int
    """Places where a sample does not begin where the one before ends."""
    references: int
    """Active references of all its samples."""
    body_bytes: int
    """Its size, decompressed."""
    stored_bytes: int
    """Its size as it is stored."""
    reach: int
    """How many samples before its first one must be known to read its frames; 0 where it stands
    by itself."""
    begins_gop: int
    """1 if decoding can start at its first sample, else 0."""
    offset: int
    """First byte of its first sample in the source."""
    first_pts: int
    """When its first frame is shown, in ticks; 0 without frames."""
    latest_pts: int
    """The latest presentation time of its frames, in ticks; 0 without frames."""


@dataclass(frozen=True, slots=True)
class EncodedBlock:
    """A block ready to be stored."""

    entry: BlockEntry
    """What the directory is to say of it."""
    data: bytes
    """Its bytes."""


@dataclass(frozen=True, slots=True)
class Columns:
    """The arrays of a `FrameIndex` that differ from block to block, under the same names."""

    offset: Int64s
    size: Int64s
    flags: Flags
    decode_from: Int32s
    reference_start: Int64s
    references: Int32s
    long_term: npt.NDArray[np.uint8]
    top_order_count: Int64s
    bottom_order_delta: Int64s
    frame_sample: Int32s
    pts_ticks: Int64s


def encode_block(part: FrameIndex) -> EncodedBlock:
    """One block of a clip's index.

    Args:
        part: From `FrameIndex.part`.

    Raises:
        UnsupportedError: It is larger than a block can be.
    """
    n, k = part.sample_count, part.frame_count
    jump = np.zeros(n, np.int64)
    jump[1:] = part.offset[1:] - part.offset[:-1] - part.size[:-1]
    jumps = np.flatnonzero(jump)
    gop = np.cumsum((part.flags & SampleFlag.START) != 0) - 1
    start = part.decode_from.astype(np.int64)
    within = start >= 0
    start[within] = gop[start[within]]
    pts = part.pts_ticks
    columns = (
        part.size,
        part.flags,
        gop - start,
        jumps,
        zigzag(jump[jumps]),
        np.diff(part.reference_start),
        _to_ranks(part),
        part.long_term,
        zigzag(part.frame_sample - np.arange(k)),
        zigzag(second_differences(pts - pts[:1])),
        zigzag(second_differences(part.top_order_count[_display_order(part.frame_sample, n)])),
        zigzag(part.bottom_order_delta),
    )
    body = b"".join(pack_column(column) for column in columns)
    if len(body) > _MOST_BODY_BYTES:
        raise UnsupportedError(f"a block of a frame index of {len(body)} bytes")
    data = compress(body)
    furthest = min(0, *(int(a.min()) for a in (part.decode_from, part.references) if len(a)), 0)
    return EncodedBlock(
        BlockEntry(
            samples=n,
            frames=k,
            jumps=len(jumps),
            references=len(part.references),
            body_bytes=len(body),
            stored_bytes=len(data),
            reach=-furthest,
            begins_gop=int(not n or part.flags[0] & SampleFlag.START != 0),
            offset=int(part.offset[0]) if n else 0,
            first_pts=int(pts[0]) if k else 0,
            latest_pts=int(pts.max()) if k else 0,
        ),
        data,
    )


def decode_block(entry: BlockEntry, data: memoryview, source_bytes: int) -> Columns:
    """The columns of a block.

    Args:
        entry: What the directory says of it.
        data: Its bytes.
        source_bytes: Those of the clip.

    Raises:
        FrameIndexError: It is damaged.
    """
    n = entry.samples
    body = _body(entry, data)
    size = body.column(n)
    flags = require_within(body.column(n), 1 << 16, "flags").astype(np.uint16)
    back = body.column(n)
    jumps = body.column(entry.jumps)
    jump = unzigzag(body.column(entry.jumps))
    counts = require_within(body.column(n), entry.references + 1, "references")
    ranks = body.column(entry.references)
    long_term = require_within(body.column(entry.references), 33, "long-term index")
    frame_sample, pts = _frames(entry, body)
    ordered_counts = from_second_differences(unzigzag(body.column(n)))
    bottom_delta = unzigzag(body.column(n))
    body.finish()

    first = int(flags[0]) if n else SampleFlag.START
    require(not first & SampleFlag.SECOND_FIELD, "a block begins with a second field")
    require(
        bool(first & SampleFlag.START) == entry.begins_gop,
        f"the first sample of a block has flags {first}",
    )
    unseen = np.flatnonzero(flags[frame_sample] & SampleFlag.NO_PICTURE)
    require(not len(unseen), f"frames of samples without a picture, {len(unseen)} in all")
    top_order_count = np.empty(n, np.int64)
    top_order_count[_display_order(frame_sample, n)] = ordered_counts
    return Columns(
        offset=_offsets(entry.offset, size, jumps, jump, source_bytes),
        size=size,
        flags=flags,
        decode_from=_decode_from(flags, back, entry.reach),
        reference_start=_starts(counts, entry.references),
        references=_from_ranks(flags, counts, ranks, entry.reach),
        long_term=long_term.astype(np.uint8),
        top_order_count=top_order_count,
        bottom_order_delta=bottom_delta,
        frame_sample=frame_sample,
        pts_ticks=pts,
    )


def decode_times(entry: BlockEntry, data: memoryview) -> Int64s:
    """The presentation times of a block's frames alone, in ticks.

    Raises:
        FrameIndexError: It is damaged.
    """
    body = _body(entry, data)
    for count in (*[entry.samples] * 3, *[entry.jumps] * 2, entry.samples):
        body.skip(count)
    body.skip(entry.references)
    body.skip(entry.references)
    return _frames(entry, body)[1]


def join_columns(blocks: Sequence[Columns]) -> Columns:
    """The columns of consecutive blocks as those of one: numbers count from the first one's
    beginning.

    Raises:
        FrameIndexError: Decoding of a sample would begin where it cannot.
    """
    if len(blocks) == 1:
        return blocks[0]
    first = np.cumsum([0, *(len(block.size) for block in blocks)])
    names = np.cumsum([0, *(len(block.references) for block in blocks)])
    starts = [b.reference_start[:-1] + at for b, at in zip(blocks, names, strict=False)]

    def shifted(name: str) -> Int32s:
        """A column of sample numbers."""
        return np.concatenate(
            [getattr(b, name) + np.int32(at) for b, at in zip(blocks, first, strict=False)]
        )

    flags = np.concatenate([block.flags for block in blocks])
    decode_from = shifted("decode_from")
    kinds = flags[decode_from[decode_from >= 0]]
    require(bool((kinds & SampleFlag.START).all()), "decoding that begins at no start")
    return Columns(
        offset=np.concatenate([block.offset for block in blocks]),
        size=np.concatenate([block.size for block in blocks]),
        flags=flags,
        decode_from=decode_from,
        reference_start=np.concatenate([*starts, names[-1:]]),
        references=shifted("references"),
        long_term=np.concatenate([block.long_term for block in blocks]),
        top_order_count=np.concatenate([block.top_order_count for block in blocks]),
        bottom_order_delta=np.concatenate([block.bottom_order_delta for block in blocks]),
        frame_sample=shifted("frame_sample"),
        pts_ticks=np.concatenate([block.pts_ticks for block in blocks]),
    )


def _body(entry: BlockEntry, data: memoryview) -> ColumnReader:
    return ColumnReader(decompress(data, entry.body_bytes))


def _frames(entry: BlockEntry, body: ColumnReader) -> tuple[Int32s, Int64s]:
    """The sample and the time of each frame."""
    displacement = unzigzag(body.column(entry.frames))
    times = from_second_differences(unzigzag(body.column(entry.frames)))
    sample = require_within(
        displacement + np.arange(entry.frames), entry.samples, "frame's sample"
    )
    pts = times + np.int64(entry.first_pts)
    latest = int(pts.max()) if len(pts) else 0
    require(latest == entry.latest_pts, f"a latest time {latest}, expected {entry.latest_pts}")
    return sample.astype(np.int32), pts


def _display_order(frame_sample: Int32s, n: int) -> Int64s:
    """Samples as they are shown, the hidden ones last: picture order counts rise evenly
    along it.
    """
    hidden = np.ones(n, np.bool_)
    hidden[frame_sample] = False
    unseen = np.flatnonzero(hidden)
    if n - len(unseen) < len(frame_sample):  # some are shown twice
        _, first = np.unique(frame_sample, return_index=True)
        frame_sample = frame_sample[np.sort(first)]
    return np.concatenate((frame_sample, unseen)).astype(np.int64)


def _offsets(
    first: int, size: Int64s, jumps: Int64s, jump: Int64s, source_bytes: int
) -> Int64s:
    n = len(size)
    require_within(jumps, n, "offset jump")
    require_within(size, source_bytes + 1, "sample size")
    ahead = np.empty(n, np.int64)
    ahead[:1] = first
    ahead[1:] = size[:-1]
    np.add.at(ahead, jumps, jump)
    offset = np.cumsum(ahead)
    # Sizes lie within the source, so the difference cannot leave 64 bits.
    outside = np.flatnonzero((offset < 0) | (offset > source_bytes - size))
    if len(outside):
        at = int(outside[0])
        require(False, f"sample {at} of a block at {offset[at]}, {size[at]} bytes long")
    return offset


# Starts are counted backwards among those of the block: 0 is the latest one. What lies before
# the block follows on: one more than all of them is the sample just before it.


def _decode_from(flags: Flags, back: Int64s, reach: int) -> Int32s:
    is_start = (flags & SampleFlag.START) != 0
    starts = np.flatnonzero(is_start)
    require(not len(back) or int(back.min()) >= 0, "a start after its sample")
    return _counted_back(np.cumsum(is_start) - 1 - back, starts, reach, "start")


# References are counted backwards among the reference samples before, in the same way.


def _to_ranks(part: FrameIndex) -> Int64s:
    before = _references_before(part.flags)
    of = np.repeat(np.arange(part.sample_count), np.diff(part.reference_start))
    reference = part.references.astype(np.int64)
    within = reference >= 0
    reference[within] = before[reference[within]]
    return before[of] - 1 - reference


def _from_ranks(flags: Flags, counts: Int64s, ranks: Int64s, reach: int) -> Int32s:
    require(not len(ranks) or int(ranks.min()) >= 0, "a reference to a later sample")
    candidates = np.flatnonzero(flags & SampleFlag.REFERENCE)
    before = np.repeat(_references_before(flags), counts)
    return _counted_back(before - 1 - ranks, candidates, reach, "reference")


def _counted_back(which: Int64s, candidates: Int64s, reach: int, what: str) -> Int32s:
    """The candidates by number; a negative number is the sample itself, before the block."""
    if not len(which):
        return np.empty(0, np.int32)
    lowest = int(which.min())
    require(
        lowest >= -reach and int(which.max()) < len(candidates),
        f"{what} {lowest} to {which.max()} of {len(candidates)}, {reach} before the block",
    )
    if lowest >= 0:
        return candidates[which].astype(np.int32)
    found = which.copy()
    found[which >= 0] = candidates[which[which >= 0]]
    return found.astype(np.int32)


def _starts(counts: Int64s, total: int) -> Int64s:
    starts = np.zeros(len(counts) + 1, np.int64)
    np.cumsum(counts, out=starts[1:])
    require(int(starts[-1]) == total, f"{total} references expected, {int(starts[-1])} counted")
    return starts


def _references_before(flags: Flags) -> Int64s:
    is_reference = (flags & SampleFlag.REFERENCE) != 0
    before: Int64s = np.cumsum(is_reference, dtype=np.int64) - is_reference
    return before
