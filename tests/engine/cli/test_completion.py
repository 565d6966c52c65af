"""What the shell is told about the words that could stand somewhere."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from .conftest import Marey


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("marey vi", {"video"}),
        ("marey video ", {"inspect", "frames", "remux"}),
        ("marey video inspect --show", {"--show-frames"}),
        ("marey ingest --key-from ", {"stem", "path", "number"}),
        ("marey nope", set()),
    ],
)
def test_bash_is_told_what_could_stand_there(words: str, expected: set[str]) -> None:
    asked = {
        "_MAREY_COMPLETE": "complete_bash",
        "COMP_WORDS": words,
        "COMP_CWORD": str(len(words.split(" ")) - 1),
    }
    answer = subprocess.run(
        [sys.executable, "-m", "marey"],
        env=os.environ | asked,
        capture_output=True,
        text=True,
        check=True,
    )
    assert expected <= set(answer.stdout.split())
    assert bool(answer.stdout.split()) == bool(expected)
    assert answer.stderr == ""


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish", "powershell"])
def test_the_script_for_each_shell(marey: Marey, shell: str) -> None:
    ended = marey("--show-completion", shell)
    assert (ended.code, ended.err) == (0, "")
    assert "_MAREY_COMPLETE" in ended.out
