"""Results for the docs: tables into docs/benchmarks.md, and a plot of the ratios beside it.

The text of the page is written by hand; what stands between its markers is written here. The
plot is drawn by the peers' Python, which has the plotting library.
"""

from __future__ import annotations

import json
import os
import platform
import re
import subprocess
from collections.abc import Iterator, Sequence
from datetime import date
from pathlib import Path

from .engines.process import peers_python
from .engines.registry import ENGINES
from .traps import measure as measure_traps
from .workloads import Measured, tables

_DOCS = Path(__file__).parents[2] / "docs"
_BEGIN, _END = "<!-- begin measured -->", "<!-- end measured -->"


def save(found: Measured, *, repeats: int) -> None:
    """Write the measured part of the page, and the plot if there is what it takes."""
    text = "\n".join(_page(found, repeats))
    page = _DOCS / "benchmarks.md"
    pattern = re.compile(f"{_BEGIN}.*{_END}", re.DOTALL)
    page.write_text(pattern.sub(lambda _: f"{_BEGIN}\n\n{text}\n{_END}", page.read_text()))
    if peers_python().exists():
        _plot(found, _DOCS / "benchmarks.png")


def markdown(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> Iterator[str]:
    """A table.

    >>> list(markdown(["", "a"], [["x", "1"]]))
    ['|  | a |', '|--|--|', '| x | 1 |']
    """
    yield f"| {' | '.join(columns)} |"
    yield f"|{'--|' * len(columns)}"
    for row in rows:
        yield f"| {' | '.join(row)} |"


def _page(found: Measured, repeats: int) -> Iterator[str]:
    yield f"{date.today().isoformat()}, {_machine()}. Medians of {repeats} repeats."
    yield ""
    engines = [[name, version, ENGINES[name].what] for name, version in found.versions.items()]
    yield from markdown(("engine", "version", "how it is used"), engines)
    for title, columns, rows in tables(found):
        yield ""
        yield f"### {title}"
        yield ""
        yield from markdown(columns, rows)
    names, rows = measure_traps(list(found.versions))
    yield ""
    yield "### Frames given for the numbers asked for"
    yield ""
    yield from markdown(("", *names), rows)
    yield ""


def _machine() -> str:
    cores = len(os.sched_getaffinity(0))
    info = Path("/proc/cpuinfo").read_text()
    model = re.search(r"model name\s*: (.*)", info)
    name = model[1] if model else platform.machine()
    load = os.getloadavg()[2]
    return (
        f"{cores} shared cores of {name}, Python {platform.python_version()}, "
        f"{load:.0f} processes at work on the machine"
    )


def _plot(found: Measured, path: Path) -> None:
    names = [name for name in found.versions if name != "limit"]
    ratios = {
        case.title: {name: found.ratio(case, name, "cpu") for name in names}
        for case in found.cases()
    }
    subprocess.run(
        [str(peers_python()), "-m", "marey.tests.bench.plot", str(path)],
        input=json.dumps(ratios),
        text=True,
        check=True,
    )
