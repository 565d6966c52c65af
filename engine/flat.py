"""The columns that DataFusion sees of a stored table: flat, and small.

==================  ====================================  ===========================
in DataFusion       what it is                            read from storage as
==================  ====================================  ===========================
`label`             an ordinary column                    `label`
`video`             a handle: where the video lies        the row id, and whether
                                                          there is a video
`video.index.width` a scalar of the video's frame index   `video.index.width`
==================  ====================================  ===========================
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import pyarrow as pa

from ..expressions.columns import index_fields
from ..expressions.dtypes import HANDLE, RESERVED_PREFIX, is_video

PLACE = RESERVED_PREFIX + "place"
"""A column that numbers rows as handles do; it is there only where it is asked for."""

_PRESENCE = "frame_count"
"""An index scalar that every video has: null where there is no video."""


@lru_cache(maxsize=256)
def flat_schema(schema: pa.Schema) -> pa.Schema:
    """The flat columns of a stored schema, in its order."""
    fields = []
    for field in schema:
        if not is_video(field.type):
            fields.append(field)
            continue
        fields.append(pa.field(field.name, HANDLE))
        index = field.type.field("index").type
        fields += [
            pa.field(f"{field.name}.index.{name}", index.field(name).type)
            for name in index_fields(field.type)
        ]
    return pa.schema(fields)


def storage_paths(schema: pa.Schema) -> dict[str, tuple[str, ...]]:
    """Where each flat column lies in the stored schema."""
    paths: dict[str, tuple[str, ...]] = {}
    for field in schema:
        paths[field.name] = (field.name,)
        if is_video(field.type):
            for name in index_fields(field.type):
                paths[f"{field.name}.index.{name}"] = (field.name, "index", name)
    return paths


@dataclass(frozen=True, slots=True)
class FlatColumns:
    """A choice of flat columns: what to read for them, and how they are put together."""

    schema: pa.Schema
    """The chosen columns, in order."""
    tables: Mapping[str, int]
    """Number of each video column in the query."""
    unseen: Collection[str] = ()
    """Video columns whose handles stand in rows without a video too."""

    @property
    def stored(self) -> list[str]:
        """What to read from storage."""
        names = [
            f"{field.name}.index.{_PRESENCE}" if field.type == HANDLE else field.name
            for field in self.schema
            if field.name != PLACE and field.name not in self.unseen
        ]
        return list(dict.fromkeys(names))

    def assemble(self, stored: pa.RecordBatch, rows: pa.Array) -> pa.RecordBatch:
        """The chosen columns from what was read.

        Args:
            stored: The columns `stored`, and perhaps others.
            rows: What handles call the rows, uint64; null where there is no row.
        """
        columns = [self._column(field, stored, rows) for field in self.schema]
        if not columns:
            return stored.select([])  # keeps its number of rows
        return pa.RecordBatch.from_arrays(columns, schema=self.schema)

    def _column(self, field: pa.Field, stored: pa.RecordBatch, rows: pa.Array) -> pa.Array:
        if field.name == PLACE:
            return rows
        if field.type != HANDLE:
            column = stored.column(field.name)
            return column if column.type == field.type else column.cast(field.type)
        if field.name in self.unseen:
            absent = rows.is_null()
        else:
            absent = stored.column(f"{field.name}.index.{_PRESENCE}").is_null()
        numbers = pa.array(np.full(len(rows), self.tables[field.name], np.uint32))
        return pa.StructArray.from_arrays([numbers, rows], fields=list(HANDLE), mask=absent)


def choose(
    schema: pa.Schema,
    names: Sequence[str] | None,
    tables: Mapping[str, int],
    unseen: Collection[str] = (),
) -> FlatColumns:
    """Some of the flat columns, in the order asked for; all of them for None."""
    fields = list(schema) if names is None else [schema.field(name) for name in names]
    return FlatColumns(pa.schema(fields), tables, unseen)
