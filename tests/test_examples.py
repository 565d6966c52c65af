"""Examples are what the tutorials show, and run with them."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
BLOCK = re.compile(r"^```python\n(.*?)^```", re.MULTILINE | re.DOTALL)
PAGES = {"train_classifier": "train-a-classifier"}


@pytest.mark.parametrize("example", sorted(p.stem for p in (ROOT / "examples").glob("*.py")))
def test_an_example_is_the_code_of_its_page(example: str) -> None:
    page = (ROOT / "docs" / "tutorials" / f"{PAGES[example]}.md").read_text()
    script = ast.parse((ROOT / "examples" / f"{example}.py").read_text())
    assert ast.get_docstring(script)
    shown = ast.parse("\n".join(BLOCK.findall(page)))
    assert [ast.dump(node) for node in script.body[1:]] == [ast.dump(n) for n in shown.body]
