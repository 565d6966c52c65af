"""Scans from end to end: real clips in real tables, held to a full sequential decode."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from io import BytesIO
from pathlib import Path
from typing import Any

import av
import hypothesis.strategies as st
import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings

import marey
from marey import EngineConfig, Marey
from marey import expressions as se
from marey.engine.table import Table
from marey.errors import (
    ConfigError,
    ExpressionError,
    InputError,
    KeyNotFoundError,
    MareyError,
    UnboundAuxError,
)

CLIPS = {
    10: "closed_gops",
    20: "open_gop",
    30: "edit_list",
    40: "variable_rate",
    50: "raw",
    60: "intra_refresh",
    70: "mbaff",
    80: "ten_bits",
}
NO_VIDEO = 90
LABELS = ["kitchen", "street", "kitchen", None, "street", "kitchen", "garden", "street", None]
U32S = pa.list_(pa.uint32())
WANTED = se.aux("frame_indices", U32S)
PIXEL_FORMATS = {"rgb24": "rgb24", "gray8": "gray", "yuv420p": "yuv420p"}
"""By our name, FFmpeg's."""

Rows = list[dict[str, Any]]


@pytest.fixture(scope="module")
def db(tmp_path_factory: pytest.TempPathFactory, clip: Callable[[str], bytes]) -> Marey:
    db = Marey(tmp_path_factory.mktemp("scan"))
    table = db.project("training").create_table("clips", key_schema={"clip_id": pa.int64()})
    videos = [se.Video(se.Blob(clip(name))) for name in CLIPS.values()]
    table.write({"clip_id": [*CLIPS, NO_VIDEO], "label": LABELS, "video": [*videos, None]})
    return db


@pytest.fixture
def clips(db: Marey) -> Table:
    return db.project("training").table("clips")


@pytest.fixture(scope="module")
def true_planes(truth: Callable[[str], list[Any]]) -> Callable[[int, int], bytes]:
    """The planes of one frame of a clip, by the clip's key."""
    return lambda key, frame: truth(CLIPS[key])[frame].planes


def key_table(ids: list[int], lists: list[Any]) -> pa.Table:
    return pa.table({"clip_id": ids, "frame_indices": pa.array(lists, U32S)})


def frames(value: dict[str, Any] | None) -> list[tuple[int, bytes]] | None:
    if value is None:
        return None
    return [(frame["frame_index"], frame["data"]) for frame in value["frames"]]


@settings(max_examples=30, deadline=None)
@given(data=st.data())
def test_any_frames_of_any_clips_are_those_of_a_full_decode(
    data: st.DataObject,
    tmp_path_factory: pytest.TempPathFactory,
    db: Marey,
    truth: Callable[[str], list[Any]],
) -> None:
    counts = {key: len(truth(name)) for key, name in CLIPS.items()}
    row = st.sampled_from(sorted(CLIPS)).flatmap(
        lambda key: st.tuples(
            st.just(key), st.lists(st.integers(0, counts[key] - 1), max_size=6)
        )
    )
    asked = data.draw(st.lists(row, max_size=10))
    budget = data.draw(st.sampled_from([1, 200_000, 256 << 20]))
    threads = data.draw(st.integers(1, 3))
    config = EngineConfig(memory_budget_bytes=budget, decode_threads=threads)
    with Marey(db.root, config=config) as own:
        table = own.project("training").table("clips")
        read = se.video.read(table["video"], WANTED, pixel_format="native")
        scan = own.scan({"clip_id": table["clip_id"], "f": read})
        given_keys = key_table([key for key, _ in asked], [wanted for _, wanted in asked])
        found = scan.to_table(given_keys)
    assert found.schema == scan.schema
    assert found["clip_id"].to_pylist() == [key for key, _ in asked]
    for value, (key, wanted) in zip(found["f"].to_pylist(), asked, strict=True):
        true = truth(CLIPS[key])
        assert frames(value) == [(f, true[f].planes) for f in wanted]
    assert scan.metrics.rows == len(asked)
    assert scan.metrics.frames == sum(len(wanted) for _, wanted in asked)


