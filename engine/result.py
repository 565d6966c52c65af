"""The forms in which a query gives its rows; `Scan` and `SqlQuery` are two kinds of query."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Generator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from ..errors import ConfigError, UnsupportedError
from .context import QueryContext
from .failures import OnError, failures_table
from .keys import OnMissing
from .metrics import ScanMetrics

if TYPE_CHECKING:
    import pandas
    import polars

Batches = Generator[pa.RecordBatch, None, None]


@dataclass(frozen=True, slots=True)
class Started:
    """A run that is about to give its first row."""

    schema: pa.Schema
    """Of the batches."""
    batches: Batches
    """The rows; closing it ends the run."""
    context: QueryContext
    """Counts and failures."""


class Readable(ABC):
    """A query that can be run, any number of times."""

    def __init__(self) -> None:
        self._latest: QueryContext | None = None

    @property
    @abstractmethod
    def schema(self) -> pa.Schema:
        """The columns of the result."""

    @abstractmethod
    def _start(self, key_table: Any, on_error: OnError, on_missing: OnMissing) -> Started:
        """Check everything that can be checked, and begin."""

    def to_record_batches(
        self,
        key_table: Any = None,
        *,
        on_error: OnError = "raise",
        on_missing: OnMissing = "raise",
    ) -> pa.RecordBatchReader:
        """The rows as a stream, made as it is read.

        Closing the reader, or letting go of it, ends the work.

        Args:
            key_table: Which rows, in which order: the table's key columns and a column for each
                `aux`, as an Arrow table, a frame, a dict of columns or a list of dicts.
            on_error: What becomes of a row with a value that cannot be made: `raise` fails the
                run, `null` makes the value null, `skip` leaves out the row. See `errors`.
            on_missing: What becomes of a key that the table lacks: `raise`, `null`, `skip`.
        """
        started = self._begin(key_table, on_error, on_missing)
        return pa.RecordBatchReader.from_batches(started.schema, started.batches)

    def to_table(
        self,
        key_table: Any = None,
        *,
        on_error: OnError = "raise",
        on_missing: OnMissing = "raise",
    ) -> pa.Table:
        """All rows; arguments as for `to_record_batches`."""
        started = self._begin(key_table, on_error, on_missing)
        return pa.Table.from_batches(list(started.batches), schema=started.schema)

    def to_pandas(
        self,
        key_table: Any = None,
        *,
        on_error: OnError = "raise",
        on_missing: OnMissing = "raise",
    ) -> pandas.DataFrame:
        """All rows as a pandas frame; arguments as for `to_record_batches`."""
        _require("pandas")
        table = self.to_table(key_table, on_error=on_error, on_missing=on_missing)
        frame: pandas.DataFrame = table.to_pandas()
        return frame

    def to_polars(
        self,
        key_table: Any = None,
        *,
        on_error: OnError = "raise",
        on_missing: OnMissing = "raise",
    ) -> polars.DataFrame:
        """All rows as a polars frame; arguments as for `to_record_batches`."""
        module = _require("polars")
        table = self.to_table(key_table, on_error=on_error, on_missing=on_missing)
        frame: polars.DataFrame = module.from_arrow(table)
        return frame

    @property
    def metrics(self) -> ScanMetrics:
        """What the latest run did; all zero before the first."""
        return ScanMetrics() if self._latest is None else self._latest.metrics

    def errors(self) -> pa.Table:
        """What went wrong in the latest run, with `on_error` "null" or "skip".

        Returns:
            A row for each value that could not be made: `table`, `key` (a struct of the key
            columns), `column`, `error` (the class), `message`, and `frame` if one is at fault.
        """
        if self._latest is None:
            return failures_table([], [], [])
        context = self._latest
        failures = context.failures
        videos = [context.column(failure.table) for failure in failures]
        keys = [v.keys([f.row]) for v, f in zip(videos, failures, strict=True)]
        return failures_table(failures, [video.label for video in videos], keys)

    def _begin(self, key_table: Any, on_error: OnError, on_missing: OnMissing) -> Started:
        _check_choice("on_error", on_error)
        _check_choice("on_missing", on_missing)
        started = self._start(key_table, on_error, on_missing)
        self._latest = started.context
        return started


def _check_choice(name: str, value: str) -> None:
    if value not in ("raise", "null", "skip"):
        raise ConfigError(f"{name} must be 'raise', 'null' or 'skip', got {value!r}")


def _require(module: str) -> Any:
    import importlib

    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise UnsupportedError(f"to_{module} needs {module}, which is not installed") from error
