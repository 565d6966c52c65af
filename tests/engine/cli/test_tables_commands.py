"""Files go in; tables, schema, head and SQL show them, for people and for programs."""

from __future__ import annotations

from pathlib import Path

import pytest

from .conftest import Marey


@pytest.fixture
def filled(marey: Marey, clips_folder: Path) -> Marey:
    words = ("ingest", clips_folder, "--table", "training.clips", "--key", "name", "--json")
    ended = marey(*words)
    assert (ended.code, ended.err) == (0, "")
    (facts,) = ended.rows()
    assert {name: facts[name] for name in ("table", "rows", "frames", "bad_files")} == {
        "table": "training.clips",
        "rows": 3,
        "frames": 48 * 3,
        "bad_files": [],
    }
    assert facts["bytes"] == sum(
        p.stat().st_size for p in clips_folder.rglob("*_?.*") if p.is_file()
    )
    return marey


def names(marey: Marey, table: str = "training.clips", key: str = "name") -> list[object]:
    ended = marey("sql", f"SELECT {key} FROM {table} ORDER BY {key}", "--json")
    assert ended.code == 0
    return [row[key] for row in ended.rows()]


def test_ingested_files_are_rows(filled: Marey) -> None:
    assert names(filled) == ["open_1", "plain_2", "raw_3"]


def test_tables(filled: Marey) -> None:
    (row,) = filled("tables", "--json").rows()
    assert row.pop("version") >= 1
    assert row == {
        "table": "training.clips",
        "rows": 3,
        "key": ["name"],
        "columns": ["video"],
    }
    head, line = filled("tables").out.splitlines()
    assert head == "table\trows\tkey\tcolumns\tversion"
    assert line.startswith('training.clips\t3\t["name"]\t["video"]\t')


def test_no_folder_is_a_failure(marey: Marey) -> None:
    ended = marey("--root", "nowhere", "tables", "--json")
    assert (ended.code, ended.out) == (1, "")
    assert ended.err == "marey: no folder 'nowhere' (--root says where tables lie)\n"


def test_no_tables_is_no_failure(marey: Marey, root: Path) -> None:
    root.mkdir()
    ended = marey("tables", "--json")
    assert (ended.code, ended.out, ended.err) == (0, "", "")


def test_every_column_of_the_schema_can_be_asked_for(filled: Marey) -> None:
    rows = filled("schema", "training.clips", "--json").rows()
    assert rows[:2] == [
        {"column": "name", "type": "string", "key": True},
        {"column": "video", "type": "video", "key": False},
    ]
    columns = [row["column"] for row in rows if row["type"] != "video"]
    assert "video.index.frame_count" in columns
    ended = filled("sql", f"SELECT {', '.join(columns)} FROM training.clips")
    assert (ended.code, ended.err) == (0, "")


def test_head(filled: Marey) -> None:
    (row,) = filled("head", "training.clips", "-n", 1, "--json").rows()
    assert list(row) == ["name", "video"]
    assert row["video"]["index"]["codec"] == "h264"
    assert len(filled("head", "training.clips").out.splitlines()) == 1 + 3
    assert filled("head", "training.clips", "-n", 0).out == "name\tvideo\n"


def test_frames_are_shown_by_their_size(filled: Marey) -> None:
    query = (
        "SELECT video_read(video, [8, 0], height => 24) AS frames, video_remux(video, [0]) AS "
        "cut FROM training.clips WHERE name = 'open_1'"
    )
    (row,) = filled("sql", query, "--json").rows()
    assert row["frames"] == {
        "frames": 2,
        "frame_shape": [24, 40, 3],
        "frame_index": [8, 0],
        "bytes": 2 * 24 * 40 * 3,
    }
    assert row["cut"]["bytes"] > 0


def test_a_row_that_fails_late_fails_the_query(filled: Marey) -> None:
    ended = filled("sql", "SELECT video_read(video, [48]) FROM training.clips")
    assert ended.code == 1
    assert "frame 48" in ended.err


def test_root_before_or_after_the_command(filled: Marey, root: Path) -> None:
    elsewhere = root.parent / "elsewhere"
    root.rename(elsewhere)
    assert filled("tables").code == 1
    assert len(filled("--root", elsewhere, "tables", "--json").rows()) == 1
    assert len(filled("tables", "--root", elsewhere, "--json").rows()) == 1


def test_a_known_key_gets_the_new_video(filled: Marey, clips_folder: Path) -> None:
    other = Path("open_1.mp4")
    other.write_bytes((clips_folder / "plain_2.mov").read_bytes())
    assert filled("ingest", other, "--table", "training.clips").code == 0
    query = "SELECT video.index.source_bytes AS size FROM training.clips WHERE name = 'open_1'"
    assert filled("sql", query, "--json").rows() == [{"size": other.stat().st_size}]
    assert names(filled) == ["open_1", "plain_2", "raw_3"]


def test_numbers_in_names_as_keys_and_references(marey: Marey, clips_folder: Path) -> None:
    words = ("--table", "a.b", "--key", "n", "--key-from", "number", "--reference")
    assert marey("ingest", clips_folder, *words).code == 0
    assert names(marey, "a.b", "n") == [1, 2, 3]
    query = "SELECT video_read(video, [40]) AS f FROM a.b WHERE n = 1"
    assert marey("sql", query, "--json").rows()[0]["f"]["frame_index"] == [40]
    stored = sum(p.stat().st_size for p in Path("data").rglob("*") if p.is_file())
    assert stored < sum(p.stat().st_size for p in clips_folder.rglob("*") if p.is_file())


def test_bad_files_stop_everything_or_are_left_out(
    marey: Marey, clips_folder: Path, broken_file: Path
) -> None:
    words = ("ingest", broken_file, clips_folder, "--table", "a.b", "--key", "name", "--json")
    ended = marey(*words)
    assert (ended.code, ended.out) == (1, "")
    assert str(broken_file) in ended.err
    assert "nothing was written: 1 of 4 files" in ended.err
    assert marey("tables", "--json").rows() == []

    ended = marey(*words, "--skip-bad")
    assert ended.code == 0
    assert str(broken_file) in ended.err
    assert ended.rows()[0]["bad_files"] == [str(broken_file)]
    assert names(marey, "a.b") == ["open_1", "plain_2", "raw_3"]


def test_only_bad_files_fail_even_if_they_may_be_left_out(
    marey: Marey, broken_file: Path
) -> None:
    ended = marey("ingest", broken_file, "--table", "a.b", "--key", "k", "--skip-bad")
    assert ended.code == 1
    assert "nothing was written" in ended.err


def test_two_files_of_one_key(marey: Marey, clips_folder: Path, tmp_path: Path) -> None:
    twin = tmp_path / "twin" / "open_1.mp4"
    twin.parent.mkdir()
    twin.write_bytes(b"")
    ended = marey("ingest", clips_folder, twin, "--table", "a.b", "--key", "k")
    assert ended.code == 1
    assert "both have the key 'open_1'" in ended.err
    assert "--key-from" in ended.err


def test_another_key_than_the_table_has(filled: Marey, clips_folder: Path) -> None:
    ended = filled("ingest", clips_folder, "--table", "training.clips", "--key", "other")
    assert ended.code == 2
    assert "the key of training.clips is name" in ended.err