def test_times_are_those_that_ffmpeg_reports(db: Marey, clips: Table, clip: Any) -> None:
    read = se.video.read(clips["video"], pixel_format="gray8")
    where = clips["clip_id"].isin([30, 40])
    found = db.scan({"clip_id": clips["clip_id"], "f": read}, where=where).to_table()
    for row in found.to_pylist():
        with av.open(BytesIO(clip(CLIPS[row["clip_id"]]))) as file:
            times = [frame.time for frame in file.decode(video=0)]
        shown = row["f"]["frames"]
        assert [frame["pts_seconds"] for frame in shown] == times
        ends = [frame["pts_seconds"] + frame["duration_seconds"] for frame in shown[:-1]]
        assert ends == pytest.approx(times[1:])


SIZES: list[tuple[dict[str, int], tuple[int, int]]] = [
    ({}, (96, 160)),
    ({"height": 50, "width": 70}, (50, 70)),
    ({"height": 48}, (48, 80)),
    ({"width": 320}, (192, 320)),
]


@pytest.mark.parametrize(("pixel_format", "target"), PIXEL_FORMATS.items())
@pytest.mark.parametrize(("asked", "size"), SIZES)
def test_pixels_are_those_of_swscale(
    pixel_format: str,
    target: str,
    asked: dict[str, int],
    size: tuple[int, int],
    db: Marey,
    clips: Table,
    clip: Any,
) -> None:
    height, width = size
    read = se.video.read(clips["video"], [3, 40], pixel_format=pixel_format, **asked)
    (row,) = db.scan({"f": read}, where=clips["clip_id"] == 10).to_table().to_pylist()
    depth = [3] if pixel_format == "rgb24" else []
    assert row["f"]["frame_shape"] == [height, width, *depth]
    with av.open(BytesIO(clip("closed_gops"))) as file:
        shown = list(file.decode(video=0))
    expected = [shown[f].reformat(width, height, target).to_ndarray() for f in (3, 40)]
    assert frames(row["f"]) == [(3, expected[0].tobytes()), (40, expected[1].tobytes())]


def test_the_native_form_has_the_native_size(db: Marey, clips: Table) -> None:
    read = se.video.read(clips["video"], [3], height=48, pixel_format="native")
    with pytest.raises(MareyError, match="native"):
        db.scan({"f": read}, where=clips["clip_id"] == 10).to_table()


def test_values_in_structs_and_files(
    db: Marey, clips: Table, true_planes: Callable[[int, int], bytes], full_decode: Any
) -> None:
    video = clips["video"]
    inner = {"label": clips["label"], "f": se.video.read(video, [7], pixel_format="native")}
    mp4 = se.video.remux(video, [9, 4])
    scan = db.scan(
        {
            "both": se.struct({"first": se.struct(inner), "mp4": mp4}),
            "video": video,
        },
        where=clips["clip_id"].isin([10, NO_VIDEO]),
    )
    table = scan.to_table()
    assert table.schema == scan.schema
    clip, nothing = table.to_pylist()
    assert frames(clip["both"]["first"]["f"]) == [(7, true_planes(10, 7))]
    shown = [frame.planes for frame in full_decode(clip["both"]["mp4"])]
    assert shown == [true_planes(10, 4), true_planes(10, 9)]
    assert clip["video"]["index"]["frame_count"] == 48
    assert nothing == {
        "both": {"first": {"label": None, "f": None}, "mp4": None},
        "video": None,
    }


