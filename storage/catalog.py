"""Projects and tables below one root: folders, and Lance datasets in them.

::

    <root>/<project>/<table>.lance/
    <root>/<project>/<dataset>.dataset/samples.lance/   (`recordings`)

Nothing else is written: the root has no file of its own that could disagree with what is there.
A table exists once Lance has committed its first version, which a crash before that prevents.
"""

from __future__ import annotations

import json
import os
import re
import stat
import uuid
from collections.abc import Iterable, Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import Final
from urllib.parse import unquote, urlsplit

import lance
import pyarrow as pa

from ..errors import (
    InputError,
    StorageError,
    TableExistsError,
    TableNotFoundError,
    UnsupportedError,
)
from .addresses import SourceKind
from .dataset import CACHE_BYTES, Caches, Dataset, open_dataset
from .folders import folder_names, is_remote, remove_folder
from .handle import FORMAT, FORMAT_KEY, KEY_COLUMNS_KEY, TABLE_ID_KEY, Handle, translate_errors
from .objects import Objects
from .schema import to_key_schema

STORAGE_VERSION: Final = "2.2"
"""Of Lance's file format: the first that keeps blobs beside the table."""

DATASET_SUFFIX: Final = ".dataset"
SAMPLES: Final = "samples.lance"
"""In the folder of a dataset of recordings."""

_NAME = re.compile(r"[A-Za-z0-9_-]{1,200}")
_SUFFIX = ".lance"
_PRIMARY_KEY = "lance-schema:unenforced-primary-key"


class Catalog:
    """The tables below a root: a folder, or the URI of a place in an object store.

    >>> import tempfile
    >>> catalog = Catalog(tempfile.mkdtemp())
    >>> key = pa.schema([("clip_id", pa.int64())])
    >>> clips = catalog.create_table("training", "clips", key_schema=key)
    >>> clips.write(pa.table({"clip_id": [1, 2], "label": ["a", "b"]}))
    3
    >>> catalog.tables("training"), clips.count()
    (['clips'], 2)
    """

    def __init__(
        self,
        root: str | os.PathLike[str],
        storage_options: Mapping[str, str] | None = None,
        *,
        in_flight: Mapping[SourceKind, int] | None = None,
        cache_bytes: int = CACHE_BYTES,
    ) -> None:
        """Nothing is read yet.

        Args:
            root: A folder, or the URI of a place in an object store.
            storage_options: Names of `object_store`, for the tables and what rows refer to.
            in_flight: Requests at one time to each kind of store.
            cache_bytes: What may be kept of the tables for later reads.
        """
        self._root = _normalised(root)
        self._in_flight = dict(in_flight or {})
        self._storage_options = dict(storage_options or {})
        self.objects = Objects(self._storage_options, in_flight)
        """Reads what rows refer to."""
        self._cache_bytes = cache_bytes
        self.caches = Caches.empty(self.objects, cache_bytes)
        """What is kept of the tables."""

    def __reduce__(self) -> tuple[object, ...]:
        return _reopen, (self._root, self._storage_options, self._in_flight, self._cache_bytes)

    @property
    def root(self) -> str:
        """The folder, or the URI."""
        return self._root

    @property
    def storage_options(self) -> Mapping[str, str]:
        """For a URI of an object store, by the names of `object_store`."""
        return self._storage_options

    def projects(self) -> list[str]:
        """The names of the projects that hold a table or a dataset of recordings."""
        return [
            name
            for name in self._folders()
            if _NAME.fullmatch(name) and (self.tables(name) or self.datasets(name))
        ]

    def datasets(self, project: str) -> list[str]:
        """The names of a project's datasets of recordings; none if there is no such project."""
        names = _ending(self._folders(_check_name("project", project)), DATASET_SUFFIX)
        return [
            name
            for name in names
            if SAMPLES in self._folders(f"{project}/{name}{DATASET_SUFFIX}")
        ]

    def dataset_uri(self, project: str, name: str) -> str:
        """Where a dataset of recordings is, or would be.

        Raises:
            InputError: A name cannot be.
        """
        return self._uri(project, name, "dataset", DATASET_SUFFIX)

    def has_table(self, project: str, name: str) -> bool:
        """Whether there is a table of that name."""
        return self._exists(self._uri(project, name))

    def has_dataset(self, project: str, name: str) -> bool:
        """Whether there is a dataset of recordings of that name."""
        return self._exists(f"{self.dataset_uri(project, name)}/{SAMPLES}")

    def tables(self, project: str) -> list[str]:
        """The names of a project's tables; none if there is no such project."""
        names = _ending(self._folders(_check_name("project", project)), _SUFFIX)
        return [name for name in names if self._is_listed(project, name)]

    def create_table(
        self, project: str, name: str, *, key_schema: pa.Schema, exist_ok: bool = False
    ) -> Dataset:
        """Make an empty table of these key columns.

        Args:
            project: Made with its first table.
            name: Letters, digits, `_` and `-`.
            key_schema: The key columns; they become not null.
            exist_ok: Open a table that is there already, if it has the same key.

        Raises:
            InputError: A name or a key type cannot be, or the table there has another key.
            TableExistsError: It is there already, or a dataset of its name.
        """
        keys = to_key_schema(key_schema)
        uri = self._uri(project, name)
        if self.has_dataset(project, name):
            raise TableExistsError(
                f"{project}.{name} is a dataset of recordings: a table needs another name"
            )
        if not self.has_table(project, name) and self._create(uri, keys):
            return self.open_table(project, name)
        if not exist_ok:
            raise TableExistsError(
                f"table {project}.{name} is there already: create_table(..., exist_ok=True) "
                "opens it, drop_table removes it"
            )
        dataset = self.open_table(project, name)
        if not dataset.key_schema.equals(keys):
            raise InputError(
                f"table {project}.{name} is there already with the key "
                f"{_describe(dataset.key_schema)}, not {_describe(keys)}"
            )
        return dataset

    def open_table(self, project: str, name: str) -> Dataset:
        """A table at its newest version.

        Raises:
            TableNotFoundError: There is none of that name; the message offers near ones.
        """
        uri = self._uri(project, name)
        try:
            return open_dataset(uri, storage_options=self._storage_options, caches=self.caches)
        except TableNotFoundError as error:
            raise TableNotFoundError(
                f"no table {project}.{name} in {self._root}{self._offer(project, name)}"
            ) from error

    def drop_table(self, project: str, name: str) -> None:
        """Remove a table with all its versions; referenced videos stay where they are.

        Raises:
            TableNotFoundError: There is none of that name.
        """
        uri = self.open_table(project, name).uri
        if not is_remote(uri):
            remove_folder(uri, self._storage_options)
            return
        with translate_errors(f"drop of {uri}"):
            lance.LanceDataset.drop(uri, storage_options=self._storage_options)

    def _create(self, uri: str, keys: pa.Schema) -> bool:
        """Commit the first version; False if somebody else did in the meantime."""
        fields = [field.with_metadata({_PRIMARY_KEY: "true"}) for field in keys]
        metadata = {
            FORMAT_KEY: str(FORMAT),
            TABLE_ID_KEY: uuid.uuid4().hex,
            KEY_COLUMNS_KEY: json.dumps(keys.names),
        }
        empty = pa.schema(fields, metadata=metadata).empty_table()
        if not is_remote(uri):
            _make_folder(Path(uri).parent)
        with translate_errors(f"create of {uri}"):
            try:
                lance.write_dataset(
                    empty,
                    uri,
                    mode="create",
                    data_storage_version=STORAGE_VERSION,
                    enable_stable_row_ids=True,
                    storage_options=self._storage_options or None,
                )
            except OSError as error:
                if "already exists" in str(error):
                    return False
                raise
        return True

    def _exists(self, uri: str) -> bool:
        try:
            Handle(uri, storage_options=self._storage_options)
        except TableNotFoundError:
            return False
        return True

    def _is_listed(self, project: str, name: str) -> bool:
        try:
            return self.has_table(project, name)
        except (StorageError, UnsupportedError):
            return True  # it is there; opening it says that it is damaged, or too new

    def _uri(self, project: str, name: str, what: str = "table", suffix: str = _SUFFIX) -> str:
        _check_name("project", project)
        _check_name(what, name)
        self._check_root()
        return f"{self._root.rstrip('/')}/{project}/{name}{suffix}"

    def _offer(self, project: str, name: str) -> str:
        if is_remote(self._root):
            return ""  # each table there is would be a request
        projects = self.projects()
        if project not in projects:
            return _near(project, projects, "project")
        tables, datasets = self.tables(project), self.datasets(project)
        if name in datasets:
            return f"; {name!r} is a dataset of recordings: dataset({name!r}) opens it"
        near = get_close_matches(name, datasets, n=3) if tables else datasets
        offer = _near(name, tables, "table") if tables or not near else ""
        return offer + (_near(name, near, "dataset") if near else "")

    def _folders(self, within: str = "") -> list[str]:
        """The names of the folders in one below the root."""
        self._check_root()
        return folder_names(f"{self._root.rstrip('/')}/{within}", self._storage_options)

    def _check_root(self) -> None:
        """Refuse a root that cannot hold tables; one that is not there yet can."""
        if is_remote(self._root):
            return
        try:
            found = os.stat(self._root)
        except FileNotFoundError:
            return
        except (OSError, ValueError) as error:
            raise StorageError(f"root {self._root!r}: {_reason(error)}") from error
        if not stat.S_ISDIR(found.st_mode):
            raise StorageError(f"root {self._root!r}: expected a folder, found a file")


