"""Worker processes of loaders: spawned, asked in turn, ended with the pass or kept for another.

Batch k is made by worker k modulo their number, and batches are taken in order. So workers
change nothing but the time: order, errors and what is resumed are as without them. They are
spawned because Lance's threads do not survive a fork.
"""

from __future__ import annotations

import multiprocessing
import os
import pickle
import signal
import threading
import weakref
from collections.abc import Sequence
from contextlib import suppress
from typing import Self

from ...errors import ConfigError, MareyError, UnsupportedError
from .channel import Channel, Gone, socket_pair
from .worker import Failed, Job, Made, serve

_PATIENCE_SECONDS = 5.0


class Worker:
    """One process."""

    def __init__(self) -> None:
        """Start it."""
        ours, theirs = socket_pair()
        self._channel = Channel(ours)
        with theirs:
            self._process = multiprocessing.get_context("spawn").Process(
                target=serve, args=(theirs,), name="marey-loader", daemon=True
            )
            self._process.start()

    @property
    def is_alive(self) -> bool:
        """Whether it runs."""
        return self._process.is_alive()

    def begin(self, job: Job) -> None:
        """Let it make the batches of a job."""
        # If it has ended already, that is told when its first batch is due.
        with suppress(Gone):
            self._channel.send(job)

    def receive(self, number: int) -> Made:
        """Its next batch.

        Args:
            number: What to call it in messages.

        Raises:
            MareyError: The process ended.
            Exception: Whatever was raised there.
        """
        try:
            answer: Made | Failed = self._channel.receive()
        except Gone:
            raise MareyError(self._how_it_ended(number)) from None
        with suppress(Gone):
            self._channel.confirm()
        if isinstance(answer, Failed):
            answer.error.add_note(f"in worker process {number} of the loader:\n{answer.trace}")
            raise answer.error
        return answer

    def end(self) -> None:
        """Ask for its end: there is nothing of its own to save."""
        self._channel.close()
        self._process.terminate()

    def join(self) -> None:
        """Wait for the end."""
        self._process.join(_PATIENCE_SECONDS)
        if self._process.exitcode is None:
            self._process.kill()
            self._process.join()
        self._process.close()

    def _how_it_ended(self, number: int) -> str:
        self._process.join(_PATIENCE_SECONDS)
        status = self._process.exitcode
        if status is not None and status < 0:
            how = f"was ended by {signal.Signals(-status).name}"
        elif status:
            how = (
                f"exited with status {status}: a script that is run must start loaders with "
                'workers below if __name__ == "__main__", as spawned processes import it'
            )
        else:
            how = "hung up"
        return f"worker process {number} of the loader {how}"


class IdleWorkers:
    """Workers that wait for another pass, of any loader of a session.

    They end with it, or with this process.
    """

    def __init__(self) -> None:
        self._idle: list[Worker] = []
        self._lock = threading.Lock()
        weakref.finalize(self, _end_own, self._idle, os.getpid())

    def take(self, count: int) -> list[Worker]:
        """So many workers; what is not there is started."""
        taken: list[Worker] = []
        with self._lock:
            while self._idle and len(taken) < count:
                taken.append(self._idle.pop())
        dead = [worker for worker in taken if not worker.is_alive]
        end_all(dead)
        taken = [worker for worker in taken if worker not in dead]
        try:
            while len(taken) < count:
                taken.append(Worker())
        except BaseException:
            end_all(taken)
            raise
        return taken

    def keep(self, workers: Sequence[Worker]) -> None:
        """They have done their jobs and wait for others."""
        with self._lock:
            self._idle += workers

    def close(self) -> None:
        """End them."""
        with self._lock:
            taken, self._idle[:] = self._idle[:], []
        end_all(taken)


class Workers:
    """The workers of one pass, one for each job; a context manager that ends or keeps them."""

    def __init__(self, jobs: Sequence[Job], idle: IdleWorkers) -> None:
        require_workers_possible()
        self._idle = idle
        self._workers = idle.take(len(jobs))
        try:
            for worker, job in zip(self._workers, jobs, strict=True):
                worker.begin(job)
        except BaseException:
            self.close()
            raise

    def receive(self, number: int) -> Made:
        """The next batch of a worker.

        Raises:
            MareyError: The process ended.
            Exception: Whatever was raised there.
        """
        return self._workers[number].receive(number)

    def keep(self) -> None:
        """Leave them, whose batches were all taken, for another pass."""
        self._idle.keep(self._workers)
        self._workers = []

    def close(self) -> None:
        """End them, if they were not kept."""
        end_all(self._workers)
        self._workers = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def end_all(workers: Sequence[Worker]) -> None:
    """End some workers, all at once."""
    for worker in workers:
        worker.end()
    for worker in workers:
        worker.join()


def _end_own(workers: Sequence[Worker], process: int) -> None:
    # A forked child has the objects, and not the processes.
    if os.getpid() == process:
        end_all(workers)


def require_workers_possible() -> None:
    """Refuse to start workers where there can be none.

    Raises:
        UnsupportedError: In a worker process of somebody else.
    """
    if multiprocessing.current_process().daemon:
        raise UnsupportedError(
            "this is a worker process, which can have none of its own: give num_workers to "
            "the outer loader alone"
        )


def require_picklable(transform: object) -> None:
    """Refuse a transform that no other process can have.

    Raises:
        ConfigError: It does not pickle.
    """
    try:
        pickle.dumps(transform)
    except (pickle.PicklingError, AttributeError, TypeError) as error:
        raise ConfigError(
            f"transform cannot be sent to worker processes: {error}; a function at the top of "
            "a module can"
        ) from error
