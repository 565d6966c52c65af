"""The state of one run of a query: where handles lead, what it did, and which rows failed.

DataFusion carries a video as a handle of two numbers. The first is that of a video column here,
the second a row of it. In a keyed scan rows are places in the key table, so that a failure
names the row of the result and not only the clip; otherwise they are the stored row ids.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from ..errors import MareyError
from ..video.index.clip import ClipIndex
from .execute import Stop
from .failures import OnError, RowFailure, located, united_rows
from .fault import forget_frames
from .index_cache import IndexCache
from .metrics import ScanMetrics
from .requests import VIDEO
from .snapshot import Snapshot


@dataclass(frozen=True, slots=True)
class VideoColumn:
    """A video column of a table snapshot, as handles lead to it."""

    dataset: Snapshot
    """The snapshot."""
    label: str
    """The table's name, for people: `training.clips`."""
    column: str
    """The column's name."""
    row_ids: npt.NDArray[np.uint64] | None = None
    """Stored row id by place in the key table; None where handles hold row ids themselves."""

    def row_id(self, row: int) -> int:
        """The stored row that a handle's row stands for."""
        return row if self.row_ids is None else int(self.row_ids[row])

    def keys(self, rows: Sequence[int]) -> pa.Table:
        """The key columns of some rows."""
        return self.dataset.take([self.row_id(row) for row in rows], self.dataset.key_names)


@dataclass(frozen=True, slots=True)
class TableRead:
    """How a plan reads a stored table."""

    label: str
    """The table's name, for people."""
    version: int
    """Of the snapshot."""
    columns: tuple[str, ...]
    """What is read of its rows, by stored paths."""
    filter: str | None = None
    """What storage filters by itself, as Lance is told."""
    refilter: bool = False
    """Whether the rows that come are filtered again here."""
    by_row_id: bool = False
    """Whether only chosen rows are read; otherwise they come in stored order."""


