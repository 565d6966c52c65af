"""Ray: rows are read and written by its workers, and are those of a scan and of a write."""

from __future__ import annotations

import pickle
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pytest

from marey import Marey
from marey import expressions as se
from marey.engine.table import Table
from marey.errors import DuplicateKeyError, FrameRangeError, InputError, KeyNotFoundError

ray = pytest.importorskip("ray")

ROWS = 9
PICKS = se.aux("picks", pa.list_(pa.uint32()))

pytestmark = pytest.mark.filterwarnings("ignore")  # Ray and what it loads warn of themselves


@pytest.fixture(scope="module", autouse=True)
def two_workers() -> Iterator[None]:
    ray.init(
        num_cpus=2,
        include_dashboard=False,
        log_to_driver=False,
        object_store_memory=200 << 20,
        logging_level="error",
    )
    ray.data.DataContext.get_current().enable_progress_bars = False
    yield
    ray.shutdown()


@pytest.fixture(scope="module")
def db(tmp_path_factory: pytest.TempPathFactory, clip: Callable[[str], bytes]) -> Marey:
    db = Marey(tmp_path_factory.mktemp("ray"))
    table = db.project("p").create_table("t", key_schema={"k": pa.int64()})
    videos = [clip(name) for name in ("closed_gops", "baseline")]
    table.write(
        {"k": range(ROWS), "video": [se.Video(se.Blob(videos[k % 2])) for k in range(ROWS)]}
    )
    return db


@pytest.fixture(scope="module")
def table(db: Marey) -> Table:
    return db.project("p").table("t")


def rows_of(dataset: Any) -> pa.Table:
    blocks = [ray.get(ref) for ref in dataset.to_arrow_refs()]
    found = pa.concat_tables(block for block in blocks if block.num_rows)
    return found.sort_by("k").combine_chunks()


def test_workers_read_what_a_scan_reads(db: Marey, table: Table) -> None:
    scan = db.scan({"k": table["k"], "f": se.video.read(table["video"], PICKS, height=8)})
    keys = {"k": list(range(ROWS)), "picks": [[k, 2 * k] for k in range(ROWS)]}
    dataset = scan.to_ray(key_table=keys, batch_size=2, blocks=3)
    assert rows_of(dataset).to_pylist() == scan.to_table(key_table=keys).to_pylist()
    keys["picks"][4] = [99]
    skipped = scan.to_ray(key_table=keys, on_error="skip", blocks=2)
    assert rows_of(skipped)["k"].to_pylist() == [0, 1, 2, 3, 5, 6, 7, 8]
    with pytest.raises(FrameRangeError, match=r"p.t \(k=4\), column 'f': frame 99"):
        scan.to_ray(key_table=keys).materialize()
    with pytest.raises(KeyNotFoundError, match="k=77"):
        scan.to_ray(key_table={"k": [77], "picks": [[0]]})


def test_sql_is_read_too_and_tasks_are_small(db: Marey) -> None:
    query = db.sql("SELECT k, video_read(video, [3], height => 8) AS f FROM p.t WHERE k > 2")
    assert rows_of(query.to_ray()).to_pylist() == query.to_table().to_pylist()
    from marey.engine.ray_read import _Rows

    rows = query._choose(None, "raise", db._workspace.context())
    (task,) = _Rows(rows, batch_size=4, on_error="raise").get_read_tasks(1)
    assert len(pickle.dumps(task.read_fn)) < 20_000


def test_tables_and_scans_pickle_small(db: Marey, table: Table) -> None:
    scan = db.scan({"k": table["k"]}, where=table["k"] > 3)
    for value in (table, table.snapshot(table.versions()[-1]), scan):
        assert len(pickle.dumps(value)) < 5_000
    assert pickle.loads(pickle.dumps(scan)).to_table() == scan.to_table()
    assert pickle.loads(pickle.dumps(table)).count() == ROWS


