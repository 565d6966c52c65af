"""Scans, filters and rows by id: the right values in the right order, and nothing else read."""

from __future__ import annotations

import datetime as dt
import os
import pickle
from collections.abc import Callable, Sequence
from typing import Any

import pyarrow as pa
import pytest

from marey.errors import (
    ColumnNotFoundError,
    InputError,
    NotFoundError,
    QueryError,
    UnsupportedError,
)
from marey.storage.dataset import Dataset
from marey.storage.schema import INDEX_FIELDS, INDEX_TYPE, VideoValue

MakeVideo = Callable[..., VideoValue]


@pytest.fixture
def filled(clips: Dataset, video: MakeVideo) -> Dataset:
    """Clips 0 to 9: clip n is n bytes large and n pixels wide; clip 3 has no video."""
    values = [None if n == 3 else video(b"x" * n, width=n) for n in range(10)]
    tags = [{"who": f"p{n}", "where": {"x": n}} for n in range(10)]
    clips.write(
        pa.table({"clip_id": range(10), "label": list("aabbccddee"), "tag": tags}),
        {"video": values},
    )
    return clips


def collect(table: Dataset, columns: Sequence[str], **options: Any) -> pa.Table:
    return pa.Table.from_batches(table.scan(columns, **options))


def test_a_path_comes_back_as_a_flat_column_of_its_name(filled: Dataset) -> None:
    columns = ["video.index.width", "clip_id", "tag.where.x", "tag.who"]
    table = collect(filled, columns)
    assert table.column_names == [*columns, "_rowid"]
    assert table["_rowid"].type == pa.uint64()
    assert table["video.index.width"].to_pylist() == [0, 1, 2, None, *range(4, 10)]
    assert table["tag.where.x"].to_pylist() == list(range(10))
    assert table["tag.who"][7].as_py() == "p7"


def test_a_struct_comes_back_whole(filled: Dataset) -> None:
    assert collect(filled, ["tag"])["tag"][2].as_py() == {"who": "p2", "where": {"x": 2}}


def test_a_video_comes_back_as_its_index_without_bytes(filled: Dataset) -> None:
    table = collect(filled, ["video", "video.index", "video.index.frame_graph"])
    bare = table["video"].type
    assert bare == pa.struct([("index", pa.struct(list(INDEX_FIELDS)))])
    assert table["video.index"].type == INDEX_TYPE
    assert [v.as_py() is None for v in table["video"]] == [n == 3 for n in range(10)]
    assert [v.as_py() is None for v in table["video.index"]] == [n == 3 for n in range(10)]
    row = table.slice(5, 1).to_pylist()[0]
    assert row["video"]["index"]["width"] == row["video.index"]["width"] == 5
    assert row["video.index"]["frame_graph"] == row["video.index.frame_graph"]
    assert row["video.index.frame_graph"] == b"graph of 5 bytes"


def test_filter_limit_and_batches(filled: Dataset) -> None:
    narrow = "`video`.`index`.`width` < 6"
    found = collect(filled, ["clip_id"], filter=narrow, with_row_id=False)
    assert found.to_pydict() == {"clip_id": [0, 1, 2, 4, 5]}
    assert filled.count(narrow) == 5
    assert collect(filled, ["clip_id"], filter=narrow, limit=2)["clip_id"].to_pylist() == [0, 1]
    assert [b.num_rows for b in filled.scan(["clip_id"], batch_rows=4)] == [4, 4, 2]
    assert sum(b.num_rows for b in filled.scan([], with_row_id=False)) == 10


def test_a_scalar_is_read_without_the_frame_graphs(clips: Dataset) -> None:
    graph = os.urandom(200_000)
    values = [VideoValue(b"x", {"width": n}, graph) for n in range(20)]
    clips.write(pa.table({"clip_id": range(20)}), {"video": values})
    snapshot = clips.at(clips.version)
    handle = snapshot._handle
    handle.lance.io_stats_incremental()
    assert snapshot.count("`video`.`index`.`width` < 5") == 5
    collect(snapshot, ["video", "video.index.width"])
    assert handle.lance.io_stats_incremental().read_bytes < 100_000
    assert snapshot.frame_graphs([7], "video") == [graph]
    assert handle.lance.io_stats_incremental().read_bytes < 2 * len(graph)


