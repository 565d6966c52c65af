"""The data loader: batches of one size for training, each chosen row once in an epoch.

What is decided when it is made: the rows, their order, and who gives which. What is done when
it is iterated: the rows are made, here or in worker processes, a few batches ahead.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Generator, Mapping
from contextlib import closing
from typing import Any

import numpy as np
import pyarrow as pa

from ..errors import ConfigError, InputError, UnsupportedError
from .context import QueryContext
from .loading.chosen import ChosenRows
from .loading.cut import cut_batches
from .loading.in_torch import declare_iterable, torch_worker
from .loading.order import Batches, Int64s, row_order, share
from .loading.progress import Progress, resumed
from .loading.settings import LoaderSettings, shared_config
from .loading.worker import Job, transformed
from .loading.workers import Workers, require_picklable, require_workers_possible

_STATE_FORMAT = 1

_MADE_WITH = ("shuffle", "seed", "epoch", "rank", "world_size", "even")
"""The settings that decide which rows a loader gives, and when."""


class DataLoader:
    """Record batches of `batch_size` rows, or what `transform` makes of each; iterable anew.

    The order depends on rows, `seed` and `epoch` alone. It pickles, and is an `IterableDataset`
    for torch, which shares its batches out among its workers.
    """

    def __init__(
        self,
        rows: ChosenRows,
        settings: LoaderSettings,
        transform: Callable[[pa.RecordBatch], Any] | None,
    ) -> None:
        if transform is not None and not callable(transform):
            raise ConfigError(f"transform must be a function of a batch, got {transform!r}")
        if settings.num_workers:
            require_workers_possible()
            require_picklable(transform)
        self._rows = rows
        self._settings = settings
        self._transform = transform
        self._state: Mapping[str, Any] | None = None
        self._fingerprint: str | None = None
        self._progress = Progress(self._batches())
        self._process = os.getpid()

    @property  # type: ignore[misc]  # torch asks; nobody sets it
    def __class__(self) -> type[DataLoader]:  # pyright: ignore[reportIncompatibleMethodOverride]  # as unittest.mock has it
        # isinstance asks for it: torch may have been loaded after this object was made.
        declare_iterable(DataLoader)
        return DataLoader

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in vars(self).items() if name != "_process"}

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update(state)
        self._process = os.getpid()

    def __len__(self) -> int:
        """Batches in a whole pass; with `on_error="skip"` some may not come."""
        return self._batches().all

    def __iter__(self) -> Generator[Any, None, None]:
        """One pass over the rows, or over those that a loaded state has left.

        Raises:
            UnsupportedError: This process was forked from the one that made the loader.
        """
        if self._process != os.getpid():
            raise UnsupportedError(
                "this process was forked from the one that made the data loader, and storage "
                "does not survive that: start workers with the 'spawn' method "
                '(torch: DataLoader(..., multiprocessing_context="spawn"))'
            )
        batches, state = self._batches(), self._state
        self._state = None
        self._progress = Progress(batches) if state is None else resumed(batches, state)
        return self._pass(self._progress)

    def state_dict(self) -> dict[str, Any]:
        """Where the latest pass is, as plain numbers and words: behind the batch given last.

        Batches that were made ahead and not given do not count.
        """
        if self._state is not None:
            return dict(self._state)
        return self._made_with() | self._progress.to_state()

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Let the next pass begin where another one was; those after it are whole again.

        The number of workers, `prefetch` and `batch_size` may be others than they were.

        Raises:
            InputError: It is the state of other rows, or of another order or share of them.
        """
        if not isinstance(state, Mapping):
            raise InputError(f"loader state: expected a dict, got {type(state).__name__}")
        for key, value in self._made_with().items():
            if state.get(key) != value:
                raise InputError(_other_state(key, state.get(key), value))
        resumed(self._batches(), state)
        self._state = dict(state)

    def _pass(self, progress: Progress) -> Generator[Any, None, None]:
        made = self._by_workers if self._settings.num_workers else self._here
        with closing(made(progress)) as values:
            for value in values:
                yield value
                del value

    def _here(self, progress: Progress) -> Generator[Any, None, None]:
        """The batches, made in this process."""
        settings, rows = self._settings, self._rows
        if progress.batches.workers > 1:
            rows = rows.within(shared_config(rows.query.config, progress.batches.workers))
        rows = rows.take(self._share()[progress.batches.rows(progress.given)])
        context = rows.context(settings.on_error)
        pace = settings.pace(rows.query.config.memory_budget_bytes)
        with closing(rows.run(context, pace)) as pieces:
            for batch in cut_batches(
                pieces, rows.query.schema, rows=len(rows), size=settings.batch_size
            ):
                kept = settings.keeps(batch)
                value = transformed(batch, self._transform) if kept else None
                del batch
                progress.given += 1
                if kept:
                    yield value
                del value

    def _by_workers(self, progress: Progress) -> Generator[Any, None, None]:
        """The batches, made in processes of our own."""
        context = self._rows.context(self._settings.on_error)
        idle = self._rows.query.idle_workers
        count = progress.batches.all
        with Workers(self._jobs(progress.batches), idle) as workers:
            for number in range(count):
                made = workers.receive(number % self._settings.num_workers)
                _count(context, made.counts, made.errors)
                progress.given += 1
                # Before the last batch is given: nobody may ask whether there is another.
                if progress.given == count and self._settings.persistent_workers:
                    workers.keep()
                if made.kept:
                    yield made.value
                del made

    def _jobs(self, batches: Batches) -> list[Job]:
        count = self._settings.num_workers
        places = self._share()
        rows = self._rows.within(shared_config(self._rows.query.config, count))
        return [
            Job(rows.take(places[own.rows()]), self._settings, self._transform)
            for own in (batches.of_worker(number, count) for number in range(count))
        ]

    def _batches(self) -> Batches:
        """A whole pass, as this process makes it."""
        settings = self._settings
        rows = len(self._rows)
        if settings.even:
            rows -= rows % settings.world_size
        worker, workers = torch_worker() or (0, 1)
        return Batches(
            start=0,
            stop=len(range(settings.rank, rows, settings.world_size)),
            size=settings.batch_size,
            drop_last=settings.drop_last,
            worker=worker,
            workers=workers,
        )

    def _share(self) -> Int64s:
        """The rows of this rank, in order."""
        settings, count = self._settings, len(self._rows)
        order = np.arange(count)
        if settings.shuffle:
            order = row_order(count, seed=settings.seed, epoch=settings.epoch)
        return share(
            order, rank=settings.rank, world_size=settings.world_size, even=settings.even
        )

    def _made_with(self) -> dict[str, Any]:
        """What must be the same for a state to be of use."""
        if self._fingerprint is None:
            self._fingerprint = self._rows.fingerprint()
        settings = {name: getattr(self._settings, name) for name in _MADE_WITH}
        rows = {"rows": len(self._rows), "fingerprint": self._fingerprint}
        return {"format": _STATE_FORMAT, **rows, **settings}

    def __repr__(self) -> str:
        return f"DataLoader({len(self._rows)} rows, {self._settings})"


def _count(context: QueryContext, counts: Mapping[str, float], errors: pa.Table | None) -> None:
    context.metrics.add(**counts)
    if errors is not None:
        context.told.append(errors)


def _other_state(key: str, found: object, here: object) -> str:
    if key in ("rows", "fingerprint"):
        return (
            f"loader state: it is of other rows ({key} was {found!r}, here it is {here!r}): "
            "make the loader of the same version (Table.snapshot) and of the same keys"
        )
    return (
        f"loader state: it was made with {key}={found!r}, this loader with {key}={here!r}: "
        "make the loader with the settings of the state"
    )
