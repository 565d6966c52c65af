"""What the worst files cost: `python -m marey.tests.fuzz.bounds [MEGABYTES] [NAME ...]`.

Each is indexed in a process of its own, whose CPU time and memory are compared with what
docs/explanation/hostile-input.md promises: 2 s and 20 times an honest file's time, 200 MB and 4
bytes a byte. The honest file has half a kilobyte a picture. Times depend on the machine, so
this is no test.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path

from marey.video.clips import ClipRecipe, make_clip

from .hostile_files import FILES
from .hostile_streams import STREAMS

_CHILD = """
import resource, sys, time
from marey.errors import MareyError
from marey.video.index.build import build_frame_index
from marey.video.index.encode import encode_index
from marey.video.source import FileReader

def held(key):
    lines = open("/proc/self/status").read().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(key))

before, began = held("VmRSS"), time.process_time()
resource.setrlimit(resource.RLIMIT_CPU, (120, 120))
resource.setrlimit(resource.RLIMIT_AS, (6 << 30, 6 << 30))
try:
    with FileReader(sys.argv[1]) as reader:
        index = build_frame_index(reader).index
        encode_index(index)
        outcome = f"{index.sample_count} samples"
except MareyError as error:
    outcome = f"{type(error).__name__}: {error}"
print(time.process_time() - began, (held("VmHWM") - before) / 1000, outcome)
"""
_SECONDS, _TIMES = 2.0, 20.0
_MEGABYTES, _BYTES_A_BYTE = 200.0, 4.0


def _measure(data: bytes) -> tuple[float, float, str]:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "case"
        path.write_bytes(data)
        done = subprocess.run(
            [sys.executable, "-c", _CHILD, str(path)], capture_output=True, text=True
        )
    if done.returncode:
        return float("inf"), float("inf"), f"died: {done.stderr[-200:]}"
    seconds, megabytes, outcome = done.stdout.split(" ", 2)
    return float(seconds), float(megabytes), outcome.strip()


def _honest(size: int) -> bytes:
    clip = make_clip(
        ClipRecipe(
            "honest: half a kilobyte a picture",
            width=320,
            height=192,
            frames=250,
            container="h264",
            x264="keyint=50:crf=22",
            preset="veryfast",
        )
    )
    return (clip * (size // len(clip) + 1))[:size]


def main(arguments: list[str]) -> int:
    """Print a table; the number of files that break a bound is the outcome."""
    size = int(float(arguments[0]) * 1e6) if arguments else 10_000_000
    honest, _, outcome = _measure(_honest(size))
    rate = honest / size
    print(f"honest: {honest:.2f} s for {size / 1e6:.1f} MB, {outcome}")
    print(f"{'':26}{'MB':>6}{'s':>8}{'x honest':>10}{'MB held':>9}  outcome")
    broken = 0
    for name, build in {**STREAMS, **FILES}.items():
        if arguments[1:] and name not in arguments[1:]:
            continue
        data = build(size)
        seconds, megabytes, outcome = _measure(data)
        alike = rate * len(data)
        fits = seconds <= _SECONDS + _TIMES * alike
        fits &= megabytes <= _MEGABYTES + _BYTES_A_BYTE * len(data) / 1e6
        broken += not fits
        print(
            f"{'' if fits else 'BROKEN '}{name:26}{len(data) / 1e6:6.1f}{seconds:8.2f}"
            f"{seconds / alike:10.1f}{megabytes:9.0f}  {outcome[:70]}",
            flush=True,
        )
    return broken


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
