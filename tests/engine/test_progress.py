"""A bar on a terminal for what takes long, and nothing at all anywhere else."""

from __future__ import annotations

import os
import pty
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stderr
from pathlib import Path

import pyarrow as pa
import pytest

from marey import EngineConfig, Marey
from marey import expressions as se
from marey.engine import ingest, result
from marey.engine.progress import progress
from marey.errors import ConfigError


class Terminal:
    """A terminal to be put in place of standard error, and what was drawn on it."""

    def __init__(self) -> None:
        self._reading, writing = pty.openpty()
        self.stream = os.fdopen(writing, "w")

    @contextmanager
    def as_stderr(self) -> Iterator[None]:
        # Not in a fixture: pytest puts its own stream there when the test begins.
        with redirect_stderr(self.stream):
            yield

    def drawn(self) -> str:
        self.stream.flush()
        os.set_blocking(self._reading, False)
        pieces = []
        while True:
            try:
                pieces.append(os.read(self._reading, 65536))
            except (BlockingIOError, OSError):
                return b"".join(pieces).decode()

    def close(self) -> None:
        self.stream.close()
        os.close(self._reading)


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> Iterator[Terminal]:
    terminal = Terminal()
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "80")
    for module in (ingest, result):
        monkeypatch.setattr(module, "LONG_SECONDS", 0.0)
    yield terminal
    terminal.close()


def write_and_read(root: Path, payload: bytes, *, shown: bool = True) -> None:
    with Marey(root, config=EngineConfig(progress=shown)) as db:
        table = db.project("p").create_table("t", key_schema={"k": pa.int64()})
        table.write({"k": range(3), "video": [se.Video(se.Blob(payload))] * 3})
        db.scan({"f": se.video.read(table["video"], [0])}).to_table()


def test_writes_and_tables_have_bars(
    terminal: Terminal, tmp_path: Path, clip: Callable[[str], bytes]
) -> None:
    with terminal.as_stderr():
        write_and_read(tmp_path, clip("closed_gops"))
    drawn = terminal.drawn()
    assert "videos" in drawn
    assert "rows" in drawn
    assert "3/3" in drawn


def test_a_bar_goes_as_far_as_the_limit(terminal: Terminal, tmp_path: Path) -> None:
    with Marey(tmp_path) as db:
        table = db.project("p").create_table("t", key_schema={"k": pa.int64()})
        table.write({"k": range(7)})
        scan = db.scan({"k": table["k"]}, limit=4)
        for key_table in (None, {"k": [6, 5, 4, 3, 2, 1]}):
            with terminal.as_stderr():
                assert scan.to_table(key_table).num_rows == 4
            assert "4/4" in terminal.drawn()


def test_bars_can_be_turned_off(
    terminal: Terminal, tmp_path: Path, clip: Callable[[str], bytes]
) -> None:
    with terminal.as_stderr():
        write_and_read(tmp_path, clip("closed_gops"), shown=False)
    assert terminal.drawn() == ""


def test_a_pipe_gets_nothing(
    tmp_path: Path, clip: Callable[[str], bytes], capfd: pytest.CaptureFixture[str]
) -> None:
    write_and_read(tmp_path, clip("closed_gops"))
    assert capfd.readouterr() == ("", "")


def test_what_is_quick_has_no_bar(terminal: Terminal) -> None:
    with terminal.as_stderr(), progress("things", 2, after_seconds=1e9) as advance:
        advance(2)
    assert terminal.drawn() == ""


def test_a_bar_within_a_bar_is_not_drawn(terminal: Terminal) -> None:
    with terminal.as_stderr(), progress("outer", 2) as outer, progress("inner", 2) as inner:
        inner(2)
        outer(1)
    drawn = terminal.drawn()
    assert "outer" in drawn
    assert "inner" not in drawn


def test_a_bar_that_ends_by_an_error_leaves_the_terminal_to_the_next(
    terminal: Terminal,
) -> None:
    with terminal.as_stderr():
        with pytest.raises(ZeroDivisionError), progress("first", 2):
            1 / 0
        with progress("second", 2) as advance:
            advance(1)
    assert "second" in terminal.drawn()


def test_the_setting_is_a_truth_value() -> None:
    with pytest.raises(ConfigError, match="progress must be True or False, got 1"):
        EngineConfig(progress=1)  # type: ignore[arg-type]