@pytest.mark.parametrize(
    ("select", "expected"),
    [
        (lambda v: se.video.uniform(v, 3), [8, 24, 40]),
        (lambda v: se.video.every(v, 5), list(range(0, 48, 5))),
        (lambda v: se.video.at(v, [0.0, 1.0]), [0, 25]),
        (lambda v: se.video.range(v, -3, 48), [45, 46, 47]),
        (lambda v: se.video.keyframes(v), [0, 12, 24, 36]),
        (lambda v: [5, 5, 0], [5, 5, 0]),
    ],
)
def test_selections_give_their_frames(
    select: Callable[[Any], Any],
    expected: list[int],
    db: Marey,
    clips: Table,
    true_planes: Callable[[int, int], bytes],
) -> None:
    video = clips["video"]
    chosen = select(video)
    outputs = {"f": se.video.read(video, chosen, pixel_format="native")}
    (row,) = db.scan(outputs, where=clips["clip_id"] == 10).to_table().to_pylist()
    assert frames(row["f"]) == [(f, true_planes(10, f)) for f in expected]


class TestKeyTables:
    def test_rows_come_in_order_with_duplicates_and_aux(self, db: Marey, clips: Table) -> None:
        note = se.aux("note", pa.string())
        scan = db.scan({"id": clips["clip_id"], "label": clips["label"], "note": note})
        table = scan.to_table({"clip_id": [30, 10, 30], "note": ["a", "b", None]})
        assert table.to_pylist() == [
            {"id": 30, "label": "kitchen", "note": "a"},
            {"id": 10, "label": "kitchen", "note": "b"},
            {"id": 30, "label": "kitchen", "note": None},
        ]

    def test_the_forms_of_a_key_table_agree(self, db: Marey, clips: Table) -> None:
        import pandas
        import polars

        scan = db.scan({"id": clips["clip_id"], "label": clips["label"]})
        table = pa.table({"clip_id": pa.array([20, 10], pa.int64())})
        forms = [
            table,
            {"clip_id": [20, 10]},
            [{"clip_id": 20}, {"clip_id": 10}],
            pandas.DataFrame({"clip_id": [20, 10]}),
            polars.DataFrame({"clip_id": [20, 10]}),
            table.to_batches()[0],
        ]
        assert [scan.to_table(form)["id"].to_pylist() for form in forms] == [[20, 10]] * 6

    def test_missing_keys(self, db: Marey, clips: Table) -> None:
        read = se.video.read(clips["video"], [0], height=8, width=8)
        scan = db.scan({"id": clips["clip_id"], "label": clips["label"], "f": read})
        asked = {"clip_id": [1, 20, 2]}
        with pytest.raises(KeyNotFoundError, match=r"2 of 3 keys are not in .*: clip_id=1; "):
            scan.to_table(asked)
        nulls = scan.to_table(asked, on_missing="null")
        assert nulls["id"].to_pylist() == [1, 20, 2]
        assert nulls["label"].to_pylist() == [None, "street", None]
        assert [value is None for value in nulls["f"].to_pylist()] == [True, False, True]
        assert scan.to_table(asked, on_missing="skip")["id"].to_pylist() == [20]
        assert (scan.metrics.rows, scan.metrics.rows_skipped) == (1, 2)

    def test_rows_that_the_condition_drops_are_not_missing(
        self, db: Marey, clips: Table
    ) -> None:
        scan = db.scan({"id": clips["clip_id"]}, where=clips["label"] == "street")
        assert scan.to_table({"clip_id": [20, 10, 50]})["id"].to_pylist() == [20, 50]
        kept = scan.to_table({"clip_id": [20, 10, 7]}, on_missing="null")
        assert kept["id"].to_pylist() == [20, 7]

    def test_a_condition_may_use_aux(self, db: Marey, clips: Table) -> None:
        scan = db.scan(
            {"id": clips["clip_id"]}, where=clips["label"] == se.aux("l", pa.string())
        )
        asked = {"clip_id": [10, 10, 20], "l": ["kitchen", "street", "street"]}
        assert scan.to_table(asked)["id"].to_pylist() == [10, 20]

    def test_keys_of_several_columns(self, tmp_path: Path) -> None:
        db = Marey(tmp_path)
        schema = {"camera": pa.string(), "take": pa.int32()}
        table = db.project("p").create_table("t", key_schema=schema)
        table.write({"camera": ["a", "a", "b"], "take": [1, 2, 1], "n": [1, 2, 3]})
        scan = db.scan({"n": table["n"]})
        asked = {"take": [1, 2, 1], "camera": ["b", "a", "b"]}
        assert scan.to_table(asked)["n"].to_pylist() == [3, 2, 3]
        with pytest.raises(KeyNotFoundError, match="camera='b', take=2"):
            scan.to_table({"take": [2], "camera": ["b"]})
        with pytest.raises(InputError, match="lacks key column 'take'"):
            scan.to_table({"camera": ["b"]})

    def test_no_rows(self, db: Marey, clips: Table) -> None:
        scan = db.scan({"f": se.video.read(clips["video"], WANTED)})
        table = scan.to_table(key_table([], []))
        assert (table.num_rows, table.schema) == (0, scan.schema)

    def test_what_does_not_fit_is_refused(self, db: Marey, clips: Table) -> None:
        scan = db.scan({"f": se.video.read(clips["video"], WANTED)})
        with pytest.raises(UnboundAuxError, match="'frame_indices'"):
            scan.to_table()
        with pytest.raises(UnboundAuxError, match="did you mean 'frame_indexes'"):
            scan.to_table({"clip_id": [10], "frame_indexes": [[0]]})
        with pytest.raises(InputError, match="key column 'clip_id' is null"):
            scan.to_table(key_table([None], [[0]]))  # type: ignore[list-item]
        with pytest.raises(ConfigError, match="on_error must be"):
            scan.to_table(key_table([10], [[0]]), on_error="ignore")  # type: ignore[arg-type]
        with pytest.raises(ConfigError, match="on_missing must be"):
            scan.to_table(key_table([10], [[0]]), on_missing="")  # type: ignore[arg-type]


