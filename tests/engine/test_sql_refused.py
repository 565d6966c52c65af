"""SQL that is refused: what is wrong and what to write instead, before anything is read."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pytest

from marey import Marey
from marey import expressions as se
from marey.errors import (
    ColumnNotFoundError,
    FrameRangeError,
    FunctionNotFoundError,
    InputError,
    MareyError,
    QueryError,
    TableNotFoundError,
    UnsupportedError,
)

READ = "video_read(video, [0])"
WITHIN = f"(SELECT k, {READ} AS f FROM p.t) AS x"
LATER = "made after the query has run"


@pytest.fixture(scope="module")
def db(tmp_path_factory: pytest.TempPathFactory, clip: Callable[[str], bytes]) -> Marey:
    db = Marey(tmp_path_factory.mktemp("refused"))
    table = db.project("p").create_table("t", key_schema={"k": pa.int64()})
    video = se.Video(se.Blob(clip("monochrome")))
    table.write({"k": [1, 2], "label": ["a", "b"], "Take": [1, 2], "video": [video, None]})
    return db


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (f"SELECT {READ}['frames'] FROM p.t", "line 1, column 8: .* take the field from"),
        (f"SELECT {READ}.frames FROM p.t", "line 1, column 8: .* take the field from"),
        (f"SELECT ({READ})['frames'] FROM p.t", LATER),
        (f"SELECT get_field({READ}, 'frame_shape') FROM p.t", LATER),
        (f"SELECT f['frames'] FROM {WITHIN}", LATER),
        (f"SELECT x.f.frames FROM {WITHIN}", LATER),
        (f"SELECT f['height'] FROM {WITHIN}", rf"get_field\(x.f, .*\): x.f is {LATER}"),
        (f"SELECT array_length({READ}) FROM p.t", "count frame numbers, as in array_length"),
        (f"SELECT octet_length({READ}) FROM p.t", LATER),
        ("SELECT length(video_remux(video)) FROM p.t", LATER),
        (f"SELECT unnest({READ}) FROM p.t", r"unnest\(video_read\(...\)\).*frame numbers"),
        (f"SELECT unnest(f) FROM {WITHIN}", r"unnest\(x.f\)"),
        ("SELECT unnest(video) FROM p.t", r"as in p.t.video.index.width"),
        (f"SELECT {READ} = {READ} FROM p.t", r"video_read\(...\) = video_read\(...\)"),
        (f"SELECT f <> f FROM {WITHIN}", "x.f != x.f"),
        (f"SELECT f IS DISTINCT FROM f FROM {WITHIN}", "IS DISTINCT FROM"),
        (f"SELECT k FROM {WITHIN} WHERE f IN (f)", "x.f IN"),
        (f"SELECT CASE f WHEN f THEN 1 END FROM {WITHIN}", "x.f = x.f"),
        (f"SELECT nullif(f, f) FROM {WITHIN}", "nullif"),
        (f"SELECT k FROM p.t ORDER BY {READ}", r"ORDER BY video_read\(...\)"),
        (f"SELECT k, f FROM {WITHIN} ORDER BY f DESC", "ORDER BY x.f"),
        (f"SELECT count(*) FROM {WITHIN} GROUP BY f", "GROUP BY x.f"),
        (f"SELECT max(f) FROM {WITHIN}", r"max\(x.f\)"),
        (f"SELECT count(DISTINCT f) FROM {WITHIN}", r"count\(DISTINCT x.f\)"),
        (f"SELECT DISTINCT f FROM {WITHIN}", "DISTINCT and UNION .* write UNION ALL"),
        (f"SELECT f FROM {WITHIN} UNION SELECT f FROM {WITHIN}", "write UNION ALL"),
        (f"SELECT [{READ}] FROM p.t", "cannot stand inside an array"),
        (f"SELECT array_agg(f) FROM {WITHIN}", "cannot stand inside an array"),
        ("SELECT video.source FROM p.t", "the bytes of a video are no column"),
        ("SELECT video['source'] FROM p.t", "the bytes of a video are no column"),
    ],
)
def test_frames_are_not_looked_into_before_they_are_made(
    text: str, says: str, db: Marey
) -> None:
    with pytest.raises(UnsupportedError, match=says) as caught:
        db.sql(text)
    assert "__marey" not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("SELECT a.video = b.video FROM p.t a, p.t b", "^a.video = b.video: videos have no"),
        ("SELECT k FROM p.t WHERE video IN (video)", "IN"),
        ("SELECT k FROM p.t WHERE video BETWEEN video AND video", "BETWEEN"),
        ("SELECT CASE video WHEN video THEN 1 END FROM p.t", "p.t.video = p.t.video"),
        ("SELECT nullif(video, video) FROM p.t", "nullif"),
        ("SELECT k FROM p.t ORDER BY video", "^ORDER BY p.t.video: .* p.t.video.index.width$"),
        ("SELECT max(video) FROM p.t", r"max\(p.t.video\)"),
        ("SELECT count(DISTINCT video) FROM p.t", "DISTINCT"),
        ("SELECT first_value(k ORDER BY video) FROM p.t", "ORDER BY p.t.video"),
        ("SELECT max(video) OVER () FROM p.t", r"max\(p.t.video\) OVER"),
        ("SELECT lag(k) OVER (ORDER BY k, video) FROM p.t", "ORDER BY p.t.video"),
        ("SELECT a.k FROM p.t a JOIN p.t b ON a.video = b.video", "a.video = b.video"),
        ("SELECT a.k FROM p.t a JOIN p.t b USING (video)", "compare a.video"),
        ("SELECT a.k FROM p.t a NATURAL JOIN p.t b", "compare a.video"),
        ("SELECT video FROM p.t EXCEPT SELECT video FROM p.t", "EXCEPT"),
        ("SELECT k FROM p.t WHERE video IN (SELECT video FROM p.t)", "IN"),
        (
            "SELECT k FROM p.t a WHERE EXISTS (SELECT 1 FROM p.t b WHERE a.video = b.video)",
            "videos have no order",
        ),
        ("SELECT CAST(video AS varchar) FROM p.t", "CAST"),
        ("SELECT video['__marey_row'] FROM p.t", "videos have no order"),
        ("SELECT arrow_typeof(video) FROM p.t", "arrow_typeof"),
    ],
)
def test_videos_are_neither_compared_nor_sorted(text: str, says: str, db: Marey) -> None:
    with pytest.raises(QueryError, match=says):
        db.sql(text)


@pytest.mark.parametrize(
    "text",
    [
        "SELECT k FROM p.t WHERE video IS NOT NULL",
        "SELECT coalesce(video, video) AS v FROM p.t",
        "SELECT video, count(*) AS n FROM p.t GROUP BY video",
        "SELECT lag(video) OVER (PARTITION BY video ORDER BY k) AS v FROM p.t",
        "SELECT k FROM p.t WHERE k IN (SELECT k FROM p.t WHERE video IS NULL)",
        "SELECT first_value(video ORDER BY k) AS v FROM p.t GROUP BY label",
        "SELECT k FROM p.t ORDER BY video.index.width",
        "SELECT max(video.index.width) FROM p.t",
        "SELECT " + " + ".join(["video.index.width"] * 300) + " AS n FROM p.t",
        "SELECT k FROM p.t WHERE "
        + " OR ".join(f"k = {n} AND label = 'x'" for n in range(600)),
    ],
)
def test_videos_are_passed_on(text: str, db: Marey) -> None:
    assert db.sql(text).to_table().num_rows <= 2


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (f"SELECT max(f) OVER () FROM {WITHIN}", r"max\(x.f\) OVER"),
        (f"SELECT lag(k) OVER (ORDER BY f) FROM {WITHIN}", "ORDER BY"),
        (f"SELECT first_value(k ORDER BY f) FROM {WITHIN}", "ORDER BY x.f"),
    ],
)
def test_windows_and_ordered_aggregates_look_into_no_frames(
    text: str, says: str, db: Marey
) -> None:
    with pytest.raises(UnsupportedError, match=says):
        db.sql(text)


@pytest.mark.parametrize(
    ("text", "error", "says"),
    [
        ("SELECT labell FROM p.t", ColumnNotFoundError, "^no column 'labell'; .*'label'\\?$"),
        ("SELECT x.labell FROM p.t x", ColumnNotFoundError, "'x.labell'; .* 'label'"),
        ("SELECT 1 FROM p.t WHERE labell = 'a'", ColumnNotFoundError, "'label'"),
        ("SELECT Take FROM p.t", ColumnNotFoundError, "'Take'.* capitals .* double quotes"),
        (
            "SELECT video.index.widht FROM p.t",
            ColumnNotFoundError,
            "no column 'video.index.widht'; did you mean 'video.index.width'",
        ),
        (
            "SELECT video_read(video, [0], height = 32) FROM p.t",
            ColumnNotFoundError,
            "no column 'height'; .* an argument is named as in height => ...",
        ),
        (
            "SELECT x.video.width FROM p.t x",
            ColumnNotFoundError,
            "a video has no field 'width': .* as in video.index.width",
        ),
        ("SELECT video['width'] FROM p.t", ColumnNotFoundError, "as in video.index.width"),
        ("SELECT * FROM p.tt", TableNotFoundError, "no table p.tt in .*near it: 't'"),
        ("SELECT * FROM pp.t", TableNotFoundError, "no table pp.t in .*near it: 'p'"),
        ("SELECT * FROM t", TableNotFoundError, "no table 't': name tables as project.table"),
        ("SELECT * FROM '/etc/passwd'", TableNotFoundError, "no table"),
        ('SELECT * FROM "../p"."t"', InputError, r"project '\.\./p': a name"),
        ("SELECT * FROM 'a.csv'", TableNotFoundError, "no table 'a.csv': name tables as"),
        ("SELECT video_reed(video) FROM p.t", FunctionNotFoundError, "column 8: .*video_read'"),
        ("SELECT upperr(label) FROM p.t", FunctionNotFoundError, "'upperr'.* 'upper'"),
        (
            "SELECT video_read(video, heights => 3) FROM p.t",
            FunctionNotFoundError,
            "column 26: video_read has no parameter 'heights'; did you mean 'height'",
        ),
    ],
)
def test_unknown_names_come_with_near_ones(
    text: str, error: type[MareyError], says: str, db: Marey
) -> None:
    with pytest.raises(error, match=says):
        db.sql(text)


def test_a_table_with_capitals_is_offered_in_quotes(tmp_path: Path) -> None:
    db = Marey(tmp_path)
    db.project("Proj").create_table("Tab", key_schema={"k": pa.int64()})
    for name in ("Proj.Tab", "proj.tab", '"Proj".tab'):
        with pytest.raises(TableNotFoundError, match=r'there is "Proj"\."Tab"$'):
            db.sql(f"SELECT * FROM {name}")
    assert db.sql('SELECT * FROM "Proj"."Tab"').to_table().num_rows == 0


@pytest.mark.parametrize(
    ("columns", "name"),
    [
        ("k, k", "p.t.k"),
        ("*, label", "p.t.label"),
        ("k AS a, label AS a", "a"),
        ("count(*), count(*)", r"count\(\*\)"),
        ("video_read(video, [0]), video_read(video, [0])", "video_read"),
    ],
)
def test_a_select_names_its_columns_apart(columns: str, name: str, db: Marey) -> None:
    with pytest.raises(
        QueryError, match=f"two columns of one SELECT are called '{name}': name"
    ):
        db.sql(f"SELECT {columns} FROM p.t")


@pytest.mark.parametrize("condition", ["label = 3", "CAST(label AS int) = 3"])
def test_a_string_that_is_no_number_is_named(condition: str, db: Marey) -> None:
    with pytest.raises(QueryError, match=r"^the string 'a' is no Int\d+: .* label = '3'"):
        db.sql(f"SELECT k FROM p.t WHERE {condition}").to_table()


@pytest.mark.parametrize(
    ("call", "error", "says"),
    [
        ("video_read()", QueryError, "video_read needs video"),
        ("video_uniform(video)", QueryError, "video_uniform needs n"),
        (
            "video_read(video, [0], 1, 2, 'rgb24', 5)",
            QueryError,
            "at most 5 arguments: video, ",
        ),
        ("video_read(video, video => video)", QueryError, "video is given twice"),
        ("video_read(video, height => 1, [0])", QueryError, "without a name follows a named"),
        ("video_read(video, height => )", QueryError, "height is empty"),
        ("video_read(label)", QueryError, r"video_read takes \(video video, .* found \(Utf8"),
        ("video_read(video, label)", QueryError, r"found \(video, Utf8"),
        ("video_read(video, k)", QueryError, r"frame_indices: write \[...\] around"),
        ("video_remux(video, k + 1)", QueryError, r"frame_indices: write \[...\] around"),
        ("video_at(video, label)", QueryError, r"found \(video, Utf8"),
        ("video_read(video, 3)", QueryError, r"found 3: write \[...\] around"),
        ("video_read(video, [1.5])", QueryError, "whole numbers, found 1.5"),
        ("video_read(video, [-1])", FrameRangeError, "column 29: .* holds -1 at position 0"),
        ("video_read(video, [], 0)", QueryError, "height must be at least 1 .*, found 0"),
        ("video_read(video, pixel_format => 'rgb')", QueryError, "one of 'rgb24'"),
        ("video_read(video, [0], 20000)", QueryError, "at most 16384, found 20000"),
        ("video_remux(video, [])", FrameRangeError, "frame_indices must be a list of at"),
        ("video_every(video, 0)", QueryError, "fps must be finite and above 0"),
        ("video_at(video, 0, 'before')", QueryError, "mode must be one of 'floor'"),
        ("video_range(video, 0, 9, 0)", QueryError, "step must be other than 0"),
    ],
)
def test_wrong_arguments_are_refused_where_they_stand(
    call: str, error: type[MareyError], says: str, db: Marey
) -> None:
    with pytest.raises(error, match=says):
        db.sql(f"SELECT k, {call} FROM p.t")


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "no SQL in the text"),
        ("  -- nothing\n", "no SQL in the text"),
        ("PICK 1", "line 1, column 1: expected: an SQL statement, found: PICK"),
        ("SELECT k\nFROM p.t\nWHERE )", r"line 3, column 7: expected: an expression"),
        (f"SELECT {READ},\n  ) FROM p.t", "line 2, column 3"),
        ("SELECT 'abc", "line 1, column 8: unterminated string"),
        ("SELECT 1; SELECT 2", "single SQL statement"),
        ("SELECT k FROM p.t a, p.t b", "(?i)ambiguous"),
        ("SELECT k, count(*) FROM p.t", "GROUP BY"),
    ],
)
def test_what_does_not_parse_or_plan_says_where(text: str, says: str, db: Marey) -> None:
    with pytest.raises(QueryError, match=says):
        db.sql(text)


@pytest.mark.parametrize(
    ("text", "instead"),
    [
        ("INSERT INTO p.t VALUES (3)", "INSERT is no query: use Table.write"),
        ("update p.t SET label = 'x'", "UPDATE is no query: use Table.write"),
        ("DELETE FROM p.t", "DELETE is no query: use Table.delete"),
        ("CREATE TABLE p.x AS SELECT 1", "CREATE is no query: use Project.create_table"),
        ("CREATE EXTERNAL TABLE x STORED AS CSV LOCATION '/etc/passwd'", "CREATE is no query"),
        ("/* a */ DROP TABLE p.t", "line 1, column 9: .*DROP is no query"),
        ("COPY p.t TO '/tmp/x.csv'", "COPY is no query"),
        ("SET datafusion.execution.batch_size = 1", "SET is no query"),
        ("SHOW TABLES", "SHOW is no query: use Project.list_tables"),
        ("DESCRIBE p.t", "DESCRIBE is no query: use Table.schema"),
        ("EXPLAIN SELECT 1", "EXPLAIN is no query: use the method explain"),
        ("SELECT k INTO p.x FROM p.t", "not supported"),
    ],
)
def test_sql_changes_nothing(text: str, instead: str, db: Marey) -> None:
    version = db.project("p").table("t").versions()[-1]
    with pytest.raises(QueryError, match=instead):
        db.sql(text)
    assert db.project("p").list_tables() == ["t"]
    assert db.project("p").table("t").versions()[-1] == version


@pytest.mark.parametrize("text", [None, 5, b"SELECT 1", ["SELECT 1"]])
def test_sql_is_text(text: object, db: Marey) -> None:
    with pytest.raises(QueryError, match="SQL is text, found"):
        db.sql(text)
