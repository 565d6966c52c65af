"""How commands end: exit codes, one line on stderr, and tracebacks only on request."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

from marey import __version__

from .conftest import Marey

WRONG_USE = {
    "no such command": "nope",
    "no such option": "tables --nope",
    "a missing argument": "sql",
    "a missing option": "video remux FILE --frames 0",
    "not project.table": "head clips",
    "three names": "schema a.b.c",
    "a number that is none": "head a.b -n many",
    "a number below its range": "head a.b -n -1",
    "no list of frames": "video frames FILE --frames 1,x -o OUT",
    "a step of zero": "video frames FILE --frames ::0 -o OUT",
    "an unknown choice": "ingest FILE --table a.b --key k --key-from nowhere",
    "a new table without a key": "ingest FILE --table a.b",
    "output over input": "video remux FILE --frames 0 -o FILE",
    "no clips": "demo --clips 0",
}

FAILED = {
    "no such file": "video inspect nowhere.mp4",
    "a folder": "video inspect .",
    "no video": "video inspect BROKEN",
    "no such table": "head a.b",
    "no SQL": "sql nonsense",
    "no such column": "sql 'SELECT nope FROM (SELECT 1 AS one)'",
    "a frame that is not there": "video remux FILE --frames 48 -o OUT",
    "no frame at all": "video frames FILE --frames 5:5 -o OUT",
    "nothing to ingest": "ingest nowhere --table a.b --key k",
    "a folder without videos": "ingest empty --table a.b --key k",
    "nothing to show": "demo empty",
    "an output in no folder": "video remux FILE --frames 0 -o BROKEN/x/out.mp4",
    "an output that is a folder": "video remux FILE --frames 0 -o empty",
}


@pytest.fixture
def words(root: Path, clips_folder: Path, broken_file: Path):
    (root.parent / "empty").mkdir()

    def split(line: str) -> list[str]:
        named = {"FILE": clips_folder / "open_1.mp4", "BROKEN": broken_file, "OUT": "out"}
        for name, path in named.items():
            line = line.replace(name, str(path))
        return shlex.split(line)

    return split


def one_line(text: str) -> bool:
    return text.startswith("marey: ") and text.count("\n") == 1 and text.endswith("\n")


@pytest.mark.parametrize("line", WRONG_USE.values(), ids=WRONG_USE.keys())
def test_wrong_use_is_2_and_says_where_help_is(marey: Marey, words, line: str) -> None:
    ended = marey(*words(line))
    assert (ended.code, ended.out) == (2, "")
    assert one_line(ended.err)
    assert "--help)" in ended.err


@pytest.mark.parametrize("line", FAILED.values(), ids=FAILED.keys())
def test_a_failed_job_is_1_and_leaves_no_file(
    marey: Marey, words, root: Path, line: str
) -> None:
    ended = marey(*words(line))
    assert (ended.code, ended.out) == (1, "")
    assert one_line(ended.err)
    assert "Traceback" not in ended.err
    assert "a fault of Marey" not in ended.err
    assert not (root.parent / "out").exists()


@pytest.mark.parametrize("place", ["before", "after"])
def test_verbose_shows_the_traceback(marey: Marey, place: str) -> None:
    words = ["-v", "head", "a.b"] if place == "before" else ["head", "a.b", "-v"]
    ended = marey(*words)
    assert ended.code == 1
    assert ended.err.startswith("Traceback")
    assert "TableNotFoundError: no table a.b" in ended.err


@pytest.mark.parametrize("words", [[], ["video"]])
def test_no_command_is_wrong_use_and_shows_what_there_is(
    marey: Marey, words: list[str]
) -> None:
    ended = marey(*words)
    assert (ended.code, ended.out) == (2, "")
    assert "Commands:" in ended.err


def test_version(marey: Marey) -> None:
    ended = marey("--version")
    assert (ended.code, ended.out, ended.err) == (0, f"marey {__version__}\n", "")


COMMANDS = [["demo"], ["ingest"], ["tables"], ["schema"], ["head"], ["sql"]] + [
    ["video", name] for name in ("inspect", "frames", "remux")
]
PAGE = Path(__file__).parents[3] / "docs" / "how-to" / "command-line.md"


@pytest.mark.parametrize(
    "words",
    [[], ["video"], *COMMANDS],
    ids=" ".join,
)
def test_help_fits_a_terminal(marey: Marey, words: list[str]) -> None:
    ended = marey(*words, "--help")
    assert (ended.code, ended.err) == (0, "")
    assert ended.out.startswith("Usage: marey")
    assert "..." not in ended.out.partition("Commands:")[2]
    assert max(map(len, ended.out.splitlines())) <= 80


@pytest.mark.parametrize("words", COMMANDS, ids=" ".join)
def test_the_manual_has_every_command_and_option(marey: Marey, words: list[str]) -> None:
    page = PAGE.read_text()
    assert f"`marey {' '.join(words)}`" in page
    options = set(re.findall(r"--[a-z-]+", marey(*words, "--help").out))
    assert options - {"--help", "--verbose"} <= set(re.findall(r"--[a-z-]+", page))


def test_messages_hold_no_terminal_escapes(marey: Marey) -> None:
    ended = marey("video", "inspect", "\x1b[31mred\nfile.mp4")
    assert ended.code == 1
    assert one_line(ended.err)
    assert "\x1b" not in ended.err
