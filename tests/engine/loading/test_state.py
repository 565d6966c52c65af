"""A pass that was stopped anywhere is resumed at the next row, and gives what is left once."""

from __future__ import annotations

import json
import pickle
from itertools import islice
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from marey import Marey
from marey import expressions as se
from marey.engine.loader import DataLoader
from marey.engine.result import Readable
from marey.engine.table import Table
from marey.errors import InputError, UnsupportedError

ROWS = 13
PICKS = se.aux("picks", pa.list_(pa.uint32()))
BAD = 99


@pytest.fixture(scope="module")
def read(db: Marey, table: Table) -> Readable:
    return db.scan({"k": table["k"], "f": se.video.read(table["video"], PICKS, height=8)})


@pytest.fixture(scope="module")
def keys_only(db: Marey, table: Table) -> Readable:
    return db.scan({"k": table["k"]})


def keys(batches: Any) -> list[int]:
    return [key for batch in batches for key in batch["k"].to_pylist()]


def stopped(loader: DataLoader, after: int) -> tuple[list[int], dict[str, Any]]:
    """The keys of so many batches, and the state then, as a file would keep it."""
    passing = iter(loader)
    seen = keys(islice(passing, after))
    state = json.loads(json.dumps(loader.state_dict()))
    passing.close()
    return seen, state


@settings(max_examples=25)
@given(
    data=st.data(),
    size=st.integers(1, 6),
    other_size=st.integers(1, 6),
    shuffle=st.booleans(),
    drop_last=st.booleans(),
    even=st.booleans(),
    world_size=st.integers(1, 3),
    failing=st.sets(st.integers(0, ROWS - 1), max_size=6),
    prefetch=st.integers(0, 3),
)
def test_what_was_seen_and_what_is_left_are_the_pass(
    data: st.DataObject,
    size: int,
    other_size: int,
    shuffle: bool,
    drop_last: bool,
    even: bool,
    world_size: int,
    failing: set[int],
    prefetch: int,
    read: Readable,
) -> None:
    picks = [[BAD if k in failing else k] for k in range(ROWS)]
    options: dict[str, Any] = {
        "key_table": {"k": list(range(ROWS)), "picks": picks},
        "shuffle": shuffle,
        "seed": 5,
        "rank": data.draw(st.integers(0, world_size - 1)),
        "world_size": world_size,
        "even": even,
        "drop_last": drop_last,
        "on_error": "skip",
        "prefetch": prefetch,
    }
    whole = read.to_data_loader(batch_size=size, **options)
    batches = list(whole)
    after = data.draw(st.integers(0, len(batches)))
    seen, state = stopped(read.to_data_loader(batch_size=size, **options), after)
    again = read.to_data_loader(batch_size=size, **options)
    again.load_state_dict(state)
    assert seen + keys(again) == keys(batches)
    assert keys(again) == keys(batches)  # the pass after that is a whole one
    if not drop_last:
        again = read.to_data_loader(batch_size=other_size, **options)
        again.load_state_dict(state)
        assert seen + keys(again) == keys(batches)


def test_a_pass_can_be_stopped_again_and_again(keys_only: Readable) -> None:
    options: dict[str, Any] = {"batch_size": 3, "shuffle": True, "seed": 1}
    seen, state = [], None
    for _ in range(20):
        loader = keys_only.to_data_loader(**options)
        if state is not None:
            loader.load_state_dict(state)
        found, state = stopped(loader, 1)
        seen += found
    assert seen == keys(keys_only.to_data_loader(**options))


def test_a_state_that_was_loaded_is_the_state(keys_only: Readable) -> None:
    _, state = stopped(keys_only.to_data_loader(batch_size=3), 2)
    loader = keys_only.to_data_loader(batch_size=3)
    loader.load_state_dict(state)
    assert loader.state_dict() == state
    iter(loader)
    assert loader.state_dict() == state


def test_a_state_of_a_finished_pass_leaves_nothing(keys_only: Readable) -> None:
    loader = keys_only.to_data_loader(batch_size=3)
    list(loader)
    state = loader.state_dict()
    loader.load_state_dict(state)
    assert list(loader) == []
    assert len(list(loader)) == len(loader)


