"""What a write does to the rows, and what it leaves alone."""

from __future__ import annotations

import datetime as dt
import os
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pytest

from marey.errors import DuplicateKeyError, InputError, SourceChangedError, UnsupportedError
from marey.storage.catalog import Catalog
from marey.storage.dataset import Dataset
from marey.storage.files import file_tag
from marey.storage.schema import LOGICAL_VIDEO_TYPE, BlobReference, FileCopy, VideoValue

MakeVideo = Callable[..., VideoValue]


def rows(table: Dataset, *columns: str) -> list[dict[str, object]]:
    """Rows by key, without row ids."""
    batches = table.scan(columns, with_row_id=False)
    found = [row for batch in batches for row in batch.to_pylist()]
    return sorted(found, key=lambda row: str(row[columns[0]]))


def read_all(table: Dataset, key: int, size: int, column: str = "video") -> bytes:
    (row_id,) = table.find_keys(pa.table({"clip_id": [key]})).to_pylist()
    (data,) = table.read_ranges(column, [(row_id, 0, size)])
    assert isinstance(data, memoryview), data
    return bytes(data)


def test_new_keys_insert_and_known_keys_keep_what_is_not_given(clips: Dataset) -> None:
    clips.write(pa.table({"clip_id": [1, 2], "label": ["a", "b"], "take": [10, 20]}))
    clips.write(pa.table({"clip_id": [2, 3], "label": ["B", "c"]}))
    assert rows(clips, "clip_id", "label", "take") == [
        {"clip_id": 1, "label": "a", "take": 10},
        {"clip_id": 2, "label": "B", "take": 20},
        {"clip_id": 3, "label": "c", "take": None},
    ]


def test_a_given_null_replaces_a_value(clips: Dataset, video: MakeVideo) -> None:
    clips.write(pa.table({"clip_id": [1], "label": ["a"]}), {"video": [video(b"v")]})
    clips.write(pa.table({"clip_id": [1], "label": pa.nulls(1)}))
    clips.write(pa.table({"clip_id": [1]}), {"video": [None]})
    assert rows(clips, "clip_id", "label", "video") == [
        {"clip_id": 1, "label": None, "video": None}
    ]


def test_a_new_column_is_null_in_the_rows_that_are_there(
    clips: Dataset, video: MakeVideo
) -> None:
    clips.write(pa.table({"clip_id": [1, 2]}))
    clips.write(pa.table({"clip_id": [2], "score": [0.5]}), {"video": [video(b"abc")]})
    assert clips.schema.field("video").type == LOGICAL_VIDEO_TYPE
    assert rows(clips, "clip_id", "score", "video.index.codec") == [
        {"clip_id": 1, "score": None, "video.index.codec": None},
        {"clip_id": 2, "score": 0.5, "video.index.codec": "h264"},
    ]


def test_rows_and_columns_come_in_one_version_each(clips: Dataset) -> None:
    created = clips.version
    assert clips.write(pa.table({"clip_id": [1], "label": ["a"]})) == created + 2
    assert clips.write(pa.table({"clip_id": [1, 2], "label": ["A", "b"]})) == created + 3


@pytest.mark.parametrize(
    "table",
    [{"clip_id": pa.array([], pa.int64())}, {"clip_id": [1]}],
    ids=["no rows", "no news"],
)
def test_a_write_without_news_makes_no_version(
    clips: Dataset, table: dict[str, object]
) -> None:
    version = clips.write(pa.table({"clip_id": [1], "label": ["a"]}))
    assert clips.write(pa.table(table)) == version


def test_updating_labels_copies_no_media(
    clips: Dataset, video: MakeVideo, folder_bytes: Callable[[], int]
) -> None:
    sources = [os.urandom(size) for size in (100, 70_000, 5_000_000)]
    clips.write(
        pa.table({"clip_id": [1, 2, 3], "label": ["a"] * 3}),
        {"video": [video(source) for source in sources]},
    )
    before = folder_bytes()
    clips.write(pa.table({"clip_id": [1, 2, 3], "label": ["b"] * 3, "new": [1, 2, 3]}))
    # Known and new keys together: the new ones alone bring anything.
    clips.write(pa.table({"clip_id": [2, 3, 4], "label": ["c"] * 3}))
    assert folder_bytes() - before < 30_000
    for key, source in enumerate(sources, start=1):
        assert read_all(clips, key, len(source)) == source


