"""How a run behaves: its memory, its end however it comes, and its company."""

from __future__ import annotations

import gc
import os
import random
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from marey import EngineConfig, Marey, to_numpy
from marey import expressions as se
from marey.engine.scan import Scan

FRAME_BYTES = 96 * 160 * 3
ROWS = 40
U32S = pa.list_(pa.uint32())
PATIENCE_SECONDS = 60


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory, clip: Callable[[str], bytes]) -> Path:
    root = tmp_path_factory.mktemp("runs")
    table = Marey(root).project("p").create_table("clips", key_schema={"clip_id": pa.int64()})
    names = ["closed_gops", "open_gop", "baseline", "slices"]
    videos = [se.Video(se.Blob(clip(name))) for name in names]
    table.write({"clip_id": list(range(len(names))), "video": videos})
    return root


def every_frame(db: Marey) -> Scan:
    clips = db.project("p").table("clips")
    return db.scan({"clip_id": clips["clip_id"], "f": se.video.read(clips["video"])})


def marey_threads() -> list[str]:
    return [t.name for t in threading.enumerate() if t.name.startswith("marey-")]


@pytest.mark.parametrize("frames_of_budget", [8, 200])
def test_arrow_memory_stays_within_the_budget(
    frames_of_budget: int, root: Path, allocated: Callable[[], int]
) -> None:
    """Budget and largest row bound what is held, of a result many times as large."""
    budget = frames_of_budget * FRAME_BYTES
    db = Marey(root, config=EngineConfig(memory_budget_bytes=budget, decode_threads=3))
    keys = {"clip_id": [row % 4 for row in range(ROWS)]}
    gc.collect()
    before = allocated()
    row_bytes = 48 * FRAME_BYTES
    most = frames = 0
    for batch in every_frame(db).to_record_batches(keys):
        frames += sum(len(value["frames"]) for value in batch["f"])
        most = max(most, allocated() - before)
        del batch
    assert frames == ROWS * 48
    small = 1 << 20  # keys, handles, offsets, times
    assert most <= budget + row_bytes + small < ROWS * row_bytes / 4
    assert not marey_threads()


def test_closing_a_reader_early_ends_its_threads(root: Path) -> None:
    scan = every_frame(Marey(root, config=EngineConfig(memory_budget_bytes=1 << 20)))
    keys = {"clip_id": [0, 1, 2, 3] * 50}
    with scan.to_record_batches(keys) as reader:
        reader.read_next_batch()
    del reader
    gc.collect()
    assert not marey_threads()
    assert scan.metrics.rows < 200


def test_letting_go_of_a_reader_ends_its_threads(root: Path) -> None:
    scan = every_frame(Marey(root, config=EngineConfig(memory_budget_bytes=1 << 20)))
    reader = scan.to_record_batches({"clip_id": [0, 1, 2, 3] * 50})
    reader.read_next_batch()
    del reader
    gc.collect()
    assert not marey_threads()


def test_a_reader_that_is_never_read_starts_nothing(root: Path) -> None:
    scan = every_frame(Marey(root))
    reader = scan.to_record_batches()
    assert not marey_threads()
    del reader
    assert scan.metrics.bytes_fetched == 0


def test_a_run_that_fails_ends_its_threads(root: Path) -> None:
    db = Marey(root)
    clips = db.project("p").table("clips")
    wanted = se.aux("frame_indices", U32S)
    scan = db.scan({"f": se.video.read(clips["video"], wanted)})
    lists = pa.array([[0]] * 30 + [[99]], U32S)
    with pytest.raises(IndexError, match="frame 99 was asked for"):
        scan.to_table(pa.table({"clip_id": [0] * 31, "frame_indices": lists}))
    assert not marey_threads()


@pytest.mark.parametrize("threads", [1, 4])
def test_scans_at_once_do_not_disturb_each_other(
    threads: int, root: Path, truth: Callable[[str], list[Any]]
) -> None:
    db = Marey(root, config=EngineConfig(memory_budget_bytes=1 << 20, decode_threads=threads))
    clips = db.project("p").table("clips")
    wanted = se.aux("frame_indices", U32S)
    shared = db.scan({"f": se.video.read(clips["video"], wanted, pixel_format="native")})
    begin = threading.Barrier(4)

    def run(offset: int) -> list[bytes]:
        lists = pa.array([[(offset + row) % 48] for row in range(48)], U32S)
        keys = pa.table({"clip_id": [0] * 48, "frame_indices": lists})
        begin.wait(PATIENCE_SECONDS)
        found = shared.to_table(keys)["f"].to_pylist()
        return [frame["data"] for value in found for frame in value["frames"]]

    true = [frame.planes for frame in truth("closed_gops")]
    with ThreadPoolExecutor(4) as pool:
        for offset, found in enumerate(pool.map(run, range(4))):
            assert found == [*true[offset:], *true[:offset]]
    assert not marey_threads()


