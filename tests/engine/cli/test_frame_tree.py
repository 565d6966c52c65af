"""The tree of `inspect` on a terminal."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from marey.engine.cli.frame_tree import tree_lines
from marey.engine.cli.inspection import frame_rows, gop_rows
from marey.engine.cli.render import Printer
from marey.video.index.build import build_frame_index
from marey.video.source import BytesReader

from .test_printing import Screen


def printed(data: bytes, *, gops: int, frames: int, width: int = 80) -> str:
    reader = BytesReader(data)
    index = build_frame_index(reader).index
    screen = Screen()
    rows = frame_rows(index, reader, frames=frames, gops=gops)
    lines = tree_lines(list(gop_rows(index))[:gops], list(rows), frame_count=index.frame_count)
    Printer(file=screen, width=width).styled(lines)
    return screen.getvalue()


def test_tree_without_colours(
    clip: Callable[[str], bytes],
    golden: Callable[[str, str], None],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("TERM", "dumb")
    golden("inspect_tree.txt", printed(clip("open_gop"), gops=2, frames=14))


def test_colours_tell_kinds_of_pictures_apart(
    clip: Callable[[str], bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.delenv("NO_COLOR", raising=False)
    shown = printed(clip("open_gop"), gops=1, frames=9)
    for styled in ("\x1b[1;31mI", "\x1b[32mP", "\x1b[36mB"):
        assert styled in shown


@pytest.mark.parametrize("name", ["mbaff", "many_references", "raw_resized"])
def test_lines_end_at_the_edge_of_the_terminal(
    name: str, clip: Callable[[str], bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TERM", "dumb")
    lines = printed(clip(name), gops=9, frames=48, width=70).splitlines()
    assert max(map(len, lines)) <= 70
    assert sum(line.startswith(("├─", "└─")) for line in lines) == 48
