"""Worker processes change nothing but who does the work, and leave nothing behind."""

from __future__ import annotations

import gc
import json
import os
import signal
import subprocess
import sys
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

import marey
from marey import Marey
from marey import expressions as se
from marey.engine.loader import DataLoader
from marey.engine.result import Readable
from marey.engine.table import Table
from marey.errors import FrameRangeError, MareyError, UnsupportedError

ROWS = 13
PICKS = se.aux("picks", pa.list_(pa.uint32()))


@pytest.fixture(scope="module")
def read(db: Marey, table: Table) -> Readable:
    return db.scan({"k": table["k"], "f": se.video.read(table["video"], PICKS, height=8)})


def some_keys(failing: tuple[int, ...] = ()) -> dict[str, Any]:
    rows = list(range(ROWS))
    return {"k": rows, "picks": [[99] if k in failing else [k, 3] for k in rows]}


def children() -> set[str]:
    """The worker processes of this one."""
    mine = Path(f"/proc/self/task/{os.getpid()}/children").read_text().split()
    return {
        child for child in mine if b"spawn_main" in Path(f"/proc/{child}/cmdline").read_bytes()
    }


def descriptors() -> set[str]:
    return {entry.name for entry in Path("/proc/self/fd").iterdir()}


def test_batches_figures_and_failures_are_those_without_workers(read: Readable) -> None:
    options: dict[str, Any] = {
        "batch_size": 2,
        "key_table": some_keys(failing=(4, 5, 9)),
        "shuffle": True,
        "on_error": "skip",
        "prefetch": 1,
    }
    loader = read.to_data_loader(**options)
    expected = list(loader)
    counts, errors = read.metrics.counts(), read.errors()
    with_workers = read.to_data_loader(**options, num_workers=2)
    assert list(with_workers) == expected
    for name in ("rows", "rows_skipped", "frames", "samples_decoded", "bytes_fetched"):
        assert read.metrics.counts()[name] == counts[name]
    assert counts["rows_skipped"] == 3
    assert read.errors().sort_by("k") == errors.sort_by("k")
    assert not children()

    # Python keeps a process of its own from the first time on: now all is as it will stay.
    before = descriptors()
    passing = iter(with_workers)
    seen = list(islice(passing, 1))
    state = with_workers.state_dict()
    assert children()  # one may have done its part
    passing.close()
    assert not children()
    assert descriptors() == before
    loader.load_state_dict(state)
    assert seen + list(loader) == expected


def test_a_transform_runs_there(db: Marey) -> None:
    query = db.sql("SELECT k, video_read(video, [0], height => 8) AS f FROM p.t ORDER BY k")
    options = {"batch_size": 5, "num_workers": 1}
    loader = query.to_data_loader(transform=pa.RecordBatch.to_pydict, **options)
    assert [made["k"] for made in loader] == [[0, 1, 2, 3, 4], [5, 6, 7, 8, 9], [10, 11, 12]]
    bad = query.to_data_loader(transform=pa.RecordBatch.field, **options)
    with pytest.raises(TypeError, match="field") as caught:
        list(bad)
    assert "in worker process 0 of the loader" in caught.value.__notes__[0]
    assert not children()


def test_an_error_comes_in_its_turn(read: Readable) -> None:
    loader = read.to_data_loader(batch_size=2, key_table=some_keys(failing=(5,)), num_workers=1)
    passing = iter(loader)
    assert [b["k"].to_pylist() for b in islice(passing, 2)] == [[0, 1], [2, 3]]
    with pytest.raises(FrameRangeError, match=r"p.t \(k=5\), column 'f': frame 99"):
        next(passing)
    assert not children()


def test_a_worker_that_ends_is_told(read: Readable) -> None:
    loader = read.to_data_loader(batch_size=1, key_table=some_keys(), num_workers=1)
    passing = iter(loader)
    next(passing)
    (child,) = children()
    os.kill(int(child), signal.SIGKILL)
    with pytest.raises(MareyError, match="worker process 0 of the loader was ended by SIGK"):
        list(passing)
    assert not children()


JOB = """
import json, os, signal, sys
from marey import Marey
from marey import expressions as se

def main():
    root, place = sys.argv[1:]
    db = Marey(root)
    table = db.project("p").table("t")
    scan = db.scan({"k": table["k"], "f": se.video.read(table["video"], [0], height=8)})
    loader = scan.to_data_loader(batch_size=2, shuffle=True, num_workers=1)
    for number, batch in enumerate(loader):
        with open(place, "a") as file:
            print(json.dumps([batch["k"].to_pylist(), loader.state_dict()]), file=file)
        if number == 2:
            os.kill(os.getpid(), signal.SIGKILL)

GUARD
    main()
"""


