"""The columns of a dataset as queries see it: one row a sample, a group of columns an entity.

================================  ==========================================================
`segment_id`                      the segment
`log_time`, ...                   the timelines, in the order in which they came
`decode_index`                    the sample's place in its stream: time order is another
`/camera:VideoStream:codec`       of the entity that the row is a sample of; null in the rows
`/camera:VideoStream:sample`      of others
`/camera:VideoStream:is_keyframe`
================================  ==========================================================
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import pyarrow as pa

from ...storage.read import ROW_ID
from ...storage.recordings.schema import (
    CODEC,
    DECODE_INDEX,
    ENTITY,
    IS_KEYFRAME,
    SAMPLE,
    SEGMENT,
    TIMELINE_PREFIX,
)
from ...storage.recordings.store import SampleStore, literal
from .. import pushdown

VIDEO_STREAM = "VideoStream"
"""What an entity of encoded samples is: the middle of its columns' names."""

_COMPONENTS = {CODEC: pa.string(), SAMPLE: pa.binary(), IS_KEYFRAME: pa.bool_()}
_BATCH_ROWS = 1024


def component(entity: str, name: str) -> str:
    """A column of an entity.

    >>> component("/camera", "sample")
    '/camera:VideoStream:sample'
    """
    return f"{entity}:{VIDEO_STREAM}:{name}"


def entity_of(column: str) -> str | None:
    """The entity that a column is of, None where its name says none."""
    return column.split(":", 1)[0] if column.startswith("/") else None


@dataclass(frozen=True, slots=True)
class SampleColumns:
    """The samples of some entities and segments, as columns."""

    store: SampleStore
    """The version."""
    entities: Sequence[str]
    """Whose samples."""
    segments: Sequence[str] | None
    """Of which segments; None: of all."""
    timeline: str | None
    """Which timeline every row has a time on; None: any row."""
    void_rows: Sequence[tuple[int, int]] = ()
    """Rows that do not count, from and to before."""

    @property
    def schema(self) -> pa.Schema:
        """The columns."""
        timelines = dict(self.store.timelines)
        first = {} if self.timeline is None else {self.timeline: timelines[self.timeline]}
        fields = [pa.field(SEGMENT, pa.string())]
        fields += [pa.field(name, dtype) for name, dtype in {**first, **timelines}.items()]
        fields.append(pa.field(DECODE_INDEX, pa.int64()))
        for entity in self.entities:
            fields += [pa.field(component(entity, n), t) for n, t in _COMPONENTS.items()]
        return pa.schema(fields)

    def read(
        self, names: Sequence[str], tree: pushdown.Node | None
    ) -> Iterator[pa.RecordBatch]:
        """Some columns of the rows that may pass a filter, one entity after the other."""
        if self.segments is not None and not self.segments:
            return
        fields = [self.schema.field(name) for name in names]
        for entity in self.entities:
            stored = self._stored(entity)
            needed = [stored[name] for name in names if name in stored]
            batches = self.store.scan(
                list(dict.fromkeys(needed)),
                filter=self._filter(entity, tree, stored),
                batch_rows=_BATCH_ROWS,
            )
            for batch in batches:
                columns = [
                    batch.column(stored[field.name])
                    if field.name in stored
                    else pa.nulls(batch.num_rows, field.type)
                    for field in fields
                ]
                if not columns:
                    yield batch.select([])  # keeps its number of rows
                    continue
                yield pa.RecordBatch.from_arrays(columns, schema=pa.schema(fields))

    def _stored(self, entity: str) -> dict[str, str]:
        """The stored column behind each one that rows of an entity have a value in."""
        stored = {SEGMENT: SEGMENT, DECODE_INDEX: DECODE_INDEX}
        stored |= {name: TIMELINE_PREFIX + name for name in self.store.timelines}
        return stored | {component(entity, name): name for name in _COMPONENTS}

    def _filter(
        self, entity: str, tree: pushdown.Node | None, stored: Mapping[str, str]
    ) -> str:
        parts = [f"{ENTITY} = {literal(entity)}"]
        if self.segments is not None:
            listed = ", ".join(map(literal, self.segments))
            parts.append(f"{SEGMENT} IN ({listed})")
        if self.timeline is not None:
            parts.append(f"`{TIMELINE_PREFIX}{self.timeline}` IS NOT NULL")
        parts += [f"({ROW_ID} < {a} OR {ROW_ID} >= {b})" for a, b in self.void_rows]
        if tree is not None:
            paths = {name: (column,) for name, column in stored.items()}
            pushed = pushdown.to_lance_filter(tree, paths)
            parts += [pushed] if pushed else []
        return " AND ".join(parts)
