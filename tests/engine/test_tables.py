"""Projects and tables as users hold them: made, written, changed, seen as before, gone."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import marey
from marey import Marey
from marey import expressions as se
from marey.engine.catalog import Project
from marey.engine.table import Table
from marey.errors import (
    InputError,
    NotFoundError,
    TableExistsError,
    TableNotFoundError,
    UnsupportedError,
)

KEY = {"k": pa.int64()}


@pytest.fixture
def db(tmp_path: Path) -> Marey:
    return Marey(tmp_path / "data")


@pytest.fixture
def project(db: Marey) -> Project:
    return db.project("p")


@pytest.fixture
def table(project: Project) -> Table:
    return project.create_table("t", key_schema=KEY)


@pytest.fixture
def video(clip: Callable[[str], bytes]) -> Callable[[str], se.Video]:
    return lambda name: se.Video(se.Blob(clip(name)))


def rows(db: Marey, table: Table) -> list[dict[str, Any]]:
    """All rows in the order of their keys, videos as their numbers of frames."""
    outputs = {
        name: table[name] if name != "video" else table["video"]["index"]["frame_count"]
        for name in table.schema.names
    }
    return sorted(db.scan(outputs).to_table().to_pylist(), key=lambda row: row["k"])


def planes(db: Marey, table: Table, key: int, number: int) -> bytes:
    read = se.video.read(table["video"], [number], pixel_format="native")
    (value,) = db.scan({"f": read}, where=table["k"] == key).to_table().to_pylist()
    data: bytes = value["f"]["frames"][0]["data"]
    return data


@pytest.mark.parametrize(
    "key_schema",
    [
        {"camera": pa.string(), "take": pa.int32()},
        [("camera", pa.string()), ("take", pa.int32())],
        pa.schema([("camera", pa.string()), ("take", pa.int32())]),
        pa.schema([pa.field("camera", pa.string(), nullable=False), ("take", pa.int32())]),
        {"camera": "string", "take": "int32"},
    ],
    ids=["mapping", "pairs", "schema", "not null", "aliases"],
)
def test_a_key_schema_comes_in_many_forms(key_schema: Any, project: Project) -> None:
    table = project.create_table("t", key_schema=key_schema)
    assert table.key_schema.names == ["camera", "take"]
    assert table.key_schema.types == [pa.string(), pa.int32()]
    assert not any(field.nullable for field in table.key_schema)
    table.write({"camera": ["a", "a"], "take": [1, 2]})
    table.write({"take": [2, 1], "camera": ["a", "b"]})
    assert table.count() == 3


def test_a_table_that_is_there_is_opened_if_its_key_is_the_same(project: Project) -> None:
    project.create_table("t", key_schema=KEY).write({"k": [1]})
    again = project.create_table("t", key_schema=pa.schema(KEY), exist_ok=True)
    assert again.count() == 1
    with pytest.raises(TableExistsError, match=r"p\.t is there already"):
        project.create_table("t", key_schema=KEY)
    with pytest.raises(InputError, match="with the key k: int64, not k: string"):
        project.create_table("t", key_schema={"k": pa.string()}, exist_ok=True)
    with pytest.raises(InputError, match="with the key k: int64, not k: int64, n: int64"):
        project.create_table("t", key_schema={**KEY, "n": pa.int64()}, exist_ok=True)


def test_projects_and_tables_are_listed_once_they_are_there(db: Marey) -> None:
    assert db.projects() == []
    assert db.project("b").list_tables() == []
    for name in ("z", "A-1", "x_2"):
        db.project("b").create_table(name, key_schema=KEY)
    db.project("a").create_table("t", key_schema=KEY)
    assert db.projects() == ["a", "b"]
    assert sorted(db.project("b").list_tables()) == ["A-1", "x_2", "z"]


def test_a_dropped_table_is_gone_and_its_name_is_free(db: Marey, project: Project) -> None:
    table = project.create_table("t", key_schema=KEY)
    table.write({"k": [1], "label": ["a"]})
    project.drop_table("t")
    assert (db.projects(), project.list_tables()) == ([], [])
    assert not [path for path in Path(db.root).rglob("*") if path.is_file()]
    for use in (table.count, lambda: project.table("t"), lambda: project.drop_table("t")):
        with pytest.raises(TableNotFoundError, match=r"no table p\.t"):
            use()
    again = project.create_table("t", key_schema={"name": pa.string()})
    again.write({"name": ["x"]})
    assert rows_of(again, db, "name") == ["x"]


@pytest.mark.parametrize("dropped_by", ["this session", "another"])
def test_a_table_made_again_shows_its_own_videos(
    dropped_by: str,
    db: Marey,
    project: Project,
    table: Table,
    video: Callable[[str], se.Video],
    truth: Callable[[str], list[Any]],
) -> None:
    table.write({"k": [1], "video": [video("closed_gops")]})
    assert planes(db, table, 1, 30) == truth("closed_gops")[30].planes
    there = project if dropped_by == "this session" else Marey(db.root).project("p")
    there.drop_table("t")
    again = there.create_table("t", key_schema=KEY)
    again.write({"k": [1], "video": [video("open_gop")]})
    assert planes(db, project.table("t"), 1, 30) == truth("open_gop")[30].planes


def rows_of(table: Table, db: Marey, name: str) -> list[Any]:
    return db.scan({name: table[name]}).to_table()[name].to_pylist()


COLUMNS = {"k": [1, 2], "label": ["a", None], "score": [0.5, 1.5]}


def as_batch() -> pa.RecordBatch:
    return pa.record_batch(COLUMNS)


@pytest.mark.parametrize(
    "data",
    [
        lambda: COLUMNS,
        lambda: {name: pa.array(values) for name, values in COLUMNS.items()},
        lambda: pa.table(COLUMNS),
        as_batch,
        lambda: pa.RecordBatchReader.from_batches(as_batch().schema, [as_batch()]),
        lambda: pa.table(COLUMNS).to_pylist(),
        lambda: pytest.importorskip("pandas").DataFrame(COLUMNS),
        lambda: pytest.importorskip("polars").DataFrame(COLUMNS),
    ],
    ids=["lists", "arrays", "table", "batch", "reader", "dicts", "pandas", "polars"],
)
def test_rows_come_in_many_forms(data: Callable[[], Any], db: Marey, table: Table) -> None:
    table.write(data())
    assert rows(db, table) == pa.table(COLUMNS).to_pylist()


@pytest.mark.parametrize("form", ["lists", "dicts", "pandas", "polars"])
def test_videos_come_with_the_rows(
    form: str, db: Marey, table: Table, video: Callable[[str], se.Video]
) -> None:
    columns: dict[str, list[Any]] = {
        "k": [1, 2, 3],
        "video": [video("baseline"), None, video("monochrome")],
    }
    match form:
        case "lists":
            table.write(columns)
        case "dicts":
            keys, videos = columns["k"], columns["video"]
            table.write([{"k": k, "video": v} for k, v in zip(keys, videos, strict=True)])
        case "pandas":
            table.write(pytest.importorskip("pandas").DataFrame(columns))
        case "polars":
            polars = pytest.importorskip("polars")
            objects = {"video": polars.Object}
            table.write(polars.DataFrame(columns, schema_overrides=objects))
    assert rows(db, table) == [
        {"k": 1, "video": 48},
        {"k": 2, "video": None},
        {"k": 3, "video": 24},
    ]


def test_a_video_column_takes_plain_bytes(
    db: Marey, table: Table, clip: Callable[[str], bytes], video: Callable[[str], se.Video]
) -> None:
    table.write({"k": [1], "video": [video("baseline")]})
    table.write({"k": [2], "video": [clip("monochrome")]})
    arrow = pa.array([clip("cropped_odd"), None], pa.large_binary())
    table.write(pa.table({"k": [3, 4], "video": arrow}))
    assert [row["video"] for row in rows(db, table)] == [48, 24, 24, None]


def test_a_scan_is_written_to_another_table(db: Marey, project: Project, table: Table) -> None:
    table.write({"k": [1, 2, 3], "label": ["a", "b", "c"]})
    copy = project.create_table("copy", key_schema=KEY)
    copy.write(db.scan({"k": table["k"], "label": table["label"]}, where=table["k"] > 1))
    copy.write(db.sql("SELECT k + 10 AS k, upper(label) AS label FROM p.t WHERE k = 1"))
    assert rows(db, copy) == [
        {"k": 2, "label": "b"},
        {"k": 3, "label": "c"},
        {"k": 11, "label": "A"},
    ]


def test_a_scan_of_videos_is_not_written_without_its_media(
    db: Marey, project: Project, table: Table, video: Callable[[str], se.Video]
) -> None:
    table.write({"k": [1], "video": [video("baseline")]})
    copy = project.create_table("bare", key_schema={"k": pa.int64()})
    before = copy.versions()
    with pytest.raises(UnsupportedError, match="column 'video' of the scan is a video"):
        copy.write(db.scan({"k": table["k"], "video": table["video"]}))
    assert copy.versions() == before


def test_writes_are_upserts_that_keep_what_they_do_not_give(
    db: Marey, table: Table, video: Callable[[str], se.Video], truth: Callable[[str], list[Any]]
) -> None:
    table.write(
        {"k": [1, 2], "label": ["a", "b"], "video": [video("baseline"), video("mbaff")]}
    )
    table.write({"k": [2, 3], "label": ["B", "c"], "score": [2.5, 3.5]})
    assert rows(db, table) == [
        {"k": 1, "label": "a", "video": 48, "score": None},
        {"k": 2, "label": "B", "video": 48, "score": 2.5},
        {"k": 3, "label": "c", "video": None, "score": 3.5},
    ]
    assert planes(db, table, 1, 7) == truth("baseline")[7].planes
    assert planes(db, table, 2, 7) == truth("mbaff")[7].planes
    table.write({"k": [2], "video": [video("monochrome")]})
    assert rows(db, table)[1] == {"k": 2, "label": "B", "video": 24, "score": 2.5}
    assert planes(db, table, 2, 7) == truth("monochrome")[7].planes


def test_small_updates_of_known_rows_copy_no_media(
    db: Marey, table: Table, clip: Callable[[str], bytes]
) -> None:
    padding = (1_000_000).to_bytes(4, "big") + b"free" + bytes(999_992)
    big = se.Video(se.Blob(clip("baseline") + padding))
    table.write({"k": [1, 2, 3], "label": ["a"] * 3, "video": [big] * 3})

    def stored() -> int:
        return sum(p.stat().st_size for p in Path(db.root).rglob("*") if p.is_file())

    before = stored()
    assert before > 3_000_000
    for round_ in range(3):
        table.write({"k": [1, 3], "label": [f"b{round_}"] * 2, f"new_{round_}": [1, 2]})
    assert stored() - before < 100_000


def test_a_version_is_what_was_written_then(db: Marey, table: Table) -> None:
    first = table.write({"k": [1, 2], "label": ["a", "b"]})
    between = datetime.now(UTC)
    second = table.write({"k": [2, 3], "label": ["B", "c"], "new": [1, 2]})
    assert table.delete(table["k"] == 1) == 1
    numbers = [version.number for version in table.versions()]
    assert numbers == sorted(numbers)
    assert {first, second} < set(numbers)
    assert rows(db, table.snapshot(first)) == [{"k": 1, "label": "a"}, {"k": 2, "label": "b"}]
    assert rows(db, table.snapshot(between)) == rows(db, table.snapshot(first))
    assert [row["k"] for row in rows(db, table.snapshot(second))] == [1, 2, 3]
    listed = next(version for version in table.versions() if version.number == second)
    for same in (listed, listed.time, np.int64(second)):
        assert repr(table.snapshot(same)) == f"Table(p.t, version {second})"
    local = between.astimezone().replace(tzinfo=None)
    assert repr(table.snapshot(local)) == repr(table.snapshot(first))
    with pytest.raises(NotFoundError, match=r"^p\.t: no version by 2001-.*; there are 1 \(20"):
        table.snapshot(datetime(2001, 1, 1, tzinfo=UTC))
    assert [row["k"] for row in rows(db, table)] == [2, 3]
    assert rows(db, table.snapshot(datetime.now(UTC) + timedelta(days=1))) == rows(db, table)


def test_a_snapshot_is_read_and_not_changed(db: Marey, table: Table) -> None:
    version = table.write({"k": [1]})
    snapshot = table.snapshot(version)
    assert (snapshot.count(), repr(snapshot)) == (1, f"Table(p.t, version {version})")
    for change in (
        lambda: snapshot.write({"k": [2]}),
        lambda: snapshot.delete("k = 1"),
        snapshot.optimize,
    ):
        with pytest.raises(
            UnsupportedError, match="is a snapshot: it can be read, not changed"
        ):
            change()


@pytest.mark.parametrize(
    ("where", "left"),
    [
        (lambda t: t["k"] > 2, [1, 2]),
        (lambda t: "k > 2", [1, 2]),
        (lambda t: t["label"].is_null(), [1, 2, 4]),
        (lambda t: "label = 'a' OR label IS NULL", [2, 4]),
        (lambda t: "video.index.frame_count = 24", [1, 2, 3]),
        (lambda t: "array_length(video_keyframes(video)) > 1", [1, 3, 4]),
        (lambda t: t["k"] == 99, [1, 2, 3, 4]),
        (lambda t: "label = 'video_reed(x)'", [1, 2, 3, 4]),
    ],
)
def test_delete_takes_the_rows_that_satisfy_a_condition(
    where: Callable[[Table], Any],
    left: list[int],
    db: Marey,
    table: Table,
    video: Callable[[str], se.Video],
) -> None:
    table.write(
        {
            "k": [1, 2, 3, 4],
            "label": ["a", "b", None, "d"],
            "video": [None, video("closed_gops"), None, video("monochrome")],
        }
    )
    assert table.delete(where(table)) == 4 - len(left)
    assert [row["k"] for row in rows(db, table)] == left
    assert table.count() == len(left)


def test_optimize_keeps_the_rows(
    db: Marey, table: Table, video: Callable[[str], se.Video], truth: Callable[[str], list[Any]]
) -> None:
    for key in range(5):
        table.write({"k": [key], "label": [str(key)], "video": [video("baseline")]})
    table.delete("k = 3")
    before = rows(db, table)
    table.optimize()
    assert rows(db, table) == before
    assert planes(db, table, 4, 20) == truth("baseline")[20].planes


REOPEN = """
import sys
from marey import Marey
table = Marey().project("p").table("t")
print(table.count(), table.schema.names, table.key_schema.names)
"""


def test_another_process_sees_the_table(
    db: Marey, table: Table, video: Callable[[str], se.Video]
) -> None:
    table.write({"k": [1, 2], "label": ["a", "b"], "video": [video("monochrome"), None]})
    environment = {
        "MAREY_ROOT": db.root,
        "PYTHONPATH": str(Path(marey.__file__).parent.parent),
    }
    done = subprocess.run(
        [sys.executable, "-c", REOPEN], env=environment, capture_output=True, text=True
    )
    assert done.stdout.strip() == "2 ['k', 'label', 'video'] ['k']", done.stderr


def test_the_root_may_come_from_the_environment(
    db: Marey, table: Table, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MAREY_ROOT", db.root)
    assert Marey().root == db.root
    assert Marey().projects() == ["p"]


@pytest.mark.parametrize("form", ["path", "text", "uri", "relative"])
def test_a_reference_to_a_file_copies_nothing(
    form: str,
    db: Marey,
    table: Table,
    tmp_path: Path,
    clip: Callable[[str], bytes],
    truth: Callable[[str], list[Any]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    path = tmp_path / "a clip é%20#?.mp4"
    path.write_bytes(clip("open_gop"))
    monkeypatch.chdir(tmp_path)
    where: Mapping[str, Any] = {
        "path": path,
        "text": str(path),
        "uri": path.as_uri(),
        "relative": path.name,
    }
    blob = se.Blob.from_uri(where[form], size=path.stat().st_size)
    table.write({"k": [1], "video": [se.Video(blob)]})
    monkeypatch.chdir("/")
    assert planes(db, table, 1, 30) == truth("open_gop")[30].planes
    piece = path.read_bytes()[-2000:-1900]
    stored = [p.read_bytes() for p in Path(db.root).rglob("*") if p.is_file()]
    assert stored
    assert not any(piece in data for data in stored)
    db.project("p").drop_table("t")
    assert path.read_bytes() == clip("open_gop")


def test_a_column_of_another_writer_is_found(db: Marey, table: Table) -> None:
    other = Marey(db.root).project("p").table("t")
    other.write({"k": [1], "late": ["x"]})
    assert rows_of(table, db, "late") == ["x"]


def test_what_is_shown_of_them(db: Marey, project: Project, table: Table) -> None:
    assert repr(table) == "Table(p.t)"
    assert repr(project) == "Project(p)"
    assert repr(db) == f"Marey({db.root!r})"


WRITES = st.lists(
    st.dictionaries(
        st.integers(0, 5), st.one_of(st.none(), st.text("ab", max_size=2)), max_size=4
    ),
    max_size=5,
)


@settings(max_examples=12)
@given(writes=WRITES, gone=st.integers(0, 5))
def test_a_table_is_a_dict_of_its_keys(
    writes: list[dict[int, str | None]], gone: int, tmp_path_factory: pytest.TempPathFactory
) -> None:
    db = Marey(tmp_path_factory.mktemp("model"))
    table = db.project("p").create_table("t", key_schema=KEY)
    model: dict[int, str | None] = {}
    for written in writes:
        model |= written
        labels = pa.array(list(written.values()), pa.string())
        table.write({"k": pa.array(list(written), pa.int64()), "label": labels})
    if any(writes):
        assert table.delete(table["k"] == gone) == (gone in model)
        model.pop(gone, None)
        assert (
            dict(zip(rows_of(table, db, "k"), rows_of(table, db, "label"), strict=True))
            == model
        )
    assert table.count() == len(model)