def test_replacing_a_video_copies_none_but_its_own(
    clips: Dataset, video: MakeVideo, folder_bytes: Callable[[], int]
) -> None:
    kept = os.urandom(1_000_000)
    clips.write(
        pa.table({"clip_id": [1, 2], "label": ["a", "b"]}), {"video": [video(kept)] * 2}
    )
    before = folder_bytes()
    clips.write(pa.table({"clip_id": [2]}), {"video": [video(b"new")]})
    assert folder_bytes() - before < 30_000
    assert read_all(clips, 1, len(kept)) == kept
    assert read_all(clips, 2, 3) == b"new"
    assert rows(clips, "clip_id", "label")[1] == {"clip_id": 2, "label": "b"}


def test_the_other_video_of_a_row_is_kept_with_its_index(
    clips: Dataset, video: MakeVideo, tmp_path: Path
) -> None:
    outside = tmp_path / "outside.mp4"
    outside.write_bytes(b"0123456789")
    reference = BlobReference(outside.as_uri(), 10)
    left = [video(b"L" * 70_000, width=1), video(reference, width=2), None]
    clips.write(pa.table({"clip_id": [1, 2, 3]}), {"left": left, "right": [video(b"r")] * 3})
    clips.write(pa.table({"clip_id": [3, 2, 1]}), {"right": [video(b"R")] * 3})
    assert rows(clips, "clip_id", "left.index.width", "left.index.source_bytes") == [
        {"clip_id": 1, "left.index.width": 1, "left.index.source_bytes": 70_000},
        {"clip_id": 2, "left.index.width": 2, "left.index.source_bytes": 10},
        {"clip_id": 3, "left.index.width": None, "left.index.source_bytes": None},
    ]
    assert read_all(clips, 1, 70_000, "left") == b"L" * 70_000
    outside.write_bytes(b"9876543210")
    assert read_all(clips, 2, 10, "left") == b"9876543210", "a reference stays a reference"
    ids = clips.find_keys(pa.table({"clip_id": [1, 2, 3]}))
    graphs = clips.frame_graphs(ids, "left")
    assert graphs == [b"graph of 70000 bytes", b"graph of 10 bytes", None]


def test_row_ids_outlive_every_kind_of_write(clips: Dataset, video: MakeVideo) -> None:
    keys = pa.table({"clip_id": [1, 2, 3]})
    clips.write(keys, {"video": [video(b"a"), video(b"b"), None]})
    before = clips.find_keys(keys)
    clips.write(pa.table({"clip_id": [2], "label": ["x"]}))
    clips.write(pa.table({"clip_id": [3, 1, 9]}), {"video": [video(b"c"), None, None]})
    clips.optimize(keep_versions_seconds=0)
    assert clips.find_keys(keys) == before


def test_a_large_write_is_laid_down_in_parts(clips: Dataset, video: MakeVideo) -> None:
    source = os.urandom(9_000_000)
    count = 9
    clips.write(pa.table({"clip_id": range(count)}), {"video": [video(source)] * count})
    assert clips.count() == count
    assert read_all(clips, count - 1, 100) == source[:100]


VALUES = {
    "int16": (pa.array([1, None], pa.int16()), pa.int16()),
    "uint64": (pa.array([2**64 - 1, 0], pa.uint64()), pa.uint64()),
    "float16": (pa.array([1.5, None], pa.float32()).cast(pa.float16()), pa.float16()),
    "decimal": (pa.array([1, 2], pa.decimal128(10, 2)), pa.decimal128(10, 2)),
    "time": (pa.array([1, None], pa.time64("ns")), pa.time64("ns")),
    "duration": (pa.array([1, None], pa.duration("us")), pa.duration("us")),
    "zoned": (pa.array([1, 2], pa.timestamp("ns", "UTC")), pa.timestamp("ns", "UTC")),
    "large string": (pa.array(["a", None], pa.large_string()), pa.large_string()),
    "string view": (pa.array(["a", None], pa.string_view()), pa.string()),
    "binary view": (pa.array([b"a", None], pa.binary_view()), pa.binary()),
    "fixed binary": (pa.array([b"abc", None], pa.binary(3)), pa.binary(3)),
    "dictionary": (pa.array(["a", None]).dictionary_encode(), pa.string()),
    "list": (pa.array([["a"], None]), pa.list_(pa.string())),
    "embedding": (pa.array([[1.0, 2.0], None], pa.list_(pa.float32(), 2)), None),
    "structs": (pa.array([[{"a": 1, "b": "x"}], None]), None),
    "map": (pa.array([[("k", 1)], None], pa.map_(pa.string(), pa.int64())), None),
}


@pytest.mark.parametrize("name", VALUES)
def test_a_column_of_any_type_comes_back(clips: Dataset, name: str) -> None:
    values, stored = VALUES[name]
    clips.write(pa.table({"clip_id": [1, 2], "x": values}))
    clips.write(pa.table({"clip_id": [2, 3], "x": values}))
    ids = clips.find_keys(pa.table({"clip_id": [1, 2, 3]}))
    column = clips.take(ids, ["x"])["x"]
    assert column.type == (stored or values.type)
    expected = values.cast(column.type)
    assert column == pa.chunked_array([pa.concat_arrays([expected[:1], expected])])


