"""The tables that SQL can name: `project.table`, opened when a query names them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from datafusion.catalog import CatalogProvider, SchemaProvider
from datafusion.catalog import Table as PlanTable

from ..errors import InputError, TableNotFoundError
from ..expressions.dtypes import is_video
from ..expressions.sql_tokens import TokenText, ascii_lower
from ..storage.dataset import Dataset
from ..storage.recordings.store import SampleStore
from .context import QueryContext
from .provider import StoredTable
from .recordings.view import DatasetView
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
        """A table at its newest version, None where there is none."""
        if (project, name) not in self._opened:
            dataset = self._kept(lambda: find_table(self._workspace, project, name))
            if dataset is None:
                return None
            self._opened[project, name] = StoredTable(
                dataset.at(dataset.version),
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


def find_table(workspace: Workspace, project: str, name: str) -> Dataset | None:
    """A table at its newest version, None where there is none or the name cannot be one."""
    try:
        return workspace.newest(project, name)
    except (TableNotFoundError, InputError):
        return None


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
        for table in catalog.tables(found):
            if table.lower() == name.lower() and (found, table) != (project, name):
                return f"{_as_written(found)}.{_as_written(table)}"
    return None


def _as_written(name: str) -> str:
    quote = "" if name == ascii_lower(name) else '"'
    return f"{quote}{name}{quote}"


def video_columns(workspace: Workspace, sql: str) -> set[str]:
    """The names of the video columns in the tables that a query names."""
    found: set[str] = set()
    for project, name in sorted(set(_named_tables(TokenText(sql)))):
        dataset = find_table(workspace, project, name)
        if dataset is not None:
            found |= {field.name for field in dataset.schema if is_video(field.type)}
    return found


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
