"""Large tables: what keys cost, and what small writes and upkeep put on the disk.

Rows are small, and their keys come in random order; one in a thousand has a video, by reference
to one file. Lookups are made in a fresh process each: a first one, in which nothing is known,
and further ones. Times are of the lookup alone, which is what a key table adds to a scan.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from statistics import median
from time import perf_counter, process_time
from types import MappingProxyType

import numpy as np
import pyarrow as pa

from marey import Marey
from marey import expressions as se
from marey.storage.dataset import open_dataset
from marey.storage.schema import VideoValue
from marey.video.clips import ClipRecipe, make_clip

from .options import Options
from .table import print_table

Keys = Mapping[str, pa.Array]

KINDS: Mapping[str, pa.Schema] = MappingProxyType(
    {
        "an integer": pa.schema([("k", pa.int64())]),
        "a string of 26 letters": pa.schema([("k", pa.string())]),
        "a string and an integer": pa.schema([("camera", pa.string()), ("take", pa.int32())]),
    }
)
"""Keys by what they are made of."""

Spent = tuple[float, float]
"""Seconds that passed, seconds of CPU."""

_LOOKUPS = 6
_PARTS = 4


def keys_of(kind: str, numbers: np.ndarray) -> Keys:
    """The keys with these numbers."""
    match kind:
        case "an integer":
            return {"k": pa.array(numbers, pa.int64())}
        case "a string of 26 letters":
            # The digits in front are scattered: strings near in order are not near in number.
            texts = [f"{n * 2654435761 % 2**32:010d}/{n:015d}" for n in numbers.tolist()]
            return {"k": pa.array(texts)}
    cameras = [f"camera-{n % 1000:04d}" for n in numbers.tolist()]
    return {"camera": pa.array(cameras), "take": pa.array(numbers // 1000, pa.int32())}


def write_rows(root: str, kind: str, rows: int) -> str:
    """A table of so many rows, written in four parts; its URI."""
    order = np.random.default_rng(0).permutation(rows)
    file = Path(root) / "clip.mp4"
    file.write_bytes(make_clip(ClipRecipe("a bench", 64, 48, 4)))
    video = se.Video(se.Blob.from_uri(file))
    with Marey(root) as db:
        table = db.project("bench").create_table("rows", key_schema=KINDS[kind])
        for part in np.array_split(order, _PARTS):
            labels = [f"label {n % 50}" for n in part.tolist()]
            videos = [video if n % 1000 == 0 else None for n in part.tolist()]
            table.write({**keys_of(kind, part), "label": labels, "video": videos})
    return str(Path(root) / "bench" / "rows.lance")


def look_up(uri: str, kind: str, rows: int, count: int) -> list[tuple[float, float]]:
    """Seconds that passed and seconds of CPU of some lookups, in a process of its own."""
    command = [sys.executable, "-m", __spec__.name, uri, kind, str(rows), str(count)]
    done = subprocess.run(command, capture_output=True, check=True, text=True, env=os.environ)
    return [(wall, cpu) for wall, cpu in json.loads(done.stdout)]


def _look_up(uri: str, kind: str, rows: int, count: int) -> list[tuple[float, float]]:
    dataset = open_dataset(uri)
    random = np.random.default_rng(count)
    spent = []
    for _ in range(_LOOKUPS):
        keys = pa.table(dict(keys_of(kind, random.choice(rows, count, replace=False))))
        wall, cpu = perf_counter(), process_time()
        found = dataset.find_keys(keys)
        spent.append((perf_counter() - wall, process_time() - cpu))
        assert found.null_count == 0
    return spent


def report(options: Options) -> None:
    """Print the tables."""
    rows = 1_000_000 if options.everything else 100_000
    repeats = options.repeats or 3

    def lookups() -> Iterator[tuple[object, ...]]:
        for kind in KINDS:
            with tempfile.TemporaryDirectory(prefix="marey-bench-") as root:
                uri = write_rows(root, kind, rows)
                for count in (100, 10_000):
                    runs = [look_up(uri, kind, rows, count) for _ in range(repeats)]
                    yield (
                        f"{kind}, {count:,} keys",
                        *(_pair(median_of(runs, [at])) for at in (0, 1, 2)),
                        _pair(median_of(runs, range(3, _LOOKUPS))),
                    )

    print_table(
        f"Keys of {rows:,} rows: time passed / CPU, ms",
        ("", "first lookup", "second", "third", "then"),
        lookups(),
    )
    print_table(
        "Writes to a table of 64 videos of 1 MB: kB written, CPU ms",
        ("", "kB", "CPU ms"),
        upkeep(),
    )


def median_of(runs: list[list[Spent]], which: Iterable[int]) -> Spent:
    """Medians over runs, and over some lookups of each."""
    chosen = [run[at] for run in runs for at in which]
    return median(wall for wall, _ in chosen), median(cpu for _, cpu in chosen)


def _pair(spent: Spent) -> str:
    return f"{spent[0] * 1e3:.0f} / {spent[1] * 1e3:.0f}"


def upkeep(*, videos: int = 64, video_bytes: int = 1 << 20) -> Iterator[tuple[object, ...]]:
    """Small writes and `optimize`, and what each puts on the disk."""
    with tempfile.TemporaryDirectory(prefix="marey-bench-") as root:
        with Marey(root) as db:
            db.project("bench").create_table("rows", key_schema={"k": pa.int64()})
        table = open_dataset(str(Path(root) / "bench" / "rows.lance"))

        def write(start: int, count: int) -> None:
            scalars = {"codec": "h264", "source_bytes": video_bytes}
            values = [
                VideoValue(os.urandom(video_bytes), scalars, os.urandom(600))
                for _ in range(count)
            ]
            keys = range(start, start + count)
            labels = [f"label {key % 7}" for key in keys]
            table.write(pa.table({"k": keys, "label": labels}), {"video": values})

        def update(count: int) -> None:
            table.write(pa.table({"k": range(count), "label": ["new"] * count}))

        def grow() -> None:
            for start in range(videos, videos + 8, 2):
                write(start, 2)

        deleted = videos // 3
        steps = (
            (f"write {videos} videos", lambda: write(0, videos)),
            ("update a label of 10 rows", lambda: update(10)),
            ("4 writes of 2 videos", grow),
            ("optimize: 5 fragments to 2", table.optimize),
            ("optimize again", table.optimize),
            (f"delete {deleted} of the first videos", lambda: table.delete(f"k < {deleted}")),
            ("optimize: deleted rows go", table.optimize),
        )
        for name, step in steps:
            written, cpu = _written(), process_time()
            step()
            yield name, f"{(_written() - written) / 1e3:,.0f}", _ms(process_time() - cpu)


def _written() -> int:
    """Bytes that this process has written to files."""
    lines = Path("/proc/self/io").read_text().splitlines()
    return int(dict(line.split(": ") for line in lines)["wchar"])


def _ms(seconds: float) -> str:
    return f"{seconds * 1e3:.0f}"


if __name__ == "__main__":
    _uri, _kind, _rows, _count = sys.argv[1:]
    print(json.dumps(_look_up(_uri, _kind, int(_rows), int(_count))))
