"""The program as its users have it: words in; an exit code, stdout and stderr out."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from marey.engine.cli.main import run


@dataclass(frozen=True, slots=True)
class Ended:
    """How a call of the program ended."""

    code: int
    out: str
    err: str

    def rows(self) -> list[dict[str, Any]]:
        """Its stdout as JSON, an object a line."""
        return [json.loads(line) for line in self.out.splitlines()]


Marey = Callable[..., Ended]


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where tables lie; the working directory is the folder above it."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MAREY_ROOT", "data")
    return tmp_path / "data"


@pytest.fixture
def marey(root: Path, capfd: pytest.CaptureFixture[str]) -> Marey:
    """Calls the program in this process."""

    def call(*words: object) -> Ended:
        capfd.readouterr()
        code = run([str(word) for word in words])
        return Ended(code, *capfd.readouterr())

    return call


@pytest.fixture(scope="session")
def clips_folder(
    tmp_path_factory: pytest.TempPathFactory, clip: Callable[[str], bytes]
) -> Path:
    """Three clips, one of them in a folder of its own, and a file that is no video."""
    folder = tmp_path_factory.mktemp("clips")
    (folder / "deeper").mkdir()
    (folder / "open_1.mp4").write_bytes(clip("open_gop"))
    (folder / "plain_2.mov").write_bytes(clip("quicktime"))
    (folder / "deeper" / "raw_3.h264").write_bytes(clip("raw"))
    (folder / "notes.txt").write_text("no video, by its name")
    return folder


@pytest.fixture(scope="session")
def broken_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file that claims to be an MP4 and is none."""
    path = tmp_path_factory.mktemp("broken") / "broken_9.mp4"
    path.write_bytes(b"\0\0\0\x10ftypisom but no more")
    return path
