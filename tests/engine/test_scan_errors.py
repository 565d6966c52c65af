"""Rows that cannot be made: exactly those whose frames are lost, each reported by key."""

from __future__ import annotations

import os
from collections.abc import Callable
from io import BytesIO
from pathlib import Path
from typing import Any

import av
import hypothesis.strategies as st
import pyarrow as pa
import pytest
from hypothesis import given, settings

from marey import EngineConfig, Marey
from marey import expressions as se
from marey.engine.scan import Scan
from marey.errors import (
    DecodeError,
    FrameRangeError,
    RowTooLargeError,
    SourceNotFoundError,
    UnsupportedError,
)
from marey.tests.support.damage import index_of, needed_samples, with_broken_sample

U32S = pa.list_(pa.uint32())
WANTED = se.aux("frame_indices", U32S)
NAMES = ["closed_gops", "open_gop", "pyramid_strict", "baseline"]
LEAST_BYTES = 120
"""A slice of a few bytes can be cut and still be made sense of."""


def keys(ids: list[int], lists: list[list[int]]) -> pa.Table:
    return pa.table({"clip_id": ids, "frame_indices": pa.array(lists, U32S)})


def native(db: Marey) -> Scan:
    clips = db.project("p").table("clips")
    read = se.video.read(clips["video"], WANTED, pixel_format="native")
    return db.scan({"clip_id": clips["clip_id"], "f": read})


def planes(value: dict[str, Any] | None) -> list[bytes] | None:
    return None if value is None else [frame["data"] for frame in value["frames"]]


