"""The program `marey`: its commands, and the way they all end.

What a command needs is imported when it runs: help, wrong use and completion stay quick.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from typing import Annotated

import typer

from ... import __version__
from . import cadences, demo, ingest, tables, video
from .options import DEFAULT_ROOT, Invocation, Root, Verbose, ask_for_command, examples
from .outcome import conclude

ROOT_VARIABLE = "MAREY_ROOT"
COMPLETION_VARIABLE = "_MAREY_COMPLETE"

app = typer.Typer(
    name="marey",
    invoke_without_command=True,
    rich_markup_mode=None,
    help="Tables of videos: exact frames for the least bytes and the least decoding.",
)
app.command(epilog=examples("marey demo", "marey demo ~/footage --clips 20 --keep shown"))(
    demo.demo
)
app.command(
    epilog=examples(
        "marey ingest ~/footage --table training.clips --key name",
        "marey ingest a.mp4 b.mov --table training.clips --reference",
    )
)(ingest.ingest)
app.command("tables", epilog=examples("marey tables", "marey --root s3://bucket/data tables"))(
    tables.list_tables
)
app.command(epilog=examples("marey schema training.clips"))(tables.schema)
app.command(epilog=examples("marey head training.clips -n 3 --json"))(tables.head)
app.command(
    epilog=examples(
        'marey sql "SELECT name, video.index.width FROM training.clips"',
        'marey sql "SELECT video_read(video, [0]) AS f FROM training.clips"',
    )
)(tables.sql)
video.app.command()(cadences.transcode)
video.app.command()(cadences.prefix)
app.add_typer(video.app, name="video")


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"marey {__version__}")
        raise typer.Exit


@app.callback()
def _program(
    context: typer.Context,
    root: Root = None,
    verbose: Verbose = False,
    version: Annotated[
        bool,
        typer.Option(
            "--version",
            help="Show the version and end.",
            callback=_print_version,
            is_eager=True,
        ),
    ] = False,
) -> None:
    """Options here hold for every command, and may stand after its name too."""
    ask_for_command(context)


def run(arguments: Sequence[str] | None = None) -> int:
    """Run the program.

    Args:
        arguments: Words after the program's name; by default those of the process.

    Returns:
        The exit code: 0 done, 1 failed, 2 wrong use, 130 interrupted.
    """
    # Without a stdout, as `>&-` leaves it, Python has None there.
    sys.stdout = sys.stdout or open(os.devnull, "w")  # noqa: SIM115
    sys.stderr = sys.stderr or open(os.devnull, "w")  # noqa: SIM115
    words = list(sys.argv[1:] if arguments is None else arguments)
    invocation = Invocation(os.environ.get(ROOT_VARIABLE) or DEFAULT_ROOT)

    def job() -> None:
        command = typer.main.get_command(app)
        if os.environ.get(COMPLETION_VARIABLE):
            # The shell asks what could stand here; Typer answers, and ends the process.
            command.main(words, prog_name="marey", complete_var=COMPLETION_VARIABLE)
        # Not `command.main`: it would end a closed pipe and a wrong option in its own way.
        with command.make_context("marey", words, obj=invocation) as context:
            command.invoke(context)

    return conclude(job, verbose=lambda: invocation.verbose)