UNSTORABLE = {
    "intervals": pa.array([(1, 2, 3)], pa.month_day_nano_interval()),
    "run ends": pa.RunEndEncodedArray.from_arrays(pa.array([1], pa.int32()), pa.array([7])),
    "fixed lists of strings": pa.array([["a"]], pa.list_(pa.string(), 1)),
    "empty structs": pa.array([{}], pa.struct([])),
    "extensions": pa.array([b"a" * 16], pa.uuid()),
}


@pytest.mark.parametrize("name", UNSTORABLE)
def test_what_lance_cannot_keep_is_refused_by_name(clips: Dataset, name: str) -> None:
    with pytest.raises(UnsupportedError, match="column 'x'"):
        clips.write(pa.table({"clip_id": [1], "x": UNSTORABLE[name]}))
    assert clips.version == 1


FITTING = {
    "wider integer": (pa.int32(), pa.array([7], pa.int64())),
    "unsigned": (pa.int64(), pa.array([7], pa.uint8())),
    "integer as float": (pa.float64(), pa.array([7])),
    "string": (pa.large_string(), pa.array(["7"])),
    "dictionary": (pa.string(), pa.array(["7"]).dictionary_encode()),
    "finer time": (pa.timestamp("s"), pa.array([7_000_000], pa.timestamp("us"))),
    "list": (pa.list_(pa.int16()), pa.array([[7]], pa.large_list(pa.int64()))),
    "struct": (
        pa.struct([("a", pa.int32()), ("b", pa.string())]),
        pa.array([{"b": "x", "a": 7}]),
    ),
    "null": (pa.int32(), pa.nulls(1)),
}


@pytest.mark.parametrize("name", FITTING)
def test_a_value_of_another_width_is_fitted(clips: Dataset, name: str) -> None:
    stored, given = FITTING[name]
    clips.write(pa.table({"clip_id": [1], "x": pa.nulls(1, stored)}))
    clips.write(pa.table({"clip_id": [1], "x": given}))
    assert clips.schema.field("x").type == stored
    expected = {"a": 7, "b": "x"} if name == "struct" else given.cast(stored)[0].as_py()
    assert rows(clips, "clip_id", "x") == [{"clip_id": 1, "x": expected}]


UNFITTING = {
    "too large": (pa.int8(), pa.array([1000])),
    "negative": (pa.uint32(), pa.array([-1])),
    "fraction": (pa.int64(), pa.array([1.0])),
    "text": (pa.int64(), pa.array(["1"])),
    "number": (pa.string(), pa.array([1])),
    "zone": (pa.timestamp("us"), pa.array([1], pa.timestamp("us", "UTC"))),
    "lost precision": (pa.timestamp("s"), pa.array([1], pa.timestamp("us"))),
    "unknown field": (pa.struct([("a", pa.int64())]), pa.array([{"a": 1, "b": 2}])),
}


@pytest.mark.parametrize("name", UNFITTING)
def test_a_value_that_does_not_fit_is_refused(clips: Dataset, name: str) -> None:
    stored, given = UNFITTING[name]
    version = clips.write(pa.table({"clip_id": [1], "x": pa.nulls(1, stored)}))
    with pytest.raises(InputError, match=r"column 'x': expected .*, found "):
        clips.write(pa.table({"clip_id": [1], "x": given}))
    clips.refresh()
    assert clips.version == version


def test_faulty_keys_are_named_with_their_rows(clips: Dataset) -> None:
    with pytest.raises(InputError, match="key column 'clip_id' is missing"):
        clips.write(pa.table({"label": ["a"]}))
    with pytest.raises(InputError, match="key column 'clip_id' is null in rows 1, 3"):
        clips.write(pa.table({"clip_id": [1, None, 2, None]}))
    with pytest.raises(
        DuplicateKeyError, match="clip_id=7 in rows 1, 2; clip_id=8 in rows 3, 4"
    ):
        clips.write(pa.table({"clip_id": [9, 7, 7, 8, 8]}))
    assert clips.version == 1


