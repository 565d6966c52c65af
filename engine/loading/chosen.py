"""Rows chosen for a loader, before any of them is made: what kinds of query have in common."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Generator, Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Protocol, Self

import numpy as np
import pyarrow as pa

from ..config import EngineConfig
from ..context import QueryContext
from ..failures import OnError
from ..flat import PLACE
from ..run import Pace, SmallResult
from .order import Int64s

if TYPE_CHECKING:
    from .workers import IdleWorkers


@dataclass(frozen=True, slots=True)
class Lost:
    """What was left out while rows were chosen."""

    rows: int
    """How many: keys that the table lacks, and rows of which a condition failed."""
    errors: pa.Table
    """What went wrong, as `Readable.errors` tells it."""


class LoadedQuery(Protocol):
    """What a loader needs of the query that its rows are of."""

    @property
    def config(self) -> EngineConfig:
        """The settings of its session."""
        ...

    @property
    def schema(self) -> pa.Schema:
        """The columns of the result."""
        ...

    @property
    def idle_workers(self) -> IdleWorkers:
        """Worker processes of its session that wait for another pass."""
        ...

    def within(self, config: EngineConfig) -> Self:
        """The same query with other settings."""
        ...

    def new_run(self, on_error: OnError, epoch: int) -> QueryContext:
        """The state of a run, the query's latest from now on."""
        ...

    def run_errors(self, context: QueryContext, since: int) -> pa.Table:
        """What went wrong in a run, without the first few failures."""
        ...


class ChosenRows(ABC):
    """The rows that a query will give, counted and in order.

    They pickle by what tells them apart (row ids, keys, frame lists), never by their media.
    """

    def __init__(self, query: LoadedQuery, *, epoch: int, lost: Lost) -> None:
        self.query = query
        self.epoch = epoch
        self.lost = lost

    @abstractmethod
    def __len__(self) -> int:
        """How many there are."""

    @abstractmethod
    def fingerprint(self) -> str:
        """Tells these rows, in this order, from others."""

    @abstractmethod
    def take(self, places: Int64s) -> ChosenRows:
        """Some of them, in another order."""

    @abstractmethod
    def within(self, config: EngineConfig) -> ChosenRows:
        """The same rows, made with other settings."""

    @abstractmethod
    def run(self, context: QueryContext, pace: Pace) -> Generator[pa.RecordBatch, None, None]:
        """Make the rows in order; each batch has their places as a last column, `PLACE`."""

    def context(self, on_error: OnError) -> QueryContext:
        """The state of a new run, which knows what was lost before it."""
        context = self.query.new_run(on_error, self.epoch)
        context.metrics.add(rows_skipped=self.lost.rows)
        if self.lost.errors.num_rows:
            context.told.append(self.lost.errors)
        return context


def numbered(small: SmallResult) -> SmallResult:
    """The same rows with their places: how many of them came before."""

    def batches() -> Iterator[pa.RecordBatch]:
        at = 0
        for batch in small.batches:
            places = np.arange(at, at + batch.num_rows)
            at += batch.num_rows
            yield batch.append_column(_PLACE, pa.array(places))

    return replace(small, schema=small.schema.append(_PLACE), batches=batches())


_PLACE = pa.field(PLACE, pa.int64())
