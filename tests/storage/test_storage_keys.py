"""Keys found by number and by hash, against a dict, for every type that a key can have."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from unittest import mock

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from marey.errors import InputError
from marey.storage import keys
from marey.storage.catalog import Catalog
from marey.storage.columns import describe_key
from marey.storage.dataset import Caches, Dataset, open_dataset
from marey.storage.keys import UNKNOWN, KeyCodes, KeyMap
from marey.storage.objects import Objects

# -1 and -2 have the same hash in Python, and 0, False and "" are not to be mixed up.
integers = st.integers(-3, 6) | st.sampled_from([-(2**63), 2**63 - 1])
TYPES = {
    "int64": (pa.int64(), integers),
    "uint64": (pa.uint64(), st.sampled_from([0, 1, 2**64 - 1, 2**61 - 1, 2**61])),
    "int8": (pa.int8(), st.integers(-128, 127)),
    "bool": (pa.bool_(), st.booleans()),
    "string": (pa.string(), st.sampled_from(["", "a", "a'b", "é", 'x"', "\0", "a\nb", "`"])),
    "binary": (pa.binary(), st.binary(max_size=1)),
    "date": (pa.date32(), st.sampled_from([dt.date(1, 1, 1), dt.date(2024, 2, 29)])),
    "seconds": (pa.timestamp("s"), integers.filter(lambda n: abs(n) < 100)),
    "nanoseconds": (pa.timestamp("ns"), integers),
    "zoned": (pa.timestamp("us", "Europe/Paris"), integers),
}


@st.composite
def key_tables(draw: st.DrawFn) -> tuple[pa.Table, pa.Table]:
    """Distinct keys as stored, and keys to look up, some of them stored."""
    columns = draw(st.lists(st.sampled_from([*TYPES]), min_size=1, max_size=3))
    row = st.tuples(*(TYPES[name][1] for name in columns))
    stored = draw(st.lists(row, max_size=8, unique=True))
    wanted = draw(st.lists(st.sampled_from(stored) | row if stored else row, max_size=8))

    def table(rows: list[tuple[object, ...]]) -> pa.Table:
        values = list(zip(*rows, strict=True)) or [()] * len(columns)
        arrays = [pa.array(v, TYPES[n][0]) for v, n in zip(values, columns, strict=True)]
        return pa.table(arrays, names=[f"k{i}" for i in range(len(columns))])

    return table(stored), table(wanted)


def as_rows(table: pa.Table) -> list[tuple[object, ...]]:
    plain = [c.cast(pa.int64()) if pa.types.is_timestamp(c.type) else c for c in table.columns]
    return list(zip(*(c.to_pylist() for c in plain), strict=True))


@given(key_tables())
def test_codes_number_equal_keys_equally_and_others_not(
    tables: tuple[pa.Table, pa.Table],
) -> None:
    stored, wanted = tables
    codes = KeyCodes(wanted)
    numbers = dict(zip(as_rows(wanted), codes.own.tolist(), strict=True))
    assert sorted(set(numbers.values())) == list(range(codes.count))
    rows, found = codes.find(stored.columns)
    places = enumerate(as_rows(stored))
    expected = [(place, numbers[row]) for place, row in places if row in numbers]
    assert list(zip(rows.tolist(), found.tolist(), strict=True)) == expected


@given(key_tables())
def test_pairs_are_found_with_and_without_a_table(tables: tuple[pa.Table, pa.Table]) -> None:
    stored, wanted = tables
    with mock.patch.object(keys, "_TABLE_ENTRIES", 0):
        sparse = KeyCodes(wanted).find(stored.columns)
    dense = KeyCodes(wanted).find(stored.columns)
    assert [part.tolist() for part in sparse] == [part.tolist() for part in dense]


@given(key_tables())
def test_a_map_finds_what_a_dict_finds(tables: tuple[pa.Table, pa.Table]) -> None:
    stored, wanted = tables
    row_ids = np.arange(100, 100 + stored.num_rows, dtype=np.uint64)
    by_key = dict(zip(as_rows(stored), row_ids.tolist(), strict=True))
    expected = [by_key.get(row, UNKNOWN) for row in as_rows(wanted)]
    # Three keys are sorted at each lookup but the first: the last has no more to go through.
    with mock.patch.object(keys, "_PART_ROWS", 3):
        key_map = KeyMap(stored, row_ids)
        for _ in range(5):
            assert key_map.find(wanted).tolist() == expected


@pytest.mark.parametrize("name", TYPES)
def test_a_key_of_each_type_is_stored_and_found(catalog: Catalog, name: str) -> None:
    dtype = TYPES[name][0]
    samples = {
        "bool": [True, False],
        "string": ["", "a'b", "\0", '`\\"'],
        "binary": [b"", b"\x00'", b"\xff"],
        "date": [dt.date(1, 1, 1), dt.date(2024, 2, 29)],
        "uint64": [0, 2**64 - 1],
        "int64": [-(2**63), -2, -1, 2**63 - 1],
    }.get(name, [-1, 0, 5])
    keys = pa.table({"k": pa.array(samples, dtype)})
    table = catalog.create_table("p", "t", key_schema=keys.schema)
    table.write(keys.append_column("n", pa.array(range(len(samples)))))
    table.write(keys.append_column("n", pa.array(range(10, 10 + len(samples)))))
    assert table.count() == len(samples)
    both = pa.concat_tables([keys, keys.slice(0, 1)])
    for lookups in (table, without_map(table)):
        row_ids = lookups.find_keys(both)
        assert row_ids.null_count == 0
        numbers = table.take(row_ids, ["n"])["n"].to_pylist()
        assert numbers == [*range(10, 10 + len(samples)), 10]


def without_map(table: Dataset) -> Dataset:
    """The same table, seen by one whose cache has no room for a map."""
    return open_dataset(table.uri, caches=Caches.empty(Objects({}), 0))


@pytest.mark.parametrize("way", [lambda table: table, without_map], ids=["map", "scan"])
def test_row_ids_come_in_key_order_with_null_for_the_unknown(
    clips: Dataset, way: Callable[[Dataset], Dataset]
) -> None:
    clips.write(pa.table({"clip_id": range(5000)}))
    clips.delete("clip_id = 7")
    wanted = [4999, 0, -1, 7, 0, 12, 5000]
    row_ids = way(clips).find_keys(pa.table({"clip_id": wanted}))
    assert [r is None for r in row_ids.to_pylist()] == [
        False, False, True, True, False, False, True,
    ]  # fmt: skip
    assert row_ids[1] == row_ids[4]
    found = clips.take(row_ids.drop_null(), ["clip_id"])["clip_id"].to_pylist()
    assert found == [4999, 0, 0, 12]


def test_no_keys_find_nothing(clips: Dataset) -> None:
    clips.write(pa.table({"clip_id": [1]}))
    assert clips.find_keys(pa.table({"clip_id": pa.array([], pa.int64())})).to_pylist() == []


def test_keys_are_fitted_and_a_missing_column_is_named(clips: Dataset) -> None:
    clips.write(pa.table({"clip_id": [1]}))
    assert clips.find_keys(pa.table({"clip_id": pa.array([1], pa.uint8())})).null_count == 0
    with pytest.raises(InputError, match="key column 'clip_id' is missing"):
        clips.find_keys(pa.table({"clip": [1]}))


def test_a_map_follows_the_version(clips: Dataset) -> None:
    key = pa.table({"clip_id": [2]})
    clips.write(pa.table({"clip_id": [1]}))
    old = clips.at(clips.version)
    assert clips.find_keys(key).null_count == 1
    clips.write(key)
    assert clips.find_keys(key).null_count == 0
    assert old.find_keys(key).null_count == 1


def test_a_table_made_anew_under_the_same_name_is_another(catalog: Catalog) -> None:
    schema = pa.schema([("k", pa.int64())])
    for key in (1, 2):
        table = catalog.create_table("p", "t", key_schema=schema)
        table.write(pa.table({"k": [key]}))
        assert table.version == 2
        assert table.find_keys(pa.table({"k": [1, 2]})).is_valid().to_pylist() == [
            key == 1,
            key == 2,
        ]
        catalog.drop_table("p", "t")


@pytest.mark.parametrize(
    ("key", "text"),
    [
        (pa.array([7], pa.timestamp("ns")), "k=1970-01-01 00:00:00.000000007"),
        (pa.array([10**15], pa.timestamp("s")), "k=<value out of range: 1000000000000000>"),
        (pa.array([7], pa.timestamp("s", "No/Where")), "k=7"),
        (pa.array([10**8], pa.date32()), "k=<value out of range: 100000000>"),
        (pa.array(["x" * 1000]), "k='" + "x" * 199 + "…"),
    ],
)
def test_a_key_that_python_has_no_value_for_is_described(key: pa.Array, text: str) -> None:
    assert describe_key(pa.table({"k": key}), 0) == text
