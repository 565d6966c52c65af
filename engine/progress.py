"""Progress on standard error while a long job runs: on a terminal only, one bar at a time."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from time import perf_counter
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.progress import Progress

Advance = Callable[[int], None]
"""Told how many more are done."""

LONG_SECONDS = 0.5
"""A job that takes less needs no bar."""

_TERMINAL = threading.Lock()
"""Who holds it draws: two bars would draw over each other. State of the module, as the terminal
is the process's."""


@contextmanager
def progress(
    what: str, total: int | None, *, after_seconds: float = 0.0, wanted: bool = True
) -> Iterator[Advance]:
    """A bar for the time of a block, gone at its end; nothing where stderr is no terminal.

    Within the block of another bar nothing is shown, nor in another thread meanwhile.

    Args:
        what: Is done, for people.
        total: How many there are to do, if that is known.
        after_seconds: The bar comes with the first advance after so long.
        wanted: Whether there is to be one at all.

    >>> with progress("reading", 3) as advance:
    ...     advance(1)
    """
    if not (wanted and sys.stderr.isatty()) or not _TERMINAL.acquire(blocking=False):
        yield lambda _: None
        return
    begin = perf_counter()
    done = 0
    bar: Progress | None = None
    with ExitStack() as stack:
        stack.callback(_TERMINAL.release)

        def advance(count: int) -> None:
            nonlocal bar, done
            done += count
            if bar is None and perf_counter() - begin >= after_seconds:
                bar = stack.enter_context(_bar())
                bar.add_task(what, total=total)
            if bar is not None:
                bar.update(bar.task_ids[0], completed=done)

        advance(0)
        yield advance


def _bar() -> Progress:
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeRemainingColumn,
    )

    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        console=Console(stderr=True),
        transient=True,
    )
