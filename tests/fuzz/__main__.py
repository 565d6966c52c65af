"""Fuzz for a while: `python -m marey.tests.fuzz SECONDS [TARGET ...]`.

Findings go to `corpus/`, smallest first to be looked at; a test runs every file there.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path
from random import Random

from .engine import Finding, Fuzz, digest
from .targets import TARGETS, fuzz

CORPUS = Path(__file__).parent / "corpus"
_TURN_SECONDS = 5.0
_DONE = object()


def shrink(found: Finding, target: Fuzz) -> bytes:
    """A smaller input with the same outcome: stretches left out while that lasts."""
    data, kind = found.data, found.reason.split(" | ")[0]
    step = len(data) // 2
    ends = time.process_time() + 20
    while step and time.process_time() < ends:
        at = 0
        while at < len(data) and time.process_time() < ends:
            less = data[:at] + data[at + step :]
            again = Fuzz(target.name, target.target, target.mutate, [less], guided=False)
            list(again.start())
            if again.findings and again.findings[0].reason.split(" | ")[0] == kind:
                data = less
            else:
                at += step
        step //= 2
    return data


def save(found: Finding, target: Fuzz) -> Path:
    """Write a finding, named for its target and content, beside what it did."""
    data = shrink(found, target)
    CORPUS.mkdir(exist_ok=True)
    path = CORPUS / f"{found.target}-{digest(data)}.bin"
    path.write_bytes(data)
    with (CORPUS / "FOUND.md").open("a") as index:
        index.write(f"- `{path.name}`: {' '.join(found.reason.split())[:160]}\n")
    return path


def main(arguments: list[str]) -> int:
    """Turn by turn, a few seconds a target; the number of findings is the outcome."""
    seconds = float(arguments[0]) if arguments else 600.0
    chosen = arguments[1:] or list(TARGETS)
    seed = time.time_ns()
    chance = Random(seed)
    print(f"fuzzing {', '.join(chosen)} for {seconds:.0f} s, seed {seed}", flush=True)
    targets = [fuzz(name) for name in chosen]
    ends = time.monotonic() + seconds
    saved = 0
    starts = [target.start() for target in targets]
    while time.monotonic() < ends:
        for target, start in zip(targets, starts, strict=True):
            turn = min(ends, time.monotonic() + _TURN_SECONDS)
            while time.monotonic() < turn:
                if next(start, _DONE) is _DONE:
                    target.step(chance)
            while target.findings:
                found = target.findings.pop()
                saved += 1
                print(f"FOUND {save(found, target).name}: {found.reason}", flush=True)
    for target in targets:
        print(
            f"{target.name}: {target.runs} runs, {len(target.inputs)} inputs, "
            f"{len(target.coverage.lines)} lines"
        )
    return 1 if saved else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
