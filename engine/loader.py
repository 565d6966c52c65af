"""Batches of one size for training: every chosen row once, in stored or in shuffled order."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Generator, Iterator
from contextlib import closing
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from ..errors import ConfigError
from .config import whole_number
from .failures import OnError
from .run import Pace
from .started import Started


@dataclass(frozen=True, slots=True)
class LoaderSettings:
    """How a loader orders and cuts rows.

    Raises:
        ConfigError: A setting out of its range.
    """

    batch_size: int
    """Rows in a batch."""
    shuffle: bool
    """Whether rows come in an order drawn from `seed` and `epoch`."""
    seed: int
    """Another one, another order."""
    epoch: int
    """Likewise."""
    prefetch: int
    """Batches made ahead of the one that is asked for, within the memory budget."""
    drop_last: bool
    """Whether to leave out a last batch of fewer rows."""
    on_error: OnError
    """What becomes of a row with a value that cannot be made."""

    def pace(self, budget_bytes: int) -> Pace:
        """Batches in one piece: two are with the consumer for a moment, and one is made."""
        return Pace(self.batch_size, max(1, budget_bytes // 3), self.prefetch)

    def __post_init__(self) -> None:
        least = {"batch_size": 1, "seed": 0, "epoch": 0, "prefetch": 0}
        for name, smallest in least.items():
            value = whole_number(name, getattr(self, name), smallest)
            object.__setattr__(self, name, value)
        for name in ("shuffle", "drop_last"):
            if type(getattr(self, name)) is not bool:
                raise ConfigError(f"{name} must be a bool, got {getattr(self, name)!r}")


class ChosenRows(ABC):
    """The rows that a query will give, counted and in order before any of them is made."""

    @abstractmethod
    def __len__(self) -> int:
        """How many there are."""

    @abstractmethod
    def start(self, places: npt.NDArray[np.int64], settings: LoaderSettings) -> Started:
        """Begin to make some of them, in another order."""


class DataLoader:
    """Record batches of `batch_size` rows, or what `transform` makes of each; iterable anew.

    The order depends on rows, `seed` and `epoch` alone. With `on_error="skip"` there may be
    fewer batches than `len` says.
    """

    def __init__(
        self,
        rows: ChosenRows,
        settings: LoaderSettings,
        transform: Callable[[pa.RecordBatch], Any] | None,
    ) -> None:
        if transform is not None and not callable(transform):
            raise ConfigError(f"transform must be a function of a batch, got {transform!r}")
        self._rows = rows
        self._settings = settings
        self._transform = transform

    def __len__(self) -> int:
        """Batches in one pass."""
        size = self._settings.batch_size
        count = len(self._rows)
        return count // size if self._settings.drop_last else -(-count // size)

    def __iter__(self) -> Iterator[Any]:
        """One pass over the rows."""
        settings = self._settings
        started = self._rows.start(self._order(), settings)
        with closing(started.batches):
            for batch in _of_size(started.batches, settings.batch_size):
                if batch.num_rows < settings.batch_size and settings.drop_last:
                    return
                yield batch if self._transform is None else self._transform(batch)

    def _order(self) -> npt.NDArray[np.int64]:
        count = len(self._rows)
        if not self._settings.shuffle:
            return np.arange(count)
        drawn = np.random.default_rng([self._settings.seed, self._settings.epoch])
        return drawn.permutation(count)

    def __repr__(self) -> str:
        return f"DataLoader({len(self._rows)} rows, {self._settings})"


def _of_size(
    batches: Generator[pa.RecordBatch, None, None], size: int
) -> Iterator[pa.RecordBatch]:
    """The same rows in batches of exactly `size`, and a last one; whole ones are not copied."""
    pending: list[pa.RecordBatch] = []
    count = 0
    for batch in batches:
        while count + batch.num_rows >= size:
            needed = size - count
            pending.append(batch.slice(0, needed))
            yield pending[0] if len(pending) == 1 else pa.concat_batches(pending)
            batch, pending, count = batch.slice(needed), [], 0
        if batch.num_rows:
            pending.append(batch)
            count += batch.num_rows
    if pending:
        yield pending[0] if len(pending) == 1 else pa.concat_batches(pending)