@pytest.mark.parametrize("seed", range(4))
def test_what_is_held_of_scans_stays_while_others_use_their_memory(
    seed: int, root: Path
) -> None:
    """Batches, rows and frames of some scans are kept, by chance, across all later ones."""
    chance = random.Random(seed)
    db = Marey(root, config=EngineConfig(memory_budget_bytes=12 << 20))
    truth = {
        row["clip_id"]: [frame["data"] for frame in row["f"]["frames"]]
        for row in every_frame(db).to_table().to_pylist()
    }
    held: list[tuple[int, Callable[[], list[bytes]]]] = []
    for _ in range(6):
        keys = {"clip_id": [chance.randrange(4) for _ in range(12)]}
        scan = every_frame(db)
        for batch in scan.to_record_batches(keys):
            row = chance.randrange(batch.num_rows)
            clip_id, cell = batch["clip_id"][row].as_py(), batch["f"][row]
            kept = {
                "cell": partial(lambda c: [f["data"] for f in c.as_py()["frames"]], cell),
                "pixels": partial(lambda p: [f.tobytes() for f in p], to_numpy(cell)),
            }
            if chance.random() < 0.6:
                held.append((clip_id, chance.choice(list(kept.values()))))
            del batch, cell, kept
            while len(held) > 6:
                del held[chance.randrange(len(held))]
        assert all(data() == truth[clip_id] for clip_id, data in held)
    assert held


def test_a_run_reads_the_version_that_it_began_with(
    tmp_path: Path, clip: Callable[[str], bytes]
) -> None:
    db = Marey(tmp_path, config=EngineConfig(memory_budget_bytes=1, batch_rows=1))
    table = db.project("p").create_table("clips", key_schema={"clip_id": pa.int64()})
    one, other = clip("closed_gops"), clip("chroma_444")
    table.write({"clip_id": list(range(8)), "video": [se.Video(se.Blob(one))] * 8})
    read = se.video.read(table["video"], [0], pixel_format="native")
    scan = db.scan({"clip_id": table["clip_id"], "f": read})
    whole, keyed = scan.to_record_batches(), scan.to_record_batches({"clip_id": [7, 6, 5]})
    first = whole.read_next_batch()["f"][0].as_py()
    keyed.read_next_batch()
    table.write({"clip_id": list(range(9)), "video": [se.Video(se.Blob(other))] * 9})
    table.delete("clip_id < 7")
    rest = whole.read_all().to_pylist()
    assert [row["clip_id"] for row in rest] == list(range(1, 8))
    assert all(row["f"] == first for row in rest)
    assert [row["f"] for row in keyed.read_all().to_pylist()] == [first, first]
    after = scan.to_table().to_pylist()
    assert [row["clip_id"] for row in after] == [7, 8]
    assert all(row["f"] != first for row in after)


def test_parts_of_a_union_come_one_after_the_other(root: Path) -> None:
    parts = " UNION ALL ".join(f"SELECT clip_id + {n} AS n FROM p.clips" for n in (20, 0, 10))
    found = Marey(root).sql(parts).to_table()["n"].to_pylist()
    assert found == [20, 21, 22, 23, 0, 1, 2, 3, 10, 11, 12, 13]


def test_a_snapshot_is_scanned_as_it_was(tmp_path: Path) -> None:
    db = Marey(tmp_path)
    table = db.project("p").create_table("t", key_schema={"k": pa.int64()})
    version = table.write({"k": [1], "n": [10]})
    table.write({"k": [1, 2], "n": [11, 12]})
    old = table.snapshot(version)
    assert db.scan({"n": old["n"]}).to_table()["n"].to_pylist() == [10]
    assert db.scan({"n": table["n"]}).to_table({"k": [2, 1]})["n"].to_pylist() == [12, 11]


INTERRUPTED = """
import sys
import pyarrow as pa
from marey import EngineConfig, Marey
from marey import expressions as se

db = Marey(sys.argv[1], config=EngineConfig(memory_budget_bytes=1 << 20, decode_threads=2))
clips = db.project("p").table("clips")
scan = db.scan({"f": se.video.read(clips["video"])})
keys = {"clip_id": [0, 1, 2, 3] * 100_000}

def told(batches):
    print("under way", flush=True)
    for batch in batches:
        pass

match sys.argv[2]:
    case "batches":
        reader = scan.to_record_batches(keys)
        reader.read_next_batch()
        told(reader)
    case "table":
        print("under way", flush=True)
        scan.to_table(keys)
    case "loader":
        batches = iter(scan.to_data_loader(batch_size=4, key_table=keys))
        next(batches)
        told(batches)
    case "sql":
        joined = " UNION ALL ".join(["SELECT video_read(video) AS f FROM p.clips"] * 200)
        reader = db.sql(joined).to_record_batches()
        reader.read_next_batch()
        told(reader)
print("ran to its end")
"""


@pytest.mark.parametrize("form", ["batches", "table", "loader", "sql"])
def test_an_interrupt_stops_a_scan(form: str, root: Path) -> None:
    """The scan would take minutes; the interrupt comes as from a terminal."""
    with subprocess.Popen(
        [sys.executable, "-c", INTERRUPTED, str(root), form],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env={**os.environ, "PYTHONFAULTHANDLER": "1"},
        text=True,
    ) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == "under way\n"
            process.send_signal(signal.SIGINT)
            out, err = process.communicate(timeout=PATIENCE_SECONDS)
        finally:
            process.kill()
    assert out == ""
    assert err.rstrip().endswith("KeyboardInterrupt"), err
    assert process.returncode == -signal.SIGINT
