"""From a plan's result, which holds requests, to finished batches."""

from __future__ import annotations

from collections.abc import Generator, Iterator, Sequence
from dataclasses import dataclass
from time import perf_counter

import pyarrow as pa

from ..storage.dataset import Caches
from ..video.decode.isolated import IsolatedDecoderPool
from ..video.decode.pool import DecoderPool
from .config import EngineConfig
from .context import QueryContext
from .execute import run_jobs
from .frame_memory import Block, FrameMemory
from .index_cache import IndexCache
from .media import Media
from .requests import find_slots, finished_schema
from .wanted import check_requests, refuse_large_row
from .window import Kit, Window
from .windows import Rows, cut_rows, plan_rows

_WINDOWS_AT_ONCE = 5
"""Of the budget: two with the consumer (one is let go when the next is there), one or two on
their way, and the rest for what is kept for later scans."""

_UNCOUNTED_SHARE = 10
"""The part of the budget for what is not counted: allocators keep some of what was freed, and
readers have buffers of their own."""

_SHARE_OF_FRAMES = 0.75
"""What frames may take of a window; the rest is for the media and the indexes that they come
from. A window that costs more is planned again in halves."""


@dataclass(frozen=True, slots=True)
class Engine:
    """What all queries of a session share."""

    config: EngineConfig
    """Settings."""
    indexes: IndexCache
    """Decoded frame indexes."""
    decoders: DecoderPool | IsolatedDecoderPool
    """Lend decoders."""
    caches: Caches
    """Of the tables; the indexes are in their room."""
    memory: FrameMemory[Block]
    """What frames were in and will be."""

    @property
    def kept_bytes(self) -> int:
        """What is kept for later scans now."""
        return self.caches.held_bytes + self.decoders.spare_bytes


@dataclass(frozen=True, slots=True)
class SmallResult:
    """The result of a plan before its requests are kept."""

    schema: pa.Schema
    """Its columns, `watched` ones included."""
    batches: Iterator[pa.RecordBatch]
    """Its rows, made as they are asked for."""
    watched: Sequence[str] = ()
    """Handle columns that are no part of the result: see `Kit.watched`."""

    @property
    def finished_schema(self) -> pa.Schema:
        """The schema of the finished batches."""
        names = [name for name in self.schema.names if name not in self.watched]
        return finished_schema(pa.schema([self.schema.field(name) for name in names]))


@dataclass(frozen=True, slots=True)
class Pace:
    """How large batches are, and how far work runs ahead of who takes them."""

    batch_rows: int
    """The most rows in a batch."""
    batch_bytes: int
    """The most bytes of a batch of several rows."""
    ahead: int | None = None
    """The most batches under way beyond the next; by default what the budget allows."""


def usual_pace(config: EngineConfig) -> Pace:
    """Batches of which the budget has room for several."""
    return Pace(config.batch_rows, max(1, config.memory_budget_bytes // _WINDOWS_AT_ONCE))


def finish_batches(
    result: SmallResult, engine: Engine, context: QueryContext, pace: Pace | None = None
) -> Generator[pa.RecordBatch, None, None]:
    """Finished batches in order, later ones made while the consumer works on one."""
    config = engine.config
    pace = pace or usual_pace(config)
    kit = _kit(result, engine, context)
    if not kit.slots:
        # Nothing to fetch or decode: no threads, and batches as the plan makes them.
        for batch in result.batches:
            yield Window(Rows(batch, [()] * batch.num_rows), kit).finish()
        return
    counted = config.memory_budget_bytes - config.memory_budget_bytes // _UNCOUNTED_SHARE

    def budget_bytes() -> int:
        # The consumer still holds a batch when it is given the next.
        return max(1, counted - pace.batch_bytes - engine.kept_bytes)

    try:
        yield from run_jobs(
            _windows(result, kit, pace, config.max_row_bytes),
            budget_bytes=budget_bytes,
            fetch_threads=config.fetch_threads,
            decode_threads=config.decode_threads,
            stop=context.stop,
            ahead=pace.ahead,
        )
    finally:
        engine.memory.settle()


def plan_windows(
    result: SmallResult, engine: Engine, context: QueryContext
) -> Iterator[Window]:
    """The windows of a run, planned as `finish_batches` plans them, and no more done."""
    kit = _kit(result, engine, context)
    return _windows(result, kit, usual_pace(engine.config), engine.config.max_row_bytes)


def _kit(result: SmallResult, engine: Engine, context: QueryContext) -> Kit:
    return Kit(
        slots=find_slots(result.schema),
        schema=result.finished_schema,
        watched=result.watched,
        media=Media(
            context,
            engine.decoders,
            cost_of=engine.config.cost,
            decode_threads=engine.config.decode_threads,
            allocate=context.allocate or engine.memory.allocate,
        ),
        context=context,
    )


def _windows(result: SmallResult, kit: Kit, pace: Pace, max_row_bytes: int) -> Iterator[Window]:
    share = pace.batch_bytes

    def plan(rows: Rows) -> Window:
        window = Window(rows, kit)
        if len(rows) > 1 or window.cost_bytes <= max_row_bytes:
            return window
        needed = f"{window.cost_bytes:,} bytes for its frames and the media that they are in"
        cells = refuse_large_row(rows.cells[0], needed, max_row_bytes)
        return Window(Rows(rows.batch, [cells]), kit)

    checked = _checked_rows(result, kit, max_row_bytes)
    frames_share = int(share * _SHARE_OF_FRAMES)
    for rows in cut_rows(checked, most_bytes=frames_share, most_rows=pace.batch_rows):
        begin = perf_counter()
        planned = list(plan_rows(rows, plan, most_bytes=share))
        kit.context.metrics.add(plan_seconds=perf_counter() - begin)
        yield from planned


def _checked_rows(result: SmallResult, kit: Kit, max_row_bytes: int) -> Iterator[Rows]:
    for batch in result.batches:
        begin = perf_counter()
        cells = check_requests(batch, kit.slots, kit.context, max_row_bytes=max_row_bytes)
        kit.context.metrics.add(plan_seconds=perf_counter() - begin)
        yield Rows(batch, cells)
