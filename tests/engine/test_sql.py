"""SQL over stored tables: what queries give, with frames equal to a full sequential decode."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from marey import Marey
from marey import expressions as se
from marey.errors import QueryError, UnsupportedError

CLIPS = {1: "closed_gops", 2: "open_gop", 3: "edit_list", 4: "variable_rate"}
LABELS = {1: "kitchen", 2: "street", 3: "kitchen", 4: None}

Frames = list[tuple[int, bytes]]


@pytest.fixture(scope="module")
def db(tmp_path_factory: pytest.TempPathFactory, clip: Callable[[str], bytes]) -> Marey:
    db = Marey(tmp_path_factory.mktemp("sql"))
    training = db.project("training")
    clips = training.create_table("clips", key_schema={"clip_id": pa.int64()})
    clips.write(
        {
            "clip_id": list(CLIPS),
            "label": list(LABELS.values()),
            "Take": [10, 20, 30, 40],
            "video": [se.Video(se.Blob(clip(name))) for name in CLIPS.values()],
        }
    )
    views = training.create_table("Views", key_schema={"view": pa.string()})
    views.write(
        {
            "view": ["a", "b", "c"],
            "clip_id": [1, 2, 9],
            "picks": [[0, 1], [5], [2]],
            "movie": [
                se.Video(se.Blob(clip("baseline"))),
                None,
                se.Video(se.Blob(clip("mbaff"))),
            ],
        }
    )
    return db


@pytest.fixture(scope="module")
def exact(truth: Callable[[str], list[Any]]) -> Callable[[str, Any], Frames]:
    """The frames of a sample clip, as a full decode gives them."""
    return lambda name, numbers: [(n, truth(name)[n].planes) for n in numbers]


def frames(value: dict[str, Any] | None) -> Frames | None:
    if value is None:
        return None
    return [(frame["frame_index"], frame["data"]) for frame in value["frames"]]


def rows(db: Marey, text: str) -> list[dict[str, Any]]:
    return db.sql(text).to_table().to_pylist()


def column(db: Marey, text: str) -> list[Any]:
    """The values of a query of one column."""
    (values,) = db.sql(text).to_table().columns
    return values.to_pylist()


@pytest.mark.parametrize(
    "arguments",
    [
        "video, [0, 8, 16], pixel_format => 'native'",
        "video, ARRAY[0, 8, 16], pixel_format := 'native'",
        "video => video, frame_indices => [0, 8, 16], pixel_format => 'native'",
        "pixel_format => 'native', video => video, frame_indices => range(0, 17, 8)",
        "video, [0, 8, 16], NULL, NULL, 'native'",
        "video, video_range(video, 0, 17, 8), pixel_format => 'native'",
    ],
)
def test_arguments_come_by_place_or_by_name(
    arguments: str, db: Marey, exact: Callable[..., Frames]
) -> None:
    found = rows(db, f"SELECT clip_id, video_read({arguments}) AS f FROM training.clips")
    assert {row["clip_id"]: frames(row["f"]) for row in found} == {
        key: exact(name, [0, 8, 16]) for key, name in CLIPS.items()
    }


def test_a_read_without_frame_numbers_gives_every_frame(
    db: Marey, exact: Callable[..., Frames], truth: Callable[[str], list[Any]]
) -> None:
    (value,) = column(
        db,
        "SELECT video_read(video, pixel_format => 'native') FROM training.clips "
        "WHERE clip_id = 2",
    )
    assert frames(value) == exact("open_gop", range(len(truth("open_gop"))))


def test_a_remux_presents_the_chosen_frames(
    db: Marey, exact: Callable[..., Frames], full_decode: Callable[[bytes], list[Any]]
) -> None:
    (file,) = column(
        db, "SELECT video_remux(video, [14, 9], audio => false) FROM training.clips LIMIT 1"
    )
    assert {planes for _, planes in exact("closed_gops", [9, 14])} <= {
        frame.planes for frame in full_decode(file)
    }


@pytest.mark.parametrize(
    ("sql", "python"),
    [
        ("video_uniform(video, 5)", lambda v: se.video.uniform(v, 5)),
        ("video_uniform(n => 5, video => video)", lambda v: se.video.uniform(v, 5)),
        ("video_every(video, 7.5)", lambda v: se.video.every(v, 7.5)),
        ("video_every(video, fps => 30)", lambda v: se.video.every(v, 30)),
        ("video_at(video, 0.5)", lambda v: se.video.at(v, 0.5)),
        ("video_at(video, [0.3, 1])", lambda v: se.video.at(v, [0.3, 1.0])),
        ("video_at(video, [0.3], 'ceil')", lambda v: se.video.at(v, [0.3], mode="ceil")),
        (
            "video_at(video, seconds => 0.3, mode => 'nearest')",
            lambda v: se.video.at(v, 0.3, mode="nearest"),
        ),
        ("video_range(video, 3)", lambda v: se.video.range(v, 3)),
        ("video_range(video, -5, -1)", lambda v: se.video.range(v, -5, -1)),
        ("video_range(video, 40, 0, -7)", lambda v: se.video.range(v, 40, 0, -7)),
        ("video_range(video, 0, step => 9)", lambda v: se.video.range(v, 0, step=9)),
        ("video_keyframes(video)", lambda v: se.video.keyframes(v)),
        (
            "video_read(video, [3], height => 48)",
            lambda v: se.video.read(v, [3], height=48),
        ),
        (
            "video_read(video, [3, 3], width => 40, pixel_format => 'gray8')",
            lambda v: se.video.read(v, [3, 3], width=40, pixel_format="gray8"),
        ),
        (
            "video_read(video, video_uniform(video, 2), 24, 40, 'yuv420p')",
            lambda v: se.video.read(
                v, se.video.uniform(v, 2), height=24, width=40, pixel_format="yuv420p"
            ),
        ),
        ("video_remux(video, [5])", lambda v: se.video.remux(v, [5])),
        ("video_remux(video)", lambda v: se.video.remux(v)),
    ],
)
def test_a_function_gives_what_its_twin_in_python_gives(
    sql: str, python: Callable[[Any], Any], db: Marey
) -> None:
    clips = db.project("training").table("clips")
    scan = db.scan({"clip_id": clips["clip_id"], "out": python(clips["video"])})
    query = db.sql(f"SELECT clip_id, {sql} AS out FROM training.clips")
    assert query.schema == scan.schema
    assert query.to_table() == scan.to_table()


@pytest.mark.parametrize(
    ("seconds", "python"),
    [
        ("clip_id", lambda key: key),
        ("clip_id / 8.0", lambda key: key / 8),
    ],
)
def test_one_time_of_a_row_stands_for_a_list_of_it(
    seconds: str, python: Callable[[Any], Any], db: Marey
) -> None:
    clips = db.project("training").table("clips")
    both = f"SELECT clip_id, video_at(video, {seconds}) AS a, video_at(video, [0.5]) AS b"
    found = db.sql(f"{both} FROM training.clips ORDER BY clip_id").to_table()
    v, key = clips["video"], clips["clip_id"]
    outputs = {"clip_id": key, "a": se.video.at(v, python(key)), "b": se.video.at(v, 0.5)}
    assert found == db.scan(outputs).to_table()


def test_a_rate_is_a_fraction_or_its_double(db: Marey) -> None:
    v = db.project("training").table("clips")["video"]
    rates = {"a": Fraction(30_000, 1001), "b": 30_000 / 1001, "c": 29.97}
    found = db.scan({name: se.video.every(v, rate) for name, rate in rates.items()}).to_table()
    assert found["a"] == found["b"] == found["c"]


def test_no_time_gives_no_list(db: Marey) -> None:
    time = "CASE WHEN clip_id <> 2 THEN 0.25 END"
    found = column(db, f"SELECT video_at(video, {time}) FROM training.clips ORDER BY clip_id")
    assert [frames and len(frames) for frames in found] == [1, None, 1, 1]


def test_a_call_without_an_alias_is_named_after_its_function(db: Marey) -> None:
    query = db.sql(
        "SELECT video_keyframes(video), VIDEO_AT(video, 0), video_at(video, 1) "
        "FROM training.clips"
    )
    assert query.schema.names == ["video_keyframes", "video_at", "video_at_2"]


def test_two_tables_join_with_frames_of_both(db: Marey, exact: Callable[..., Frames]) -> None:
    found = rows(
        db,
        """
        SELECT c.clip_id, v.view,
               video_read(c.video, v.picks, pixel_format => 'native') AS clip,
               video_read(v.movie, [4], pixel_format => 'native') AS movie
        FROM training.clips AS c JOIN training."Views" v ON c.clip_id = v.clip_id
        ORDER BY c.clip_id DESC
        """,
    )
    assert [(row["clip_id"], row["view"]) for row in found] == [(2, "b"), (1, "a")]
    assert [frames(row["clip"]) for row in found] == [
        exact("open_gop", [5]),
        exact("closed_gops", [0, 1]),
    ]
    assert [frames(row["movie"]) for row in found] == [None, exact("baseline", [4])]


def test_rows_that_an_outer_join_leaves_alone_have_no_frames(
    db: Marey, exact: Callable[..., Frames]
) -> None:
    found = rows(
        db,
        """
        SELECT v.view, video_read(c.video, [0], pixel_format => 'native') AS f
        FROM training."Views" v LEFT JOIN training.clips c USING (clip_id) ORDER BY v.view
        """,
    )
    assert [frames(row["f"]) for row in found] == [
        exact("closed_gops", [0]),
        exact("open_gop", [0]),
        None,
    ]


def test_a_table_joins_itself(db: Marey) -> None:
    found = rows(
        db,
        "SELECT a.clip_id AS a, b.clip_id AS b FROM training.clips a, training.clips b "
        "WHERE a.video.index.frame_count < b.video.index.frame_count ORDER BY a, b",
    )
    assert found == [{"a": 3, "b": 1}, {"a": 3, "b": 2}, {"a": 3, "b": 4}]


@pytest.mark.parametrize(
    ("text", "keys"),
    [
        ("SELECT clip_id, {f} AS f FROM training.clips ORDER BY clip_id DESC LIMIT 2", [4, 3]),
        (
            "SELECT clip_id, {f} AS f FROM training.clips ORDER BY clip_id LIMIT 2 OFFSET 1",
            [2, 3],
        ),
        (
            "WITH read AS (SELECT clip_id, {f} AS f FROM training.clips), "
            "some AS (SELECT * FROM read WHERE clip_id <> 3) "
            "SELECT f, clip_id FROM some ORDER BY clip_id DESC",
            [4, 2, 1],
        ),
        (
            "SELECT x.clip_id, x.f FROM (SELECT clip_id, {f} AS f, label FROM training.clips) "
            "AS x WHERE x.label = 'kitchen' ORDER BY x.clip_id",
            [1, 3],
        ),
        (
            "SELECT * FROM (SELECT clip_id, {f} AS f FROM training.clips WHERE clip_id = 4 "
            "UNION ALL SELECT clip_id, {f} FROM training.clips WHERE clip_id < 3) "
            "ORDER BY clip_id",
            [1, 2, 4],
        ),
        (
            "SELECT min(clip_id) AS clip_id, first_value({f} ORDER BY clip_id) AS f "
            "FROM training.clips GROUP BY label ORDER BY clip_id",
            [1, 2, 4],
        ),
        (
            "SELECT clip_id, CASE WHEN clip_id > 0 THEN {f} END AS f FROM training.clips "
            'WHERE {f} IS NOT NULL AND clip_id IN (SELECT clip_id FROM training."Views") '
            "ORDER BY clip_id",
            [1, 2],
        ),
        (
            "SELECT clip_id + 1 AS clip_id, lead({f}) OVER (ORDER BY clip_id) AS f "
            "FROM training.clips ORDER BY clip_id LIMIT 3",
            [2, 3, 4],
        ),
        (
            "SELECT clip_id, coalesce(NULL, {f}) AS f FROM training.clips ORDER BY 1",
            [1, 2, 3, 4],
        ),
    ],
    ids=["top", "page", "with", "subquery", "union", "group", "case", "window", "coalesce"],
)
def test_requests_pass_through_plans_and_become_frames(
    text: str, keys: list[int], db: Marey, exact: Callable[..., Frames]
) -> None:
    call = "video_read(video, [30, 2], pixel_format => 'native')"
    found = rows(db, text.format(f=call))
    assert [row["clip_id"] for row in found] == keys
    assert [frames(row["f"]) for row in found] == [exact(CLIPS[k], [30, 2]) for k in keys]


def test_frames_stand_in_structs(db: Marey, exact: Callable[..., Frames]) -> None:
    (value,) = column(
        db,
        "SELECT named_struct('key', clip_id, "
        "'f', video_read(video, [7], pixel_format => 'native')) "
        "FROM training.clips WHERE clip_id = 2",
    )
    assert value["key"] == 2
    assert frames(value["f"]) == exact("open_gop", [7])


def test_only_the_rows_of_the_result_are_decoded(db: Marey) -> None:
    query = db.sql(
        "SELECT video_read(video, [0]) AS f FROM training.clips ORDER BY clip_id LIMIT 1"
    )
    query.to_table()
    assert query.metrics.rows == 1
    assert query.metrics.frames == 1
    assert query.metrics.samples_decoded == 1


def test_counting_and_testing_for_null_decodes_nothing(db: Marey) -> None:
    query = db.sql(
        "SELECT count(video_read(movie, [0])) AS n, count(movie) AS m, count(*) AS all_rows "
        'FROM training."Views"'
    )
    assert query.to_table().to_pylist() == [{"n": 2, "m": 2, "all_rows": 3}]
    assert query.metrics.samples_decoded == 0


def test_aggregates_are_sqls(db: Marey) -> None:
    assert rows(
        db,
        'SELECT label, count(*) AS n, sum("Take") AS takes, '
        "max(video.index.frame_count) AS most FROM training.clips GROUP BY label "
        "HAVING count(*) > 1",
    ) == [{"label": "kitchen", "n": 2, "takes": 40, "most": 48}]


def test_everything_shows_a_video_as_the_scalars_of_its_index(db: Marey) -> None:
    query = db.sql("SELECT * FROM training.clips ORDER BY clip_id")
    assert query.schema.names == ["clip_id", "label", "Take", "video"]
    found = query.to_table().to_pylist()
    assert [row["label"] for row in found] == list(LABELS.values())
    index = found[2]["video"]["index"]
    assert (index["width"], index["height"], index["frame_count"]) == (160, 96, 41)
    assert "frame_graph" not in index
    assert "source" not in found[2]["video"]


@pytest.mark.parametrize(
    ("text", "missing"),
    [
        ("SELECT DISTINCT movie FROM {0}", 1),
        ("SELECT movie, count(*) AS n FROM {0} GROUP BY movie", 1),
        ("SELECT view, first_value(movie) AS movie FROM {0} GROUP BY view", 1),
        ("SELECT movie FROM {0} UNION SELECT movie FROM {0}", 1),
        ("SELECT movie FROM {0} UNION ALL SELECT movie FROM {0}", 2),
    ],
)
def test_a_missing_video_among_others_stays_missing(text: str, missing: int, db: Marey) -> None:
    found = db.sql(text.format('training."Views"')).to_table()["movie"].to_pylist()
    sizes = [video and video["index"]["frame_count"] for video in found]
    there = column(
        db, 'SELECT movie.index.frame_count FROM training."Views" WHERE movie IS NOT NULL'
    )
    assert sizes.count(None) == missing
    assert sorted(size for size in sizes if size is not None) == sorted(there * missing)


@pytest.mark.parametrize("star", ["* EXCLUDE (video)", "c.* EXCEPT (video)"])
def test_everything_but_a_video_shows_nothing_of_it(star: str, db: Marey) -> None:
    query = db.sql(f"SELECT {star} FROM training.clips c")
    assert query.schema.names == ["clip_id", "label", "Take"]
    assert query.to_table().num_rows == len(CLIPS)


def test_everything_of_a_join_gets_names_of_its_own(db: Marey) -> None:
    query = db.sql(
        'SELECT * FROM training.clips c JOIN training."Views" v ON c.clip_id = v.clip_id'
    )
    assert query.schema.names == [
        *("clip_id", "label", "Take", "video"),
        *("view", "clip_id_2", "picks", "movie"),
    ]


@pytest.mark.parametrize(
    "path",
    [
        "video.index.width",
        "c.video.index.width",
        "video['index']['width']",
        'c."video"."index"."width"',
        "VIDEO.INDEX.WIDTH",
        "c.video['index'] [ 'width' ]",
    ],
)
def test_a_path_leads_to_a_scalar_of_an_index(path: str, db: Marey) -> None:
    text = f"SELECT {path} AS width FROM training.clips c WHERE {path} = 160 AND clip_id = 1"
    assert rows(db, text) == [{"width": 160}]
    assert rows(db, text.replace("160", "161")) == []


def test_names_fold_to_lower_case_unless_quoted(db: Marey) -> None:
    found = rows(
        db,
        'SELECT CLIP_ID, "Take" AS "A Name", VIDEO_RANGE(VIDEO, 0, 2) FROM TRAINING.CLIPS '
        'WHERE Training.Clips."Take" = 20',
    )
    assert found == [{"clip_id": 2, "A Name": 20, "video_range": [0, 1]}]
    assert column(db, 'SELECT view FROM "training"."Views" WHERE clip_id = 9') == ["c"]


def test_text_that_only_looks_like_a_call_stays(db: Marey) -> None:
    found = rows(
        db,
        "SELECT 'video_read(x)' AS a, /* video_reed( */ 1 AS video_read -- video_at(\n"
        "FROM training.clips WHERE label = 'street'",
    )
    assert found == [{"a": "video_read(x)", "video_read": 1}]


@pytest.mark.parametrize(
    ("condition", "python"),
    [
        ("label = 'kitchen'", lambda t: t["label"] == "kitchen"),
        ("label <> 'kitchen'", lambda t: t["label"] != "kitchen"),
        ("label IS NULL OR clip_id < 2", lambda t: t["label"].is_null() | (t["clip_id"] < 2)),
        ('NOT ("Take" > 15)', lambda t: ~(t["Take"] > 15)),
        ("clip_id IN (2, 4, 9)", lambda t: t["clip_id"].isin([2, 4, 9])),
        (
            "video.index.frame_count < 48",
            lambda t: t["video"]["index"]["frame_count"] < 48,
        ),
        ("clip_id % 2 = 1", lambda t: t["clip_id"] % 2 == 1),
    ],
)
def test_a_condition_gives_the_rows_that_a_scan_gives(
    condition: str, python: Callable[[Any], Any], db: Marey
) -> None:
    clips = db.project("training").table("clips")
    scan = db.scan(
        {"clip_id": clips["clip_id"], "f": se.video.read(clips["video"], [1], height=16)},
        where=python(clips),
    )
    query = db.sql(
        "SELECT clip_id, video_read(video, [1], height => 16) AS f FROM training.clips "
        f"WHERE {condition}"
    )
    assert query.to_table() == scan.to_table()


def test_a_query_gives_its_rows_in_every_form(db: Marey) -> None:
    query = db.sql(
        "SELECT clip_id, video_read(video, [0], height => 8) AS f FROM training.clips"
    )
    table = query.to_table()
    assert query.to_record_batches().read_all() == table
    assert query.to_pandas()["clip_id"].tolist() == [1, 2, 3, 4]
    assert query.to_polars()["clip_id"].to_list() == [1, 2, 3, 4]
    loader = query.to_data_loader(batch_size=3)
    assert [batch.num_rows for batch in loader] == [3, 1]
    assert pa.Table.from_batches(loader) == table


def test_a_query_sees_what_is_written_after_it_was_made(tmp_path: Path) -> None:
    db = Marey(tmp_path)
    table = db.project("p").create_table("t", key_schema={"k": pa.int64()})
    query = db.sql("SELECT count(*) AS n FROM p.t")
    table.write({"k": [1, 2]})
    assert query.to_table().to_pylist() == [{"n": 2}]


def test_a_query_whose_columns_have_moved_is_refused(tmp_path: Path) -> None:
    db = Marey(tmp_path)
    table = db.project("p").create_table("t", key_schema={"k": pa.int64()})
    table.write({"k": [1], "label": ["a"]})
    everything = db.sql("SELECT *, 7 AS seven FROM p.t")
    named = db.sql("SELECT label, 7 AS seven FROM p.t")
    table.write({"k": [1], "extra": [100]})
    with pytest.raises(QueryError, match=r"other columns.*extra: int64, seven"):
        everything.to_table()
    assert named.to_table().to_pylist() == [{"label": "a", "seven": 7}]


def test_on_error_reports_the_rows_that_fail(db: Marey) -> None:
    query = db.sql(
        "SELECT clip_id, video_read(video, [45], height => 8) AS f FROM training.clips"
    )
    found = query.to_table(on_error="null").to_pylist()
    assert [row["f"] is None for row in found] == [False, False, True, False]
    assert query.errors().select(["column", "error", "frame"]).to_pylist() == [
        {"column": "f", "error": "FrameRangeError", "frame": 45}
    ]
    kept = query.to_table(on_error="skip")
    assert kept["clip_id"].to_pylist() == [1, 2, 4]
    assert query.metrics.rows_skipped == 1


def test_sql_takes_no_key_table(db: Marey) -> None:
    with pytest.raises(UnsupportedError, match="SQL takes no key table"):
        db.sql("SELECT 1").to_table(key_table={"clip_id": [1]})


def test_naming_one_table_of_a_hundred_reads_no_other(tmp_path: Path) -> None:
    many = Marey(tmp_path).project("many")
    for number in range(100):
        many.create_table(f"t{number}", key_schema={"k": pa.int64()})
    many.table("t42").write({"k": [1, 2, 3]})
    for manifest in tmp_path.rglob("*.manifest"):
        if "t42.lance" not in str(manifest):
            manifest.write_bytes(b"damaged")
    assert rows(Marey(tmp_path), "SELECT k FROM many.t42 WHERE k > 1") == [{"k": 2}, {"k": 3}]