def test_workers_index_videos_and_the_driver_commits_once(
    db: Marey, clip: Callable[[str], bytes], tmp_path: Path
) -> None:
    table = db.project("p").create_table("written", key_schema={"k": pa.int64()})
    payload = clip("closed_gops")
    path = tmp_path / "clip.mp4"
    path.write_bytes(payload)
    before = len(table.versions())
    data = ray.data.from_arrow(
        [
            pa.table({"k": [k], "label": [f"l{k}"], "video": [payload], "there": [str(path)]})
            for k in range(6)
        ]
    )
    version = table.write_ray(data, videos=["video", "there"])
    assert version == table.versions()[-1].number
    assert len(table.versions()) == before + 2  # the new columns, and the rows
    scan = db.scan(
        {
            "k": table["k"],
            "label": table["label"],
            "f": se.video.read(table["video"], [7], height=8),
            "g": se.video.read(table["there"], [7], height=8),
        }
    )
    found = scan.to_table().sort_by("k").to_pylist()
    assert [(row["k"], row["label"]) for row in found] == [(k, f"l{k}") for k in range(6)]
    assert all(row["f"] == row["g"] == found[0]["f"] for row in found)

    more = ray.data.from_arrow(pa.table({"k": [6], "video": [payload]}))
    table.write_ray(more)
    assert table.count() == 7
    written = len(table.versions())
    for keys, error, says in (
        ([8, 3], InputError, "k=3: rows with videos are added this way and not"),
        ([8, 8], DuplicateKeyError, "k=8"),
    ):
        pieces = [pa.table({"k": [k], "video": [payload]}) for k in keys]
        with pytest.raises(error, match=says):
            table.write_ray(ray.data.from_arrow(pieces))

    # A plan that has not run: its read, its map and the write are one step to Ray.
    def named(batch: pa.Table) -> pa.Table:
        return pa.table({"k": pa.array([20], pa.int64()), "video": batch["bytes"]})

    files = ray.data.read_binary_files(str(path)).map_batches(named, batch_format="pyarrow")
    table.write_ray(files)
    frames = ray.data.from_pandas(pd.DataFrame({"k": [21], "video": [payload]}))
    table.write_ray(frames)
    assert table.write_ray(ray.data.range(0)) == table.versions()[-1].number
    same = db.scan({"f": se.video.read(table["video"], [7], height=8)})
    keys = pa.table({"k": pa.array([0, 20, 21], pa.int64())})
    made = same.to_table(key_table=keys)["f"].to_pylist()
    assert made[1] == made[2] == made[0]
    assert table.count() == 9
    written += 2

    marked = scan.to_ray(batch_size=2).map_batches(
        lambda rows: pa.table({"k": rows["k"], "size": [len(f) for f in rows["f"]]}),
        batch_format="pyarrow",
    )
    table.write_ray(marked)
    table.write_ray(ray.data.from_arrow(pa.table({"k": [7], "label": ["without a video"]})))
    written += 3  # a new column, and two commits
    sizes = db.scan({"k": table["k"], "size": table["size"]}).to_table().sort_by("k")
    assert sizes["k"].to_pylist() == [0, 1, 2, 3, 4, 5, 6, 7, 20, 21]
    assert [size is None for size in sizes["size"].to_pylist()] == [False] * 7 + [True] + [
        False
    ] * 2
    with pytest.raises(InputError, match="label"):
        table.write_ray(ray.data.from_arrow(pa.table({"k": [7], "label": [[1]]})))
    bad = pa.table({"k": [9, 10], "video": [payload, b"no video"]})
    with pytest.raises(Exception, match=r"row 1 \(k=10\), column 'video'"):
        table.write_ray(ray.data.from_arrow(bad))
    with pytest.raises(InputError, match="no column 'film' of videos"):
        table.write_ray(ray.data.from_arrow(bad), videos=["film"])
    assert table.count() == 10
    assert len(table.versions()) == written