@pytest.mark.parametrize(
    "other",
    [
        {"shuffle": True},
        {"seed": 1},
        {"epoch": 1},
        {"rank": 1, "world_size": 2},
        {"world_size": 2, "rank": 0},
        {"even": True},
    ],
)
def test_a_state_of_another_order_is_refused(
    other: dict[str, Any], keys_only: Readable
) -> None:
    state = keys_only.to_data_loader(**other).state_dict()
    with pytest.raises(
        InputError, match=f"loader state: it was made with .*({'|'.join(other)})"
    ):
        keys_only.to_data_loader().load_state_dict(state)


def test_a_state_of_other_rows_is_refused(db: Marey) -> None:
    table = db.project("p").create_table("grows", key_schema={"k": pa.int64()})
    table.write({"k": [1, 2, 3]})
    before = table.versions()[-1]
    scan = db.scan({"k": table["k"]})
    _, state = stopped(scan.to_data_loader(batch_size=1), 1)
    sql = db.sql("SELECT k FROM p.grows")
    _, sql_state = stopped(sql.to_data_loader(batch_size=1), 1)
    table.write({"k": [4]})
    for query, old in ((scan, state), (sql, sql_state)):
        with pytest.raises(InputError, match=r"rows was 3, here it is 4\).*snapshot"):
            query.to_data_loader(batch_size=1).load_state_dict(old)
    old_table = table.snapshot(before)
    loader = db.scan({"k": old_table["k"]}).to_data_loader(batch_size=1)
    loader.load_state_dict(state)
    assert keys(loader) == [2, 3]
    table.delete(table["k"] == 1)
    with pytest.raises(InputError, match="fingerprint"):
        scan.to_data_loader(batch_size=1).load_state_dict(state)


def test_a_write_beside_the_rows_leaves_their_state_good(db: Marey) -> None:
    table = db.project("p").create_table("beside", key_schema={"k": pa.int64()})
    table.write({"k": [1, 2, 3], "label": ["a", "b", "a"]})
    query = db.sql("SELECT k FROM p.beside WHERE label = 'a'")
    _, state = stopped(query.to_data_loader(batch_size=1), 1)
    table.write({"k": [4], "label": ["b"]})
    loader = query.to_data_loader(batch_size=1)
    loader.load_state_dict(state)
    assert keys(loader) == [3]


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"next_row": -1}, "next_row must be a whole number, found -1"),
        ({"next_row": True}, "next_row must be a whole number, found True"),
        ({"next_row": "1"}, "found '1'"),
        ({"next_row": 10**30}, "this share has 13 rows"),
        ({"worker": 0}, "batch_size must be a whole number, found None"),
        (
            {"worker": 1, "workers": 2, "batch_size": 32, "given": 0},
            "it is of worker 1, and this loader has 0",
        ),
        ({"format": 2}, "format=2, this loader with format=1"),
        ({"fingerprint": None}, "fingerprint was None"),
    ],
)
def test_a_state_that_is_none_is_refused(
    change: dict[str, Any], says: str, keys_only: Readable
) -> None:
    loader = keys_only.to_data_loader()
    with pytest.raises(InputError, match=says):
        loader.load_state_dict(loader.state_dict() | change)
    with pytest.raises(InputError, match="expected a dict, got list"):
        loader.load_state_dict([])
    with pytest.raises(InputError):
        loader.load_state_dict({})
    assert keys(loader) == list(range(ROWS))


def test_loaders_pickle_small_and_keep_their_place(db: Marey, read: Readable) -> None:
    many = {"k": [3] * 20, "picks": [[0]] * 20}
    sql = db.sql("SELECT k, video_read(video, [0], height => 8) AS f FROM p.t ORDER BY k")
    for loader in (
        read.to_data_loader(batch_size=4, key_table=many),
        sql.to_data_loader(batch_size=4, shuffle=True),
    ):
        list(loader)
        seen, state = stopped(loader, 2)
        pickled = pickle.dumps(loader)
        assert len(pickled) < 20_000
        other = pickle.loads(pickled)
        assert other.state_dict() == state
        assert [b.to_pylist() for b in other] == [b.to_pylist() for b in loader]
        other.load_state_dict(state)
        assert seen + keys(other) == keys(loader)


def test_a_loader_of_another_process_says_so(keys_only: Readable) -> None:
    loader = keys_only.to_data_loader()
    loader._process += 1
    with pytest.raises(UnsupportedError, match=r"was forked from .* 'spawn' method"):
        iter(loader)
