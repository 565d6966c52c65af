"""Which files a folder gives, in which order, and under which keys."""

from __future__ import annotations

from pathlib import Path

import pytest

from marey.engine.cli.sources import find_sources, source_keys
from marey.errors import DuplicateKeyError, InputError, SourceNotFoundError


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("b.mp4", "a/2.MOV", "a/1.h264", ".hidden/c.mp4", ".d.mp4", "notes.txt"):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.touch()
    return tmp_path


def found(folder: Path, *names: str) -> list[str]:
    return [
        path.relative_to(folder).as_posix() for path in find_sources(folder / n for n in names)
    ]


def test_videos_at_any_depth_in_order(folder: Path) -> None:
    assert found(folder, ".") == ["b.mp4", "a/1.h264", "a/2.MOV"]


def test_other_videos_are_passed_over_with_a_word(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    find_sources([folder])
    assert capsys.readouterr().err == ""
    for name in ("a/x.mkv", "y.WEBM", ".z.avi"):
        (folder / name).touch()
    assert found(folder, ".") == ["b.mp4", "a/1.h264", "a/2.MOV"]
    said = capsys.readouterr().err
    assert said.startswith("marey: passed over 2 files of other kinds, such as ")
    assert "y.WEBM" in said


def test_files_named_outright_may_be_called_anything(folder: Path) -> None:
    assert found(folder, "notes.txt", ".d.mp4") == ["notes.txt", ".d.mp4"]


def test_each_file_once_by_whatever_names(folder: Path) -> None:
    (folder / "link.mp4").symlink_to("b.mp4")
    assert found(folder, "b.mp4", "link.mp4", ".") == ["b.mp4", "a/1.h264", "a/2.MOV"]


def test_a_way_that_leads_nowhere(folder: Path) -> None:
    with pytest.raises(SourceNotFoundError, match="nowhere"):
        find_sources([folder / "nowhere"])


def test_a_folder_without_videos(folder: Path) -> None:
    (folder / "empty").mkdir()
    with pytest.raises(InputError, match=r"holds no file called \*\.mp4"):
        find_sources([folder / "empty"])


@pytest.mark.parametrize(
    ("key_from", "keys"),
    [
        ("stem", ["clip_07", "day2_12"]),
        ("path", ["a/clip_07.mp4", "b/day2_12.mov"]),
        ("number", [7, 12]),
    ],
)
def test_keys(key_from, keys: list[object]) -> None:
    assert source_keys([Path("a/clip_07.mp4"), Path("b/day2_12.mov")], key_from) == keys


@pytest.mark.parametrize("name", ["clip.mp4", f"{'9' * 19}.mp4"])
def test_names_without_a_fitting_number(name: str) -> None:
    with pytest.raises(InputError, match="number"):
        source_keys([Path(name)], "number")


def test_two_files_of_one_key_are_both_named() -> None:
    with pytest.raises(DuplicateKeyError, match=r"'a/1\.mp4' and 'b/1\.mov'.*'1'"):
        source_keys([Path("a/1.mp4"), Path("b/1.mov")], "stem")


def test_a_name_that_is_no_text() -> None:
    with pytest.raises(InputError, match="not UTF-8"):
        source_keys([Path("clip_\udcff.mp4")], "stem")
