"""The ordered, byte-bounded operator: jobs in, results out in order, later jobs running ahead.

::

    jobs ──▶ fetch threads ──▶ decode threads ──▶ finish, on the consumer's thread
             a job ahead        tasks of a job     one result at a time, in order

A job that is all there is to do, and that more threads would do little faster, takes none of
them: the consumer's does it, in less time than threads take to hand it over.

A job knows its cost in bytes before it starts. The costs of the jobs that were started and
whose results the consumer has not let go sum to at most the budget; one job more is started
where none would be on its way. So memory is bounded by the budget and the largest job, however
fast or slow the consumer is.

The consumer's thread pulls jobs (planning), waits and finishes; the threads live as long as the
iteration. When the consumer stops early, fails or is interrupted, `Stop` is set, what has not
started is dropped, and the threads are joined before the iterator ends.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from typing import Generic, Protocol, TypeVar

T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)


_WAKE_SECONDS = 0.05

_LITTLE_SECONDS = 0.05
"""What threads have to save before they pay. Threads that decode small pictures get in each
other's way: a quarter more CPU was measured, and no less time for 640x480."""


class Job(Protocol[T_co]):
    """Work that becomes one result."""

    @property
    def cost_bytes(self) -> int:
        """Memory held from `fetch` until the consumer lets the result go."""
        ...

    @property
    def threads_save_seconds(self) -> float:
        """About how much less time its tasks take on many cores than on one."""
        ...

    def fetch(self) -> Iterable[Callable[[], None]]:
        """Read what is needed, on a fetch thread; each task to run on decode threads, as soon
        as what it needs is there.
        """
        ...

    def finish(self) -> T_co:
        """The result, after every task has ended (on the consumer's thread)."""
        ...


class Stop:
    """A flag that tells running work to end soon; whoever sees it raises `Stopped`."""

    __slots__ = ("_set",)

    def __init__(self) -> None:
        self._set = False

    def set(self) -> None:
        """Ask for the end."""
        self._set = True

    def check(self) -> None:
        """Raise `Stopped` if the end was asked for; cheap enough for every frame."""
        if self._set:
            raise Stopped


class Stopped(BaseException):
    """The consumer is gone. Not an `Exception`: no handler on the way may take it for one."""


def run_jobs(
    jobs: Iterator[Job[T]],
    *,
    budget_bytes: Callable[[], int],
    fetch_threads: int,
    decode_threads: int,
    stop: Stop,
    ahead: int | None = None,
) -> Generator[T, None, None]:
    """The results of `jobs`, in order, with later jobs running ahead within the budget.

    Args:
        jobs: What to do; pulled as there is room.
        budget_bytes: What started jobs may cost together, asked before each; one alone may
            cost more.
        fetch_threads: Threads for `Job.fetch`.
        decode_threads: Threads for the tasks that it gives.
        stop: Set when the iteration ends, however it does.
        ahead: The most jobs that run beyond the one whose result is next; by default as many
            as the budget allows.

    An exception of `jobs` itself comes after the results of the jobs before it; one of a task
    comes in place of its job's result and ends the iteration.
    """
    source = _Source(jobs)
    if (only := source.take_only(_LITTLE_SECONDS)) is not None:
        for task in only.fetch():
            task()
        yield only.finish()
        return
    pipeline: _Pipeline[T] = _Pipeline(fetch_threads, decode_threads, stop)
    waiting: deque[_Running[T]] = deque()
    # What is lent is the result given last. It counts no more once the next is given, though
    # the consumer has both for a moment: otherwise nothing were made while the consumer works.
    held = lent = 0

    def start_more(*, at_least: int) -> None:
        nonlocal held
        while (
            (job := source.head) is not None
            and (len(waiting) < at_least or held + job.cost_bytes <= budget_bytes())
            and (ahead is None or len(waiting) <= ahead)
        ):
            held += job.cost_bytes
            waiting.append(pipeline.start(job))
            source.advance()

    try:
        while True:
            start_more(at_least=1)
            if not waiting:
                break
            held -= lent
            lent = waiting[0].job.cost_bytes
            result = waiting.popleft().result()
            start_more(at_least=0)
            yield result
            del result
        if source.error is not None:
            try:
                raise source.error
            finally:
                source.error = None  # its traceback leads back here: a cycle
    finally:
        pipeline.close()
        for running in waiting:
            running.forget()


