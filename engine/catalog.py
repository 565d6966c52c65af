"""A project: the tables and the datasets of recordings below one name."""

from __future__ import annotations

from typing import Any, TypeAlias

import pyarrow as pa

from ..errors import InputError
from ..storage.recordings.catalog import create_dataset, drop_dataset
from .recordings.dataset import RecordingDataset
from .table import Table
from .workspace import Workspace

KeySchema: TypeAlias = Any
"""A `pa.Schema`, a mapping of names to types, or pairs of them: pyarrow ships no types."""


class Project:
    """Tables and datasets that belong together. It is there as soon as it has one."""

    def __init__(self, workspace: Workspace, name: str) -> None:
        self._workspace = workspace
        self._name = name

    @property
    def name(self) -> str:
        """Its name."""
        return self._name

    def create_table(
        self, name: str, *, key_schema: KeySchema, exist_ok: bool = False
    ) -> Table:
        """Make an empty table.

        Args:
            name: Letters, digits, `_` and `-`.
            key_schema: Names and types of the key columns: a mapping, a `pa.Schema` or pairs.
            exist_ok: Open the table if it is there already, with the same key.

        Raises:
            TableExistsError: It is there already, or a dataset of its name.
            InputError: The name or the key cannot be.
        """
        catalog = self._workspace.catalog
        catalog.create_table(
            self._name, name, key_schema=_to_schema(key_schema), exist_ok=exist_ok
        )
        self._workspace.forget(self._name, name)
        return self.table(name)

    def table(self, name: str) -> Table:
        """A table by name.

        Raises:
            TableNotFoundError: There is none; the message offers near names.
        """
        self._workspace.newest(self._name, name)
        return Table(self._workspace, self._name, name)

    def list_tables(self) -> list[str]:
        """The names of its tables."""
        names: list[str] = self._workspace.catalog.tables(self._name)
        return names

    def drop_table(self, name: str) -> None:
        """Remove a table with all its versions; referenced videos stay where they are.

        Raises:
            TableNotFoundError: There is none of that name.
        """
        self._workspace.catalog.drop_table(self._name, name)
        self._workspace.forget(self._name, name)

    def create_dataset(self, name: str, *, exist_ok: bool = False) -> RecordingDataset:
        """Make an empty dataset of recordings.

        Args:
            name: Letters, digits, `_` and `-`.
            exist_ok: Open the dataset if it is there already.

        Raises:
            TableExistsError: It is there already, or a table of its name.
            InputError: The name cannot be.
        """
        create_dataset(self._workspace.catalog, self._name, name, exist_ok=exist_ok)
        self._workspace.recordings.forget(self._name, name)
        return self.dataset(name)

    def dataset(self, name: str) -> RecordingDataset:
        """A dataset of recordings by name.

        Raises:
            TableNotFoundError: There is none; the message offers near names.
        """
        self._workspace.recordings.newest(self._name, name)
        return RecordingDataset(self._workspace, self._name, name)

    def list_datasets(self) -> list[str]:
        """The names of its datasets of recordings."""
        names: list[str] = self._workspace.catalog.datasets(self._name)
        return names

    def drop_dataset(self, name: str) -> None:
        """Remove a dataset of recordings with its layers.

        Raises:
            TableNotFoundError: There is none of that name.
        """
        drop_dataset(self._workspace.catalog, self._name, name)
        self._workspace.recordings.forget(self._name, name)

    def __repr__(self) -> str:
        return f"Project({self._name})"


def _to_schema(given: KeySchema) -> pa.Schema:
    try:
        return given if isinstance(given, pa.Schema) else pa.schema(given)
    except (pa.ArrowException, TypeError, ValueError, AttributeError) as error:
        raise InputError(
            f"key_schema: expected names and Arrow types, got {given!r}: {error}"
        ) from error
