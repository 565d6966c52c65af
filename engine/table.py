"""A stored table as users hold it: written to, named in expressions, seen at any version."""

from __future__ import annotations

import operator
from collections.abc import Collection
from datetime import datetime
from typing import Any

import pyarrow as pa

from ..errors import ConfigError, NotFoundError, UnsupportedError
from ..expressions.columns import Column, Relation, column
from ..expressions.node import Expr
from ..storage.dataset import Dataset, Version
from ..storage.optimize import Optimized
from .ingest import prepare_rows
from .requests import VIDEO
from .result import Readable, require_module
from .rows import delete_rows
from .workspace import Workspace


class Table:
    """A table; or a snapshot of one, which cannot be written to.

    `table["label"]` is a column and `table["video"]["index"]["width"]` a field in one, both for
    use in expressions.
    """

    def __init__(
        self, workspace: Workspace, project: str, name: str, *, version: int | None = None
    ) -> None:
        self._workspace = workspace
        self._project = project
        self._name = name
        self._version = version

    @property
    def name(self) -> str:
        """Its name within the project."""
        return self._name

    @property
    def project(self) -> str:
        """The name of its project."""
        return self._project

    @property
    def schema(self) -> pa.Schema:
        """Its columns; a video is a struct of `source` and `index`."""
        return self._dataset().schema

    @property
    def key_schema(self) -> pa.Schema:
        """Its key columns."""
        return self._dataset().key_schema

    def __getitem__(self, name: str) -> Column:
        """A column, for use in expressions.

        Raises:
            ColumnNotFoundError: There is none of that name; the message offers near ones.
        """
        known = self._workspace.table(self._project, self._name)
        if self._version is None and isinstance(name, str) and name in known.schema.names:
            return column(self._relation(known), name)
        # Another writer may have added it, or the table is a snapshot.
        return column(self._relation(self._dataset()), name)

    def write(self, data: Any) -> int:
        """Insert rows with new keys; update those with known ones in the columns given.

        All rows become part of the table at once, or none.

        Args:
            data: A dict of columns, an Arrow table, batch or reader, a list of dicts, a pandas
                or polars frame, or a scan. Videos are `se.Video` values, or plain bytes in a
                column that is a video column already.

        Returns:
            The number of the version that holds the rows.

        Raises:
            InputError: A value or a column does not fit; the message names it.
            UnsupportedError: A scan that gives videos: their media are not in its result.
            DuplicateKeyError: A key stands twice.
            VideoError: A video cannot be indexed; the message names row, key and column.
            ConflictError: Other writers were quicker each time.
        """
        dataset = self._writable()
        if isinstance(data, Readable):
            _refuse_videos(data.schema)
            data = data.to_table()
        given = prepare_rows(
            data,
            schema=dataset.schema,
            key_schema=dataset.key_schema,
            objects=self._workspace.catalog.objects,
            show_progress=self._workspace.config.progress,
        )
        version: int = dataset.write(given.table, given.videos)
        return version

    def write_ray(self, dataset: Any, *, videos: Collection[str] = ()) -> int:
        """Write the rows of a data set of Ray; videos are indexed and stored on its workers.

        All rows become part of the table at once, or none. Rows with videos are inserted, so
        their keys are new ones. Rows without are gathered here and written as by `write`, which
        updates those with known keys.

        Args:
            dataset: A `ray.data.Dataset` with the table's key columns.
            videos: The columns that hold videos, as bytes of files or as paths (URIs) to refer
                to; those that are video columns of the table are among them anyway.

        Returns:
            The number of the version that holds the rows.

        Raises:
            InputError: A column does not fit, or a key of a row with videos is in the table
                already.
            DuplicateKeyError: A key stands twice.
            VideoError: A video cannot be indexed.
            UnsupportedError: Ray is not installed.
        """
        writable = self._writable()
        require_module("ray", "write_ray")
        from .ray_write import write_dataset

        version: int = write_dataset(self._workspace, writable, dataset, videos=videos)
        return version

    def delete(self, where: Expr | str) -> int:
        """Delete the rows that satisfy a condition, and say how many those were.

        Args:
            where: An expression over the table's columns, or a condition in SQL.
        """
        return delete_rows(self._workspace, self._relation(self._writable()), where)

    def count(self) -> int:
        """How many rows there are."""
        rows: int = self._dataset().count()
        return rows

    def versions(self) -> list[Version]:
        """The versions that there still are, oldest first."""
        listed: list[Version] = self._dataset().versions()
        return listed

    def snapshot(self, asof: int | datetime | Version) -> Table:
        """The table as it was.

        Args:
            asof: A version, its number, or a time: then the newest version committed by it. A
                time without a zone is local.

        Raises:
            NotFoundError: There is no such version, or not any more.
        """
        version = self._at(self._dataset(), _number_or_time(asof)).version
        return Table(self._workspace, self._project, self._name, version=version)

    def optimize(self) -> Optimized:
        """Merge small files and remove versions older than a week; rows stay as they are."""
        done: Optimized = self._writable().optimize()
        return done

    def __repr__(self) -> str:
        version = "" if self._version is None else f", version {self._version}"
        return f"Table({self._project}.{self._name}{version})"

    def _dataset(self) -> Dataset:
        """What is seen now: the newest version, or the one of the snapshot."""
        if self._version is None:
            return self._workspace.newest(self._project, self._name)
        known = self._workspace.table(self._project, self._name)
        return self._at(known, self._version)

    def _at(self, dataset: Dataset, asof: int | datetime) -> Dataset:
        try:
            return dataset.at(asof)
        except NotFoundError as error:
            there = dataset.versions()
            asked = f"no version {asof}"
            if isinstance(asof, datetime):
                asked = f"no version by {asof.astimezone().isoformat()}"
            raise NotFoundError(
                f"{self._project}.{self._name}: {asked}; there are {there[0].number} "
                f"({there[0].time.isoformat()}) to {there[-1].number} "
                f"({there[-1].time.isoformat()})"
            ) from error

    def _writable(self) -> Dataset:
        if self._version is not None:
            raise UnsupportedError(f"{self!r} is a snapshot: it can be read, not changed")
        return self._dataset()

    def _relation(self, dataset: Dataset) -> Relation:
        return self._workspace.relation(
            self._project, self._name, dataset, version=self._version
        )


def _number_or_time(asof: object) -> int | datetime:
    if isinstance(asof, datetime):
        return asof
    number = asof.number if isinstance(asof, Version) else asof
    try:
        if isinstance(number, bool):
            raise TypeError("a truth value is no number")
        return operator.index(number)  # type: ignore[arg-type]  # refused if not
    except TypeError:
        raise ConfigError(
            f"asof is a version, its number or a datetime, got {asof!r}"
        ) from None


def _refuse_videos(schema: pa.Schema) -> None:
    for field in schema:
        if field.type == VIDEO:
            raise UnsupportedError(
                f"column {field.name!r} of the scan is a video, of which a result holds the "
                "facts only: write se.Video values, or what se.video.remux gives"
            )
