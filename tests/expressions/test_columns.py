"""Columns and the fields inside them: names checked at once, flat names for DataFusion."""

from __future__ import annotations

from collections.abc import Callable

import pyarrow as pa
import pytest

from marey.errors import ColumnNotFoundError, ExpressionError, UnsupportedError
from marey.expressions.columns import Column, Relation, column, index_fields

Clips = Callable[[str], Column]


@pytest.mark.parametrize(
    ("path", "flat", "dtype"),
    [
        (("label",), "label", pa.string()),
        (("video", "index", "width"), "video.index.width", pa.int32()),
        (("Meta.1",), "Meta.1", None),
        (("Meta.1", "Weight"), "Meta.1", pa.int32()),
        (("video",), "video", None),
    ],
)
def test_flat_name(
    clips: Clips, path: tuple[str, ...], flat: str, dtype: pa.DataType | None
) -> None:
    found = clips(path[0])
    for name in path[1:]:
        found = found[name]
    assert found.path == path
    assert found.flat_name == flat
    assert dtype is None or found.dtype == dtype


def test_unknown_column_offers_near_names(relation: Relation) -> None:
    with pytest.raises(
        ColumnNotFoundError, match=r"training\.clips has no column 'labell'.*'label'"
    ):
        column(relation, "labell")
    with pytest.raises(ColumnNotFoundError, match="'clip_id', 'label', 'video'"):
        column(relation, "zzzzz")


def test_unknown_field_offers_near_names_but_no_bytes(clips: Clips) -> None:
    with pytest.raises(ColumnNotFoundError, match="has no field 'widht'; did you mean 'width'"):
        clips("video")["index"]["widht"]
    with pytest.raises(ColumnNotFoundError, match=r"has no field 'zzz'; there are 'index'$"):
        clips("video")["zzz"]
    with pytest.raises(ColumnNotFoundError, match="'Weight'"):
        clips("Meta.1")["weight"]


def test_the_bytes_of_a_video_are_no_column(clips: Clips) -> None:
    with pytest.raises(UnsupportedError, match=r"video.remux .* gives a playable file"):
        clips("video")["source"]
    index = clips("video")["index"]
    with pytest.raises(UnsupportedError, match="for decoding only"):
        index["frame_graph"]


def test_only_structs_have_fields(clips: Clips) -> None:
    with pytest.raises(ExpressionError, match="has no fields, it is string"):
        clips("label")["x"]
    with pytest.raises(ExpressionError, match="by its name, found 0"):
        clips("times")[0]  # type: ignore[index]


def test_what_a_relation_says_of_itself(relation: Relation) -> None:
    assert relation.video_columns == ("video",)
    assert index_fields(relation.schema.field("video").type) == ["width", "frame_count"]
    other = Relation("training", "clips", relation.schema, token=2)
    assert relation.same_rows(Relation("training", "clips", relation.schema, token=1))
    assert not relation.same_rows(other)
