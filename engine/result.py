"""The forms in which a query gives its rows; `Scan` and `SqlQuery` are two kinds of query."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from copy import copy
from typing import TYPE_CHECKING, Any, Self

import pyarrow as pa

from ..errors import ConfigError, UnsupportedError
from .config import EngineConfig, whole_number
from .context import QueryContext
from .explain import Explained, explanation
from .failures import OnError, errors_table, united_rows
from .keys import OnMissing
from .loader import DataLoader
from .loading.chosen import ChosenRows, Lost
from .loading.in_torch import torch_rank
from .loading.settings import LoaderSettings
from .loading.workers import IdleWorkers
from .metrics import ScanMetrics
from .progress import LONG_SECONDS, progress
from .run import Engine
from .started import Started
from .workspace import Workspace

if TYPE_CHECKING:
    import pandas
    import polars
    import ray.data  # pyright: ignore[reportMissingImports]  # an extra


class Readable(ABC):
    """A query that can be run, any number of times."""

    def __init__(self, workspace: Workspace) -> None:
        self._workspace = workspace
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
    def _choose(
        self, key_table: Any, on_missing: OnMissing, context: QueryContext
    ) -> ChosenRows:
        """The rows that a run would give, without making them."""

    @property
    def engine(self) -> Engine:
        """What all queries of its session share."""
        return self._workspace.engine

    @property
    def config(self) -> EngineConfig:
        """The settings of its session."""
        return self._workspace.config

    @property
    def idle_workers(self) -> IdleWorkers:
        """Worker processes of loaders that wait for another pass."""
        return self._workspace.idle_workers

    def within(self, config: EngineConfig) -> Self:
        """The same query in a session of other settings."""
        other = copy(self)
        other._workspace = self._workspace.within(config)
        return other

    def new_run(self, on_error: OnError, epoch: int) -> QueryContext:
        """The state of a run, the query's latest from now on."""
        self._latest = self._workspace.context(on_error, epoch=epoch)
        return self._latest

    def run_errors(self, context: QueryContext, since: int = 0) -> pa.Table:
        """What went wrong in a run, without the first few failures; see `errors`."""
        failures = context.failures[since:]
        return errors_table(failures, self._failed_keys(context, since))

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
        batches = []
        with progress(
            "rows", started.rows, after_seconds=LONG_SECONDS, wanted=self.config.progress
        ) as advance:
            for batch in started.batches:
                batches.append(batch)
                advance(batch.num_rows)
        return pa.Table.from_batches(batches, schema=started.schema)

    def to_pandas(
        self,
        key_table: Any = None,
        *,
        on_error: OnError = "raise",
        on_missing: OnMissing = "raise",
    ) -> pandas.DataFrame:
        """All rows as a pandas frame; arguments as for `to_record_batches`."""
        require_module("pandas", "to_pandas")
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
        module = require_module("polars", "to_polars")
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
        even: bool = False,
        num_workers: int = 0,
        persistent_workers: bool = False,
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
            rank: Which share of the rows this process gives; by default that of
                `torch.distributed` where it is initialised, else 0 of 1.
            world_size: How many shares there are; given with `rank` or not at all.
            even: Whether all shares have as many rows, so that up to `world_size` - 1 rows are
                left out of the epoch, and as many batches, whatever fails.
            num_workers: Processes, started for each pass, that make the batches; 0: this one.
            persistent_workers: Whether they stay after a whole pass, for the next loader of
                this session: starting one takes a second or two.
            prefetch: Batches that each process makes ahead of the one asked for, within the
                memory budget, which worker processes share.
            drop_last: Whether to leave out a last batch of fewer rows.
            transform: What to make of each batch, where the batch is made.
            on_error: As for `to_record_batches`.
            on_missing: As for `to_record_batches`.

        Raises:
            ConfigError: A setting out of its range.
            UnsupportedError: Workers in a process that is a worker itself.
        """
        rank, world_size = _own_share(rank, world_size)
        _check_choice("on_error", on_error)
        _check_choice("on_missing", on_missing)
        settings = LoaderSettings(
            batch_size=batch_size,
            shuffle=shuffle,
            seed=seed,
            epoch=epoch,
            rank=rank,
            world_size=world_size,
            even=even,
            num_workers=num_workers,
            persistent_workers=persistent_workers,
            prefetch=prefetch,
            drop_last=drop_last,
            on_error=on_error,
        )
        context = self._workspace.context(on_error, epoch=settings.epoch)
        rows = self._choose(key_table, on_missing, context)
        return DataLoader(rows, settings, transform)

    def to_ray(
        self,
        *,
        key_table: Any = None,
        batch_size: int = 32,
        blocks: int | None = None,
        on_error: OnError = "raise",
        on_missing: OnMissing = "raise",
    ) -> ray.data.Dataset:
        """A data set of Ray: rows are chosen now, and read and decoded on Ray's workers.

        docs/how-to/many-machines.md says what goes where.

        Args:
            key_table: As for `to_record_batches`.
            batch_size: The most rows in a block.
            blocks: In how many tasks the rows are made; by default as Ray sees fit.
            on_error: As for `to_record_batches`; what failed is known on the workers alone.
            on_missing: As for `to_record_batches`.

        Raises:
            UnsupportedError: Ray is not installed (it comes with the extra `ray`).
        """
        _check_choice("on_error", on_error)
        _check_choice("on_missing", on_missing)
        batch_size = whole_number("batch_size", batch_size, 1)
        if blocks is not None:
            blocks = whole_number("blocks", blocks, 1)
        require_module("ray", "to_ray")
        from .ray_read import to_dataset

        rows = self._choose(key_table, on_missing, self._workspace.context(on_error))
        dataset: ray.data.Dataset = to_dataset(
            rows, batch_size=batch_size, on_error=on_error, blocks=blocks
        )
        return dataset

    def _lost(self, context: QueryContext) -> Lost:
        """What was left out while a context was used to choose rows."""
        failed = context.failed_rows if context.on_error == "skip" else 0
        return Lost(context.metrics.rows_skipped + failed, self.run_errors(context))

    @abstractmethod
    def _explain(self, key_table: Any) -> Explained:
        """What there is to tell."""

    @abstractmethod
    def _failed_keys(self, context: QueryContext, since: int) -> pa.Table:
        """For each failure of a run from one on what tells its row from others."""

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
        context = self._workspace.context() if self._latest is None else self._latest
        found = self.run_errors(context)
        return united_rows([found, *context.told]) if context.told else found

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


def _own_share(rank: int | None, world_size: int | None) -> tuple[int, int]:
    """The share of this process."""
    if rank is None and world_size is None:
        return torch_rank() or (0, 1)
    if rank is None and world_size == 1:
        return 0, 1
    if rank is None or world_size is None:
        raise ConfigError(
            f"rank and world_size are given together, got rank={rank!r} and "
            f"world_size={world_size!r}"
        )
    return rank, world_size


def _check_choice(name: str, value: str) -> None:
    if value not in ("raise", "null", "skip"):
        raise ConfigError(f"{name} must be 'raise', 'null' or 'skip', got {value!r}")


def require_module(module: str, what: str) -> Any:
    """A module that is an extra.

    Raises:
        UnsupportedError: It is not installed; the message says what needs it.
    """
    import importlib

    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise UnsupportedError(f"{what} needs {module}, which is not installed") from error
