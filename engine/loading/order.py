"""Which rows come when: the order of an epoch, its shares by rank, and its batches.

All of it is arithmetic on places of rows, done before any of them is made::

    order     3 0 4 1 5 2 6          drawn from seed and epoch, or 0 1 2 ...
    rank 0    3   4   5   6          every world_size-th row
    rank 1      0   1   2
    batches   [3 4] [5 6]            of rank 0, worker by worker in turn

"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

Int64s = npt.NDArray[np.int64]


def row_order(count: int, *, seed: int, epoch: int) -> Int64s:
    """A permutation of so many rows.

    numpy promises the stream of a bit generator for all its versions, which it does not of
    `Generator.permutation`: an epoch can be resumed after an update.

    >>> row_order(6, seed=7, epoch=0).tolist()
    [3, 4, 0, 2, 5, 1]
    """
    drawn = np.random.PCG64([seed, epoch]).random_raw(count)
    return np.argsort(drawn, kind="stable")


def share(order: Int64s, *, rank: int, world_size: int, even: bool) -> Int64s:
    """The rows of one rank. Shares differ by one row at most, and by none if `even`.

    >>> [share(np.arange(5), rank=r, world_size=2, even=False).tolist() for r in (0, 1)]
    [[0, 2, 4], [1, 3]]
    >>> [share(np.arange(5), rank=r, world_size=2, even=True).tolist() for r in (0, 1)]
    [[0, 2], [1, 3]]
    """
    if even:
        order = order[: len(order) - len(order) % world_size]
    return order[rank::world_size]


@dataclass(frozen=True, slots=True)
class Batches:
    """Consecutive rows cut into batches, from one of them on, and who makes which."""

    start: int
    """The first row."""
    stop: int
    """One past the last."""
    size: int
    """Rows in a batch; the last one may have fewer."""
    drop_last: bool = False
    """Whether a last batch of fewer rows is left out."""
    worker: int = 0
    """Who asks: the batches that it makes are every `workers`-th from this one on."""
    workers: int = 1
    """How many make batches in turn."""

    @property
    def all(self) -> int:
        """How many batches all workers make."""
        rows = max(0, self.stop - self.start)
        return rows // self.size if self.drop_last else -(-rows // self.size)

    def __len__(self) -> int:
        """How many this worker makes."""
        return len(range(self.worker, self.all, self.workers))

    def rows(self, after: int = 0) -> Int64s:
        """The rows of this worker's batches, in order, without its first few.

        >>> Batches(1, 9, 3).rows().tolist()
        [1, 2, 3, 4, 5, 6, 7, 8]
        >>> Batches(1, 9, 3, worker=0, workers=2).rows().tolist()
        [1, 2, 3, 7, 8]
        """
        numbers = np.arange(self.worker, self.all, self.workers, dtype=np.int64)[after:]
        rows = (self.start + self.size * numbers)[:, None] + np.arange(self.size)
        return rows.ravel()[rows.ravel() < self.stop]

    def row_after(self, given: int) -> int:
        """The first row behind so many batches of all workers."""
        return min(self.start + given * self.size, self.stop)

    def of_worker(self, worker: int, workers: int) -> Batches:
        """The same batches, as one worker makes them."""
        return replace(self, worker=worker, workers=workers)
