"""One epoch of training by two processes: 8 random frames of each of 200 small clips.

The loader shares its rows out between two workers. Every other engine runs twice, at the same
time, with half of the clips each. Processes stay from one repeat to the next: what is measured
is an epoch, not the start of processes.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from statistics import median

from .bench_clips import EPOCH
from .engines.process import EngineFailed, EngineProcess, Item
from .engines.registry import ENGINES
from .options import Options
from .table import print_table
from .workloads import Case

REPEATS = 5
_NAMES = ("limit", "loader", "pyav", "opencv", "decord", "torchcodec")


@dataclass(frozen=True, slots=True)
class Spent:
    """What an epoch cost."""

    cpu: float
    """Seconds, of all processes."""
    wall: float
    """Seconds, of the slower process."""


@dataclass(slots=True)
class Measured:
    """All epochs of all engines."""

    versions: dict[str, str] = field(default_factory=dict)
    """By engine; those that ran."""
    absent: dict[str, str] = field(default_factory=dict)
    """By engine, why it did not."""
    spent: dict[str, list[Spent]] = field(default_factory=dict)
    """By engine, repeat after repeat."""

    def ratio(self, engine: str, base: str, metric: str) -> float:
        """The median of what an engine took to what another took in the same repeat."""
        pairs = zip(self.spent[engine], self.spent[base], strict=True)
        return median(getattr(own, metric) / getattr(other, metric) for own, other in pairs)


def measure(
    paths: Sequence[str],
    *,
    frames: int,
    repeats: int = REPEATS,
    engines: Sequence[str] = _NAMES,
) -> Measured:
    """Let engines take turns, in an order of chance.

    Args:
        paths: The clips.
        frames: How many each has.
        repeats: Epochs of each engine that count; there is one more before them.
        engines: Their names; the first is what others are compared with.
    """
    found = Measured()
    with ExitStack() as stack:
        running: dict[str, list[EngineProcess]] = {}
        for name in engines:
            try:
                running[name] = stack.enter_context(_processes(name, paths))
                found.versions[name] = running[name][0].version
                found.spent[name] = []
            except EngineFailed as error:
                found.absent[name] = str(error)
        for repeat in range(-1, repeats):
            chance = random.Random(repeat)
            items = [(path, sorted(chance.sample(range(frames), 8))) for path in paths]
            for name in random.sample(list(running), len(running)):
                spent = _epoch(running[name], items)
                if repeat >= 0:
                    found.spent[name].append(spent)
    return found


@contextmanager
def _processes(name: str, paths: Sequence[str]) -> Iterator[list[EngineProcess]]:
    with ExitStack() as stack:
        started = []
        for _ in range(1 if ENGINES[name].is_loader else 2):
            started.append(EngineProcess(name))
            stack.callback(started[-1].close)
            started[-1].prepare(paths)
        yield started


def _epoch(processes: Sequence[EngineProcess], items: Sequence[Item]) -> Spent:
    for at, process in enumerate(processes):
        process.begin(items[at :: len(processes)], None)
    spent = [process.spent() for process in processes]
    return Spent(sum(own.cpu for own in spent), max(own.wall for own in spent))


def rows(found: Measured) -> list[list[str]]:
    """What an epoch took, and its ratio to the limit and to the loader; a row an engine."""
    return [
        [
            f"{name}: {ENGINES[name].what}",
            f"{median(spent.cpu for spent in found.spent[name]) * 1e3:,.0f}",
            *(
                f"{found.ratio(name, base, metric):.2f}"
                for base, metric in (("limit", "cpu"), ("loader", "cpu"), ("limit", "wall"))
            ),
        ]
        for name in found.versions
    ]


COLUMNS = ("", "CPU, ms", "to the limit", "to the loader", "wall time, to the limit")


def report(options: Options) -> None:
    """Measure, and print the table."""
    case = Case("epoch", "epoch")
    found = measure(
        case.paths,
        frames=EPOCH.frames,
        repeats=options.repeats or REPEATS,
        engines=options.engines or _NAMES,
    )
    for why in found.absent.values():
        print(f"absent: {why}")
    print_table(f"{case.title}, two processes", COLUMNS, rows(found))
