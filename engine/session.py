"""`Marey`: the way in. A root with projects of tables, and the queries over them."""

from __future__ import annotations

import os
from collections.abc import Mapping
from types import TracebackType
from typing import Self
from urllib.parse import unquote, urlsplit

from ..errors import ConfigError
from ..expressions.node import Expr
from ..storage.addresses import shown_uri
from .catalog import Project
from .config import EngineConfig
from .scan import Scan, make_scan
from .sql import SqlQuery
from .workspace import Workspace

ROOT_VARIABLE = "MAREY_ROOT"


class Marey:
    """The tables below one root.

    >>> import tempfile, pyarrow as pa
    >>> db = Marey(tempfile.mkdtemp())
    >>> key = {"clip_id": pa.int64()}
    >>> clips = db.project("training").create_table("clips", key_schema=key)
    >>> version = clips.write({"clip_id": [1, 2], "label": ["kitchen", "street"]})
    >>> db.scan({"clip_id": clips["clip_id"]}, where=clips["label"] == "street").to_table()
    pyarrow.Table
    clip_id: int64
    ----
    clip_id: [[2]]

    Args:
        root: A folder or a URI; `$MAREY_ROOT` where it is left out.
        storage_options: For a URI of an object store, by the names of `object_store`.
        config: Settings.

    Raises:
        ConfigError: There is no root, or a setting cannot be.
    """

    def __init__(
        self,
        root: str | os.PathLike[str] | None = None,
        *,
        storage_options: Mapping[str, str] | None = None,
        config: EngineConfig | None = None,
    ) -> None:
        found = root if root is not None else os.environ.get(ROOT_VARIABLE)
        if not found:
            raise ConfigError(
                f"no root: give the folder that holds the tables, or set {ROOT_VARIABLE}"
            )
        if config is not None and not isinstance(config, EngineConfig):
            raise ConfigError(f"config must be an EngineConfig, got {config!r}")
        options = _storage_options(storage_options)
        self._workspace = Workspace(_root(found), options, config or EngineConfig())

    @property
    def root(self) -> str:
        """The folder or URI that holds the tables."""
        root: str = self._workspace.catalog.root
        return root

    @property
    def config(self) -> EngineConfig:
        """The settings."""
        return self._workspace.config

    def project(self, name: str) -> Project:
        """A project; it need not be there yet."""
        return Project(self._workspace, name)

    def projects(self) -> list[str]:
        """The names of the projects that hold a table."""
        names: list[str] = self._workspace.catalog.projects()
        return names

    def scan(
        self,
        outputs: Mapping[str, object],
        *,
        where: Expr | None = None,
        limit: int | None = None,
    ) -> Scan:
        """A query over one table, checked now and run later.

        Args:
            outputs: Expressions by the names that they get in the result.
            where: Which rows.
            limit: The most rows.

        Raises:
            ExpressionError: Types do not fit, or not one table is read.
        """
        return make_scan(self._workspace, outputs, where=where, limit=limit)

    def sql(self, text: str) -> SqlQuery:
        """A query in SQL over any number of tables, planned now and run later.

        Tables are `project.table`; functions on videos are those of `expressions.video`, as
        `video_read` and so on, with arguments by position or by name (`height => 224`).

        Raises:
            QueryError: It does not parse or plan, or is no query.
            TableNotFoundError: It names a table that there is not.
            ColumnNotFoundError: Likewise a column.
            FunctionNotFoundError: Likewise a function.
        """
        return SqlQuery(self._workspace, text)

    def close(self) -> None:
        """Let go of open tables, waiting decoders and kept memory; a later use has others."""
        self._workspace.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"Marey({self.root!r})"


def _root(given: object) -> str:
    """A folder, or the URI of a place in an object store."""
    root = os.fspath(given) if isinstance(given, str | os.PathLike) else given
    if not isinstance(root, str):
        raise ConfigError(f"root must be a path or a URI, got {type(given).__name__}")
    if not root.startswith("file://"):
        _check_place(root)
        return root
    place = urlsplit(root)
    if place.netloc not in ("", "localhost") or not place.path:
        raise ConfigError(f"root: expected file:///absolute/path, got {root!r}")
    return unquote(place.path)


def _check_place(root: str) -> None:
    """Refuse a URI that is no place in an object store, or that has credentials in it."""
    scheme, found, rest = root.partition("://")
    if not found:
        return
    bucket, shown = rest.partition("/")[0], shown_uri(root)
    if "@" in bucket or "?" in root:
        raise ConfigError(
            "root: a user, or what stands after '?', does not belong into an address, "
            f"credentials go into storage_options: {shown}"
        )
    if scheme.lower() not in ("s3", "gs", "az") or not bucket:
        raise ConfigError(
            f"root: expected a folder, or s3://bucket/prefix (or gs://, az://), found {shown}"
        )


def _storage_options(given: object) -> dict[str, str]:
    options = {} if given is None else given
    if not isinstance(options, Mapping):
        raise ConfigError("storage_options must be a mapping of strings to strings")
    for name, value in options.items():
        for what, part in ((f"the name {name!r}", name), (f"the value of {name!r}", value)):
            if not isinstance(part, str):
                # Values may be secrets: they are not shown.
                raise ConfigError(
                    "storage_options must be a mapping of strings to strings ('true', '30'): "
                    f"{what} is of type {type(part).__name__}"
                )
    return dict(options)