def run_job(db: Marey, folder: Path, guard: str) -> subprocess.CompletedProcess[str]:
    script = folder / "job.py"
    script.write_text(JOB.replace("GUARD", guard))
    command = [sys.executable, script, db.root, folder / "log"]
    return subprocess.run(command, capture_output=True, text=True, timeout=120)


def test_a_job_that_was_killed_is_resumed(db: Marey, table: Table, tmp_path: Path) -> None:
    done = run_job(db, tmp_path, 'if __name__ == "__main__":')
    assert done.returncode == -signal.SIGKILL, done.stderr
    log = [json.loads(line) for line in (tmp_path / "log").read_text().splitlines()]
    seen = [key for keys, _ in log for key in keys]
    scan = db.scan({"k": table["k"], "f": se.video.read(table["video"], [0], height=8)})
    loader = scan.to_data_loader(batch_size=2, shuffle=True)
    loader.load_state_dict(log[-1][1])
    rest = [key for batch in loader for key in batch["k"].to_pylist()]
    assert len(seen) == 6
    assert sorted(seen + rest) == list(range(ROWS))


def test_a_script_that_lacks_the_guard_is_told_of_it(db: Marey, tmp_path: Path) -> None:
    done = run_job(db, tmp_path, "if True:")
    assert done.returncode == 1
    assert 'start loaders with workers below if __name__ == "__main__"' in done.stderr


def in_a_fork(loader: DataLoader) -> str:
    """What iterating says in a forked child."""
    reading, writing = os.pipe()
    child = os.fork()
    if not child:
        try:
            list(loader)
            said = "nothing"
        except BaseException as error:
            said = f"{type(error).__name__}: {error}"
        os.write(writing, said.encode())
        os._exit(0)
    os.close(writing)
    os.waitpid(child, 0)
    with os.fdopen(reading) as pipe:
        return pipe.read()


def test_a_forked_process_is_refused(read: Readable) -> None:
    loader = read.to_data_loader(batch_size=2, key_table=some_keys())
    list(loader)
    assert in_a_fork(loader).startswith(f"{UnsupportedError.__name__}: this process was forked")


def test_workers_stay_for_the_next_loader_of_the_session(db: Marey, table: Table) -> None:
    with Marey(db.root) as own:
        clips = own.project("p").table("t")
        read = own.scan({"k": clips["k"], "f": se.video.read(clips["video"], [0, 5])})
        options: dict[str, Any] = {"batch_size": 2, "shuffle": True, "persistent_workers": True}
        for epoch in range(3):
            expected = list(read.to_data_loader(**options, epoch=epoch))
            loader = read.to_data_loader(**options, epoch=epoch, num_workers=2)
            assert list(loader) == expected
            if not epoch:
                kept = children()
                assert len(kept) == 2
            assert children() == kept
        sql = own.sql("SELECT k FROM p.t ORDER BY k")
        assert sum(map(len, sql.to_data_loader(num_workers=1, persistent_workers=True))) == ROWS
        assert children() == kept

        # Who takes as many batches as there are does not ask for one more.
        passing = iter(loader)
        assert sum(len(next(passing)) for _ in range(len(loader))) == ROWS
        passing.close()
        assert children() == kept

        # One that was ended meanwhile is replaced.
        ended = int(kept.pop())
        os.kill(ended, signal.SIGKILL)
        os.waitid(os.P_PID, ended, os.WEXITED | os.WNOWAIT)
        assert list(loader) == expected
        assert len(children()) == 2
        assert kept < children()

        passing = iter(loader)
        next(passing)
        passing.close()
        assert not children()
        list(loader)
        assert len(children()) == 2
    assert not children()


def test_workers_that_stay_end_with_their_session(db: Marey) -> None:
    own = Marey(db.root)
    query = own.sql("SELECT k FROM p.t")
    list(query.to_data_loader(num_workers=1, persistent_workers=True))
    assert children()
    del own, query
    gc.collect()
    assert not children()


def test_batches_outlive_the_workers_that_made_them(read: Readable) -> None:
    options: dict[str, Any] = {"batch_size": 1, "transform": enlarged}
    expected = list(read.to_data_loader(key_table=some_keys(), **options))
    found = list(read.to_data_loader(key_table=some_keys(), num_workers=1, **options))
    assert not children()
    assert all((own == other).all() for own, other in zip(found, expected, strict=True))


def enlarged(batch: pa.RecordBatch) -> np.ndarray:
    """The frames of a batch, large enough to go through shared memory."""
    return np.tile(marey.to_numpy(batch["f"]).ravel(), 4000)
