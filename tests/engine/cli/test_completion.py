"""What the shell is told about the words that could stand somewhere."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import sys

import pytest


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


@pytest.mark.skipif(shutil.which("bash") is None, reason="bash is not installed")
def test_the_script_is_that_of_the_shell_that_asks() -> None:
    # More than one command: bash would put the last one in its own place.
    line = f"{shlex.quote(sys.executable)} -m marey --show-completion; exit $?"
    answer = subprocess.run(["bash", "-c", line], capture_output=True, text=True, check=True)
    assert "_MAREY_COMPLETE=complete_bash" in answer.stdout
    assert answer.stderr == ""
