"""`marey demo`: the main job from end to end, on clips of the user's or made on the spot."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from .options import AsJson, Verbose
from .render import Printer


def demo(
    folder: Annotated[
        Path | None,
        typer.Argument(
            metavar="FOLDER", help="Video files to show; without it, six clips are made."
        ),
    ] = None,
    keep: Annotated[
        Path,
        typer.Option("--keep", metavar="DIR", help="Where the table and pictures are left."),
    ] = Path("demo"),
    most: Annotated[
        int,
        typer.Option("--clips", min=1, metavar="N", help="The most files that take part."),
    ] = 12,
    as_json: AsJson = False,
    verbose: Verbose = False,
) -> None:
    """Write clips, read sparse frames by key, and check them."""
    from .demonstration import demonstrate

    printer = Printer(as_json=as_json)
    facts = demonstrate(folder, keep, printer, most=most)
    if as_json:
        printer.facts(facts)
