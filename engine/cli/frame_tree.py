"""GOPs and their frames as a tree for a terminal: aligned, and coloured by kind of picture."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from rich.text import Text

from .cells import to_text
from .inspection import FrameRow, GopRow

_STYLES = {"I": "bold red", "P": "green", "B": "cyan"}
_HEADINGS = (
    "frame",
    "sample",
    "type",
    "role",
    "offset",
    "bytes",
    "time",
    "closure",
    "references",
)
_LEFT = frozenset({"type", "role", "references"})


def tree_lines(
    gops: Sequence[GopRow], frames: Sequence[FrameRow], *, frame_count: int
) -> Iterator[Text]:
    """The lines of the tree.

    Args:
        gops: Those to show.
        frames: Those to show, in display order; they stand below their GOP.
        frame_count: Presented frames of the clip.
    """
    cells = [_cells(frame) for frame in frames]
    widths = [max(map(len, column)) for column in zip(_HEADINGS, *cells, strict=True)]
    yield Text("   " + _aligned(_HEADINGS, widths), "dim")
    for gop in gops:
        yield _gop_line(gop)
        rows = [(f, c) for f, c in zip(frames, cells, strict=True) if f.gop == gop.gop]
        left = gop.frames - len(rows)
        for place, (frame, its_cells) in enumerate(rows, 1):
            guide = "└─ " if place == len(rows) and not left else "├─ "
            yield Text.assemble((guide, "dim"), _frame_text(frame, its_cells, widths))
        if left:
            yield Text(f"└─ {to_text(left)} more frames (--show-frames)", "dim")
    shown = sum(gop.frames for gop in gops)
    if shown < frame_count:
        yield Text(f"{to_text(frame_count - shown)} frames in further GOPs (--max-gops)", "dim")


def _gop_line(gop: GopRow) -> Text:
    last = gop.first_sample + gop.samples - 1
    start = "" if gop.start_seconds is None else f" from {to_text(gop.start_seconds)} s"
    return Text.assemble(
        (f"GOP {gop.gop}", "bold"),
        ("  " + gop.start, "bold red" if gop.start == "IDR" else "yellow"),
        f"  samples {gop.first_sample}-{last}, {to_text(gop.frames)} frames,"
        f" {to_text(gop.bytes)} bytes, {to_text(gop.seconds)} s{start}",
    )


def _cells(frame: FrameRow) -> tuple[str, ...]:
    return (
        str(frame.frame),
        str(frame.sample),
        frame.type,
        frame.start or ("ref" if frame.reference else "-"),
        to_text(frame.offset),
        to_text(frame.bytes),
        f"{frame.pts_seconds:.3f}",
        f"{to_text(frame.closure)} ({to_text(frame.closure_bytes)})",
        " ".join(map(str, frame.references)) + (f"  {frame.notes}" if frame.notes else ""),
    )


def _frame_text(frame: FrameRow, cells: Sequence[str], widths: Sequence[int]) -> Text:
    style = _STYLES.get(frame.type[:1], "yellow")
    text = Text(_aligned(cells, widths), "" if frame.reference else "dim")
    at = sum(widths[:2]) + 4
    text.stylize(style, at, at + len(frame.type))
    return text


def _aligned(cells: Sequence[str], widths: Sequence[int]) -> str:
    return "  ".join(
        cell.ljust(width) if heading in _LEFT else cell.rjust(width)
        for cell, width, heading in zip(cells, widths, _HEADINGS, strict=True)
    ).rstrip()
