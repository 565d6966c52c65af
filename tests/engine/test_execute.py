"""The ordered, byte-bounded operator, over jobs that do nothing but count."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable, Generator, Iterator, Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from marey.engine.execute import Stop, run_jobs


class Ledger:
    """Bytes held by started jobs, and the most there ever were."""

    def __init__(self) -> None:
        self.held = 0
        self.most = 0
        self.lock = threading.Lock()

    def move(self, amount: int) -> None:
        with self.lock:
            self.held += amount
            self.most = max(self.most, self.held)


class Counted:
    """A job that holds its cost in a ledger from its fetch on and makes `tasks` numbers."""

    def __init__(
        self, name: int, cost: int, tasks: int, ledger: Ledger, seconds: float = 1.0
    ) -> None:
        self.name, self.cost_bytes, self.ledger = name, cost, ledger
        self.threads_save_seconds = seconds
        self.made: list[int | None] = [None] * tasks

    def fetch(self) -> Sequence[Callable[[], None]]:
        self.ledger.move(self.cost_bytes)
        return [lambda i=i: self.made.__setitem__(i, i) for i in range(len(self.made))]

    def finish(self) -> tuple[int, int, list[int | None]]:
        return self.name, self.cost_bytes, self.made


class Failing(Counted):
    def __init__(self, name: int, error: BaseException) -> None:
        super().__init__(name, 1, 1, Ledger())
        self.error = error

    def fetch(self) -> Sequence[Callable[[], None]]:
        def task() -> None:
            raise self.error

        return [task]


def run(jobs: Iterator[Counted], budget: int = 10, threads: int = 3) -> Generator:
    return run_jobs(
        jobs, budget_bytes=lambda: budget, fetch_threads=2, decode_threads=threads, stop=Stop()
    )


def marey_threads() -> list[str]:
    return [t.name for t in threading.enumerate() if t.name.startswith("marey-")]


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, 20), st.integers(0, 4)), max_size=25),
    st.integers(1, 30),
    st.integers(1, 4),
    st.sampled_from([0.0, 1.0]),
)
def test_every_result_comes_in_order_within_the_budget(
    shapes: list[tuple[int, int]], budget: int, threads: int, seconds: float
) -> None:
    ledger = Ledger()
    jobs = (Counted(i, cost, tasks, ledger, seconds) for i, (cost, tasks) in enumerate(shapes))
    for expected, (name, cost, made) in enumerate(run(jobs, budget, threads)):
        assert name == expected
        assert made == list(range(shapes[name][1]))
        ledger.move(-cost)
    assert ledger.held == 0
    assert ledger.most <= max([budget, *(cost for cost, _ in shapes)])
    assert not marey_threads()


def test_fewer_jobs_run_once_the_budget_shrinks() -> None:
    ledger = Ledger()
    budget = 5
    results = run_jobs(
        iter([Counted(i, 1, 1, ledger) for i in range(30)]),
        budget_bytes=lambda: budget,
        fetch_threads=2,
        decode_threads=2,
        stop=Stop(),
    )
    for name, cost, _ in results:
        ledger.move(-cost)
        if name == 4:
            budget = 1
        # What was started before is not taken back.
        assert ledger.held <= (5 if name < 10 else 1)


class Placed(Counted):
    """A job that notes the threads that it ran on."""

    def fetch(self) -> Sequence[Callable[[], None]]:
        self.ran_on = {threading.current_thread()}
        return [lambda: self.ran_on.add(threading.current_thread())]


@pytest.mark.parametrize("seconds", [0.001, 1.0])
@pytest.mark.parametrize("count", [1, 2])
def test_only_little_work_alone_is_done_by_the_consumer(seconds: float, count: int) -> None:
    jobs = [Placed(i, 1, 1, Ledger(), seconds) for i in range(count)]
    assert [name for name, *_ in run(iter(jobs))] == list(range(count))
    here = {threading.current_thread()}
    for job in jobs:
        if count == 1 and seconds < 0.01:
            assert job.ran_on == here
        else:
            assert not job.ran_on & here


@pytest.mark.parametrize("seconds", [0.001, 1.0])
def test_a_task_runs_while_later_bytes_are_fetched(seconds: float) -> None:
    ran = threading.Event()

    class Trickling(Counted):
        def fetch(self) -> Iterator[Callable[[], None]]:
            yield ran.set
            assert ran.wait(10)
            yield from super().fetch()

    (result,) = run(iter([Trickling(0, 1, 2, Ledger(), seconds)]))
    assert result == (0, 1, [0, 1])


def test_later_jobs_run_while_the_consumer_holds_a_result() -> None:
    started = [threading.Event() for _ in range(3)]

    class Telling(Counted):
        def fetch(self) -> Sequence[Callable[[], None]]:
            started[self.name].set()
            return super().fetch()

    results = run(Telling(i, 5, 1, Ledger()) for i in range(3))
    next(results)
    assert started[1].wait(10)
    assert not started[2].is_set(), "the third job does not fit while the first is held"
    next(results)
    assert started[2].wait(10)
    results.close()


def test_the_error_of_a_task_comes_as_it_is_in_its_place() -> None:
    error = ValueError("job 2")
    jobs = iter([Counted(0, 1, 1, Ledger()), Counted(1, 1, 1, Ledger()), Failing(2, error)])
    results = run(jobs)
    assert [next(results)[0], next(results)[0]] == [0, 1]
    with pytest.raises(ValueError, match="job 2") as caught:
        next(results)
    assert caught.value is error
    assert not marey_threads()


def test_the_error_of_the_job_source_comes_after_the_jobs_before_it() -> None:
    def jobs() -> Iterator[Counted]:
        yield Counted(0, 1, 1, Ledger())
        yield Counted(1, 1, 1, Ledger())
        raise LookupError("planning job 2")

    results = run(jobs())
    assert [next(results)[0], next(results)[0]] == [0, 1]
    with pytest.raises(LookupError, match="planning job 2"):
        next(results)


def test_closing_early_starts_nothing_more_and_leaves_no_thread() -> None:
    begun: list[int] = []

    def jobs() -> Iterator[Counted]:
        for i in range(1000):
            begun.append(i)
            yield Counted(i, 5, 1, Ledger())

    results = run(jobs())
    next(results)
    results.close()
    assert not marey_threads()
    assert len(begun) <= 4, "two jobs fit the budget, one is looked ahead"


@pytest.fixture
def heeds_interrupts() -> Iterator[None]:
    """A shell's background jobs ignore SIGINT, and the tests among them."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("heeds_interrupts")
def test_an_interrupt_ends_running_work() -> None:
    stop = Stop()
    ended = threading.Event()

    class Endless(Counted):
        def fetch(self) -> Sequence[Callable[[], None]]:
            return [self.spin]

        def spin(self) -> None:
            os.kill(os.getpid(), signal.SIGINT)
            try:
                while True:
                    stop.check()
            finally:
                ended.set()

    jobs: Iterator[Counted] = iter([Endless(0, 1, 1, Ledger())])
    results = run_jobs(
        jobs, budget_bytes=lambda: 1, fetch_threads=1, decode_threads=1, stop=stop
    )
    with pytest.raises(KeyboardInterrupt):
        next(results)
    assert ended.is_set()
    assert not marey_threads()
