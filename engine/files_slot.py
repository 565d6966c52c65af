"""The MP4s of one slot in a window: each row's frames, remuxed."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from functools import partial
from io import BytesIO

import numpy as np
import pyarrow as pa

from ..errors import MareyError
from ..video.plan import estimate_fetches, fetch_shape
from ..video.plan.byte_ranges import plan_ranges
from ..video.remux import RemuxPlan, plan_remux, write_remux
from .fault import Fault
from .index_cache import part_bytes
from .media import ClipRanges, Fetched, Media, ReadEstimate
from .wanted import WantedFile

_SECONDS_PER_BYTE = 5e-9


class FilesSlot:
    """`video_remux` in each row of a window; it reads as it goes, not ahead."""

    def __init__(self, rows: Sequence[WantedFile | None], media: Media) -> None:
        """Find out what each file will hold."""
        self._rows = rows
        self._media = media
        self._files: list[bytes | None] = [None] * len(rows)
        self._faults: dict[int, Fault] = {}
        self._plans = [self._plan(i, row) for i, row in enumerate(rows)]
        # The samples of a file are held twice: as they are fetched and as they are written.
        self.cost_bytes = 2 * sum(
            sum(int(plan.index.size[run.samples].sum()) for run in plan.runs)
            + (_most_sound(plan) if row.audio else 0)
            for row, plan in self._planned()
        )
        """Bytes of the files, of what is fetched for them, and of the indexes."""
        indexes = {id(row.index): row.index for row in rows if row is not None}
        self.cost_bytes += sum(map(part_bytes, indexes.values()))

    @property
    def seconds(self) -> float:
        """About how long it takes to copy and write them."""
        return self.cost_bytes * _SECONDS_PER_BYTE

    @property
    def longest_seconds(self) -> float:
        """About how long the longest of its tasks takes: one a file."""
        return self.seconds / max(1, sum(row is not None for row in self._rows))

    @property
    def frame_count(self) -> int:
        """Frames in all files."""
        return sum(len(np.unique(row.frames)) for row in self._rows if row is not None)

    @property
    def faults(self) -> Mapping[int, Fault]:
        """By row, what went wrong."""
        return self._faults

    def estimates(self) -> Iterator[ReadEstimate]:
        """What each file will take."""
        for row, plan in self._planned():
            index = row.index
            source = self._media.source(row.table, row.row)
            cost = self._media.cost(source)
            fetches = [
                plan_ranges(index.offset[run.samples], index.size[run.samples], cost)
                for run in plan.runs
            ]
            gaps = sum(fetch.gap_bytes for fetch in fetches)
            ranges = [r for fetch in fetches for r in fetch.ranges]
            yield ReadEstimate(
                clip=self._media.clip(row.table, row.row),
                frames=len(np.unique(row.frames)),
                fetch_shape=fetch_shape(index, plan.runs, gaps),
                bytes_fetched=sum(r.length for r in ranges),
                requests=len(ranges),
                runs=tuple((plan.strategy, len(run.samples)) for run in plan.runs),
                kind=source.kind,
                options=estimate_fetches(
                    index, np.unique(np.concatenate([run.samples for run in plan.runs])), cost
                ),
                source_bytes=index.source_bytes,
                source_frames=index.frame_count,
                source_samples=index.sample_count,
            )

    def ranges(self) -> list[ClipRanges]:
        """What to fetch ahead: nothing."""
        return []

    def tasks(self, fetched: Iterator[Fetched]) -> Iterator[Callable[[], None]]:
        """The work of writing files."""
        for i, (row, plan) in enumerate(zip(self._rows, self._plans, strict=True)):
            if row is not None and plan is not None:
                yield partial(self._write, i, row, plan)

    def column(self, failed: Collection[int]) -> pa.Array:
        """The finished column; rows that failed are null."""
        files = [None if i in failed else file for i, file in enumerate(self._files)]
        return pa.array(files, pa.large_binary())

    def _plan(self, i: int, row: WantedFile | None) -> RemuxPlan | None:
        if row is None:
            return None
        try:
            return plan_remux(row.index, row.frames)
        except MareyError as error:
            self._faults[i] = Fault(error)
            return None

    def _planned(self) -> Iterator[tuple[WantedFile, RemuxPlan]]:
        for row, plan in zip(self._rows, self._plans, strict=True):
            if row is not None and plan is not None:
                yield row, plan

    def _write(self, i: int, row: WantedFile, plan: RemuxPlan) -> None:
        media = self._media
        reader = media.reader(row.table, row.row, size=row.index.source_bytes)
        file = BytesIO()
        try:
            cost = media.cost(media.source(row.table, row.row))
            write_remux(plan, reader, file, audio=row.audio, cost=cost)
            self._files[i] = file.getvalue()
        except MareyError as error:
            self._faults[i] = Fault(error)


def _most_sound(plan: RemuxPlan) -> int:
    """About the bytes of a stretch's sound: its share of what is no picture in the source."""
    index = plan.index
    others = max(0, index.source_bytes - int(index.size.sum()))
    whole = max(1, int(index.duration_ticks.sum()))
    return others * min(whole, int(index.duration_ticks[plan.frames].sum())) // whole
