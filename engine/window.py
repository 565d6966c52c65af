"""A window at work: planned, fetched, decoded, and made into one record batch."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import pyarrow as pa

from ..expressions.dtypes import materialised
from .context import QueryContext
from .fault import Fault
from .files_slot import FilesSlot
from .frames_slot import FramesSlot
from .media import Media, ReadEstimate
from .plan_log import log_reads
from .requests import Slot, fill
from .wanted import Refused, Wanted, WantedFile, WantedFrames
from .windows import Rows


@dataclass(frozen=True, slots=True)
class Kit:
    """What all windows of a run are made with."""

    slots: Sequence[Slot]
    """Where requests stand."""
    schema: pa.Schema
    """Of the finished batches."""
    watched: Sequence[str]
    """Handle columns of the plan that are not in the result: a row that one of them leads to is
    left out once anything of it has failed."""
    media: Media
    """Fetches and decodes."""
    context: QueryContext
    """Of the run."""


@dataclass(frozen=True, slots=True)
class SlotPlan:
    """What one slot of a window asks for."""

    rows: int
    """Rows with a value to be made."""
    nulls: int
    """Rows without one."""
    frames: int
    """Frames in all rows, duplicates counted."""
    reads: tuple[ReadEstimate, ...]
    """What is read for them, clip by clip."""


class Window:
    """Some rows of a result: a job for `run_jobs`."""

    def __init__(self, rows: Rows, kit: Kit) -> None:
        """Plan the reads of all slots."""
        self._batch = rows.batch
        self._kit = kit
        self._cells = [[cells[at] for cells in rows.cells] for at in range(len(kit.slots))]
        self._slots = [
            _slot_work(slot, cells, kit.media)
            for slot, cells in zip(kit.slots, self._cells, strict=True)
        ]

    @property
    def cost_bytes(self) -> int:
        """Bytes that the window fetches and gives, and those of its frame indexes."""
        return sum(slot.cost_bytes for slot in self._slots)

    @property
    def threads_save_seconds(self) -> float:
        """About how much less time many cores take to decode what is fetched than one."""
        longest = max((slot.longest_seconds for slot in self._slots), default=0.0)
        return sum(slot.seconds for slot in self._slots) - longest

    def fetch(self) -> Iterator[Callable[[], None]]:
        """Send for the bytes of all slots at once; the decoding, as the bytes come."""
        log_reads(
            (read for slot in self._slots for read in slot.estimates()), self._kit.context
        )
        clips = [clip for slot in self._slots for clip in slot.ranges()]
        fetched = self._kit.media.fetch_each(clips)
        for slot in self._slots:
            yield from slot.tasks(fetched)

    def finish(self) -> pa.RecordBatch:
        """The finished batch.

        Raises:
            MareyError: Of the first value that could not be made, if the run is to fail for it.
        """
        failed = self.report()
        arrays = {
            slot.path: work.column(rows)
            for slot, work, rows in zip(self._kit.slots, self._slots, failed, strict=True)
        }
        small = self._batch.drop_columns(list(self._kit.watched))
        batch = fill(small, self._kit.schema, arrays, self._kit.context.videos)
        dropped = self._dropped(failed)
        if dropped:
            kept = [i not in dropped for i in range(batch.num_rows)]
            batch = batch.filter(pa.array(kept, pa.bool_()))
        self._count(batch.num_rows, failed, dropped)
        return batch

    def slot_plans(self) -> list[SlotPlan]:
        """What each slot asks for; of a window that is planned and not run."""
        plans = []
        for work, cells, failed in zip(self._slots, self._cells, self.report(), strict=True):
            kept = [
                cell
                for row, cell in enumerate(cells)
                if isinstance(cell, WantedFrames | WantedFile) and row not in failed
            ]
            plans.append(
                SlotPlan(
                    rows=len(kept),
                    nulls=len(cells) - len(kept),
                    frames=sum(len(cell.frames) for cell in kept),
                    reads=tuple(work.estimates()),
                )
            )
        return plans

    def report(self) -> list[set[int]]:
        """Tell the context of every value that could not be made; for each slot its rows."""
        failures: list[tuple[int, int, Wanted | Refused, Fault]] = []
        for at, (work, cells) in enumerate(zip(self._slots, self._cells, strict=True)):
            faults = work.faults
            for row, cell in enumerate(cells):
                fault = cell.fault if isinstance(cell, Refused) else faults.get(row)
                if cell is not None and fault is not None:
                    failures.append((row, at, cell, fault))
        failed: list[set[int]] = [set() for _ in self._slots]
        for row, at, cell, fault in sorted(failures, key=lambda failure: failure[:2]):
            failed[at].add(row)
            self._kit.context.fail(
                cell.table,
                cell.row,
                fault.error,
                column=self._kit.slots[at].name,
                frame=fault.frame,
            )
        return failed

    def _dropped(self, failed: Sequence[set[int]]) -> set[int]:
        context = self._kit.context
        if context.on_error != "skip":
            return set()
        dropped = {row for rows in failed for row in rows}
        for name in self._kit.watched:
            handles = self._batch.column(name)
            tables, rows = handles.field(0).to_pylist(), handles.field(1).to_pylist()
            places = enumerate(zip(tables, rows, strict=True))
            dropped |= {i for i, place in places if context.has_failed(*place)}
        return dropped

    def _count(self, rows: int, failed: Sequence[set[int]], dropped: set[int]) -> None:
        frames = sum(
            len(cell.frames)
            for gone, cells in zip(failed, self._cells, strict=True)
            for row, cell in enumerate(cells)
            if isinstance(cell, WantedFrames | WantedFile)
            and row not in dropped
            and row not in gone
        )
        self._kit.context.metrics.add(
            rows=rows,
            rows_skipped=len(dropped),
            frames=frames,
            source_bytes=self._source_bytes(),
        )

    def _source_bytes(self) -> int:
        """Bytes of the clips that are read, each counted once."""
        clips: dict[tuple[int, int], int] = {}
        for cell in (cell for column in self._cells for cell in column):
            if isinstance(cell, WantedFrames | WantedFile):
                clip = self._kit.media.clip(cell.table, cell.row)
                clips[clip] = cell.index.source_bytes
        return sum(clips.values())


def _slot_work(
    slot: Slot, cells: Sequence[Wanted | Refused | None], media: Media
) -> FramesSlot | FilesSlot:
    if slot.is_read:
        frames = [c if isinstance(c, WantedFrames) else None for c in cells]
        return FramesSlot(frames, media, materialised(slot.dtype))
    return FilesSlot([c if isinstance(c, WantedFile) else None for c in cells], media)