@pytest.mark.parametrize(
    ("column", "error", "message"),
    [
        ("lable", ColumnNotFoundError, "no column 'lable'; near it are 'label'"),
        ("video.index.hight", ColumnNotFoundError, "no column 'hight'; near it are 'height'"),
        ("video.size", ColumnNotFoundError, "no column 'size'"),
        ("label.x", ColumnNotFoundError, "'label' is string, not a struct"),
        ("video.index.width.x", ColumnNotFoundError, "'width' is int32, not a struct"),
        ("video.source", UnsupportedError, "read by range"),
        ("video.source.position", UnsupportedError, "read by range"),
    ],
)
def test_a_column_that_is_not_there_is_refused_at_the_call(
    filled: Dataset, column: str, error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        filled.scan([column])
    with pytest.raises(error, match=message):
        filled.take([0], [column])
    with pytest.raises(error, match=message):
        filled.take([], [column])


def test_a_column_asked_for_twice_is_refused(filled: Dataset) -> None:
    with pytest.raises(InputError, match="twice"):
        filled.scan(["label", "label"])


@pytest.mark.parametrize("filter", ["nosuch = 1", "label =", "label > 1 AND", "label + 1"])
def test_a_filter_that_lance_refuses_is_a_query_error(filled: Dataset, filter: str) -> None:
    for ask in (
        lambda: list(filled.scan(["label"], filter=filter)),
        lambda: filled.count(filter),
        lambda: filled.delete(filter),
    ):
        with pytest.raises(QueryError) as caught:
            ask()
        assert ".rs:" not in str(caught.value)
        assert caught.value.__cause__ is not None
    assert filled.count() == 10


def test_take_keeps_order_and_duplicates(filled: Dataset) -> None:
    taken = filled.take([4, 0, 4, 9], ["clip_id", "video.index.width"])
    assert taken.to_pydict() == {"clip_id": [4, 0, 4, 9], "video.index.width": [4, 0, 4, 9]}
    assert filled.frame_graphs([3, 2, 2], "video") == [
        None,
        b"graph of 2 bytes",
        b"graph of 2 bytes",
    ]


def test_take_of_nothing_has_the_types(filled: Dataset) -> None:
    columns = ["clip_id", "video", "video.index", "video.index.width"]
    nothing = filled.take(pa.array([], pa.uint64()), columns)
    assert nothing.num_rows == 0
    assert nothing.schema == filled.take([1], columns).schema


def test_take_of_more_rows_than_one_filter_names(clips: Dataset) -> None:
    clips.write(pa.table({"clip_id": range(10_000)}))
    wanted = list(range(9_999, -1, -2))
    assert clips.take(wanted, ["clip_id"])["clip_id"].to_pylist() == wanted


def test_take_of_a_row_that_is_gone(filled: Dataset) -> None:
    filled.delete("clip_id IN (2, 5)")
    with pytest.raises(NotFoundError, match=r"row id 2 is not in .* \(2 of 3 are not\)"):
        filled.take([2, 5, 6], ["label"])
    with pytest.raises(InputError, match="1 of 2 row ids are null"):
        filled.take(pa.array([1, None], pa.uint64()), ["label"])


def test_versions_and_snapshots(filled: Dataset) -> None:
    written = filled.version
    old = filled.at(written)
    filled.write(pa.table({"clip_id": [0], "label": ["new"]}))
    filled.delete("clip_id = 9")
    assert collect(old, ["label"])["label"][0].as_py() == "a"
    assert (old.count(), filled.count()) == (10, 9)
    listed = filled.versions()
    assert [v.number for v in listed] == list(range(1, filled.version + 1))
    times = {v.number: v.time for v in listed}
    assert all(time.tzinfo is not None for time in times.values())
    assert filled.at(times[written]).version == written
    assert filled.at(dt.datetime.now(dt.UTC)).version == filled.version
    with pytest.raises(NotFoundError, match=r"no version of .* by 2001"):
        filled.at(dt.datetime(2001, 1, 1))
    with pytest.raises(NotFoundError, match="by 0001-01-01"):
        filled.at(dt.datetime.min)
    assert filled.at(dt.datetime.max).version == filled.version
    for number in (0, -1, 99):
        with pytest.raises(NotFoundError, match="version"):
            filled.at(number)


def test_another_sees_a_write_once_it_refreshes(filled: Dataset) -> None:
    other = pickle.loads(pickle.dumps(filled))
    filled.write(pa.table({"clip_id": [77]}))
    assert (other.count(), filled.count()) == (10, 11)
    other.refresh()
    assert other.count() == 11
    assert other.version == filled.version


def test_a_pickled_snapshot_stays_at_its_version(filled: Dataset) -> None:
    snapshot = filled.at(filled.version)
    filled.write(pa.table({"clip_id": [77]}))
    copy = pickle.loads(pickle.dumps(snapshot))
    assert copy.version == snapshot.version
    assert copy.count() == 10
    copy.refresh()
    assert copy.count() == 10
    with pytest.raises(UnsupportedError, match="read-only"):
        copy.delete("true")


def test_delete_counts_the_rows(filled: Dataset) -> None:
    assert filled.delete("clip_id > 7 OR label = 'a'") == 4
    assert filled.delete("clip_id > 7") == 0
    assert collect(filled, ["clip_id"])["clip_id"].to_pylist() == [2, 3, 4, 5, 6, 7]
