"""The forms in which a query gives its rows; `Scan` and `SqlQuery` are two kinds of query."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from ..errors import ConfigError, UnsupportedError
from .context import QueryContext
from .explain import Explained, explanation
from .failures import OnError, errors_table
from .keys import OnMissing
from .loader import ChosenRows, DataLoader, LoaderSettings
from .metrics import ScanMetrics
from .started import Started

if TYPE_CHECKING:
    import pandas
    import polars


class Readable(ABC):
    """A query that can be run, any number of times."""

    def __init__(self) -> None:
        self._latest: QueryContext | None = None

    def __getstate__(self) -> dict[str, object]:
        # What the latest run did stays with who ran it.
        return {**self.__dict__, "_latest": None}

    @property
    @abstractmethod
    def schema(self) -> pa.Schema:
        """The columns of the result."""

    @abstractmethod
    def _start(self, key_table: Any, on_error: OnError, on_missing: OnMissing) -> Started:
        """Check everything that can be checked, and begin."""

    @abstractmethod
    def _choose(self, key_table: Any, on_error: OnError, on_missing: OnMissing) -> ChosenRows:
        """The rows that a run would give, without making them."""

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

    def to_data_loader(
        self,
        *,
        batch_size: int = 32,
        key_table: Any = None,
        shuffle: bool = False,
        seed: int = 0,
        epoch: int = 0,
        rank: int | None = None,
        world_size: int | None = None,
        num_workers: int = 0,
        prefetch: int = 2,
        drop_last: bool = False,
        transform: Callable[[pa.RecordBatch], Any] | None = None,
        on_error: OnError = "raise",
        on_missing: OnMissing = "raise",
    ) -> DataLoader:
        """Batches of one size, each row once; rows are chosen now and made as they are taken.

        docs/reference/loader.md says more.

        Args:
            batch_size: Rows in a batch.
            key_table: As for `to_record_batches`.
            shuffle: Whether rows come in an order drawn from `seed` and `epoch`.
            seed: Another one, another order.
            epoch: Likewise.
            rank: Which share of the rows; there is one only, so 0 with a `world_size` of 1.
            world_size: How many shares; more than 1 are not offered yet.
            num_workers: 0; worker processes are not offered yet.
            prefetch: Batches made ahead of the one asked for, within the memory budget.
            drop_last: Whether to leave out a last batch of fewer rows.
            transform: What to make of each batch.
            on_error: As for `to_record_batches`.
            on_missing: As for `to_record_batches`.

        Raises:
            ConfigError: A setting out of its range.
            UnsupportedError: Shards or workers.
        """
        if (rank, world_size) not in ((None, None), (None, 1), (0, 1)) or num_workers:
            raise UnsupportedError(
                "data loaders with more shares than one (rank=0, world_size=1) or with "
                f"num_workers are not offered yet, got rank={rank!r}, "
                f"world_size={world_size!r}, num_workers={num_workers!r}"
            )
        _check_choice("on_error", on_error)
        _check_choice("on_missing", on_missing)
        settings = LoaderSettings(
            batch_size=batch_size,
            shuffle=shuffle,
            seed=seed,
            epoch=epoch,
            prefetch=prefetch,
            drop_last=drop_last,
            on_error=on_error,
        )
        rows = self._choose(key_table, on_error, on_missing)
        return DataLoader(rows, settings, transform)

    @abstractmethod
    def _explain(self, key_table: Any) -> Explained:
        """What there is to tell."""

    @abstractmethod
    def _failed_keys(self, context: QueryContext | None) -> pa.Table:
        """For each failure of a run what tells its row from others; no rows for no run."""

    @property
    def metrics(self) -> ScanMetrics:
        """What the latest run did; all zero before the first."""
        return ScanMetrics() if self._latest is None else self._latest.metrics

    def errors(self) -> pa.Table:
        """What went wrong in the latest run, with `on_error` "null" or "skip".

        Returns:
            A row for each value that could not be made: the key columns of its row (for SQL
            `table` as well), `column`, `error` (the class), `message`, and `frame`, the first
            that is at fault, where that is known.
        """
        context = self._latest
        failures = [] if context is None else context.failures
        return errors_table(failures, self._failed_keys(context))

    def explain(self, key_table: Any = None) -> str:
        """How a run would go, as text for people: what is read of which table, and for each
        video expression the strategies chosen, with its estimated bytes, requests and samples.

        Rows are chosen and reads are planned as for a run, for up to 1,000 rows of the result.
        No media is read.

        Args:
            key_table: As for `to_record_batches`; a key that the table lacks is counted.
        """
        return explanation(self._explain(key_table))

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
