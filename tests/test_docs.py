"""Every Python block of the documentation runs, page by page, top to bottom."""

from __future__ import annotations

import re
from collections import defaultdict
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
ROOT_PLACE = re.compile(r"Marey\(\s*\"(.*?)\"")
BLOCK = re.compile(r"^```python\n(.*?)^```", re.MULTILINE | re.DOTALL)
PAGES = sorted(
    page
    for page in (ROOT / "README.md", *(ROOT / "docs").rglob("*.md"))
    if BLOCK.search(page.read_text())
)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_python_blocks_run(page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for _ in range(2):  # a reader runs a page again after a change
        scope: dict[str, object] = {"__name__": "__main__"}
        for match in BLOCK.finditer(page.read_text()):
            line = page.read_text()[: match.start(1)].count("\n")
            exec(compile("\n" * line + match[1], str(page), "exec"), scope)


def test_pages_can_run_in_one_folder() -> None:
    pages_of = defaultdict(set)
    for page in PAGES:
        for block in BLOCK.findall(page.read_text()):
            for root in ROOT_PLACE.findall(block):
                pages_of[root].add(page.name)
    assert len(pages_of) >= len(PAGES) > 4
    assert not {root: pages for root, pages in pages_of.items() if len(pages) > 1}


def test_there_are_pages_to_run() -> None:
    assert any(page.name == "first-table.md" for page in PAGES)
    assert any(page.name == "README.md" for page in PAGES)
