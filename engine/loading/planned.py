"""The rows of a SQL query with their small columns: nothing else tells one from another."""

from __future__ import annotations

import hashlib
from collections.abc import Generator, Sequence
from typing import TYPE_CHECKING

import pyarrow as pa

from ..config import EngineConfig
from ..context import QueryContext, VideoColumn
from ..planning import VIDEO_BATCH_ROWS
from ..run import Pace, SmallResult, finish_batches
from .chosen import ChosenRows, Lost, numbered
from .order import Int64s

if TYPE_CHECKING:
    from ..sql import SqlQuery


class PlannedRows(ChosenRows):
    """What a plan has given; handles in it lead to `videos`."""

    def __init__(
        self,
        query: SqlQuery,
        rows: pa.Table,
        videos: Sequence[VideoColumn],
        *,
        epoch: int,
        lost: Lost,
    ) -> None:
        super().__init__(query, epoch=epoch, lost=lost)
        self._query = query
        self._rows = rows
        self._videos = videos

    def __len__(self) -> int:
        rows: int = self._rows.num_rows
        return rows

    def fingerprint(self) -> str:
        """Of the tables and all small columns."""
        digest = hashlib.blake2b(digest_size=8)
        for video in self._videos:
            digest.update(f"{video.dataset.table_id} {video.column} ".encode())
        # Batches of one cut: how the plan came to cut them is no matter of the rows.
        sink = pa.PythonFile(_Hashed(digest), mode="w")
        with pa.ipc.new_stream(sink, self._rows.schema) as stream:
            stream.write_table(self._rows.combine_chunks(), max_chunksize=_HASHED_ROWS)
        return digest.hexdigest()

    def take(self, places: Int64s) -> PlannedRows:
        """Some of them, in another order."""
        return self._with(self._query, self._rows.take(pa.array(places)))

    def within(self, config: EngineConfig) -> PlannedRows:
        """The same rows, made with other settings."""
        return self._with(self._query.within(config), self._rows)

    def run(self, context: QueryContext, pace: Pace) -> Generator[pa.RecordBatch, None, None]:
        """Make the rows in order, with their places."""
        for video in self._videos:
            context.add(video)
        batches = iter(self._rows.to_batches(max_chunksize=VIDEO_BATCH_ROWS))
        small = numbered(SmallResult(self._rows.schema, batches))
        return finish_batches(small, self._query.engine, context, pace)

    def _with(self, query: SqlQuery, rows: pa.Table) -> PlannedRows:
        return PlannedRows(query, rows, self._videos, epoch=self.epoch, lost=self.lost)


_HASHED_ROWS = 4096


class _Hashed:
    """A file that keeps a digest of what is written to it."""

    closed = False

    def __init__(self, digest: hashlib.blake2b) -> None:
        self._digest = digest

    def write(self, data: object) -> int:
        view = memoryview(data)  # type: ignore[arg-type]  # Arrow writes buffers
        self._digest.update(view)
        return view.nbytes

    def flush(self) -> None:
        """Nothing waits."""

    def close(self) -> None:
        """Nothing is open."""
