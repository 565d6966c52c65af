"""What each way of fetching some samples would cost, for people who ask why one was chosen."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..index.frames import FrameIndex, Int64s, SampleFlag
from .byte_ranges import EXACT, FetchPlan, SourceCost, plan_ranges
from .read_plan import FetchShape


@dataclass(frozen=True, slots=True)
class FetchEstimate:
    """One way of fetching."""

    shape: FetchShape
    """Its name."""
    bytes_fetched: int
    """Bytes in all ranges."""
    requests: int
    """Ranges."""
    seconds: float
    """What they cost, as the model of the source has it."""
    is_allowed: bool
    """Whether it fetches no more needless bytes than the source's limit."""


def estimate_fetches(
    index: FrameIndex, samples: Int64s, cost: SourceCost
) -> tuple[FetchEstimate, FetchEstimate, FetchEstimate]:
    """Exact, widened as far as pays, and whole GOPs.

    Args:
        index: The clip.
        samples: What is needed of it, ascending.
        cost: The source.
    """
    offset, size = index.offset[samples], index.size[samples]
    spans = _gop_spans(index, samples)
    most = int((1 + cost.overfetch) * int(size.sum()))
    return (
        _estimate("exact", plan_ranges(offset, size, EXACT), cost, most),
        _estimate("widened", plan_ranges(offset, size, cost), cost, most),
        _estimate("GOP", plan_ranges(*spans, EXACT), cost, most),
    )


def _estimate(
    shape: FetchShape, fetch: FetchPlan, cost: SourceCost, most_bytes: int
) -> FetchEstimate:
    total = sum(r.length for r in fetch.ranges)
    seconds = cost.seconds(requests=len(fetch.ranges), size=total)
    allowed = shape == "exact" or total <= most_bytes
    return FetchEstimate(shape, total, len(fetch.ranges), seconds, allowed)


def _gop_spans(index: FrameIndex, samples: Int64s) -> tuple[Int64s, Int64s]:
    """First byte and length of every GOP that one of the samples is in."""
    starts = np.flatnonzero(index.flags & SampleFlag.START)
    starts = np.union1d(starts, [0])
    ends = np.append(starts[1:], index.sample_count)
    touched = np.unique(np.searchsorted(starts, samples, side="right") - 1)
    low = [
        int(index.offset[a:b].min())
        for a, b in zip(starts[touched], ends[touched], strict=True)
    ]
    high = [
        int((index.offset[a:b] + index.size[a:b]).max())
        for a, b in zip(starts[touched], ends[touched], strict=True)
    ]
    first = np.array(low, np.int64)
    return first, np.array(high, np.int64) - first
