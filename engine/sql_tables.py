"""What SQL can name as a table, opened when a query names it.

===========================  ==============================================================
`project.table`              a table
`project.dataset`            the samples of a dataset of recordings, with its layers
`project."dataset/camera"`   the streams of its entity `/camera`: a row a segment
===========================  ==============================================================
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TypeVar

from datafusion.catalog import CatalogProvider, SchemaProvider
from datafusion.catalog import Table as PlanTable

from ..errors import InputError, NotFoundError, TableNotFoundError
from ..expressions.dtypes import is_stream, is_video
from ..expressions.sql_tokens import TokenText, ascii_lower
from ..storage.recordings.store import SampleStore
from .context import QueryContext
from .provider import StoredTable
from .recordings.view import DatasetView
from .snapshot import Snapshot
from .workspace import Workspace

T = TypeVar("T")


class SqlTables(CatalogProvider):
    """The projects of a workspace, as schemas of one DataFusion catalog, for one query.

    A table that is named twice is the same snapshot twice. Nothing is read to find it.
    """

    def __init__(self, workspace: Workspace, context: QueryContext, *, batch_rows: int) -> None:
        self._workspace = workspace
        self._context = context
        self._batch_rows = batch_rows
        self._opened: dict[tuple[str, str], StoredTable] = {}
        self._views: dict[tuple[str, str], PlanTable] = {}

    @property
    def opened(self) -> list[StoredTable]:
        """The tables that the query has named so far."""
        return list(self._opened.values())

    def schema_names(self) -> set[str]:
        """The projects."""
        return self._kept(lambda: set(self._workspace.catalog.projects()))

    def schema(self, name: str) -> SchemaProvider:  # type: ignore[override]  # upstream: Schema
        """A project; whether there is one shows when a table of it is asked for."""
        return _ProjectTables(self, name)

    def tables(self, project: str) -> set[str]:
        """The tables and the datasets of a project."""
        catalog = self._workspace.catalog
        return self._kept(lambda: {*catalog.tables(project), *catalog.datasets(project)})

    def open(self, project: str, name: str) -> StoredTable | None:
        """A table, or the streams of an entity, at the newest version; None for neither."""
        if (project, name) not in self._opened:
            found = self._kept(lambda: find_videos(self._workspace, project, name))
            if found is None:
                return None
            self._opened[project, name] = StoredTable(
                found,
                self._context,
                label=f"{project}.{name}",
                batch_rows=self._batch_rows,
            )
        return self._opened[project, name]

    def open_dataset(self, project: str, name: str) -> PlanTable | None:
        """The samples of a dataset of recordings with its layers, None where there is none."""
        if (project, name) not in self._views:
            store = self._kept(lambda: find_dataset(self._workspace, project, name))
            if store is None:
                return None
            view = DatasetView(self._workspace.recordings, project, name)
            # DataFusion asks from within its runtime, and what it runs there cannot be it.
            with ThreadPoolExecutor(1) as other:
                self._views[project, name] = other.submit(_plan_table, view).result()
        return self._views[project, name]

    def _kept(self, ask: Callable[[], T]) -> T:
        try:
            return ask()
        except BaseException as error:
            # DataFusion keeps the text of an exception only.
            self._context.raised = error
            raise


class _ProjectTables(SchemaProvider):
    """One project."""

    def __init__(self, tables: SqlTables, project: str) -> None:
        self._tables = tables
        self._project = project

    def table_names(self) -> set[str]:
        return self._tables.tables(self._project)

    def table(self, name: str) -> PlanTable | None:
        opened = self._tables.open(self._project, name)
        if opened is None:
            return self._tables.open_dataset(self._project, name)
        return PlanTable(opened)

    def table_exist(self, name: str) -> bool:
        return self.table(name) is not None


def find_videos(workspace: Workspace, project: str, name: str) -> Snapshot | None:
    """What a name stands for that can have videos, None where it stands for no such thing.

    `clips` is a table, `drive/camera` the entity `/camera` of the dataset `drive`: a row for
    each of its segments. Times are those of the dataset's first timeline.
    """
    try:
        if "/" in name:
            return find_streams(workspace, project, name)
        dataset = workspace.newest(project, name)
        return dataset.at(dataset.version)
    except (NotFoundError, InputError):
        return None


def find_streams(workspace: Workspace, project: str, name: str) -> Snapshot:
    """The streams of an entity of a dataset of recordings.

    Raises:
        NotFoundError: There are none; the message offers near names.
    """
    dataset, _, entity = name.partition("/")
    recordings = workspace.recordings
    store = recordings.newest(project, dataset)
    streams = recordings.streams_of(store, f"{project}.{dataset}", f"/{entity}", None)
    return recordings.segments(project, dataset, streams)


def _plan_table(view: DatasetView) -> PlanTable:
    table: PlanTable = view.reader().into_view()
    return table


def find_dataset(workspace: Workspace, project: str, name: str) -> SampleStore | None:
    """The samples of a dataset of recordings, None where there is none."""
    try:
        return workspace.recordings.newest(project, name)
    except (TableNotFoundError, InputError):
        return None


def spelt_otherwise(workspace: Workspace, project: str, name: str) -> str | None:
    """How to write the table whose name differs in capitals alone, None where there is none."""
    catalog = workspace.catalog
    for found in catalog.projects():
        if found.lower() != project.lower():
            continue
        for table in (*catalog.tables(found), *catalog.datasets(found)):
            if table.lower() == name.lower() and (found, table) != (project, name):
                return f"{_as_written(found)}.{_as_written(table)}"
    return None


def _as_written(name: str) -> str:
    quote = "" if name == ascii_lower(name) else '"'
    return f"{quote}{name}{quote}"


@dataclass(frozen=True, slots=True)
class NamedVideos:
    """The videos of the tables that a query names."""

    columns: frozenset[str]
    """The names of their columns."""
    timed: bool
    """Whether some are recorded streams, whose frames have times of a clock."""


def named_videos(workspace: Workspace, sql: str) -> NamedVideos:
    """The videos that a query can read."""
    columns: set[str] = set()
    timed = False
    for project, name in sorted(set(_named_tables(TokenText(sql)))):
        found = find_videos(workspace, project, name)
        for field in () if found is None else found.schema:
            if is_video(field.type):
                columns.add(field.name)
                timed |= is_stream(field.type)
    return NamedVideos(frozenset(columns), timed)


def _named_tables(text: TokenText) -> Iterator[tuple[str, str]]:
    """What stands where tables are named: after FROM and JOIN, and after commas there."""
    for at in range(len(text)):
        if not text.is_word(at, "from", "join"):
            continue
        place = text.after(at)
        while True:
            first = place
            while text.is_symbol(first, "("):  # FROM (p.a JOIN p.b ON ...), p.c
                first = text.after(first)
            names, end = _dotted(text, first)
            if len(names) > 1:
                yield names[-2], names[-1]
            place = _after_alias(text, end if first == place else place)
            if not text.is_symbol(place, ","):
                break
            place = text.after(place)


def _dotted(text: TokenText, at: int) -> tuple[list[str], int]:
    """The parts of a dotted name, none where there is none, and the token after it."""
    names: list[str] = []
    while (name := text.name(at)) is not None:
        names.append(name)
        at = text.after(at)
        if not text.is_symbol(at, "."):
            break
        at = text.after(at)
    return names, at


def _after_alias(text: TokenText, at: int) -> int:
    """The token after an alias, or after what stands in brackets: a subquery has a FROM too."""
    while True:
        closing = text.close(at)
        if closing is not None and text.is_symbol(at, "("):
            at = text.after(closing)
        elif text.name(at) is not None and not text.is_word(at, *_CLAUSES):
            at = text.after(at)
        else:
            return at


_CLAUSES = ("where", "join", "on", "group", "order", "limit", "union", "left", "inner")
