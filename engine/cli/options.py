"""Options that many commands share, and what they decide."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from ... import Marey

DEFAULT_ROOT = "./data"


@dataclass(slots=True)
class Invocation:
    """One call of the program; options before and after the command's name write to it."""

    root: str
    """Where tables lie."""
    verbose: bool = False
    """Whether a failure shows its traceback."""

    def database(self) -> Marey:
        """The tables below the root."""
        from ... import Marey

        return Marey(self.root)


def invocation(context: typer.Context) -> Invocation:
    """The call that a command is part of."""
    found: Invocation = context.obj
    return found


def ask_for_command(context: typer.Context) -> None:
    """A program without a command is wrong use: show what there is.

    Raises:
        typer.Exit: There is no command.
    """
    if context.invoked_subcommand is None:
        typer.echo(context.get_help(), err=True)
        raise typer.Exit(2)


def _take_root(context: typer.Context, value: str | None) -> None:
    if value is not None:
        invocation(context).root = value


def _take_verbose(context: typer.Context, value: bool) -> None:
    if value:
        invocation(context).verbose = True


Root = Annotated[
    str | None,
    typer.Option(
        "--root",
        metavar="PLACE",
        callback=_take_root,
        help=f"Folder or URI with the tables: if not said, $MAREY_ROOT, or {DEFAULT_ROOT}.",
    ),
]
Verbose = Annotated[
    bool,
    typer.Option(
        "--verbose", "-v", callback=_take_verbose, help="Show the traceback of a failure."
    ),
]
AsJson = Annotated[bool, typer.Option("--json", help="Write JSON, for programs.")]
TableName = Annotated[
    str, typer.Argument(metavar="PROJECT.TABLE", help="The table.", show_default=False)
]


def examples(*lines: str) -> str:
    r"""What a command's help ends with: lines as people type them.

    >>> examples("marey tables", "marey tables --json")
    'Examples:\n\n\x08\n  marey tables\n  marey tables --json'
    """
    return "\n".join(("Examples:", "", "\b", *(f"  {line}" for line in lines)))


def split_table_name(text: str, *, hint: str = "PROJECT.TABLE") -> tuple[str, str]:
    """Project and table of `project.table`.

    >>> split_table_name("training.clips")
    ('training', 'clips')

    Raises:
        typer.BadParameter: It has not these two parts.
    """
    project, dot, name = text.partition(".")
    if not (project and dot and name) or "." in name:
        raise typer.BadParameter(
            f"{text!r}: expected project.table, such as training.clips", param_hint=hint
        )
    return project, name
