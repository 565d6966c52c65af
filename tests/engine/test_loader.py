"""Data loaders: batches of one size, in an order that seed and epoch decide."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from marey import Marey
from marey import expressions as se
from marey.engine.config import EngineConfig
from marey.engine.loading.order import row_order
from marey.engine.scan import Scan
from marey.engine.table import Table
from marey.errors import (
    ConfigError,
    FrameRangeError,
    KeyNotFoundError,
    UnboundAuxError,
)

ROWS = 13
PICKS = se.aux("picks", pa.list_(pa.uint32()))


@pytest.fixture(scope="module")
def db(tmp_path_factory: pytest.TempPathFactory, clip: Callable[[str], bytes]) -> Marey:
    db = Marey(tmp_path_factory.mktemp("loader"))
    table = db.project("p").create_table("t", key_schema={"k": pa.int64()})
    videos = [
        se.Video(se.Blob(clip(name))) for name in ("closed_gops", "baseline", "monochrome")
    ]
    table.write(
        {
            "k": list(range(ROWS)),
            "label": ["a" if k % 3 else "b" for k in range(ROWS)],
            "video": [videos[k % 3] for k in range(ROWS)],
        }
    )
    return db


@pytest.fixture(scope="module")
def table(db: Marey) -> Table:
    return db.project("p").table("t")


@pytest.fixture(scope="module")
def keys_only(db: Marey, table: Table) -> Scan:
    return db.scan({"k": table["k"]})


@pytest.fixture(scope="module")
def read(db: Marey, table: Table) -> Scan:
    return db.scan({"k": table["k"], "f": se.video.read(table["video"], PICKS, height=16)})


@pytest.fixture(autouse=True)
def no_thread_is_left() -> Iterator[None]:
    yield
    assert not [t.name for t in threading.enumerate() if t.name.startswith("marey-")]


def keys(batches: Any) -> list[int]:
    return [key for batch in batches for key in batch["k"].to_pylist()]


@settings(max_examples=40)
@given(
    size=st.integers(1, ROWS + 2),
    shuffle=st.booleans(),
    drop_last=st.booleans(),
    seed=st.integers(0, 2**70),
    epoch=st.integers(0, 2**40),
)
def test_every_row_comes_once_in_batches_of_one_size(
    size: int, shuffle: bool, drop_last: bool, seed: int, epoch: int, keys_only: Scan
) -> None:
    options = {"shuffle": shuffle, "seed": seed, "epoch": epoch, "drop_last": drop_last}
    loader = keys_only.to_data_loader(batch_size=size, **options)
    batches = list(loader)
    assert len(batches) == len(loader)
    whole, rest = divmod(ROWS, size)
    assert [b.num_rows for b in batches] == [size] * whole + [rest] * (
        rest > 0 and not drop_last
    )
    found = keys(batches)
    assert len(set(found)) == len(found)
    if not drop_last:
        assert sorted(found) == list(range(ROWS))
    if not shuffle:
        assert found == list(range(len(found)))
    assert keys(keys_only.to_data_loader(batch_size=size, **options)) == found


@pytest.mark.parametrize(
    ("setting", "value"), [("transform", 5), ("shuffle", "x"), ("drop_last", 1)]
)
def test_a_setting_of_another_kind_is_refused_at_once(
    keys_only: Scan, setting: str, value: object
) -> None:
    with pytest.raises(ConfigError, match=f"{setting} must be a"):
        keys_only.to_data_loader(**{setting: value})


def test_settings_may_be_numbers_of_numpy(keys_only: Scan, db: Marey, table: Table) -> None:
    options = {"batch_size": 4, "seed": 3, "epoch": 1, "prefetch": 1}
    given = {name: np.int64(value) for name, value in options.items()}
    found = keys(keys_only.to_data_loader(shuffle=True, **given))
    assert found == keys(keys_only.to_data_loader(shuffle=True, **options))
    assert db.scan({"k": table["k"]}, limit=np.uint32(3)).to_table().num_rows == 3
    with pytest.raises(ConfigError, match="limit must be a whole number"):
        db.scan({"k": table["k"]}, limit=True)


def test_seed_and_epoch_decide_the_order(keys_only: Scan) -> None:
    orders = {
        tuple(keys(keys_only.to_data_loader(shuffle=True, seed=seed, epoch=epoch)))
        for seed in range(4)
        for epoch in range(4)
    }
    assert len(orders) == 16


def test_the_order_does_not_depend_on_the_batch_size(keys_only: Scan) -> None:
    orders = {
        tuple(keys(keys_only.to_data_loader(batch_size=size, shuffle=True, seed=7)))
        for size in (1, 4, 32)
    }
    assert len(orders) == 1


def test_a_loader_is_iterated_anew(read: Scan) -> None:
    table = {"k": [3, 1, 2], "picks": [[0], [5, 4], []]}
    loader = read.to_data_loader(batch_size=2, key_table=table, shuffle=True, seed=3)
    first, second = (pa.Table.from_batches(loader) for _ in range(2))
    assert first == second
    assert sorted(first["k"].to_pylist()) == [1, 2, 3]


def test_two_passes_at_once_do_not_mix(keys_only: Scan) -> None:
    loader = keys_only.to_data_loader(batch_size=2)
    for one, other in zip(loader, loader, strict=True):
        assert one == other


@pytest.mark.parametrize("shuffle", [False, True])
def test_a_key_table_gives_a_row_for_each_of_its_own(shuffle: bool, read: Scan) -> None:
    wanted = [5, 2, 5, 0, 12]
    table = {"k": wanted, "picks": [[0], [1, 2], [3], [23], [4]]}
    plain = read.to_table(key_table=table)
    loader = read.to_data_loader(batch_size=2, key_table=table, shuffle=shuffle, seed=1)
    assert len(loader) == 3
    found = pa.Table.from_batches(loader)
    order = row_order(5, seed=1, epoch=0) if shuffle else np.arange(5)
    assert found.to_pylist() == plain.take(pa.array(order)).to_pylist()


def test_a_condition_and_a_limit_choose_the_rows(db: Marey, table: Table) -> None:
    scan = db.scan({"k": table["k"]}, where=table["label"] == "a", limit=5)
    loader = scan.to_data_loader(batch_size=2, shuffle=True)
    assert len(loader) == 3
    assert sorted(keys(loader)) == [1, 2, 4, 5, 7]


def test_sql_loads_too(db: Marey) -> None:
    query = db.sql(
        "SELECT k, video_read(video, [0, 3], height => 8) AS f FROM p.t WHERE label = 'b'"
    )
    loader = query.to_data_loader(batch_size=2, shuffle=True, seed=5)
    assert len(loader) == 3
    found = pa.Table.from_batches(loader).sort_by("k")
    assert found.to_pylist() == query.to_table().to_pylist()


def test_a_loader_keeps_the_rows_that_it_was_made_of(db: Marey) -> None:
    table = db.project("p").create_table("growing", key_schema={"k": pa.int64()})
    table.write({"k": [1, 2]})
    loader = db.scan({"k": table["k"]}).to_data_loader()
    table.write({"k": [3]})
    table.delete(table["k"] == 1)
    assert len(loader) == 1
    assert keys(loader) == [1, 2]


def test_transform_makes_what_the_loop_gets(read: Scan) -> None:
    loader = read.to_data_loader(
        batch_size=2,
        key_table={"k": [1, 2, 3], "picks": [[0]] * 3},
        transform=lambda batch: {"keys": batch["k"].to_pylist(), "rows": batch.num_rows},
    )
    assert list(loader) == [{"keys": [1, 2], "rows": 2}, {"keys": [3], "rows": 1}]


def test_an_error_of_transform_comes_as_it_is(read: Scan) -> None:
    error = LookupError("mine")

    def transform(batch: pa.RecordBatch) -> None:
        raise error

    table = {"k": [1, 2, 3], "picks": [[0]] * 3}
    with pytest.raises(LookupError) as caught:
        list(read.to_data_loader(key_table=table, transform=transform))
    assert caught.value is error


@pytest.mark.parametrize("prefetch", [0, 1, 5])
def test_stopping_early_ends_the_work(prefetch: int, db: Marey, table: Table) -> None:
    scan = db.scan({"k": table["k"], "f": se.video.read(table["video"], [0, 9], height=8)})
    passing = iter(scan.to_data_loader(batch_size=1, prefetch=prefetch))
    assert next(passing)["k"].to_pylist() == [0]
    passing.close()
    assert scan.metrics.rows < ROWS


def test_a_budget_below_one_row_gives_every_row(db: Marey) -> None:
    small = Marey(db.root, config=EngineConfig(memory_budget_bytes=1))
    table = small.project("p").table("t")
    scan = small.scan({"k": table["k"], "f": se.video.read(table["video"], [0], height=8)})
    assert keys(scan.to_data_loader(batch_size=5, prefetch=9)) == list(range(ROWS))


def test_a_row_that_fails_raises_goes_or_is_null(read: Scan) -> None:
    table = {"k": [1, 2, 3, 4], "picks": [[0], [99], [1], [2]]}
    with pytest.raises(FrameRangeError, match=r"p.t \(k=2\), column 'f': frame 99"):
        list(read.to_data_loader(key_table=table))
    batches = list(read.to_data_loader(batch_size=2, key_table=table, on_error="null"))
    assert [[f is None for f in b["f"].to_pylist()] for b in batches] == [
        [False, True],
        [False, False],
    ]
    loader = read.to_data_loader(batch_size=2, key_table=table, on_error="skip")
    batches = list(loader)
    assert [b["k"].to_pylist() for b in batches] == [[1], [3, 4]]
    assert read.metrics.rows_skipped == 1
    assert read.errors()["k"].to_pylist() == [2]


def test_a_batch_of_which_nothing_is_left_comes_only_to_keep_ranks_in_step(read: Scan) -> None:
    table = {"k": [1, 2, 3], "picks": [[99], [0], [99]]}
    options = {"batch_size": 1, "key_table": table, "on_error": "skip"}
    assert [b.num_rows for b in read.to_data_loader(**options)] == [1]
    even = list(read.to_data_loader(even=True, transform=pa.RecordBatch.to_pydict, **options))
    assert [batch["k"] for batch in even] == [[], [2], []]
    assert read.metrics.rows_skipped == 2


def test_a_key_that_is_missing_raises_goes_or_is_null(read: Scan) -> None:
    table = {"k": [1, 77, 3], "picks": [[0]] * 3}
    with pytest.raises(KeyNotFoundError, match="k=77"):
        read.to_data_loader(key_table=table)
    (batch,) = read.to_data_loader(key_table=table, on_missing="null")
    assert [f is None for f in batch["f"].to_pylist()] == [False, True, False]
    loader = read.to_data_loader(batch_size=2, key_table=table, on_missing="skip")
    assert len(loader) == 1
    assert keys(loader) == [1, 3]
    assert read.metrics.rows_skipped == 1


def test_a_condition_that_fails_is_settled_when_rows_are_chosen(
    db: Marey, table: Table
) -> None:
    # Clips of 24 frames and more begin after 0.5 s, others not: `ceil` finds no frame there.
    video = table["video"]
    seconds = se.aux("seconds", pa.float64())
    scan = db.scan(
        {"k": table["k"]}, where=se.video.at(video, seconds, mode="ceil").is_not_null()
    )
    key_table = {"k": [0, 1, 2], "seconds": [0.0, 1e6, 0.0]}
    with pytest.raises(FrameRangeError, match=r"k=1.*after the last frame"):
        scan.to_data_loader(key_table=key_table)
    for on_error, skipped in (("null", 0), ("skip", 1)):
        loader = scan.to_data_loader(key_table=key_table, on_error=on_error)
        assert len(loader) == 1
        for _ in range(2):
            assert keys(loader) == [0, 2]
            assert scan.metrics.rows_skipped == skipped
            assert scan.errors()["k"].to_pylist() == [1]


def test_rows_of_one_clip_in_a_batch_share_its_decode(read: Scan) -> None:
    table = {"k": [0, 0, 0, 0], "picks": [[20], [21], [22], [23]]}
    samples = {}
    for size in (1, 4):
        list(read.to_data_loader(batch_size=size, key_table=table))
        samples[size] = read.metrics.samples_decoded
    assert samples[4] < samples[1] / 2


def test_no_rows_are_no_batches(read: Scan) -> None:
    loader = read.to_data_loader(key_table={"k": [], "picks": []}, shuffle=True)
    assert len(loader) == 0
    assert list(loader) == []


@pytest.mark.parametrize(
    ("options", "error", "says"),
    [
        ({"batch_size": 0}, ConfigError, "batch_size must be .* at least 1, got 0"),
        ({"batch_size": 1.5}, ConfigError, "batch_size must be .* got 1.5"),
        ({"prefetch": -1}, ConfigError, "prefetch must be .* at least 0, got -1"),
        ({"seed": -1}, ConfigError, "seed must be"),
        ({"epoch": "1"}, ConfigError, "epoch must be .* got '1'"),
        ({"on_error": "ignore"}, ConfigError, "on_error must be 'raise', 'null' or 'skip'"),
        ({"on_missing": None}, ConfigError, "on_missing must be"),
        ({"rank": 0}, ConfigError, "given together, got rank=0 and world_size=None"),
        ({"world_size": 2}, ConfigError, "given together"),
        ({"rank": 1, "world_size": 1}, ConfigError, "below world_size, got rank=1 of"),
        ({"rank": -1, "world_size": 2}, ConfigError, "rank must be .* at least 0, got -1"),
        ({"rank": 0, "world_size": 0}, ConfigError, "world_size must be .* at least 1"),
        ({"num_workers": -1}, ConfigError, "num_workers must be"),
        ({"num_workers": 1.5}, ConfigError, "num_workers must be"),
        ({"even": 1}, ConfigError, "even must be a bool"),
        (
            {"num_workers": 1, "transform": lambda batch: batch},
            ConfigError,
            "transform cannot be sent to worker processes",
        ),
    ],
)
def test_settings_are_checked_when_the_loader_is_made(
    options: dict[str, Any], error: type[Exception], says: str, keys_only: Scan
) -> None:
    with pytest.raises(error, match=says):
        keys_only.to_data_loader(**options)


@pytest.mark.parametrize(
    "options",
    [
        {"world_size": 1},
        {"rank": 0, "world_size": 1},
        {"rank": 0, "world_size": 1, "num_workers": 0},
    ],
)
def test_the_only_share_is_all_rows(options: dict[str, Any], keys_only: Scan) -> None:
    assert keys(keys_only.to_data_loader(**options)) == list(range(ROWS))


def test_an_unbound_aux_is_an_error_when_the_loader_is_made(read: Scan) -> None:
    with pytest.raises(UnboundAuxError, match="picks"):
        read.to_data_loader()