def test_faulty_videos_are_named_with_their_column(clips: Dataset, video: MakeVideo) -> None:
    one = pa.table({"clip_id": [1], "label": ["a"]})
    faults = {
        "expected 1 videos, one a row, found 2": {"video": [video(b"a")] * 2},
        "'video', row 0: no index field 'hight'": {"video": [video(b"a", hight=1)]},
        "'video': index.width is int32": {"video": [video(b"a", width="wide")]},
        "'video', row 0: expected a VideoValue": {"video": [b"bytes"]},
        "'label' is there twice": {"label": [video(b"a")]},
    }
    for message, videos in faults.items():
        with pytest.raises(InputError, match=message):
            clips.write(one, videos)
    clips.write(one, {"video": [video(b"a")]})
    message = (
        "column 'label': expected string, found videos.* another column, or drop the table"
    )
    with pytest.raises(InputError, match=message):
        clips.write(pa.table({"clip_id": [1]}), {"label": [video(b"a")]})
    with pytest.raises(InputError, match="column 'video': expected videos, found int64"):
        clips.write(pa.table({"clip_id": [1], "video": [3]}))


@pytest.mark.parametrize(
    "name", ["", "a.b", "a`b", "a\0b", "__marey_row", "_rowid", "_rowaddr"]
)
def test_a_name_that_storage_could_not_address_is_refused(clips: Dataset, name: str) -> None:
    with pytest.raises(InputError, match="column "):
        clips.write(pa.table([pa.array([1]), pa.array([2])], names=["clip_id", name]))


@pytest.mark.parametrize(
    "name", ["my clip", "Größe", "select", 'a"b', "a'b", "a\\b", "1", "index"]
)
def test_any_other_name_works_in_every_call(
    clips: Dataset, video: MakeVideo, name: str
) -> None:
    clips.write(pa.table({"clip_id": [1], f"x {name}": [7]}), {name: [video(b"abc", width=3)]})
    width, number = f"{name}.index.width", f"x {name}"
    filter = f"`{name}`.`index`.`width` = 3 AND `{number}` = 7"
    (batch,) = clips.scan([width, number, name], filter=filter)
    assert batch.select([width, number]).to_pylist() == [{width: 3, number: 7}]
    clips.write(pa.table({"clip_id": [1]}), {name: [video(b"abcd")]})
    assert read_all(clips, 1, 4, name) == b"abcd"


def test_upsert_by_a_key_of_several_columns(catalog: Catalog) -> None:
    key = pa.schema(
        [("camera", pa.string()), ("time", pa.timestamp("ns")), ("day", pa.date32())]
    )
    table = catalog.create_table("p", "t", key_schema=key)
    day = dt.date(2024, 2, 29)
    both = {"camera": ["it's", "it's"], "time": pa.array([1, 2], key.field("time").type)}
    table.write(pa.table({**both, "day": [day, day], "n": [1, 2]}))
    table.write(pa.table({**both, "day": [day, dt.date(1, 1, 1)], "n": [10, 20]}))
    assert [row["n"] for row in rows(table, "n")] == [10, 2, 20]
    keys = pa.table({**both, "day": [day, day]})
    assert table.take(table.find_keys(keys), ["n"]).column(0).to_pylist() == [10, 2]


def test_a_snapshot_is_read_only(clips: Dataset) -> None:
    clips.write(pa.table({"clip_id": [1]}))
    snapshot = clips.at(clips.version)
    for write in (
        lambda: snapshot.write(pa.table({"clip_id": [2]})),
        lambda: snapshot.delete("true"),
        lambda: snapshot.optimize(),
    ):
        with pytest.raises(UnsupportedError, match="read-only"):
            write()
    assert clips.count() == 1


@pytest.mark.parametrize("size", [0, 1000, 300_000, 5_000_000])
def test_a_file_is_copied(
    clips: Dataset, tmp_path: Path, size: int, folder_bytes: Callable[[], int]
) -> None:
    source = tmp_path / "ä b.mp4"
    content = os.urandom(size)
    source.write_bytes(content)
    copied = FileCopy(str(source), size, file_tag(source.stat()))
    before = folder_bytes()
    for ids in ([1, 2], [2, 3]):  # the second write moves a row, and brings one along
        clips.write(
            pa.table({"clip_id": ids}), {"video": [VideoValue(copied, {}, b"")] * len(ids)}
        )
    assert folder_bytes() - before >= 4 * size
    source.unlink()
    clips.write(pa.table({"clip_id": [1], "label": ["a"]}))
    clips.optimize()
    rows = clips.find_keys(pa.table({"clip_id": [1, 2, 3]})).to_pylist()
    assert clips.read_ranges("video", [(row, 0, size) for row in rows]) == [content] * 3


def test_a_file_that_changes_while_it_is_copied_is_not_stored(
    clips: Dataset, tmp_path: Path
) -> None:
    source = tmp_path / "clip.mp4"
    source.write_bytes(b"0123456789")
    copied = FileCopy(str(source), 10, "modified 1")
    version = clips.version
    with pytest.raises(SourceChangedError, match="while it was read"):
        clips.write(pa.table({"clip_id": [1]}), {"video": [VideoValue(copied, {}, b"")]})
    assert (clips.version, clips.count()) == (version, 0)
