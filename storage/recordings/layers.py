"""Layers of a dataset: tables of their own beside the samples, listed with them.

::

    <dataset>/samples.lance      lists the layers: {"labels": {"place": ..., "timeline": ...}}
    <dataset>/layers/<id>.lance  the rows of one

A layer is part of the dataset once it is listed, in one commit; what is written and not listed
is seen by nobody.
"""

from __future__ import annotations

import re
import time
import uuid
from collections.abc import Iterator, Sequence
from contextlib import suppress
from functools import cached_property

import lance
import pyarrow as pa

from ...errors import InputError, NotFoundError, QueryError, StorageError
from ..catalog import SAMPLES, STORAGE_VERSION
from ..folders import folder_names, last_written, remove_folder
from ..handle import StorageOptions, translate_errors
from ..read import quote
from .commit import change_layers
from .store import SampleStore

_NAME = re.compile(r"[A-Za-z0-9_-]{1,200}")
_PLACE, _TIMELINE = "place", "timeline"
_BATCH_ROWS = 8192
_STALE_SECONDS = 3600
_BATCH_BYTES = 32 << 20


class Layer:
    """The rows of one layer."""

    def __init__(
        self, name: str, uri: str, timeline: str, storage_options: StorageOptions | None
    ) -> None:
        self.name = name
        self.timeline = timeline
        self._uri = uri
        self._options = dict(storage_options or {})

    @cached_property
    def _lance(self) -> lance.LanceDataset:
        with translate_errors(f"layer {self.name!r}"):
            return lance.dataset(self._uri, storage_options=self._options or None)

    @property
    def schema(self) -> pa.Schema:
        """The segment, the timeline, and the columns that the layer brings."""
        return self._lance.schema

    @property
    def columns(self) -> list[str]:
        """The columns that it brings."""
        names: list[str] = self.schema.names
        return names[2:]

    def scan(self, columns: Sequence[str], filter: str | None) -> Iterator[pa.RecordBatch]:
        """Some columns of the rows that pass a filter."""
        with translate_errors(f"layer {self.name!r}", bad_input=QueryError):
            yield from self._lance.scanner(
                columns={name: quote(name) for name in columns},
                filter=filter,
                batch_size=_BATCH_ROWS,
                batch_size_bytes=_BATCH_BYTES,
                with_row_id=True,
            ).to_reader()


def open_layers(store: SampleStore) -> list[Layer]:
    """The layers of a version, in the order in which they were registered."""
    return [
        Layer(
            name,
            f"{_folder(store)}/{said[_PLACE]}",
            said[_TIMELINE],
            store.handle.storage_options,
        )
        for name, said in store.layers.items()
    ]


def add_layer(
    store: SampleStore, name: str, timeline: str, rows: pa.RecordBatchReader
) -> SampleStore:
    """Write a layer and list it; one of the same name is replaced.

    Raises:
        InputError: The name cannot be, or a column is another layer's already.
    """
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        raise InputError(f"layer {name!r}: a name is made of letters, digits, '_' and '-'")
    for other in open_layers(store):
        shared = set(other.columns) & set(rows.schema.names[2:])
        if other.name != name and shared:
            raise InputError(
                f"layer {name!r}: column {min(shared)!r} is layer {other.name!r}'s already"
            )
    place = f"{uuid.uuid4().hex}.lance"
    uri = f"{_folder(store)}/{place}"
    failed: list[Exception] = []
    try:
        with translate_errors(f"write of layer {name!r}"):
            lance.write_dataset(
                pa.RecordBatchReader.from_batches(rows.schema, _noting(rows, failed)),
                uri,
                data_storage_version=STORAGE_VERSION,
                storage_options=store.handle.storage_options or None,
            )
    except StorageError:
        if failed:
            raise failed[0] from None  # Lance keeps the text of an exception only
        raise

    def change(layers: dict[str, dict[str, str]]) -> None:
        layers[name] = {_PLACE: place, _TIMELINE: timeline}

    return change_layers(store, change)


def remove_layer(store: SampleStore, name: str) -> SampleStore:
    """Take a layer off the list.

    Raises:
        NotFoundError: There is none of that name.
    """

    def change(layers: dict[str, dict[str, str]]) -> None:
        if name not in list(layers):
            raise NotFoundError(f"no layer {name!r}; there are {list(layers)}")
        del layers[name]

    return change_layers(store, change)


def open_lance_table(
    path: str, storage_options: StorageOptions | None = None
) -> pa.RecordBatchReader:
    """The rows of any Lance dataset.

    Raises:
        InputError: There is none at the path.
    """
    options = dict(storage_options or {}) or None
    try:
        with translate_errors(f"read of {path!r}"):
            scanner = lance.dataset(path, storage_options=options).scanner(
                batch_size=_BATCH_ROWS, batch_size_bytes=_BATCH_BYTES
            )
            return scanner.to_reader()
    except StorageError as error:
        raise InputError(f"{path!r} is no Lance dataset: {error}") from error


def _noting(rows: pa.RecordBatchReader, failed: list[Exception]) -> Iterator[pa.RecordBatch]:
    """The batches, and a note of what ended them."""
    try:
        yield from rows
    except Exception as error:
        failed.append(error)
        raise


def _folder(store: SampleStore) -> str:
    return f"{store.uri.removesuffix(SAMPLES)}layers"


def remove_stale_layers(store: SampleStore) -> None:
    """Remove the rows of layers that are not listed, unless somebody may still read them."""
    folder, options = _folder(store), store.handle.storage_options
    listed = {said[_PLACE] for said in store.layers.values()}
    for name in folder_names(folder, options):
        place = f"{folder}/{name}"
        if name not in listed and time.time() - last_written(place, options) > _STALE_SECONDS:
            with suppress(StorageError):  # somebody else may be at it
                remove_folder(place, options)
