"""Rows and facts on stdout: tables on a terminal, tab-separated lines in a pipe, JSON if asked.

Rows are written as they come. A terminal gets at most `SCREEN_ROWS` of them, and is told so.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping, Sequence
from itertools import islice
from typing import TYPE_CHECKING, Literal, TextIO

from .cells import to_field, to_json, to_text

if TYPE_CHECKING:
    from rich.text import Text

SCREEN_ROWS = 1000
"""More rows than anyone scrolls through; a pipe gets all."""

Form = Literal["screen", "lines", "json"]


class Printer:
    """Writes to one stream in one form."""

    def __init__(
        self, *, as_json: bool = False, file: TextIO | None = None, width: int | None = None
    ) -> None:
        """A printer.

        Args:
            as_json: JSON, wherever the output goes.
            file: stdout, if nothing else is said.
            width: Columns of the terminal; by default as many as it has.
        """
        self._file = sys.stdout if file is None else file
        self._width = width
        self.form: Form = "json" if as_json else "screen" if self._file.isatty() else "lines"

    def rows(
        self,
        names: Sequence[str],
        rows: Iterable[Sequence[object]],
        *,
        title: str = "",
        headings: Mapping[str, str] | None = None,
    ) -> None:
        """A table; in JSON one object a line.

        Args:
            names: Of the columns.
            rows: Values in the order of the names.
            title: Shown above it on a terminal.
            headings: What a terminal has room for: columns by name, and what to call them.
                Without it: all, by their names.
        """
        match self.form:
            case "json":
                for row in rows:
                    self._line(to_json(dict(zip(names, row, strict=True))))
            case "lines":
                self._line("\t".join(map(to_field, names)))
                for row in rows:
                    self._line("\t".join(map(to_field, row)))
            case "screen":
                shown = headings or dict(zip(names, names, strict=True))
                places = [names.index(name) for name in shown]
                cut = ([row[place] for place in places] for row in rows)
                self._screen(list(shown.values()), cut, title)

    def facts(self, facts: Mapping[str, object]) -> None:
        """Names and values, one pair a line; in JSON one object."""
        match self.form:
            case "json":
                self._line(to_json(facts))
            case "lines":
                for name, value in facts.items():
                    self._line(f"{to_field(name)}\t{to_field(value)}")
            case "screen":
                longest = max(map(len, facts), default=0)
                for name, value in facts.items():
                    self._line(f"{name:<{longest}}  {to_text(value)}")

    def styled(self, lines: Iterable[Text]) -> None:
        """Lines with colours on a terminal, cut at its edge."""
        from rich.console import Console

        console = Console(file=self._file, width=self._width)
        for line in lines:
            console.print(line, no_wrap=True, overflow="ellipsis", crop=True)

    def step(self, name: str, text: str) -> None:
        """What a long command has done, at once; JSON has none."""
        if self.form == "screen":
            from rich.console import Console
            from rich.text import Text

            line = Text.assemble((f"{name:<8} ", "bold"), text)
            Console(file=self._file, width=self._width).print(line)
        else:
            self.line(f"{name:<8} {text}")
        self._file.flush()

    def line(self, text: str = "") -> None:
        """A line for people; JSON has none."""
        if self.form != "json":
            self._line(text)

    def _line(self, text: str) -> None:
        self._file.write(text + "\n")

    def _screen(
        self, headings: Sequence[str], rows: Iterable[Sequence[object]], title: str
    ) -> None:
        from rich import box
        from rich.console import Console
        from rich.table import Table
        from rich.text import Text

        coming = iter(rows)
        shown = list(islice(coming, SCREEN_ROWS))
        table = Table(
            title=Text(title) if title else None,
            title_justify="left",
            box=box.SIMPLE_HEAD,
            padding=(0, 0, 0, 1),
            pad_edge=False,
        )
        for place, heading in enumerate(headings):
            number = any(type(row[place]) in (int, float) for row in shown)
            table.add_column(
                Text(heading),
                justify="right" if number else "left",
                no_wrap=number,
                overflow="fold",
            )
        for row in shown:
            table.add_row(*map(_screen_cell, row))
        Console(file=self._file, width=self._width).print(table)
        if next(coming, None) is not None:
            self._line(f"... only the first {SCREEN_ROWS:,} rows: a pipe gets them all")


def _screen_cell(value: object) -> Text:
    from rich.text import Text

    # As `Text`, not `str`: square brackets in a value are no markup.
    return Text(to_text(value), style="dim" if value is None else "")
