"""Key tables are checked, column by column, before anything is read."""

from __future__ import annotations

from typing import Any

import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

from marey.engine.keys import bind_key_table, require_no_aux, settle_missing
from marey.errors import InputError, KeyNotFoundError, MareyError, UnboundAuxError

KEY = pa.schema([("camera", pa.string()), ("clip_id", pa.int64())])
AUX = {"frame_indices": pa.list_(pa.uint32())}
COLUMNS: dict[str, Any] = {
    "camera": ["a", "b", "a"],
    "clip_id": [7, 8, 7],
    "frame_indices": [[0, 8], [], None],
}


def bind(data: Any) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    bound = bind_key_table(data, key_schema=KEY, aux=AUX)
    assert bound.keys.schema.equals(KEY)
    assert bound.aux.schema.field("frame_indices").type == AUX["frame_indices"]
    return bound.keys.to_pylist(), bound.aux.to_pylist()


@pytest.mark.parametrize(
    "data",
    [
        COLUMNS,
        [dict(zip(COLUMNS, row, strict=True)) for row in zip(*COLUMNS.values(), strict=True)],
        pa.table(COLUMNS),
        pa.record_batch(pa.table(COLUMNS).to_batches()[0]),
        pa.table(COLUMNS).to_reader(),
        pd.DataFrame(COLUMNS, index=[5, 6, 7]),
        pl.DataFrame(COLUMNS),
        {**COLUMNS, "clip_id": pa.array([7, 8, 7], pa.uint8())},
        {**COLUMNS, "camera": pa.array(["a", "b", "a"]).dictionary_encode()},
    ],
    ids=[
        "dict",
        "rows",
        "table",
        "batch",
        "reader",
        "pandas",
        "polars",
        "narrow",
        "dictionary",
    ],
)
def test_every_form_of_a_key_table_is_the_same_table(data: Any) -> None:
    keys, aux = bind(data)
    assert keys == [
        {"camera": "a", "clip_id": 7},
        {"camera": "b", "clip_id": 8},
        {"camera": "a", "clip_id": 7},
    ]
    assert [row["frame_indices"] for row in aux] == [[0, 8], [], None]


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"frame_indices": None, "frame_indicies": [[0]] * 3}, UnboundAuxError, "did you mean"),
        ({"frame_indices": None}, UnboundAuxError, "aux 'frame_indices' has no column"),
        ({"clip_id": None}, InputError, "lacks key column 'clip_id'"),
        ({"label": ["x"] * 3}, InputError, "column 'label' of the key table is neither a key"),
        ({"clip_id": [7, None, 7]}, InputError, "row 1 of the key table: key column 'clip_id'"),
        ({"clip_id": ["7", "8", "7"]}, InputError, "expected int64, got string"),
        ({"clip_id": [7.0, 8.0, 7.0]}, InputError, "expected int64, got double"),
        ({"frame_indices": [[-1], [0], [0]]}, InputError, "Integer value -1"),
        ({"frame_indices": [[0.5], [0], [0]]}, InputError, "got list<item: double>"),
        ({"frame_indices": [0, 1, 2]}, InputError, "got int64"),
        ({"frame_indices": "abc"}, InputError, "of the key table: expected a list .* got str"),
        ({"clip_id": [7, {8}, 7]}, InputError, "column 'clip_id' of the key table: "),
        ({"frame_indices": [[0], {1, 2}, [0]]}, InputError, "row 1: a set has no order"),
        ({"frame_indices": [[0]]}, InputError, "the key table does not make an Arrow table"),
    ],
)
def test_a_key_table_that_does_not_fit_is_refused_by_name(
    change: dict[str, Any], error: type[MareyError], message: str
) -> None:
    columns = {
        name: value for name, value in {**COLUMNS, **change}.items() if value is not None
    }
    with pytest.raises(error, match=message):
        bind(columns)


def test_two_columns_of_one_name_are_refused() -> None:
    table = pa.Table.from_arrays(
        [pa.array(["a"]), pa.array([7]), pa.array([7]), pa.array([[0]])],
        names=["camera", "clip_id", "clip_id", "frame_indices"],
    )
    with pytest.raises(InputError, match="two columns 'clip_id'"):
        bind(table)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (["a", "b"], "the key table, row 0: expected a dict, got str"),
        ([{"camera": "a"}, ("b", [0])], "the key table, row 1: expected a dict, got tuple"),
        (pd.Series(["a"], name="camera"), "got one column, a Series: .*'camera'.*to_frame"),
        (pl.Series("camera", ["a"]), "got one column, a Series: .*'camera'.*to_frame"),
        (None, "expected an Arrow table"),
    ],
)
def test_what_is_no_table_says_what_would_be(data: object, message: str) -> None:
    with pytest.raises(InputError, match=message):
        bind(data)


def test_a_column_that_only_a_later_row_has_is_not_lost() -> None:
    rows: list[dict[str, Any]] = [
        {"camera": "a", "clip_id": 7},
        {"camera": "b", "clip_id": 8, "frame_indices": [1]},
    ]
    assert [row["frame_indices"] for row in bind(rows)[1]] == [None, [1]]


def test_a_number_a_row_where_a_list_is_wanted_says_so() -> None:
    with pytest.raises(
        InputError, match=r"expected list<.*got int64: give a list for each row"
    ):
        bind({**COLUMNS, "frame_indices": [0, 1, 2]})


def test_a_frame_whose_key_is_its_index_says_so() -> None:
    with pytest.raises(InputError, match=r"lacks key column 'clip_id'.*reset_index"):
        bind(pd.DataFrame(COLUMNS).set_index("clip_id"))


@pytest.mark.parametrize("data", [7, "clips", object()])
def test_what_holds_no_rows_is_refused(data: object) -> None:
    with pytest.raises(InputError, match="expected an Arrow table"):
        bind(data)


def test_no_key_table_where_one_is_needed() -> None:
    with pytest.raises(UnboundAuxError, match="aux 'frame_indices' takes its values"):
        require_no_aux(AUX)
    require_no_aux({})


def test_missing_keys_raise_stay_or_go() -> None:
    bound = bind_key_table(COLUMNS, key_schema=KEY, aux=AUX)
    row_ids = pa.array([3, None, 3], pa.uint64())
    with pytest.raises(KeyNotFoundError, match=r"1 of 3 keys .*: camera='b', clip_id=8 \("):
        settle_missing(bound, row_ids, "raise")
    assert settle_missing(bound, row_ids, "null") == (bound, row_ids, 0)
    kept, found, dropped = settle_missing(bound, row_ids, "skip")
    assert dropped == 1
    assert found.to_pylist() == [3, 3]
    assert kept.keys["camera"].to_pylist() == ["a", "a"]
    assert kept.aux["frame_indices"].to_pylist() == [[0, 8], None]


def test_only_the_first_few_missing_keys_are_named() -> None:
    many = {"camera": ["a"] * 9, "clip_id": list(range(9)), "frame_indices": [[0]] * 9}
    bound = bind_key_table(many, key_schema=KEY, aux=AUX)
    with pytest.raises(KeyNotFoundError, match="clip_id=4 and 4 more"):
        settle_missing(bound, pa.nulls(9, pa.uint64()), "raise")
