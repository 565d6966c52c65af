"""`marey tables`, `schema`, `head` and `sql`: what is stored, and questions about it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ...errors import NotFoundError
from .options import AsJson, Root, TableName, Verbose, invocation, split_table_name
from .render import Printer

if TYPE_CHECKING:
    import pyarrow as pa

    from ..result import Readable
    from ..table import Table


def list_tables(
    context: typer.Context, root: Root = None, as_json: AsJson = False, verbose: Verbose = False
) -> None:
    """List the tables below the root."""
    db = invocation(context).database()
    if "://" not in db.root and not Path(db.root).is_dir():
        raise NotFoundError(f"no folder {db.root!r} (--root says where tables lie)")
    printer = Printer(as_json=as_json)
    tables = [
        db.project(project).table(name)
        for project in db.projects()
        for name in db.project(project).list_tables()
    ]
    if not tables and printer.form == "screen":
        printer.line(f"no tables in {db.root}")
        return
    rows = (
        (
            f"{table.project}.{table.name}",
            table.count(),
            table.key_schema.names,
            [name for name in table.schema.names if name not in table.key_schema.names],
            table.versions()[-1].number,
        )
        for table in tables
    )
    printer.rows(("table", "rows", "key", "columns", "version"), rows)


def schema(
    context: typer.Context,
    table: TableName,
    root: Root = None,
    as_json: AsJson = False,
    verbose: Verbose = False,
) -> None:
    """Show a table's columns, by the names SQL has for them."""
    found = _open(context, table)
    rows = list(_schema_rows(found.schema, found.key_schema.names))
    Printer(as_json=as_json).rows(("column", "type", "key"), rows)


def _schema_rows(schema: pa.Schema, keys: list[str]) -> Iterator[tuple[object, ...]]:
    from ...expressions.dtypes import is_video

    for field in schema:
        if not is_video(field.type):
            yield field.name, str(field.type), field.name in keys
            continue
        yield field.name, "video", False
        for scalar in field.type.field("index").type:
            # The frame graph is for planning: queries have no use for it.
            if str(scalar.type) not in ("binary", "large_binary"):
                yield f"{field.name}.index.{scalar.name}", str(scalar.type), False


def head(
    context: typer.Context,
    table: TableName,
    rows: Annotated[
        int, typer.Option("--rows", "-n", min=0, metavar="N", help="How many rows.")
    ] = 10,
    root: Root = None,
    as_json: AsJson = False,
    verbose: Verbose = False,
) -> None:
    """Show the first rows of a table."""
    db = invocation(context).database()
    project, name = split_table_name(table)
    found = db.project(project).table(name)
    columns = {column: found[column] for column in found.schema.names}
    _print(db.scan(columns, limit=rows), Printer(as_json=as_json))


def sql(
    context: typer.Context,
    query: Annotated[
        str, typer.Argument(metavar="QUERY", help='"SELECT ... FROM project.table ..."')
    ],
    root: Root = None,
    as_json: AsJson = False,
    verbose: Verbose = False,
) -> None:
    """Run a query in SQL.

    Frames and other bytes are shown by their size.
    """
    db = invocation(context).database()
    _print(db.sql(query), Printer(as_json=as_json))


def _open(context: typer.Context, table: str) -> Table:
    project, name = split_table_name(table)
    return invocation(context).database().project(project).table(name)


def _print(query: Readable, printer: Printer) -> None:
    from .summary import summarised_rows

    with query.to_record_batches() as batches:
        printer.rows(batches.schema.names, summarised_rows(batches))
