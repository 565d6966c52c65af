"""Which byte ranges to fetch for a set of samples: one cost model of the source decides.

A request costs time of its own, so a small gap between two samples is cheaper to fetch than to
skip. How small follows from the source: little for a local file, much for an object store. A
limit on overfetch keeps the promise that a sparse read stays sparse.

What comes of it has three names. *Exact*: needed bytes only. *Widened*: some gaps too. *GOP*:
whole groups of pictures. The narrowest gaps are taken first, as far as they save time and the
limit allows. No choice within the limit is cheaper, so whole GOPs are only fetched where all of
them is needed.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ...errors import ConfigError
from ..index.frames import Int64s
from ..source import ByteRange


@dataclass(frozen=True, slots=True)
class SourceCost:
    """What reading from a source costs.

    >>> SourceCost(request_seconds=0.03, bytes_per_second=50e6, parallel_requests=16).gap_bytes
    93750
    """

    request_seconds: float
    """Time of one more request, its bytes apart."""
    bytes_per_second: float
    """Bandwidth once bytes flow."""
    parallel_requests: int = 16
    """Requests under way at one time, which is kept to: their waiting overlaps."""
    overfetch: float = 0.25
    """Bytes that no sample needs, at most, as a share of those that are needed."""

    def __post_init__(self) -> None:
        if not (self.request_seconds >= 0 and self.bytes_per_second > 0):
            raise ConfigError(
                f"a source cost is not negative and a bandwidth positive: {self!r}"
            )
        if self.parallel_requests < 1 or not self.overfetch >= 0:
            raise ConfigError(f"at least one request, and no negative overfetch: {self!r}")

    @property
    def gap_bytes(self) -> int:
        """The widest gap that is as cheap to fetch as to skip."""
        return int(self.request_seconds * self.bytes_per_second / self.parallel_requests)

    def seconds(self, *, requests: int, size: int) -> float:
        """About how long it takes to fetch so many bytes in so many requests.

        Requests of all rows of a batch are under way together, so that each but the first
        costs its share of those in flight.

        >>> cost = SourceCost(request_seconds=0.03, bytes_per_second=50e6, parallel_requests=16)
        >>> round(cost.seconds(requests=17, size=1_000_000), 3)
        0.08
        """
        shared = (requests - 1) / self.parallel_requests
        waiting = self.request_seconds * (1 + shared) if requests else 0.0
        return waiting + size / self.bytes_per_second


LOCAL = SourceCost(request_seconds=10e-6, bytes_per_second=1e9, parallel_requests=1)
"""A file on this machine: a positioned read costs about as much as copying 10 kB."""

OBJECT_STORE = SourceCost(request_seconds=0.03, bytes_per_second=50e6, parallel_requests=16)
"""An object store: first bytes after tens of milliseconds, many requests in flight."""

WEB = SourceCost(request_seconds=0.03, bytes_per_second=20e6, parallel_requests=8)
"""A web server: no nearer than an object store, and not made for as many requests."""

EXACT = SourceCost(request_seconds=0.0, bytes_per_second=1.0)
"""No gap is fetched, whatever it costs: for tests and measurements."""


@dataclass(frozen=True, slots=True)
class FetchPlan:
    """Ranges to fetch and where each sample lies in them."""

    ranges: tuple[ByteRange, ...]
    """Ascending, not overlapping."""
    buffer: Int64s
    """`[m]` the range that holds each sample."""
    position: Int64s
    """`[m]` where the sample begins in that range."""
    gap_bytes: int
    """Bytes fetched that no sample needs."""


def plan_ranges(offset: Int64s, size: Int64s, cost: SourceCost) -> FetchPlan:
    """Merge samples into ranges.

    Args:
        offset: `[m]` first byte of each sample, in any order; samples may overlap or repeat.
        size: `[m]` bytes of each sample.
        cost: The source.
    """
    if not len(offset):
        empty = np.empty(0, np.int64)
        return FetchPlan((), empty, empty, 0)
    order = np.argsort(offset, kind="stable")
    start = offset[order]
    reached = np.maximum.accumulate(start + size[order])
    between = start[1:] - reached[:-1]
    at = np.flatnonzero(between > 0)
    gap = between[at]
    needed = int(reached[-1] - start[0] - gap.sum())
    bridged = _bridged(gap, needed, cost)
    cut = at[~bridged] + 1
    first = np.concatenate(([0], cut))
    end = np.concatenate((cut, [len(start)]))
    starts = start[first]
    buffer = np.empty(len(start), np.int64)
    buffer[order] = np.repeat(np.arange(len(first)), end - first)
    return FetchPlan(
        ranges=tuple(map(ByteRange, starts.tolist(), reached[end - 1].tolist())),
        buffer=buffer,
        position=offset - starts[buffer],
        gap_bytes=int(gap[bridged].sum()),
    )


def _bridged(gap: Int64s, needed_bytes: int, cost: SourceCost) -> npt.NDArray[np.bool_]:
    """Which gaps to fetch over: none wider than the cost allows, narrowest first up to the
    limit.
    """
    bridged = gap <= cost.gap_bytes
    most = cost.overfetch * needed_bytes
    if int(gap[bridged].sum()) > most:
        narrowest = np.argsort(gap, kind="stable")
        bridged[narrowest[np.cumsum(gap[narrowest]) > most]] = False
    return bridged