@pytest.fixture(scope="module")
def broken(
    tmp_path_factory: pytest.TempPathFactory, clip: Callable[[str], bytes]
) -> tuple[Marey, dict[int, tuple[str, int]]]:
    """Clips with one picture broken, and for each key which clip and sample that is."""
    db = Marey(tmp_path_factory.mktemp("broken"), config=EngineConfig(decode_threads=3))
    faults: dict[int, tuple[str, int]] = {}
    for name in NAMES:
        sizes = index_of(clip(name)).size.tolist()
        large = [i for i, size in enumerate(sizes) if size >= LEAST_BYTES]
        for sample in sorted({large[0], large[len(large) // 2], large[-1]}):
            faults[len(faults)] = name, sample
    table = db.project("p").create_table("clips", key_schema={"clip_id": pa.int64()})
    videos = [with_broken_sample(clip(name), sample) for name, sample in faults.values()]
    table.write(
        {"clip_id": list(faults), "video": [se.Video(se.Blob(data)) for data in videos]}
    )
    return db, faults


@settings(max_examples=30, deadline=None)
@given(data=st.data())
def test_exactly_the_rows_that_need_a_lost_picture_fail(
    data: st.DataObject,
    broken: tuple[Marey, dict[int, tuple[str, int]]],
    clip: Callable[[str], bytes],
    truth: Callable[[str], list[Any]],
) -> None:
    db, faults = broken
    asked = data.draw(
        st.lists(
            st.tuples(
                st.sampled_from(sorted(faults)),
                st.lists(st.integers(0, 47), min_size=1, max_size=5),
            ),
            min_size=1,
            max_size=8,
        )
    )
    ids, lists = [key for key, _ in asked], [frames for _, frames in asked]
    scan = native(db)
    found = scan.to_table(keys(ids, lists), on_error="null")["f"].to_pylist()
    expected, failures = [], []
    for key, frames in asked:
        name, sample = faults[key]
        index, true = index_of(clip(name)), truth(name)
        lost = [f for f in frames if sample in needed_samples(index, f)]
        expected.append(None if lost else [true[f].planes for f in frames])
        if lost:
            failures.append((key, "f", "DecodeError", min(lost)))
    assert [planes(value) for value in found] == expected
    errors = scan.errors()
    assert errors.schema.names == ["clip_id", "column", "error", "message", "frame"]
    rows = zip(*errors.drop(["message"]).to_pydict().values(), strict=True)
    # Two rows with the same fault are two failures.
    assert sorted(rows) == sorted(failures)
    assert scan.metrics.rows == len(asked)


def test_the_schema_of_errors_is_known_before_a_run(broken: tuple[Marey, Any]) -> None:
    scan = native(broken[0])
    before = scan.errors()
    scan.to_table(
        keys(
            [0],
            [
                [47],
            ],
        ),
        on_error="null",
    )
    assert before.num_rows == 0
    assert before.schema.equals(scan.errors().schema.empty_table().schema)
    assert before.schema.field("frame").type == pa.uint32()


def test_a_row_that_cannot_be_made_raises_with_table_key_and_column(
    broken: tuple[Marey, dict[int, tuple[str, int]]],
) -> None:
    db, faults = broken
    sample = faults[0][1]
    with pytest.raises(
        DecodeError, match=rf"^p\.clips \(clip_id=0\), column 'f': sample {sample}: "
    ):
        native(db).to_table(keys([0], [list(range(48))]))


def test_skip_leaves_out_rows_and_counts_them(
    broken: tuple[Marey, dict[int, tuple[str, int]]],
) -> None:
    db, _ = broken
    scan = native(db)
    table = scan.to_table(keys([1, 0, 1], [[0], [0, 99], [1]]), on_error="skip")
    assert table["clip_id"].to_pylist() == [1, 1]
    assert (scan.metrics.rows, scan.metrics.rows_skipped) == (2, 1)
    (failure,) = scan.errors().to_pylist()
    assert failure == {
        "clip_id": 0,
        "column": "f",
        "error": "FrameRangeError",
        "message": "frame 99 was asked for, the clip has frames 0 to 47",
        "frame": 99,
    }


def test_frame_numbers_out_of_range_and_null(broken: tuple[Marey, Any]) -> None:
    db, _ = broken
    with pytest.raises(FrameRangeError, match=r"clip_id=2.*frame 48 was asked for"):
        native(db).to_table(keys([1, 2], [[0], [47, 48]]))
    scan = native(db)
    lists = pa.array([[None], None], U32S)
    table = scan.to_table(
        pa.table({"clip_id": [1, 2], "frame_indices": lists}), on_error="null"
    )
    assert table["f"].to_pylist() == [None, None]
    (failure,) = scan.errors().to_pylist()
    assert failure["clip_id"] == 1
    assert "frame_indices holds null at position 0" in failure["message"]
    assert failure["frame"] is None


def test_a_selection_that_fails_names_the_video_column(broken: tuple[Marey, Any]) -> None:
    db, _ = broken
    clips = db.project("p").table("clips")
    late = se.video.at(clips["video"], [99.0], mode="exact")
    scan = db.scan({"f": se.video.read(clips["video"], late)}, limit=2)
    assert scan.to_table(on_error="null")["f"].null_count == 2
    assert scan.errors()["column"].to_pylist() == ["video", "video"]
    assert scan.errors()["clip_id"].to_pylist() == [0, 1]


def test_keys_of_several_columns_some_with_names_of_ours(
    tmp_path: Path, clip: Callable[[str], bytes]
) -> None:
    db = Marey(tmp_path)
    schema = {"camera": pa.string(), "frame": pa.int32()}
    table = db.project("p").create_table("clips", key_schema=schema)
    table.write({"camera": ["a"], "frame": [7], "video": [se.Video(se.Blob(clip("default")))]})
    scan = db.scan({"f": se.video.read(table["video"], [99])})
    scan.to_table(on_error="null")
    names = ["camera", "key.frame", "column", "error", "message", "frame"]
    assert scan.errors().schema.names == names
    assert scan.errors().select(["camera", "key.frame", "frame"]).to_pylist() == [
        {"camera": "a", "key.frame": 7, "frame": 99}
    ]


def test_a_source_that_is_cut_short_fails_its_rows_alone(
    tmp_path: Path, clip: Callable[[str], bytes], truth: Callable[[str], list[Any]]
) -> None:
    sources = [tmp_path / "cut.mp4", tmp_path / "sound.mp4"]
    for source in sources:
        source.write_bytes(clip("moov_first"))
    db = Marey(tmp_path / "tables")
    table = db.project("p").create_table("clips", key_schema={"clip_id": pa.int64()})
    videos = [se.Video(se.Blob.from_uri(source)) for source in sources]
    table.write({"clip_id": [1, 2], "video": videos})
    os.truncate(sources[0], sources[0].stat().st_size - 100)
    scan = native(db)
    found = scan.to_table(keys([1, 2], [[0], [0]]), on_error="null")["f"].to_pylist()
    assert [planes(value) for value in found] == [None, [truth("moov_first")[0].planes]]
    (failure,) = scan.errors().to_pylist()
    assert failure["clip_id"] == 1
    assert "cut.mp4" in failure["message"]
    sources[0].unlink()
    with Marey(tmp_path / "tables") as fresh, pytest.raises(SourceNotFoundError):
        native(fresh).to_table(keys([1], [[0]]))


def test_a_row_larger_than_allowed_is_refused(
    tmp_path: Path, clip: Callable[[str], bytes]
) -> None:
    # Ten frames, and room for the media and the index that they come from.
    db = Marey(tmp_path, config=EngineConfig(max_row_bytes=160 * 96 * 3 * 10 + 40_000))
    table = db.project("p").create_table("clips", key_schema={"clip_id": pa.int64()})
    table.write({"clip_id": [1], "video": [se.Video(se.Blob(clip("default")))]})
    read = se.video.read(table["video"], WANTED)
    scan = db.scan({"f": read})
    scan.to_table(keys([1], [list(range(10))]))
    with pytest.raises(
        RowTooLargeError, match="506,880 bytes for its frames, max_row_bytes is 500,800"
    ):
        scan.to_table(keys([1], [list(range(11))]))
    scan.to_table(keys([1, 1], [list(range(11)), [0]]), on_error="skip")
    assert (scan.metrics.rows, scan.metrics.rows_skipped) == (1, 1)


def test_what_is_fetched_for_a_row_counts_too(
    tmp_path: Path, clip: Callable[[str], bytes]
) -> None:
    data = clip("zero_latency")
    # All of the media does not fit, one picture and the frame index do.
    db = Marey(tmp_path, config=EngineConfig(max_row_bytes=len(data) + 8192))
    table = db.project("p").create_table("clips", key_schema={"clip_id": pa.int64()})
    table.write({"clip_id": [1], "video": [se.Video(se.Blob(data))]})
    scan = db.scan({"f": se.video.read(table["video"], WANTED, height=2, width=2)})
    scan.to_table(keys([1], [[0]]))
    with pytest.raises(RowTooLargeError, match="for its frames and the media that they are in"):
        scan.to_table(keys([1], [list(range(48))]))


def test_a_stream_that_changes_size_needs_a_size(
    tmp_path: Path, clip: Callable[[str], bytes]
) -> None:
    db = Marey(tmp_path)
    table = db.project("p").create_table("clips", key_schema={"clip_id": pa.int64()})
    table.write({"clip_id": [1], "video": [se.Video(se.Blob(clip("raw_resized")))]})
    both = db.scan({"f": se.video.read(table["video"], [0, 30])})
    assert both.to_table(on_error="null")["f"].null_count == 1
    (failure,) = both.errors().to_pylist()
    assert failure["message"].startswith(
        "the frames asked for differ in size (160x96 and 128x80): give height and width"
    )
    sized = db.scan({"f": se.video.read(table["video"], [0, 30], height=20, width=30)})
    assert sized.to_table()["f"].to_pylist()[0]["frame_shape"] == [20, 30, 3]


def test_sound_of_frames_with_gaps_is_refused_by_name(
    tmp_path: Path, clip: Callable[[str], bytes]
) -> None:
    db = Marey(tmp_path)
    table = db.project("p").create_table("clips", key_schema={"clip_id": pa.int64()})
    table.write({"clip_id": [1], "video": [se.Video(se.Blob(clip("quicktime")))]})
    wanted = table["clip_id"] == 1
    scan = db.scan({"mp4": se.video.remux(table["video"], [0, 2, 3], audio=wanted)})
    with pytest.raises(UnsupportedError, match=r"clip_id=1.*after 0 comes 2\. Sound is kept"):
        scan.to_table()
    scan = db.scan({"mp4": se.video.remux(table["video"], [2, 3, 4], audio=wanted)})
    (row,) = scan.to_table().to_pylist()
    with av.open(BytesIO(row["mp4"])) as container:
        assert [stream.type for stream in container.streams] == ["video", "audio"]
    with pytest.raises(FrameRangeError, match=r"^video.remux: frame_indices must be a list of"):
        db.scan({"mp4": se.video.remux(table["video"], [])})
