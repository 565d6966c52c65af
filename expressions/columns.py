"""Columns of a stored table, and the fields inside them, as expressions.

Inside DataFusion an ordinary column keeps its name, a video column is a handle of the same
name, and each scalar of its index is a flat column of its own, called `video.index.width`: so
filters on them reach storage.
"""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass
from typing import Any

import pyarrow.types as pat

from ..errors import ColumnNotFoundError, ExpressionError, UnsupportedError
from .dtypes import is_video
from .literal import shown
from .near import near_names
from .node import Expr

INDEX = "index"
SOURCE = "source"
FRAME_GRAPH = "frame_graph"


@dataclass(frozen=True, slots=True, eq=False)
class Relation:
    """A table as expressions see it."""

    project: str
    """The project that holds it."""
    name: str
    """The table's name."""
    schema: Any
    """A `pyarrow.Schema`; a video is `struct<source, index: struct<..., frame_graph>>`."""
    token: Hashable
    """What tells one snapshot from another: equal where the rows are the same."""

    def same_rows(self, other: Relation) -> bool:
        """Whether both stand for the same snapshot of the same table."""
        return (self.project, self.name, self.token) == (other.project, other.name, other.token)

    @property
    def video_columns(self) -> tuple[str, ...]:
        """The names of its video columns."""
        return tuple(f.name for f in self.schema if is_video(f.type))


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Column(Expr):
    """A column of a relation, or a field inside it."""

    relation: Relation
    path: tuple[str, ...]
    """The column's name, then those of the fields within."""

    @property
    def flat_name(self) -> str:
        """The DataFusion column that it is read from.

        An index scalar has one of its own; any other field is read from its whole column.
        """
        return ".".join(self.path) if _is_index_scalar(self) else self.path[0]

    def __getitem__(self, name: str) -> Column:
        if not isinstance(name, str):
            raise ExpressionError(f"a field is taken by its name, found {shown(name)}")
        if is_video(self.dtype):
            if name == SOURCE:
                raise no_source(f"{self!r}[{name!r}]")
        elif not pat.is_struct(self.dtype):
            raise ExpressionError(f"{self!r} has no fields, it is {self.dtype}")
        if name == FRAME_GRAPH and is_index(self):
            raise UnsupportedError(
                f"{self!r}[{name!r}] is for decoding only: its bytes are no column of a scan"
            )
        fields = {f.name: f.type for f in self.dtype or ()}
        if name not in fields:
            offered = [n for n in fields if n not in (SOURCE, FRAME_GRAPH)]
            raise ColumnNotFoundError(
                f"{self!r} has no field {name!r}{near_names(name, offered)}"
            )
        return Column(self.relation, (*self.path, name), dtype=fields[name])


def column(relation: Relation, name: str) -> Column:
    """A column by name.

    Raises:
        ColumnNotFoundError: There is none of that name; the message offers near ones.
    """
    if not isinstance(name, str):
        raise ExpressionError(f"a column is taken by its name, found {shown(name)}")
    for field in relation.schema:
        if field.name == name:
            return Column(relation, (name,), dtype=field.type)
    raise ColumnNotFoundError(
        f"table {relation.project}.{relation.name} has no column {name!r}"
        f"{near_names(name, relation.schema.names)}"
    )


def no_source(text: str) -> UnsupportedError:
    """The error for asking after the bytes of a video."""
    return UnsupportedError(
        f"{text}: the bytes of a video are no column of a scan; "
        "video.remux (video_remux in SQL) gives a playable file"
    )


def index_fields(dtype: Any) -> list[str]:
    """The scalars that the index of a video type offers."""
    return [f.name for f in dtype.field(INDEX).type if f.name != FRAME_GRAPH]


def is_index(column: Column) -> bool:
    """Whether this is the `index` of a video, whole."""
    top = _top(column)
    return is_video(top) and column.path[1:] == (INDEX,)


def _is_index_scalar(column: Column) -> bool:
    return is_video(_top(column)) and len(column.path) == 3


def _top(column: Column) -> Any:
    return column.relation.schema.field(column.path[0]).type