class _Source(Generic[T]):
    """Jobs to come, and the exception that ended them, kept for its turn."""

    def __init__(self, jobs: Iterator[Job[T]]) -> None:
        self._jobs = jobs
        self._ahead: deque[Job[T]] = deque()
        self.error: Exception | None = None
        self._look_ahead()

    @property
    def head(self) -> Job[T] | None:
        """The next job."""
        return self._ahead[0] if self._ahead else None

    def advance(self) -> None:
        """Go on to the one after it."""
        self._ahead.popleft()
        if not self._ahead:
            self._look_ahead()

    def take_only(self, seconds: float) -> Job[T] | None:
        """The next job, if it is the last and threads save no more than that."""
        if self.head is None or self.head.threads_save_seconds > seconds:
            return None
        self._look_ahead()
        alone = len(self._ahead) == 1 and self.error is None
        return self._ahead.popleft() if alone else None

    def _look_ahead(self) -> None:
        try:
            self._ahead.extend(islice(self._jobs, 1))
        except Exception as error:
            self.error = error


class _Running(Generic[T]):
    """A job that is on its way through the threads."""

    def __init__(self, job: Job[T]) -> None:
        self.job = job
        self._left = 1
        self._errors: list[BaseException] = []
        self._lock = threading.Lock()
        self._ended = threading.Event()

    def begin(self, tasks: int) -> None:
        """So many more pieces of work belong to this job."""
        with self._lock:
            self._left += tasks

    def end(self, error: BaseException | None = None) -> None:
        """One piece of work ended."""
        with self._lock:
            self._left -= 1
            if error is not None:
                self._errors.append(error)
            if not self._left:
                self._ended.set()

    @property
    def failed(self) -> bool:
        return bool(self._errors)

    def result(self) -> T:
        # A wait without end can miss Ctrl-C: a signal that comes while the main thread waits
        # for the interpreter lock on its way into the wait is not looked at until it ends.
        while not self._ended.wait(_WAKE_SECONDS):
            pass
        if self._errors:
            try:
                raise self._errors[0]
            finally:
                self.forget()
        return self.job.finish()

    def forget(self) -> None:
        """Let go of the errors, whose tracebacks lead back here: a cycle with pixels in it."""
        self._errors.clear()


class _Pipeline(Generic[T]):
    """The two thread pools; threads start when there is work for them."""

    def __init__(self, fetch_threads: int, decode_threads: int, stop: Stop) -> None:
        self._fetch = ThreadPoolExecutor(fetch_threads, thread_name_prefix="marey-fetch")
        self._decode = ThreadPoolExecutor(decode_threads, thread_name_prefix="marey-decode")
        self._stop = stop

    def start(self, job: Job[T]) -> _Running[T]:
        running = _Running(job)
        self._fetch.submit(self._fetch_job, running)
        return running

    def close(self) -> None:
        self._stop.set()
        self._fetch.shutdown(wait=True, cancel_futures=True)
        self._decode.shutdown(wait=True, cancel_futures=True)

    def _fetch_job(self, running: _Running[T]) -> None:
        try:
            self._stop.check()
            for task in running.job.fetch():
                self._stop.check()
                running.begin(1)
                self._decode.submit(self._run_task, running, task)
        except BaseException as error:
            running.end(error)
        else:
            running.end()

    def _run_task(self, running: _Running[T], task: Callable[[], None]) -> None:
        try:
            self._stop.check()
            if not running.failed:
                task()
        except BaseException as error:
            running.end(error)
        else:
            running.end()
