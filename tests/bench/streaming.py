"""Peak memory of a scan of many rows: it follows the budget, not the table.

Each scan runs in a process of its own: a table of clips of 16 frames, all frames of each row at
224x224, 2.4 MB a row. The consumer keeps nothing. All rows in stored order, or by a key table
that names them in an order of chance; clips that are stored, or lie in a file that rows refer
to.
"""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from time import process_time

from .memory import forget_peak, peak_bytes, resident_bytes
from .options import Options
from .table import print_table

FRAMES = 16
SIDE = 224
ROW_BYTES = FRAMES * SIDE * SIDE * 3
_ROWS_A_WRITE = 2000
_MIB = 1 << 20
_SHORT_RUNS = ((500, False, False), (2000, False, False))
_RUNS = (
    (2000, False, False),
    (20_000, False, False),
    (2000, False, True),
    (20_000, False, True),
    (2000, True, False),
)
"""Rows, whether clips are referenced, whether rows are read by key."""


@dataclass(frozen=True, slots=True)
class Streamed:
    """One scan."""

    rows: int
    """Rows returned."""
    peak: int
    """Bytes resident at most, everything counted."""
    growth: int
    """The same, less what the process held before the scan."""
    cpu: float
    """Seconds."""


def write_rows(root: str, rows: int, *, side: int, referenced: bool = False) -> None:
    """A table of so many clips of 16 frames, `side` wide and high."""
    import pyarrow as pa

    from marey import Marey
    from marey import expressions as se
    from marey.video.clips import ClipRecipe, make_clip

    x264 = "keyint=10:scenecut=0:crf=23"
    clip = make_clip(ClipRecipe("a bench", side, side, FRAMES, rate=30, x264=x264))
    file = Path(root, "clip.mp4")
    file.write_bytes(clip)
    video = se.Video(se.Blob.from_uri(file) if referenced else se.Blob(clip))
    with Marey(root) as db:
        table = db.project("bench").create_table("clips", key_schema={"k": pa.int64()})
        for start in range(0, rows, _ROWS_A_WRITE):
            keys = range(start, min(start + _ROWS_A_WRITE, rows))
            table.write({"k": keys, "video": [video] * len(keys)})


def measure(root: str, *, budget_bytes: int, keyed: bool = False) -> Streamed:
    """Scan a table in a process of its own; with a key table if it is `keyed`."""
    order = "keyed" if keyed else "stored"
    command = [sys.executable, "-m", __spec__.name, root, str(budget_bytes), order]
    done = subprocess.run(command, capture_output=True, check=True, text=True, env=os.environ)
    return Streamed(**json.loads(done.stdout))


def _scan(root: str, budget_bytes: int, order: str) -> Streamed:
    import pyarrow as pa

    from marey import EngineConfig, Marey
    from marey import expressions as se

    with Marey(root, config=EngineConfig(memory_budget_bytes=budget_bytes)) as db:
        clips = db.project("bench").table("clips")
        frames = se.video.read(clips["video"], height=SIDE, width=SIDE)
        scan = db.scan({"k": clips["k"], "frames": frames})
        keys = None
        if order == "keyed":
            keys = pa.table({"k": random.Random(0).sample(range(clips.count()), clips.count())})
        before, cpu, rows = resident_bytes(), process_time(), 0
        forget_peak()
        for batch in scan.to_record_batches(key_table=keys):
            rows += batch.num_rows
            assert batch.nbytes >= batch.num_rows * ROW_BYTES
        peak = peak_bytes()
    return Streamed(rows, peak, peak - before, process_time() - cpu)


def report(options: Options) -> None:
    """Print the table."""

    def measured() -> Iterator[tuple[object, ...]]:
        for rows, referenced, keyed in _RUNS if options.everything else _SHORT_RUNS:
            with tempfile.TemporaryDirectory(prefix="marey-bench-") as root:
                write_rows(root, rows, side=SIDE, referenced=referenced)
                for budget in (64, 256, 1024):
                    found = measure(root, budget_bytes=budget * _MIB, keyed=keyed)
                    assert found.rows == rows
                    yield (
                        f"{rows:,}",
                        "referenced" if referenced else "stored",
                        "by key" if keyed else "all",
                        budget,
                        f"{found.peak / _MIB:.0f}",
                        f"{found.growth / _MIB:.0f}",
                        f"{found.cpu / rows * 1e3:.1f}",
                    )

    print_table(
        "Peak memory of a scan, MiB",
        ("rows", "clips", "read", "budget", "of the process", "of the scan", "CPU ms a row"),
        measured(),
    )


if __name__ == "__main__":
    print(json.dumps(asdict(_scan(sys.argv[1], int(sys.argv[2]), sys.argv[3]))))
