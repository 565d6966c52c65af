"""What a run would fetch and decode, added up from its plans: not a byte of media is read.

The windows of a run are planned as for the run itself, so the figures are those that it will
come to, unless damage makes it read again.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import pyarrow as pa

from ..storage.addresses import SourceKind
from ..video.plan import FetchEstimate, FetchShape, Strategy
from .context import QueryContext
from .media import ReadEstimate
from .requests import Slot, find_slots
from .run import Engine, SmallResult, plan_windows
from .window import SlotPlan

PLANNED_ROWS = 1000
"""Rows of a result for which reads are planned."""


@dataclass(slots=True)
class FetchTotal:
    """What fetching comes to by one outcome, over all reads."""

    bytes_fetched: int = 0
    """Media bytes."""
    requests: int = 0
    """Byte ranges."""
    seconds: float = 0.0
    """One read after the other, as the model of the source has it."""
    refused: int = 0
    """Reads for which that would be more needless bytes than the source's limit."""

    def add(self, option: FetchEstimate) -> None:
        """Count one read."""
        self.bytes_fetched += option.bytes_fetched
        self.requests += option.requests
        self.seconds += option.seconds
        self.refused += not option.is_allowed


@dataclass(slots=True)
class SlotEstimate:
    """What one slot asks for, over all rows that were planned."""

    slot: Slot
    """The place in the result."""
    rows: int = 0
    """Rows with a value to be made."""
    nulls: int = 0
    """Rows without one: there is no video, or nothing that can be made of it."""
    frames: int = 0
    """Frames given, duplicates counted."""
    bytes_fetched: int = 0
    """Media bytes."""
    requests: int = 0
    """Byte ranges that they come in."""
    samples: dict[Strategy, int] = field(default_factory=dict)
    """Samples decoded (copied, for a file) by what is done to them."""
    runs: dict[Strategy, int] = field(default_factory=dict)
    """Runs of samples that go through a decoder of their own, likewise."""
    shapes: dict[FetchShape, int] = field(default_factory=dict)
    """Reads by the outcome of their byte-range plan."""
    options: dict[FetchShape, FetchTotal] = field(default_factory=dict)
    """What all reads would come to by each outcome."""
    kinds: dict[SourceKind, set[tuple[int, int]]] = field(default_factory=dict)
    """The clips that are read by where they lie."""
    sources: dict[tuple[int, int], tuple[int, int]] = field(default_factory=dict)
    """Bytes and samples of every clip that is read."""

    def add(self, plan: SlotPlan) -> None:
        """Count what the slot asks for in one window."""
        self.rows += plan.rows
        self.nulls += plan.nulls
        self.frames += plan.frames
        for read in plan.reads:
            self._add_read(read)

    def _add_read(self, read: ReadEstimate) -> None:
        self.bytes_fetched += read.bytes_fetched
        self.requests += read.requests
        self.shapes[read.fetch_shape] = self.shapes.get(read.fetch_shape, 0) + 1
        for option in read.options:
            self.options.setdefault(option.shape, FetchTotal()).add(option)
        self.kinds.setdefault(read.kind, set()).add(read.clip)
        for strategy, samples in read.runs:
            self.runs[strategy] = self.runs.get(strategy, 0) + 1
            self.samples[strategy] = self.samples.get(strategy, 0) + samples
        self.sources[read.clip] = read.source_bytes, read.source_samples


@dataclass(frozen=True, slots=True)
class Estimate:
    """What a run asks for."""

    rows: int
    """Rows of the result that were planned."""
    complete: bool
    """Whether these are all rows."""
    slots: tuple[SlotEstimate, ...]
    """In the order of the result."""


def estimate(small: SmallResult, engine: Engine, context: QueryContext) -> Estimate:
    """Plan the first rows of a result; what cannot be made is told to the context."""
    slots = tuple(SlotEstimate(slot) for slot in find_slots(small.schema))
    first = _FirstRows(small.batches, PLANNED_ROWS)
    few = SmallResult(small.schema, iter(first), small.watched)
    if not slots:
        for _ in few.batches:
            pass  # tables are read, and what fails is noted
    for window in plan_windows(few, engine, context):
        for slot, plan in zip(slots, window.slot_plans(), strict=True):
            slot.add(plan)
    return Estimate(first.rows, first.complete, slots)


class _FirstRows:
    """The first rows of some batches; at most one batch is taken beyond them."""

    def __init__(self, batches: Iterator[pa.RecordBatch], most: int) -> None:
        self._batches = batches
        self._most = most
        self.rows = 0
        self.complete = True

    def __iter__(self) -> Iterator[pa.RecordBatch]:
        for batch in self._batches:
            left = self._most - self.rows
            self.complete = batch.num_rows <= left
            self.rows += min(left, batch.num_rows)
            yield batch.slice(0, left)
            if not self.complete:
                return
