"""`marey ingest`: video files into a table, a row each.

All files are looked at before anything is written. What fits in memory together is one version;
more is written in several, each whole.
"""

from __future__ import annotations

from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING, Annotated

import typer

from ...errors import InputError
from ..progress import progress
from .options import AsJson, Root, Verbose, invocation, split_table_name
from .render import Printer
from .sources import KeyFrom, find_sources, source_keys

if TYPE_CHECKING:
    from ..session import Marey
    from ..table import Table
    from .intake import VideoFile


def ingest(
    context: typer.Context,
    paths: Annotated[
        list[Path],
        typer.Argument(
            metavar="PATH", help="Video files, and folders of them.", show_default=False
        ),
    ],
    table: Annotated[
        str,
        typer.Option(
            "--table",
            metavar="PROJECT.TABLE",
            help="Where rows go; made if it is not there.",
            show_default=False,
        ),
    ],
    key: Annotated[
        str | None,
        typer.Option(
            "--key",
            metavar="NAME",
            help="Key column; only a new table has to be told.",
            show_default=False,
        ),
    ] = None,
    key_from: Annotated[
        KeyFrom,
        typer.Option(
            help="What a file's key is: its name without suffix, its path as given, or the "
            "last number in its name."
        ),
    ] = "stem",
    column: Annotated[
        str, typer.Option("--column", metavar="NAME", help="Video column.")
    ] = "video",
    reference: Annotated[
        bool,
        typer.Option(
            "--reference", help="Leave the bytes where they are, store where that is."
        ),
    ] = False,
    skip_bad: Annotated[
        bool, typer.Option("--skip-bad", help="Write the good files if there are bad ones.")
    ] = False,
    root: Root = None,
    as_json: AsJson = False,
    verbose: Verbose = False,
) -> None:
    """Write video files into a table, a row each.

    A key that the table has already gets the new video.
    """
    from .intake import survey, write_files

    project, name = split_table_name(table, hint="--table")
    begin = perf_counter()
    db = invocation(context).database()
    paths = find_sources(paths)
    keys = source_keys(paths, key_from)
    key = _key_name(db, project, name, key)
    good: dict[str | int, VideoFile] = {}
    bad: list[str] = []
    with progress("checking", len(paths)) as advance:
        for path, value in zip(paths, keys, strict=True):
            file = survey(path)
            if file is None:
                bad.append(str(path))
            else:
                good[value] = file
            advance(1)
    if bad and not (skip_bad and good):
        raise InputError(
            f"nothing was written: {len(bad)} of {len(paths)} files cannot be read as videos"
            + (" (--skip-bad writes the others)" if good else "")
        )
    target = _target(db, project, name, key, keys[0])
    version = write_files(target, good, key=key, column=column, reference=reference)
    Printer(as_json=as_json).facts(
        {
            "table": table,
            "rows": len(good),
            "frames": sum(file.frame_count for file in good.values()),
            "bytes": sum(file.bytes for file in good.values()),
            "bad_files": bad,
            "version": version,
            "seconds": round(perf_counter() - begin, 3),
        }
    )


def _key_name(db: Marey, project: str, name: str, key: str | None) -> str:
    """The name of the one key column."""
    if name not in db.project(project).list_tables():
        if key is None:
            raise typer.BadParameter(
                f"table {project}.{name} is not there yet, so its key column needs a name",
                param_hint="--key",
            )
        return key
    names: list[str] = db.project(project).table(name).key_schema.names
    if key not in (None, *names) or len(names) > 1:
        raise typer.BadParameter(
            f"the key of {project}.{name} is {', '.join(names)}: files come with one key",
            param_hint="--key",
        )
    return names[0]


def _target(db: Marey, project: str, name: str, key: str, first: str | int) -> Table:
    import pyarrow as pa

    if name in db.project(project).list_tables():
        return db.project(project).table(name)
    key_type = pa.string() if isinstance(first, str) else pa.int64()
    return db.project(project).create_table(name, key_schema={key: key_type}, exist_ok=True)