class QueryContext:
    """Shared by the functions in the plan, the readers below it and the work above it."""

    def __init__(
        self, indexes: IndexCache, *, on_error: OnError = "raise", epoch: int = 0
    ) -> None:
        self.on_error: OnError = on_error
        self.epoch = epoch
        """Which epoch of training this is, for what is drawn by chance."""
        self.allocate: Callable[[int], pa.Buffer] | None = None
        """Gives memory for so many bytes of frames; None: the run has its own."""
        self.metrics = ScanMetrics()
        self.stop = Stop()
        self.raised: BaseException | None = None
        """What was raised beneath DataFusion, which keeps the text of an exception only."""
        self.reads: list[TableRead] = []
        """How tables are read, for `explain`; known once the plan runs."""
        self.told: list[pa.Table] = []
        """What went wrong elsewhere: in worker processes, or when rows were chosen."""
        self._failures: dict[tuple[int, int, str, str], RowFailure] = {}
        self._failed_rows: set[tuple[int, int]] = set()
        self._indexes = indexes
        self._columns: list[VideoColumn] = []

    def again(self) -> QueryContext:
        """A context for another run over the same handles."""
        other = QueryContext(self._indexes, on_error=self.on_error, epoch=self.epoch)
        other._columns = list(self._columns)
        return other

    def add(self, column: VideoColumn) -> int:
        """Register a video column; its number in handles."""
        self._columns.append(column)
        return len(self._columns) - 1

    @property
    def has_videos(self) -> bool:
        """Whether a table of the query has a video column."""
        return bool(self._columns)

    @property
    def columns(self) -> list[VideoColumn]:
        """The video columns, by their numbers."""
        return list(self._columns)

    def column(self, table: int) -> VideoColumn:
        """A video column by its number."""
        return self._columns[table]

    def load(self, places: Sequence[tuple[int, int]]) -> list[ClipIndex | MareyError | None]:
        """The indexes of (table, row) pairs: one read for each table."""
        by_table: dict[int, list[int]] = {}
        for table, row in dict.fromkeys(places):
            by_table.setdefault(table, []).append(row)
        loaded: dict[tuple[int, int], ClipIndex | MareyError | None] = {}
        for table, rows in by_table.items():
            column = self._columns[table]
            ids = [column.row_id(row) for row in rows]
            found = self._indexes.load(column.dataset, column.column, ids)
            loaded.update(zip([(table, row) for row in rows], found, strict=True))
        return [loaded[place] for place in places]

    def frame_indexes(self, handles: pa.StructArray) -> list[ClipIndex | None]:
        """The index behind each handle; None for a null one, and where it cannot be read."""
        places = [(h["__marey_table"], h["__marey_row"]) for h in handles.to_pylist() if h]
        loaded = iter(self.load(places))
        at = iter(places)
        indexes: list[ClipIndex | None] = []
        for there in handles.is_valid().to_pylist():
            index = next(loaded) if there else None
            table, row = next(at) if there else (0, 0)
            if isinstance(index, MareyError):
                self.fail(table, row, index)
                index = None
            indexes.append(index)
        return indexes

    def present(self, handles: pa.StructArray) -> pa.StructArray:
        """The handles, null in rows that have no video."""
        places = [(h["__marey_table"], h["__marey_row"]) for h in handles.to_pylist() if h]
        found = [index is not None for index in self.load(places)]
        if all(found):
            return handles
        there = handles.is_valid().to_numpy(zero_copy_only=False).copy()
        there[there] = found
        children = [handles.field(i) for i in range(len(handles.type))]
        mask = pa.array(~there)
        return pa.StructArray.from_arrays(children, fields=list(handles.type), mask=mask)

    def stored_row(self, table: int, row: int) -> tuple[int, int]:
        """The epoch, and the stored row that a handle leads to."""
        return self.epoch, self._columns[table].row_id(row)

    def videos(self, handles: pa.StructArray) -> pa.StructArray:
        """What a result shows of bare videos: the scalars of their indexes."""
        # Grouping leaves nulls beneath null handles, and numpy has no integers beside nulls.
        tables, rows = (handles.field(i).fill_null(0).to_numpy() for i in (0, 1))
        valid = handles.is_valid().to_numpy(zero_copy_only=False)
        taken = [pa.array([], VIDEO)]
        place = np.zeros(len(handles), np.int64)
        for number in np.unique(tables[valid]).tolist():
            column = self._columns[number]
            at = np.flatnonzero(valid & (tables == number))
            place[at] = sum(map(len, taken)) + np.arange(len(at))
            ids = [column.row_id(row) for row in rows[at].tolist()]
            found = column.dataset.take(ids, [column.column])[column.column]
            taken.append(found.combine_chunks().cast(VIDEO))
        return pa.concat_arrays(taken).take(pa.array(place, mask=~valid))

    def fail(
        self,
        table: int,
        row: int,
        error: MareyError,
        *,
        column: str = "",
        frame: int | None = None,
    ) -> None:
        """Note that a value could not be made, or raise if that is how the query is run.

        Args:
            table: Number of the video column.
            row: The handle's row.
            error: Why.
            column: Of the result; the video column itself unless given.
            frame: The frame at fault, where it is one.
        """
        video = self._columns[table]
        failure = RowFailure(table, row, column or video.column, error, frame)
        if self.on_error == "raise":
            raise self.located(failure) from error
        forget_frames(error)
        self._failed_rows.add((table, row))
        self._failures.setdefault((table, row, failure.column, str(error)), failure)

    def located(self, failure: RowFailure) -> MareyError:
        """The error of a failure, saying where it happened."""
        video = self._columns[failure.table]
        return located(failure, video.label, video.keys([failure.row]))

    def failed_keys(self, since: int = 0) -> pa.Table:
        """For each of `failures` from one on the key columns of its row: one read a video
        column.
        """
        by_table: dict[int, list[int]] = {}
        failures = self.failures[since:]
        for at, failure in enumerate(failures):
            by_table.setdefault(failure.table, []).append(at)
        keys = [
            self._columns[table].keys([failures[at].row for at in places])
            for table, places in by_table.items()
        ]
        place = np.argsort([at for places in by_table.values() for at in places])
        return united_rows(keys).take(pa.array(place, pa.int64()))

    def failed_tables(self, since: int = 0) -> list[str]:
        """For each of `failures` from one on the name of its table."""
        return [self._columns[failure.table].label for failure in self.failures[since:]]

    def has_failed(self, table: int, row: int) -> bool:
        """Whether some value of a row could not be made."""
        return (table, row) in self._failed_rows

    @property
    def failed_rows(self) -> int:
        """Rows of which some value could not be made."""
        return len(self._failed_rows)

    @property
    def failures(self) -> list[RowFailure]:
        """What went wrong so far, each thing once."""
        return list(self._failures.values())
