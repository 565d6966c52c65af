"""What a command writes is there in full, or not at all."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from marey.engine.cli.files import write_file


def test_folders_are_made_and_permissions_are_the_usual_ones(tmp_path: Path) -> None:
    path = tmp_path / "a" / "b.bin"
    write_file(path, b"data")
    (tmp_path / "c.bin").write_bytes(b"")
    assert path.read_bytes() == b"data"
    assert path.stat().st_mode == (tmp_path / "c.bin").stat().st_mode


def test_a_failure_leaves_what_was_there(tmp_path: Path) -> None:
    path = tmp_path / "a.bin"
    path.write_bytes(b"old")
    with pytest.raises(TypeError):
        write_file(path, "no bytes")  # type: ignore[arg-type]
    assert path.read_bytes() == b"old"
    assert os.listdir(tmp_path) == ["a.bin"]


def test_an_error_names_the_file(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(OSError, match=r"file/a\.bin"):
        write_file(tmp_path / "file" / "a.bin", b"")
    with pytest.raises(IsADirectoryError, match=tmp_path.name):
        write_file(tmp_path, b"")


def test_a_name_as_long_as_names_may_be(tmp_path: Path) -> None:
    path = tmp_path / ("x" * 255)
    write_file(path, b"data")
    assert path.read_bytes() == b"data"


def test_a_device_stays_a_device() -> None:
    write_file(Path(os.devnull), b"data")
    assert Path(os.devnull).is_char_device()
    with pytest.raises(OSError, match="/dev/full"):
        write_file(Path("/dev/full"), b"data")
