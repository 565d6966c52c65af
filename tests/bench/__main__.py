"""Measure, and print tables. Without a name: all benches."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping

from . import (
    closures,
    epoch,
    indexing,
    large,
    long,
    recordings,
    reheading,
    steps,
    streaming,
    traps,
    workloads,
)
from .bench_clips import CLIPS
from .engines.registry import ENGINES
from .options import Options

BENCHES: Mapping[str, Callable[[Options], None]] = {
    "closures": closures.report,
    "epoch": epoch.report,
    "indexing": indexing.report,
    "large": large.report,
    "long": long.report,
    "recordings": recordings.report,
    "reheading": reheading.report,
    "steps": steps.report,
    "streaming": streaming.report,
    "traps": traps.report,
    "workloads": workloads.report,
}


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(BENCHES)}")
    parser.add_argument("--repeats", type=int, help="rounds of each measurement")
    parser.add_argument("--all", action="store_true", help="also what takes long")
    parser.add_argument("--engines", type=_names(ENGINES), default=(), metavar="A,B")
    parser.add_argument("--clips", type=_names({*CLIPS, "epoch"}), default=(), metavar="A,B")
    parser.add_argument("--works", type=_names(workloads.WORKS), default=(), metavar="A,B")
    parser.add_argument("--save", action="store_true", help="into docs/benchmarks.md")
    given = parser.parse_args()
    if unknown := set(given.names) - BENCHES.keys():
        parser.error(f"no bench {', '.join(sorted(unknown))}: there are {', '.join(BENCHES)}")
    options = Options(
        repeats=given.repeats,
        everything=given.all,
        engines=given.engines,
        clips=given.clips,
        works=given.works,
        save=given.save,
    )
    for name in given.names or BENCHES:
        BENCHES[name](options)


def _names(known: Mapping[str, object] | set[str]) -> Callable[[str], tuple[str, ...]]:
    def parse(text: str) -> tuple[str, ...]:
        names = tuple(text.split(","))
        if unknown := set(names) - set(known):
            raise argparse.ArgumentTypeError(
                f"no {', '.join(sorted(unknown))}: there are {', '.join(sorted(known))}"
            )
        return names

    return parse


main()
