"""One entity's streams as a relation, whose columns expressions take."""

from __future__ import annotations

import pyarrow as pa

from ...expressions.columns import Column, Relation, column


class SegmentVideos:
    """The streams of one entity: `segment_id` and `video` are its columns, for expressions."""

    def __init__(self, relation: Relation, entity: str) -> None:
        self._relation = relation
        self._entity = entity

    @property
    def schema(self) -> pa.Schema:
        """Its columns; the key is `segment_id`."""
        schema: pa.Schema = self._relation.schema
        return schema

    def __getitem__(self, name: str) -> Column:
        """A column, for use in expressions.

        Raises:
            ColumnNotFoundError: There is none of that name.
        """
        return column(self._relation, name)

    def __repr__(self) -> str:
        return (
            f"SegmentVideos({self._relation.project}.{self._relation.name}, {self._entity!r})"
        )
