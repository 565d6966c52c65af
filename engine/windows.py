"""Windows: stretches of result rows that are planned, fetched, decoded and handed out together.

A window holds as many rows as fit its share of the memory budget, and becomes one record batch.
Cutting goes by the bytes that rows will give, which are known from their requests. The bytes
that they fetch are known when a window is planned; if they are too many, it is halved.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol, TypeVar

import pyarrow as pa

from .wanted import Refused, Wanted

Cells = tuple[Wanted | Refused | None, ...]
"""What each slot of a row will hold."""


@dataclass(frozen=True, slots=True)
class Rows:
    """Consecutive rows of a plan's result, and what their slots will hold."""

    batch: pa.RecordBatch
    """The plan's small columns."""
    cells: Sequence[Cells]
    """By row."""

    def __len__(self) -> int:
        return len(self.cells)

    def slice(self, start: int, stop: int) -> Rows:
        """Some of the rows."""
        return Rows(self.batch.slice(start, stop - start), self.cells[start:stop])


class Planned(Protocol):
    """A window that was planned: its cost is known."""

    @property
    def cost_bytes(self) -> int:
        """Bytes that it will give and fetch."""
        ...


Window = TypeVar("Window", bound=Planned)


def output_bytes(cells: Cells) -> int:
    """Bytes that the slots of one row will hold."""
    return sum(
        cell.output_bytes
        for cell in cells
        if cell is not None and not isinstance(cell, Refused)
    )


def cut_rows(rows: Iterable[Rows], *, most_bytes: int, most_rows: int) -> Iterator[Rows]:
    """The same rows in pieces of at most so many bytes and rows; a larger row stands alone.

    No piece goes across a multiple of `most_rows`: batches of so many rows are whole pieces, or
    are made of whole ones.
    """
    pending: list[Rows] = []
    passed = count = size = 0
    for piece in rows:
        start = 0
        for at, cells in enumerate(piece.cells):
            needed = output_bytes(cells)
            full = size + needed > most_bytes or passed % most_rows == 0
            if count and full:
                yield _join([*pending, piece.slice(start, at)])
                pending, start, count, size = [], at, 0, 0
            count += 1
            passed += 1
            size += needed
        pending.append(piece.slice(start, len(piece)))
    if count:
        yield _join(pending)


def plan_rows(
    rows: Rows, plan: Callable[[Rows], Window], *, most_bytes: int
) -> Iterator[Window]:
    """The window of some rows, halved until it costs at most so many bytes or has one row."""
    window = plan(rows)
    if len(rows) < 2 or window.cost_bytes <= most_bytes:
        yield window
        return
    middle = len(rows) // 2
    yield from plan_rows(rows.slice(0, middle), plan, most_bytes=most_bytes)
    yield from plan_rows(rows.slice(middle, len(rows)), plan, most_bytes=most_bytes)


def _join(pieces: Sequence[Rows]) -> Rows:
    filled = [piece for piece in pieces if len(piece)]
    if len(filled) == 1:
        return filled[0]
    batch = pa.concat_batches([piece.batch for piece in filled])
    return Rows(batch, [cells for piece in filled for cells in piece.cells])