class TestConditionsAndLimits:
    def test_index_scalars_reach_storage(self, db: Marey, clips: Table) -> None:
        index = clips["video"]["index"]
        where = (index["frame_count"] > 20) & (index["bit_depth"] == 10)
        scan = db.scan({"id": clips["clip_id"]}, where=where)
        assert scan.to_table()["id"].to_pylist() == [80]
        assert "in Lance: (`video`.`index`.`frame_count` > 20) AND" in scan.explain()

    def test_only_the_rows_of_the_result_are_read(self, db: Marey, clips: Table) -> None:
        read = se.video.read(clips["video"], [0], height=8, width=8)
        scan = db.scan({"id": clips["clip_id"], "f": read}, limit=2)
        assert scan.to_table()["id"].to_pylist() == [10, 20]
        assert scan.metrics.frames == 2
        assert scan.to_table({"clip_id": [60, 50, 40]})["id"].to_pylist() == [60, 50]

    def test_limit_nothing(self, db: Marey, clips: Table) -> None:
        scan = db.scan({"f": se.video.read(clips["video"])}, limit=0)
        assert scan.to_table().num_rows == 0
        assert scan.metrics.bytes_fetched == 0

    def test_a_condition_on_null_is_not_met(self, db: Marey, clips: Table) -> None:
        where = ~(clips["label"] == "kitchen")
        found = db.scan({"id": clips["clip_id"]}, where=where).to_table()["id"].to_pylist()
        assert found == [20, 50, 70, 80]
        nothing = db.scan({"id": clips["clip_id"]}, where=clips["video"].is_null())
        assert nothing.to_table()["id"].to_pylist() == [NO_VIDEO]

    @pytest.mark.parametrize("limit", [-1, 1.5, True, "2"])
    def test_a_limit_is_a_number_of_rows(self, limit: Any, db: Marey, clips: Table) -> None:
        with pytest.raises(ConfigError, match="limit must be"):
            db.scan({"id": clips["clip_id"]}, limit=limit)

    def test_a_scan_reads_one_table(self, db: Marey) -> None:
        with pytest.raises(ExpressionError, match="a scan reads a table"):
            db.scan({"n": se.lit(1)})


