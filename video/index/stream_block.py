"""A stretch of a growing stream's index: what a frame index is made of, sample by sample.

A stream that is recorded grows at its end, and a frame index says some things only once the
stream is whole: where decoding can start, and so from where each picture is decoded. A block
holds what is final about its samples, and what later blocks have to add to earlier ones. The
blocks of a stream, one after the other, are its index (`stream_frames`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from ...errors import FrameIndexError
from .frames import Int64s, ParameterSets

Bools = npt.NDArray[np.bool_]


class BlockFlag:
    """Bits beside those of `SampleFlag` that a block keeps of each sample."""

    SHOWN = 1 << 10
    """It begins a picture that is complete enough to be put out."""
    RECOVERY_SHIFT = 11
    """Two bits of `output.Recovery`."""
    IS_B = 1 << 13
    """As libavcodec's output queue sees it."""
    RESETS_ORDER = 1 << 14
    """It carries memory_management_control_operation 5."""


@dataclass(frozen=True, slots=True)
class ResumePoint:
    """Where indexing can begin anew, without what came before."""

    sample: int
    """The last IDR picture's sample; 0 where there is none."""
    fields: tuple[int, bool]
    """`RecoveryTracker.fields` before it."""


@dataclass(frozen=True, slots=True)
class IndexBlock:
    """`n` samples in decode order; sample numbers count from the first of the stream."""

    first: int
    """Number of its first sample."""
    byte_start: int
    """Bytes of all samples before it."""
    size: Int64s
    """`[n]` bytes of each sample."""
    lead: Int64s
    """`[n]` zero bytes before the first start code of each."""
    flags: Int64s
    """`[n]` `SampleFlag` and `BlockFlag` bits."""
    reach: Int64s
    """`[n]` the oldest sample that each depends on; -1 where that cannot be told."""
    last_idr: Int64s
    """`[n]` the last IDR picture at or before each."""
    reference_counts: Int64s
    """`[n]` how many active references each has."""
    references: Int64s
    """Those, as `FrameIndex.references`."""
    long_term: Int64s
    """As `FrameIndex.long_term`."""
    top_order_count: Int64s
    """`[n]` as in `FrameIndex`."""
    bottom_order_delta: Int64s
    """`[n]` likewise."""
    order_count: Int64s
    """`[n]` PicOrderCnt as the output queue sees it."""
    times: Mapping[str, tuple[Int64s, Bools]]
    """By timeline: `[n]` the time of each, and whether it has one."""
    late_starts: Int64s
    """Samples, here or in earlier blocks, of which it was found out here that decoding can
    start at them."""
    pending_starts: Int64s
    """Samples that are starts if the stream ends with this block."""
    parameter_sets: tuple[ParameterSets, ...]
    """In force from its first sample on, and all changes; none in a stream of another codec."""
    nal_length_size: int
    """As in `FrameIndex`."""
    resume: ResumePoint
    """For what comes after it."""

    @property
    def count(self) -> int:
        """Samples."""
        return len(self.size)

    @property
    def end(self) -> int:
        """One past its last sample."""
        return self.first + self.count

    @property
    def byte_end(self) -> int:
        """Bytes of all samples up to its end."""
        return self.byte_start + int(self.size.sum())


_BY_SAMPLE = (
    "size",
    "lead",
    "flags",
    "reach",
    "last_idr",
    "reference_counts",
    "top_order_count",
    "bottom_order_delta",
    "order_count",
)


def join_blocks(blocks: Sequence[IndexBlock]) -> IndexBlock:
    """One block of several that follow each other.

    A block may begin before the end of the one before it: then it says anew what is known of
    those samples.

    Raises:
        FrameIndexError: A block is missing between two.
    """
    parts = []
    for block, after in zip(blocks, [*blocks[1:], None], strict=True):
        end = block.end if after is None else after.first
        if not block.first <= end <= block.end:
            raise FrameIndexError(
                f"index blocks of samples {block.first} to {block.end - 1} and from {end} on "
                "do not follow each other"
            )
        parts.append(block if end == block.end else _head(block, end - block.first))
    timelines = dict.fromkeys(name for part in parts for name in part.times)
    sets: list[ParameterSets] = []
    for part in parts:
        new = [state for state in part.parameter_sets if not sets or not _same(sets[-1], state)]
        while new and sets and sets[-1].first_sample >= new[0].first_sample:
            sets.pop()
        sets += new
    return replace(
        blocks[-1],
        first=parts[0].first,
        byte_start=parts[0].byte_start,
        references=_joined([part.references for part in parts]),
        long_term=_joined([part.long_term for part in parts]),
        times={name: _joined_times(parts, name) for name in timelines},
        late_starts=_joined([block.late_starts for block in blocks]),
        parameter_sets=tuple(sets),
        **_by_sample(lambda name: _joined([getattr(part, name) for part in parts])),
    )


def _same(a: ParameterSets, b: ParameterSets) -> bool:
    return replace(a, first_sample=b.first_sample) == b


def _head(block: IndexBlock, count: int) -> IndexBlock:
    """The first samples of a block; what it says of others stays."""
    references = int(block.reference_counts[:count].sum())
    return replace(
        block,
        references=block.references[:references],
        long_term=block.long_term[:references],
        times={name: (t[:count], v[:count]) for name, (t, v) in block.times.items()},
        **_by_sample(lambda name: getattr(block, name)[:count]),
    )


def _by_sample(column: Callable[[str], Int64s]) -> dict[str, Any]:
    """The columns that have an entry a sample, by name."""
    return {name: column(name) for name in _BY_SAMPLE}


def _joined(arrays: Sequence[Int64s]) -> Int64s:
    return np.concatenate(arrays)


def _joined_times(parts: Sequence[IndexBlock], name: str) -> tuple[Int64s, Bools]:
    times, valid = [], []
    for part in parts:
        none = np.zeros(part.count, np.int64), np.zeros(part.count, np.bool_)
        own = part.times.get(name, none)
        times.append(own[0])
        valid.append(own[1])
    return np.concatenate(times), np.concatenate(valid)


def narrowed(block: IndexBlock) -> IndexBlock:
    """The same in as few bytes as its values need, to be kept."""
    own = {f.name: getattr(block, f.name) for f in fields(block)}
    arrays: dict[str, Any] = {
        n: _narrow(a) for n, a in own.items() if isinstance(a, np.ndarray)
    }
    return replace(block, **arrays)


def _narrow(values: Int64s) -> npt.NDArray[np.signedinteger[Any]]:
    low, high = (int(values.min()), int(values.max())) if len(values) else (0, 0)
    types = (np.int8, np.int16, np.int32)
    fitting = (t for t in types if np.iinfo(t).min <= low and high <= np.iinfo(t).max)
    return values.astype(next(fitting, np.int64))


def block_bytes(block: IndexBlock) -> int:
    """About how much memory a decoded block holds."""
    arrays = (getattr(block, f.name) for f in fields(block))
    held = sum(array.nbytes for array in arrays if isinstance(array, np.ndarray))
    return held + sum(t.nbytes + v.nbytes for t, v in block.times.values())
