"""Views of a dataset: what they show, and what of a query reaches storage."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from datafusion import DataFrame, col

from marey import Marey, errors
from marey.engine.recordings.contents import read_contents
from marey.engine.recordings.dataset import RecordingDataset

from .conftest import START, STEP, Recorded

KEYFRAME = '"/camera:VideoStream:is_keyframe"'
LABEL = "/labels:Label:text"


@pytest.fixture
def two(drive: RecordingDataset, recorded: Any, log_stream: Any) -> RecordingDataset:
    """Two segments of one camera, one of them of another as well."""
    log_stream(drive, recorded("raw"), [20])
    log_stream(drive, recorded("raw"), segment="episode_1")
    log_stream(drive, recorded("baseline"), segment="episode_1", entity="/camera/left")
    return drive


@pytest.mark.parametrize(
    ("patterns", "shown"),
    [
        (["/**"], {"/a", "/a/b", "/a/b/c", "/d"}),
        (["/a"], {"/a"}),
        (["/a/**"], {"/a", "/a/b", "/a/b/c"}),
        (["/a/*"], {"/a/b"}),
        (["/*"], {"/a", "/d"}),
        (["/**", "- /a/**"], {"/d"}),
        (["-/a/**"], {"/d"}),
        (["/**/c"], {"/a/b/c"}),
        (["/a/**/c", "/d"], {"/a/b/c", "/d"}),
        ([], set()),
    ],
)
def test_contents(patterns: list[str], shown: set[str]) -> None:
    contents = read_contents(patterns)
    assert {e for e in ("/a", "/a/b", "/a/b/c", "/d") if contents.shows(e)} == shown


def test_filters_add_up(two: RecordingDataset) -> None:
    assert two.segment_ids() == ["episode_0", "episode_1"]
    assert two.entities() == ["/camera", "/camera/left"]
    left = two.filter_contents("/camera/left")
    assert left.segment_ids() == ["episode_1"]
    assert left.filter_segments(["episode_0"]).reader().count() == 0
    assert two.filter_contents("/camera/**").filter_contents("- /camera").entities() == [
        "/camera/left"
    ]
    assert two.filter_segments("episode_1").reader().count() == 96
    for nothing in (two.filter_contents([]), two.filter_segments([])):
        assert nothing.segment_ids() == []
        assert nothing.reader("log_time").count() == nothing.segment_table().count() == 0
    for wrong in (["camera"], 3, [3]):
        with pytest.raises(errors.InputError, match="contents"):
            two.filter_contents(wrong)  # type: ignore[arg-type]


def test_columns_of_other_entities_are_null(two: RecordingDataset) -> None:
    table = pa.table(two.filter_segments(["episode_1"]).reader(index="log_time"))
    assert table.column_names[:3] == ["segment_id", "log_time", "decode_index"]
    mine = table["/camera:VideoStream:sample"].is_valid().to_pylist()
    others = table["/camera/left:VideoStream:sample"].is_valid().to_pylist()
    assert all(a != b for a, b in zip(mine, others, strict=True))
    nulls = two.reader().filter(col(KEYFRAME).is_null())
    assert nulls.count() == 48


def scanned(frame: DataFrame) -> str:
    return str(frame.execution_plan())


def test_filters_and_projections_reach_the_scan(two: RecordingDataset) -> None:
    frame = two.filter_contents("/camera").reader("log_time")
    early = frame.filter(
        (col('"log_time"') <= pa.scalar(START + 9 * STEP, pa.timestamp("ns"))) & col(KEYFRAME)
    ).select(col('"decode_index"'))
    assert "is_keyframe" in scanned(early)
    assert "sample" not in scanned(early)
    assert early.count() == 2
    assert {row["decode_index"] for row in early.to_pylist()} == {0}


def test_sql_sees_the_dataset(db: Marey, two: RecordingDataset) -> None:
    found = db.sql(
        f"SELECT segment_id, max(decode_index) AS last FROM robots.drive WHERE {KEYFRAME} "
        "GROUP BY segment_id ORDER BY segment_id"
    ).to_table()
    assert found.to_pylist() == [
        {"segment_id": "episode_0", "last": 36},
        {"segment_id": "episode_1", "last": 36},
    ]
    with pytest.raises(errors.TableNotFoundError):
        db.sql("SELECT * FROM robots.drove")


def test_segment_table(two: RecordingDataset, recorded: Any) -> None:
    size = sum(map(len, recorded("raw").samples))
    first, second = two.segment_table().to_pylist()
    assert (first["segment_id"], first["samples"], first["bytes"]) == ("episode_0", 48, size)
    assert second["entities"] == ["/camera", "/camera/left"]
    assert first["log_time:start"].value == START
    assert first["log_time:end"].value == START + 47 * STEP
    (row,) = two.filter_contents("/camera/left").segment_table().to_pylist()
    assert (row["segment_id"], row["entities"]) == ("episode_1", ["/camera/left"])


def labels(**more: Any) -> pa.Table:
    times = [START, START + 5 * STEP, 7]
    return pa.table(
        {
            "segment_id": ["episode_0", "episode_0", "episode_9"],
            "log_time": pa.array(times, pa.timestamp("ns")),
            LABEL: ["a", "b", "c"],
            **more,
        }
    )


def labelled(frame: DataFrame) -> list[tuple[str, int, str, int | None]]:
    rows = frame.filter(col(f'"{LABEL}"').is_not_null()).to_pylist()
    return sorted(
        (r["segment_id"], r["log_time"].value, r[LABEL], r["decode_index"]) for r in rows
    )


def test_a_layer_is_joined_by_segment_and_time(two: RecordingDataset, recorded: Any) -> None:
    stream: Recorded = recorded("raw")
    two.register_layer("labels", labels())
    fifth = stream.times.tolist().index(START + 5 * STEP)
    want = [
        ("episode_0", START, "a", 0),
        ("episode_0", START + 5 * STEP, "b", fifth),
        ("episode_9", 7, "c", None),
    ]
    assert labelled(two.reader(index="log_time")) == want
    assert two.reader(index="log_time").count() == 3 * 48 + 1
    assert labelled(two.filter_segments(["episode_0"]).reader("log_time")) == want[:2]
    assert LABEL not in two.filter_contents("/camera").schema.names
    assert LABEL in two.filter_contents(["/labels/**", "/camera"]).schema.names
    two.register_layer("labels", labels().slice(1, 1))  # in its place
    assert labelled(two.reader("log_time")) == want[1:2]
    assert two.layers() == ["labels"]
    two.unregister_layer("labels")
    assert LABEL not in two.schema.names
    with pytest.raises(errors.NotFoundError, match="no layer"):
        two.unregister_layer("labels")


def test_layers_from_files(two: RecordingDataset, tmp_path: Any) -> None:
    import lance

    pq.write_table(labels(), tmp_path / "labels.parquet")
    two.register_layer("one", tmp_path / "labels.parquet")
    other = labels().rename_columns(["segment_id", "log_time", "score"])
    lance.write_dataset(other, str(tmp_path / "scores.lance"))
    two.register_layer("two", str(tmp_path / "scores.lance"))
    rows = two.reader("log_time").filter(col('"score"').is_not_null()).to_pylist()
    assert sorted((row[LABEL], row["score"]) for row in rows) == [(c, c) for c in "abc"]
    (tmp_path / "text").write_text("text")
    with pytest.raises(errors.InputError, match="is no Parquet file"):
        two.register_layer("three", tmp_path / "text")
    with pytest.raises(errors.SourceNotFoundError):
        two.register_layer("three", tmp_path / "nowhere")
    assert two.layers() == ["one", "two"]


@pytest.mark.parametrize(
    ("table", "text"),
    [
        ({"log_time": [1], "x": [1]}, "no column 'segment_id'"),
        ({"segment_id": ["a"], "x": [1]}, "indexes"),
        ({"segment_id": ["a"], "log_time": [1]}, "no column beside"),
        ({"segment_id": [None], "log_time": [1], "x": [1]}, "row 0: segment_id is null"),
        ({"segment_id": ["a", "b"], "log_time": [1, None], "x": [1, 2]}, "row 1: log_time"),
        ({"segment_id": [1], "log_time": [1], "x": [1]}, "expected text, found int64"),
        ({"segment_id": ["a"], "log_time": ["x"], "x": [1]}, "string"),
        ({"segment_id": ["a"], "log_time": [1], "/c:VideoStream:sample": [b""]}, "own"),
        ({"segment_id": ["a"], "log_time": [1], "a.b": [1]}, "no '.'"),
    ],
)
def test_layers_that_do_not_fit_are_refused(
    two: RecordingDataset, table: Any, text: str
) -> None:
    with pytest.raises(errors.InputError, match=text):
        two.register_layer("bad", table)
    assert two.layers() == []
    assert two.reader().count() == 144


def test_two_layers_cannot_bring_one_column(two: RecordingDataset) -> None:
    two.register_layer("one", labels())
    with pytest.raises(errors.InputError, match="already"):
        two.register_layer("two", labels())


def test_rows_of_an_index_have_a_time_on_it(drive: RecordingDataset, recorded: Any) -> None:
    stream: Recorded = recorded("raw")
    numbers = pa.array([k if k % 3 else None for k in range(48)], pa.int64())
    index = {"log_time": stream.times.view("datetime64[ns]"), "n": numbers}
    drive.log("episode_0", "/camera", codec="h264", index=index, samples=stream.samples)
    drive.register_layer("labels", labels())
    counted = {"segment_id": ["episode_0"] * 2, "n": [1, 1000], "score": [0.5, 0.25]}
    drive.register_layer("scores", pa.table(counted))
    by_number = pa.table(drive.reader(index="n"))
    assert by_number["n"].null_count == 0
    assert by_number.num_rows == 32 + 1
    # The sample of START has no number: what is known of its time alone is no row here.
    on = stream.times.tolist().index(START + 5 * STEP)
    assert labelled(drive.reader(index="n")) == (
        [("episode_0", START + 5 * STEP, "b", on)] if on % 3 else []
    )
    by_time = pa.table(drive.reader(index="log_time"))
    assert by_time["log_time"].null_count == 0
    assert by_time.num_rows == 48 + 1
    assert drive.reader().count() == 48 + 1 + 1


TABLE = pa.table(
    {"segment_id": ["episode_0"], "log_time": pa.array([0], pa.timestamp("ns")), "x": [1]}
)

WRONG: dict[str, tuple[Callable[[RecordingDataset], object], str]] = {
    "entity": (lambda d: d.video(7), "entity: expected a path"),  # type: ignore[arg-type]
    "video index": (
        lambda d: d.video("/camera", index=["n"]),  # type: ignore[arg-type]
        "index: expected one of",
    ),
    "reader index": (
        lambda d: d.reader(index=["n"]),  # type: ignore[arg-type]
        r"index: expected one of robots.drive's \['log_time'\], got \['n'\]",
    ),
    "layer index": (
        lambda d: d.register_layer("x", TABLE, index=["n"]),  # type: ignore[arg-type]
        "in both",
    ),
    "segment": (
        lambda d: d.export_mp4(5, "/camera", "x.mp4"),  # type: ignore[arg-type]
        "segment 5: expected text",
    ),
    "path": (
        lambda d: d.export_mp4("episode_0", "/camera", 5),  # type: ignore[arg-type]
        "path: expected",
    ),
    "start": (
        lambda d: d.export_mp4("episode_0", "/camera", "x.mp4", start="yesterday"),
        "start: expected a timestamp, or a whole number of nanoseconds, got 'yesterday'",
    ),
    "end": (
        lambda d: d.export_mp4("episode_0", "/camera", "x.mp4", end=np.datetime64("NaT")),
        "end: expected a timestamp",
    ),
    "parameter sets": (
        lambda d: d.log(
            "episode_1",
            "/camera",
            codec="h264",
            index={"log_time": [1]},
            samples=[b"x"],
            parameter_sets="junk",  # type: ignore[arg-type]
        ),
        "parameter_sets: expected bytes, got str",
    ),
    "no index": (
        lambda d: d.log("s", "/c", codec="h264", index={}, samples=[b"x"]),
        r"expected a dict .* got \{\}",
    ),
    "None for an index": (
        lambda d: d.log("s", "/c", codec="h264", index={"frame": None}, samples=[b"x"]),
        "index 'frame': expected times, one a sample, got None; leave the index out",
    ),
    "nulls for an index": (
        lambda d: d.log("s", "/c", codec="h264", index={"frame": [None]}, samples=[b"x"]),
        "index 'frame': only nulls",
    ),
}


@pytest.mark.parametrize("what", WRONG)
def test_what_does_not_fit_is_said_in_plain_words(
    drive: RecordingDataset, recorded: Any, log_stream: Any, what: str
) -> None:
    log_stream(drive, recorded("baseline"))
    call, message = WRONG[what]
    with pytest.raises(errors.InputError, match=message):
        call(drive)


def test_a_dataset_near_a_misspelt_table(db: Marey, drive: RecordingDataset) -> None:
    with pytest.raises(errors.TableNotFoundError, match="datasets near it: 'drive'"):
        db.sql("SELECT * FROM robots.drove")
    with pytest.raises(errors.TableNotFoundError, match=r"dataset\('drive'\) opens it"):
        db.project("robots").table("drive")