def _reopen(
    root: str,
    storage_options: Mapping[str, str],
    in_flight: Mapping[SourceKind, int],
    cache_bytes: int,
) -> Catalog:
    return Catalog(root, storage_options, in_flight=in_flight, cache_bytes=cache_bytes)


def _near(name: str, names: Iterable[str], what: str) -> str:
    known = list(names)
    near = get_close_matches(name, known, n=3) or known[:12]
    if not near:
        return f": there is no {what}"
    return f"; {what}s near it: {', '.join(map(repr, near))}"


def _check_name(what: str, name: str) -> str:
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        raise InputError(f"{what} {name!r}: a name is made of letters, digits, '_' and '-'")
    return name


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StorageError(f"cannot make folder {str(folder)!r}: {_reason(error)}") from error
    if not os.access(folder, os.W_OK):
        raise StorageError(f"cannot write to folder {str(folder)!r}: permission denied")


def _reason(error: OSError | ValueError) -> str:
    return (isinstance(error, OSError) and error.strerror) or str(error)


def _ending(names: Iterable[str], suffix: str) -> list[str]:
    """Those of some names that end so and can be ours, without that ending."""
    own = [name.removesuffix(suffix) for name in names if name.endswith(suffix)]
    return [name for name in own if _NAME.fullmatch(name)]


def _normalised(root: str | os.PathLike[str]) -> str:
    text = os.fspath(root)
    if text.startswith("file://"):
        text = unquote(urlsplit(text).path)
    return (text if is_remote(text) else os.path.expanduser(text)).rstrip("/") or "/"


def _describe(schema: pa.Schema) -> str:
    return ", ".join(f"{field.name}: {field.type}" for field in schema)
