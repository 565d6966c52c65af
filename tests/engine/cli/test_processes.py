"""The program as a process: pipes, terminals, signals, and what a start brings in."""

from __future__ import annotations

import os
import pty
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from marey import Marey

PROGRAM = (sys.executable, "-m", "marey")
MANY = "SELECT a.value AS n FROM generate_series(1, 3000000) AS a"


@pytest.fixture(autouse=True)
def _as_users_start_it(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In a folder of its own, with a buffered stdout."""
    monkeypatch.delenv("PYTHONUNBUFFERED", raising=False)


def test_a_reader_that_has_enough_is_no_failure() -> None:
    program = subprocess.Popen(
        [*PROGRAM, "sql", MANY], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    assert program.stdout is not None
    assert program.stdout.readline() == b"n\n"
    program.stdout.close()
    assert program.stderr is not None
    with program.stderr as errors:
        assert errors.read() == b""
    assert program.wait() == 0


def test_an_interrupt_is_130_and_quiet() -> None:
    program = subprocess.Popen(
        [*PROGRAM, "sql", MANY], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    assert program.stdout is not None
    # The first line says that it runs; the pipe is full long before the last.
    assert program.stdout.readline() == b"n\n"
    program.send_signal(signal.SIGINT)
    _, errors = program.communicate()
    assert (program.returncode, errors) == (130, b"")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="a device of Linux")
def test_a_full_disk_is_a_failure() -> None:
    with open("/dev/full", "wb") as full:
        done = subprocess.run(
            [*PROGRAM, "--help"], stdout=full, stderr=subprocess.PIPE, check=False, text=True
        )
    assert (done.returncode, done.stderr) == (1, "marey: No space left on device\n")


def test_a_terminal_gets_progress(clips_folder: Path) -> None:
    words = ["ingest", str(clips_folder), "--table", "a.b", "--key", "name"]
    shown = on_a_terminal(words)
    assert "checking" in shown
    assert "frames     144" in shown.replace("\r", "")
    assert Marey("data").projects() == ["a"]


def on_a_terminal(words: list[str]) -> str:
    """What a terminal of 80 columns is given; escapes stand in it as they come."""
    keyboard, terminal = pty.openpty()
    environment = {**os.environ, "COLUMNS": "80", "TERM": "xterm"}
    with subprocess.Popen(
        [*PROGRAM, *words], stdin=terminal, stdout=terminal, stderr=terminal, env=environment
    ) as program:
        os.close(terminal)
        pieces = []
        while True:
            try:
                piece = os.read(keyboard, 65536)
            except OSError:
                break
            if not piece:
                break
            pieces.append(piece)
        assert program.wait() == 0
    os.close(keyboard)
    return b"".join(pieces).decode()


def test_help_starts_without_what_the_work_needs() -> None:
    heavy = ("av", "datafusion", "lance", "numpy", "pyarrow", "rich")
    code = (
        "import sys; from marey.engine.cli.main import run; run(['--help']); "
        f"sys.exit(bool(set(sys.modules) & set({heavy!r})))"
    )
    done = subprocess.run([sys.executable, "-c", code], stdout=subprocess.DEVNULL, check=False)
    assert done.returncode == 0
