"""Frames out of clips by number: Marey, the decode limit, and the peers that are installed.

Engines take turns within each repeat, in an order of chance, and every repeat wants other
frames; what is told are medians of ratios to the limit in the same repeat. So a machine that
is busy for a while slows all of them alike.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from statistics import median

import numpy as np

from .bench_clips import CLIPS, EPOCH, clip_file, epoch_files
from .engines.process import EngineFailed, EngineProcess, Item, Spent
from .engines.registry import ENGINES, Size
from .options import Options
from .table import print_table

REPEATS = 5
_PATIENCE_SECONDS = 4.0
"""An engine that took longer over a call is asked only once more."""

WORKS: Mapping[str, str] = {
    "first": "the first frame",
    "random": "4 random frames",
    "uniform": "16 uniform frames",
    "resized": "16 uniform frames at 224x224",
    "whole": "every frame",
    "epoch": "8 random frames from each of 200 clips",
}
"""What is asked for."""


@dataclass(frozen=True, slots=True)
class Case:
    """A work on a clip."""

    clip: str
    """In `CLIPS`; "epoch" for the many small ones."""
    work: str
    """In `WORKS`."""
    is_long: bool = False
    """Only measured when everything is."""

    @property
    def title(self) -> str:
        """For people."""
        clip = EPOCH if self.clip == "epoch" else CLIPS[self.clip]
        return f"{clip.reason}: {WORKS[self.work]}"

    @property
    def size(self) -> Size | None:
        """What frames are resized to."""
        return (224, 224) if self.work == "resized" else None

    @property
    def paths(self) -> list[str]:
        """The files it reads."""
        if self.clip == "epoch":
            return [file.path for file in epoch_files()]
        return [clip_file(CLIPS[self.clip]).path]

    def items(self, repeat: int) -> list[Item]:
        """What is read in one repeat."""
        chance = random.Random(f"{self.clip} {self.work} {repeat}")
        if self.clip == "epoch":
            return [
                (path, sorted(chance.sample(range(EPOCH.frames), 8))) for path in self.paths
            ]
        count = CLIPS[self.clip].frames
        match self.work:
            case "first":
                frames = [0]
            case "random":
                frames = sorted(chance.sample(range(count), 4))
            case "whole":
                frames = list(range(count))
            case _:
                frames = np.linspace(0, count - 1, 16).astype(int).tolist()
        return [(self.paths[0], frames)]


CASES = (
    Case("224p", "first"),
    Case("224p", "random"),
    Case("224p", "uniform"),
    Case("224p", "whole"),
    Case("720p-250", "first"),
    Case("720p-250", "random"),
    Case("720p-250", "uniform"),
    Case("720p-30", "random"),
    Case("720p-30", "uniform"),
    Case("720p-30", "resized"),
    Case("480p", "random"),
    Case("480p", "uniform"),
    Case("480p", "whole", is_long=True),
    Case("1080p", "random", is_long=True),
    Case("1080p", "uniform", is_long=True),
    Case("epoch", "epoch"),
)
"""All that is measured."""

_USUAL = tuple(name for name, engine in ENGINES.items() if not engine.is_loader)


@dataclass(slots=True)
class Measured:
    """All calls of all engines."""

    versions: dict[str, str] = field(default_factory=dict)
    """By engine; those that ran."""
    absent: dict[str, str] = field(default_factory=dict)
    """By engine, why it did not run."""
    spent: dict[tuple[Case, str], dict[int, Spent]] = field(default_factory=dict)
    """By case and engine, then by repeat."""
    failed: dict[tuple[Case, str], str] = field(default_factory=dict)
    """By case and engine, why a call failed."""

    def cases(self) -> list[Case]:
        """What was measured, in order."""
        return list(dict.fromkeys(case for case, _ in self.spent))

    def ratio(self, case: Case, engine: str, metric: str) -> float | None:
        """The median over repeats of what an engine took to what the limit took."""
        base = self.spent.get((case, "limit"), {})
        own = self.spent.get((case, engine), {})
        ratios = [
            getattr(own[repeat], metric) / getattr(base[repeat], metric)
            for repeat in own.keys() & base.keys()
        ]
        return median(ratios) if ratios else None

    def median(self, case: Case, engine: str, metric: str) -> float | None:
        """The median over repeats of what an engine took."""
        own = self.spent.get((case, engine), {})
        return median(getattr(spent, metric) for spent in own.values()) if own else None


def chosen_cases(options: Options) -> list[Case]:
    """What the command line asks for."""
    return [
        case
        for case in CASES
        if (not options.clips or case.clip in options.clips)
        and (not options.works or case.work in options.works)
        and (options.everything or options.clips or options.works or not case.is_long)
    ]


def measure(
    cases: Sequence[Case], *, repeats: int = REPEATS, engines: Sequence[str] = ()
) -> Measured:
    """Run cases on engines; those that are not installed are left out."""
    found = Measured()
    processes = dict(start_engines(engines or _USUAL, found.absent))
    found.versions = {name: process.version for name, process in processes.items()}
    try:
        for case in cases:
            _measure_case(case, processes, found, repeats)
    finally:
        for process in processes.values():
            process.close()
    return found


def start_engines(
    names: Sequence[str], absent: dict[str, str]
) -> Iterator[tuple[str, EngineProcess]]:
    """The engines that can be started."""
    for name in names:
        try:
            yield name, EngineProcess(name)
        except EngineFailed as error:
            absent[name] = str(error)


def _measure_case(
    case: Case, processes: Mapping[str, EngineProcess], found: Measured, repeats: int
) -> None:
    taking_part = dict(processes)
    for process in processes.values():
        process.prepare(case.paths)
    for name in processes:
        found.spent[case, name] = {}
    # The first round warms caches and imports, and is not counted.
    for repeat in range(-1, repeats):
        items = case.items(repeat)[:8] if repeat < 0 else case.items(repeat)
        order = list(taking_part)
        random.shuffle(order)
        for name in order:
            try:
                spent = taking_part[name].read(items, case.size)
            except EngineFailed as error:
                found.failed[case, name] = str(error)
                del taking_part[name]
                continue
            if repeat >= 0:
                found.spent[case, name][repeat] = spent
            if spent.wall > _PATIENCE_SECONDS and repeat >= 0 and name != "limit":
                del taking_part[name]


def report(options: Options) -> None:
    """Measure, and print the tables."""
    repeats = options.repeats or REPEATS
    found = measure(chosen_cases(options), repeats=repeats, engines=options.engines)
    for name, version in found.versions.items():
        print(f"{name}: {version} ({ENGINES[name].what})")
    for why in found.absent.values():
        print(f"absent: {why}")
    for title, columns, rows in tables(found):
        print_table(title, columns, rows)
    for (case, _), why in found.failed.items():
        print(f"failed: {case.title}: {why}")
    if options.save:
        from .results import save

        save(found, repeats=repeats)


Table = tuple[str, Sequence[str], list[list[str]]]
"""Title, column names, rows."""


def tables(found: Measured) -> Iterator[Table]:
    """Ratios of CPU and wall time, bytes read and peak memory; a row a case."""
    names = list(found.versions)
    others = [name for name in names if name != "limit"]
    for metric, what in (("cpu", "CPU"), ("wall", "Wall time")):
        rows = []
        for case in found.cases():
            limit = found.median(case, "limit", metric)
            ratios = (found.ratio(case, name, metric) for name in others)
            rows.append([case.title, _cell(limit, "{:.1f}", 1e3), *map(_ratio, ratios)])
        yield f"{what}, ratio to the decode limit", ("", "limit, ms", *others), rows
    rows = [
        [
            case.title,
            _cell(_noted(found, case, "limit"), "{:,.0f}", 1e-3),
            _cell(_noted(found, case, "marey"), "{:,.0f}", 1e-3),
            *(_cell(found.median(case, name, "read"), "{:,.0f}", 1e-3) for name in others),
        ]
        for case in found.cases()
    ]
    columns = ("", "limit's packets", "marey, media alone", *others)
    yield "Bytes read from files, kB", columns, rows
    rows = [
        [case.title, *(_cell(found.median(case, n, "peak"), "{:,.0f}", 1e-6) for n in names)]
        for case in found.cases()
    ]
    yield "Peak memory above the process before its first clip, MB", ("", *names), rows


def _noted(found: Measured, case: Case, engine: str) -> float | None:
    calls = found.spent.get((case, engine), {}).values()
    return median(call.notes["media_bytes"] for call in calls) if calls else None


def _ratio(value: float | None) -> str:
    return _cell(value, "{:.2f}", 1)


def _cell(value: float | None, form: str, scale: float) -> str:
    return "-" if value is None else form.format(value * scale)
