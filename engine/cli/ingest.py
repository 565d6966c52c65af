"""`marey ingest`: video files into a table, a row each.

All files are looked at before anything is written. What fits in memory together is one version;
more is written in several, each whole.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING, Annotated

import typer

from .options import AsJson, Root, Verbose, invocation, split_table_name
from .outcome import complain
from .progress import progress
from .render import Printer
from .sources import KeyFrom

if TYPE_CHECKING:
    from ...errors import MareyError
    from ..session import Marey
    from ..table import Table

_VERSION_BYTES = 256 << 20
_VERSION_ROWS = 10_000


@dataclass(frozen=True, slots=True)
class GoodFile:
    """A file that can be read as a video."""

    path: Path
    """Where it lies."""
    key: str | int
    """Its row."""
    frames: int
    """Presented frames."""
    bytes: int
    """Its size."""


@dataclass(frozen=True, slots=True)
class BadFile:
    """A file that cannot."""

    path: Path
    """Where it lies."""
    error: MareyError
    """Why."""


def ingest(
    context: typer.Context,
    paths: Annotated[
        list[Path],
        typer.Argument(
            metavar="PATHS...", help="Video files, and folders of them.", show_default=False
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
    """Write video files into a table, a row each; known keys get the new video."""
    from ...errors import InputError
    from .sources import find_sources, source_keys

    project, name = split_table_name(table, hint="--table")
    begin = perf_counter()
    db = invocation(context).database()
    files = find_sources(paths)
    keys = source_keys(files, key_from)
    key = _key_name(db, project, name, key)
    good, bad = _check(files, keys)
    for file in bad:
        complain(f"{str(file.path)!r}: {file.error}")
    if bad and not (skip_bad and good):
        raise InputError(
            f"nothing was written: {len(bad)} of {len(files)} files cannot be read as videos"
            + (" (--skip-bad writes the others)" if good else "")
        )
    target = _target(db, project, name, key, good[0].key)
    version = _write(target, good, key, column, reference=reference)
    Printer(as_json=as_json).facts(
        {
            "table": table,
            "rows": len(good),
            "frames": sum(file.frames for file in good),
            "bytes": sum(file.bytes for file in good),
            "bad_files": [str(file.path) for file in bad],
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


def _check(
    files: Sequence[Path], keys: Sequence[str | int]
) -> tuple[list[GoodFile], list[BadFile]]:
    """Index every file: those that can be, and those that cannot."""
    from ...errors import MareyError
    from ...video.index.build import build_frame_index
    from ...video.source import FileReader

    good: list[GoodFile] = []
    bad: list[BadFile] = []
    with progress("checking", len(files)) as advance:
        for path, key in zip(files, keys, strict=True):
            try:
                with FileReader(path) as reader:
                    index = build_frame_index(reader).index
                    good.append(GoodFile(path, key, index.frame_count, reader.size))
            except MareyError as error:
                bad.append(BadFile(path, error))
            advance(1)
    return good, bad


def _target(db: Marey, project: str, name: str, key: str, first: str | int) -> Table:
    import pyarrow as pa

    if name in db.project(project).list_tables():
        return db.project(project).table(name)
    key_type = pa.string() if isinstance(first, str) else pa.int64()
    return db.project(project).create_table(name, key_schema={key: key_type}, exist_ok=True)


def _write(
    table: Table, files: Sequence[GoodFile], key: str, column: str, *, reference: bool
) -> int:
    from ...errors import MareyError
    from ...expressions import Blob, Video

    version = written = 0
    with progress("writing", len(files)) as advance:
        for part in _parts(files, reference=reference):
            try:
                videos = [
                    Video(
                        Blob.from_uri(file.path) if reference else Blob(file.path.read_bytes())
                    )
                    for file in part
                ]
                version = table.write({key: [file.key for file in part], column: videos})
            except (MareyError, OSError, KeyboardInterrupt):
                if written:
                    complain(f"{written} of {len(files)} rows had been written by then")
                raise
            written += len(part)
            advance(len(part))
    return version


def _parts(files: Sequence[GoodFile], *, reference: bool) -> Iterator[list[GoodFile]]:
    """The files in stretches that are written together."""
    part: list[GoodFile] = []
    held = 0
    for file in files:
        size = 0 if reference else file.bytes
        if part and (held + size > _VERSION_BYTES or len(part) == _VERSION_ROWS):
            yield part
            part, held = [], 0
        part.append(file)
        held += size
    if part:
        yield part