def test_the_forms_of_a_result_agree(db: Marey, clips: Table) -> None:
    read = se.video.read(clips["video"], [1, 2], height=8, width=12)
    scan = db.scan({"id": clips["clip_id"], "f": read})
    table = scan.to_table()
    with scan.to_record_batches() as reader:
        assert reader.schema == scan.schema
        assert reader.read_all().equals(table)
    assert scan.to_polars().to_arrow().to_pylist() == table.to_pylist()
    frame = scan.to_pandas()
    assert frame["id"].tolist() == table["id"].to_pylist()
    first = frame["f"][0]["frames"][0]["data"]
    assert first == table["f"][0]["frames"][0]["data"].as_py()
    arrays = marey.to_numpy(table["f"].slice(0, 8))
    assert arrays.shape == (8, 2, 8, 12, 3)
    assert arrays[0, 0].tobytes() == first


def test_a_result_can_be_written_back(db: Marey, clips: Table, tmp_path: Path) -> None:
    own = Marey(tmp_path)
    table = own.project("p").create_table("cuts", key_schema={"clip_id": pa.int64()})
    scan = db.scan(
        {"clip_id": clips["clip_id"], "mp4": se.video.remux(clips["video"], [3])},
        where=clips["clip_id"] <= 20,
    )
    cuts = scan.to_table()
    table.write(
        {
            "clip_id": cuts["clip_id"],
            "video": [se.Video(se.Blob(mp4)) for mp4 in cuts["mp4"].to_pylist()],
        }
    )
    counts = own.scan({"n": table["video"]["index"]["frame_count"]}).to_table()
    assert counts["n"].to_pylist() == [1, 1]


def test_a_scan_repeats_itself_and_says_what_it_is(db: Marey, clips: Table) -> None:
    read = se.video.read(clips["video"], [0], height=8)
    scan = db.scan({"f": read}, where=clips["label"] == "street", limit=3)
    assert scan.to_table().equals(scan.to_table())
    assert repr(scan) == (
        'Scan({f: video.read(clips["video"], [0], height=8)}, '
        'where=clips["label"] == "street", limit=3)'
    )


@pytest.mark.parametrize("has_run", [False, True])
def test_queries_and_metrics_pickle(has_run: bool, db: Marey, clips: Table) -> None:
    scan = db.scan({"clip_id": clips["clip_id"]}, where=clips["clip_id"] > 1)
    sql = db.sql("SELECT clip_id FROM training.clips WHERE clip_id > 1")
    truth = scan.to_table() if has_run else None
    if has_run:
        sql.to_table()
        assert pickle.loads(pickle.dumps(scan.metrics)) == scan.metrics
    for query in (scan, sql):
        again = pickle.loads(pickle.dumps(query))
        assert again.metrics.rows == 0
        assert again.to_table() == (truth or query.to_table())


def test_sizes_of_batches_follow_the_settings(db: Marey) -> None:
    row_bytes = 96 * 160 * 3
    config = EngineConfig(memory_budget_bytes=400_000, batch_rows=3)
    with Marey(db.root, config=config) as own:
        table = own.project("training").table("clips")
        scan = own.scan({"f": se.video.read(table["video"], [0])})
        sizes = [batch.num_rows for batch in scan.to_record_batches()]
    assert sum(sizes) == 9
    assert max(sizes) <= min(3, 400_000 // 4 // row_bytes)


def test_frames_lie_in_one_buffer(db: Marey, clips: Table) -> None:
    scan = db.scan({"f": se.video.read(clips["video"], [0, 1])}, limit=1)
    (value,) = scan.to_table()["f"]
    once, again = marey.to_numpy(value), marey.to_numpy(value)
    assert np.shares_memory(once, again), "a view, not a copy"
