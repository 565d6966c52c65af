"""Worker processes of one pass over a loader: spawned, asked in turn, ended with the pass.

Batch k is made by worker k modulo their number, and batches are taken in order. So workers
change nothing but the time: order, errors and what is resumed are as without them. They are
spawned because Lance's threads do not survive a fork.
"""

from __future__ import annotations

import multiprocessing
import pickle
import signal
from collections.abc import Sequence
from contextlib import suppress
from multiprocessing.context import SpawnProcess
from typing import Self

from ...errors import ConfigError, MareyError, UnsupportedError
from .channel import Channel, Gone, socket_pair
from .worker import Failed, Job, Made, serve

_PATIENCE_SECONDS = 5.0


class Workers:
    """One process for each job; a context manager that ends them all."""

    def __init__(self, jobs: Sequence[Job]) -> None:
        require_workers_possible()
        self._processes: list[SpawnProcess] = []
        self._channels: list[Channel] = []
        try:
            for number in range(len(jobs)):
                self._start(number)
            for channel, job in zip(self._channels, jobs, strict=True):
                # One that has ended already is told of when its first batch is due.
                with suppress(Gone):
                    channel.send(job)
        except BaseException:
            self.close()
            raise

    def receive(self, number: int) -> Made:
        """The next batch of a worker.

        Raises:
            MareyError: The process ended.
            Exception: Whatever was raised there.
        """
        try:
            answer: Made | Failed = self._channels[number].receive()
        except Gone:
            raise MareyError(self._how_it_ended(number)) from None
        if isinstance(answer, Failed):
            answer.error.add_note(f"in worker process {number} of the loader:\n{answer.trace}")
            raise answer.error
        return answer

    def close(self) -> None:
        """End the processes: there is nothing of theirs to save."""
        for channel in self._channels:
            channel.close()
        for process in self._processes:
            process.terminate()
        for process in self._processes:
            process.join(_PATIENCE_SECONDS)
            if process.exitcode is None:
                process.kill()
                process.join()
            process.close()
        self._channels, self._processes = [], []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _start(self, number: int) -> None:
        ours, theirs = socket_pair()
        self._channels.append(Channel(ours))
        with theirs:
            process = multiprocessing.get_context("spawn").Process(
                target=serve, args=(theirs,), name=f"marey-loader-{number}", daemon=True
            )
            process.start()
        self._processes.append(process)

    def _how_it_ended(self, number: int) -> str:
        process = self._processes[number]
        process.join(_PATIENCE_SECONDS)
        status = process.exitcode
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
