"""The examples in docstrings do what they show."""

from __future__ import annotations

import doctest
import importlib
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
LAYERS = ("engine", "expressions", "storage", "video")
MODULES = sorted(
    ".".join(["marey", *path.relative_to(ROOT).with_suffix("").parts])
    for path in [
        *ROOT.glob("*.py"),
        *(p for layer in LAYERS for p in (ROOT / layer).rglob("*.py")),
    ]
    if ">>>" in path.read_text()
)


def test_there_are_examples() -> None:
    assert len(MODULES) > 40


@pytest.mark.parametrize("name", MODULES)
def test_examples_run(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    module = importlib.import_module(name.removesuffix(".__init__"))
    result = doctest.testmod(module, optionflags=doctest.ELLIPSIS)
    assert result.attempted
    assert not result.failed
