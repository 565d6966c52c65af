"""Rows of a data set of Ray become rows of a table: indexed and stored on Ray's workers.

Workers lay down data files that belong to no version; the driver, which sees keys and the names
of files alone, commits them at once. Rows without videos are small: those the driver gathers,
and writes as `Table.write` does.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import Any

import pyarrow as pa
import pyarrow.types as pat
from ray.data import Datasink  # pyright: ignore[reportMissingImports]  # an extra
from ray.data.block import BlockAccessor  # pyright: ignore[reportMissingImports]

from ..errors import InputError
from ..expressions.blob import Blob, Video
from ..expressions.dtypes import is_video
from ..storage.dataset import Dataset
from ..storage.scattered import Piece
from .ingest import Given, prepare_rows
from .workspace import Workspace


def write_dataset(
    workspace: Workspace, dataset: Dataset, data: Any, *, videos: Collection[str]
) -> int:
    """Write a `ray.data.Dataset` to a table, and say which version holds it."""
    schema = _arrow_schema(data)
    if schema is None:
        return dataset.version  # no rows
    stored = {field.name for field in dataset.schema if is_video(field.type)}
    sink = _Rows(workspace, dataset, schema, stored | set(videos))
    data.write_datasink(sink)
    return sink.version


def _arrow_schema(data: Any) -> pa.Schema | None:
    """The columns that the rows will have; None where there are no rows.

    Ray tells a sink those of what is fused with the write, a file reader's perhaps. So it is
    asked before, and makes the first block of a plan that has not run for it.
    """
    found = data.schema()
    if found is None or isinstance(found.base_schema, pa.Schema):
        return None if found is None else found.base_schema
    return data.take_batch(1, batch_format="pyarrow").schema


class _Rows(Datasink[list[Piece | pa.Table]]):  # type: ignore[misc, unused-ignore]  # an extra
    """One write, its columns settled; it goes along to the workers."""

    def __init__(
        self, workspace: Workspace, dataset: Dataset, schema: pa.Schema, videos: set[str]
    ) -> None:
        unknown = videos - set(schema.names) - set(dataset.schema.names)
        if unknown:
            raise InputError(f"the Ray data set has no column {min(unknown)!r} of videos")
        self._workspace = workspace
        self._dataset = dataset
        self._videos = videos & set(schema.names)
        self._write = dataset.scattered_write()
        if self._videos:
            ordinary = [field for field in schema if field.name not in self._videos]
            self._write = self._write.plan(pa.schema(ordinary), self._videos)
        self.version: int = dataset.version

    def get_name(self) -> str:
        return "Marey"

    def write(self, blocks: Iterable[Any], ctx: Any) -> list[Piece | pa.Table]:
        """Index and store the rows of some blocks, on a worker."""
        tables = (BlockAccessor.for_block(block).to_arrow() for block in blocks)
        filled = [table for table in tables if table.num_rows]
        if not self._videos:
            return filled
        return [self._lay_down(table) for table in filled]

    def on_write_complete(self, write_result: Any) -> None:
        """Commit what all workers have stored."""
        given = [piece for own in write_result.write_returns for piece in own]
        if not given:
            return
        if self._videos:
            self.version = self._write.commit(given)
        else:
            rows = self._prepared(pa.concat_tables(given, promote_options="permissive"))
            self.version = self._dataset.write(rows.table, rows.videos)

    def _lay_down(self, table: pa.Table) -> Piece:
        rows = self._prepared(
            {
                name: _videos(name, table[name]) if name in self._videos else table[name]
                for name in table.column_names
            }
        )
        return self._write.lay_down(rows.table, rows.videos)

    def _prepared(self, data: Any) -> Given:
        return prepare_rows(
            data,
            schema=self._dataset.schema,
            key_schema=self._dataset.key_schema,
            objects=self._workspace.catalog.objects,
        )


def _videos(name: str, column: pa.ChunkedArray) -> list[Video | None]:
    """Videos of the bytes of files, or of paths and URIs to refer to."""
    kind = column.type
    if pat.is_string(kind) or pat.is_large_string(kind):
        return [
            None if uri is None else Video(Blob.from_uri(uri)) for uri in column.to_pylist()
        ]
    if pat.is_binary(kind) or pat.is_large_binary(kind):
        return [None if data is None else Video(Blob(data)) for data in column.to_pylist()]
    raise InputError(f"column {name!r}: videos are bytes or paths (URIs), found {kind}")
