"""`python -m marey.tests.bench.engines NAME`: one engine in a process of its own.

A request is a line of JSON on standard input, an answer one on standard output. Engines whose
libraries cannot live in one process can so be compared in one run.
"""

from __future__ import annotations

import json
import os
import sys
from importlib import import_module
from pathlib import Path
from time import perf_counter, process_time
from typing import Any

import numpy as np

from ..memory import forget_peak, peak_bytes, resident_bytes
from .registry import ENGINES, Engine


def serve(name: str) -> None:
    """Answer until standard input ends."""
    # Libraries print to standard output: they are given that of errors.
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)

    def answer(said: dict[str, Any]) -> None:
        answers.write(json.dumps(said) + "\n")
        answers.flush()

    try:
        module = import_module(f".{ENGINES[name].module}", __package__)
        engine: Engine = module.Reader()
        answer({"version": module.version()})
    except Exception as error:
        answer({"error": f"{type(error).__name__}: {str(error).strip().splitlines()[0]}"})
        return
    resting = resident_bytes()
    for line in sys.stdin:
        request = json.loads(line)
        try:
            answer(_do(engine, request, resting))
        except Exception as error:
            answer({"error": f"{type(error).__name__}: {error}"})


def _do(engine: Engine, request: dict[str, Any], resting: int) -> dict[str, Any]:
    if request["do"] == "prepare":
        engine.prepare(request["paths"])
        return {}
    items = [(path, frames) for path, frames in request["items"]]
    size = None if request["size"] is None else tuple(request["size"])
    if keep := request["keep"]:
        np.save(keep, next(engine.read(items, size)))
        return {}
    forget_peak()
    read, cpu, wall = _bytes_read(), _cpu_seconds(), perf_counter()
    count = sum(len(frames) for frames in engine.read(items, size))
    cpu, wall = _cpu_seconds() - cpu, perf_counter() - wall
    assert count == sum(len(frames) for _, frames in items)
    return {
        "cpu": cpu,
        "wall": wall,
        "read": _bytes_read() - read,
        "peak": peak_bytes() - resting,
        "notes": dict(engine.notes()),
    }


def _cpu_seconds() -> float:
    """Of this process and its children."""
    seconds = process_time()
    for task in Path("/proc/self/task").iterdir():
        for child in (task / "children").read_text().split():
            # The name, in brackets, may hold anything.
            fields = Path(f"/proc/{child}/stat").read_text().rpartition(")")[2].split()
            user, system = int(fields[11]), int(fields[12])
            seconds += (user + system) / os.sysconf("SC_CLK_TCK")
    return seconds


def _bytes_read() -> int:
    """What the process has read from files and pipes."""
    return int(Path("/proc/self/io").read_text().split()[1])


if __name__ == "__main__":
    serve(sys.argv[1])
