"""What a worker process of a loader does: make batches and send them, one after the other.

It runs ahead of who takes them as far as its share of the memory budget and `prefetch` allow,
waits for another job when it has sent its last batch, and ends when nobody is there any more.
"""

from __future__ import annotations

import signal
import socket
import traceback
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from ...errors import ConfigError
from ..frame_memory import FrameMemory
from .channel import Channel, Gone
from .chosen import ChosenRows
from .cut import cut_batches
from .opened import Opened
from .settings import LoaderSettings
from .shared import CAN_SHARE, SharedBlock


@dataclass(frozen=True, slots=True)
class Job:
    """The batches that one worker makes."""

    rows: ChosenRows
    """Their rows, in order."""
    settings: LoaderSettings
    """How to cut them."""
    transform: Callable[[pa.RecordBatch], Any] | None
    """What to make of each batch."""


@dataclass(frozen=True, slots=True)
class Made:
    """A batch, and what was done since the one before it."""

    kept: bool
    """Whether the loop gets it."""
    value: Any
    """The batch, or what `transform` made of it."""
    counts: dict[str, float]
    """What the metrics grew by."""
    errors: pa.Table | None
    """What went wrong."""


@dataclass(frozen=True, slots=True)
class Failed:
    """An exception in place of a batch."""

    error: BaseException
    """As it was raised."""
    trace: str
    """Where."""


def transformed(
    batch: pa.RecordBatch, transform: Callable[[pa.RecordBatch], Any] | None
) -> Any:
    """What the loop gets of a batch."""
    return batch if transform is None else transform(batch)


def serve(end: socket.socket) -> None:
    """Take jobs from the other end, and send `Made` for each batch of theirs."""
    # Ctrl-C reaches every process of a terminal: who started this one ends it.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    server = _Server(end)
    with suppress(Gone):
        while True:
            server.serve_one()


class _Server:
    """What a worker keeps from one job to the next."""

    def __init__(self, end: socket.socket) -> None:
        self._memory = FrameMemory(SharedBlock, most_bytes=0) if CAN_SHARE else None
        self._channel = Channel(end, self._memory, load=Opened().load)

    def serve_one(self) -> None:
        """Do one job."""
        try:
            job = self._channel.receive()
        except Gone:
            raise
        except Exception as error:
            refused = ConfigError(
                f"a worker process cannot load the query or its transform: {error} (both "
                "come from modules that can be imported there)"
            )
            self._send_failure(refused)
            return
        try:
            for made in self._make(job):
                self._channel.send(made)
                del made
                self._channel.wait()
        except Gone:
            raise
        except Exception as error:
            self._send_failure(error)

    def _make(self, job: Job) -> Iterator[Made]:
        settings, rows = job.settings, job.rows
        context = rows.context(settings.on_error)
        budget = rows.query.config.memory_budget_bytes
        if self._memory is not None:
            self._memory.most_bytes = budget
            context.allocate = self._memory.allocate
        told, counted = 0, context.metrics.counts()
        with closing(rows.run(context, settings.pace(budget))) as pieces:
            for batch in cut_batches(
                pieces, rows.query.schema, rows=len(rows), size=settings.batch_size
            ):
                kept = settings.keeps(batch)
                value = transformed(batch, job.transform) if kept else None
                counts, failures = context.metrics.counts(), len(context.failures)
                grown = {name: counts[name] - counted[name] for name in counts}
                errors = rows.query.run_errors(context, told) if failures > told else None
                told, counted = failures, counts
                del batch
                yield Made(kept, value, grown, errors)
                del value

    def _send_failure(self, error: Exception) -> None:
        trace = "".join(traceback.format_exception(error))
        try:
            self._channel.send(Failed(error, trace))
        except Gone:
            raise
        except Exception:  # it does not pickle
            told = RuntimeError(f"{type(error).__name__}: {error}")
            self._channel.send(Failed(told, trace))
        self._channel.wait()
