"""Rewriting SQL: only calls and paths change, wherever they stand, and positions lead back."""

from __future__ import annotations

import re

import pytest
from datafusion import SessionContext
from hypothesis import given
from hypothesis import strategies as st

from marey.errors import MareyError, QueryError
from marey.expressions.functions import PUBLIC_NAMES
from marey.expressions.sql_messages import column_name, plan_error, shown_calls
from marey.expressions.sql_text import rewrite_sql
from marey.expressions.sql_tokens import TokenText, tokenize

FRAGMENTS = st.sampled_from(
    [
        *("SELECT", "FROM", "video", "v", "video.index.width", "video_read", "video_rea", "("),
        *(")", "[", "]", ",", ".", "'it''s'", '"a""b"', "`x`", "E'\\''", "$$ $$", "$t$", "--"),
        *("\n", " ", "/*", "*/", "=>", ":=", "::", "1.5e-3", "0x1F", "'", '"', "é", "height"),
    ]
)
TEXTS = st.one_of(
    st.text(), st.lists(FRAGMENTS).map("".join), st.lists(FRAGMENTS).map(" ".join)
)


@given(TEXTS)
def test_tokens_joined_are_the_text(sql: str) -> None:
    tokens = tokenize(sql)
    assert "".join(token.text for token in tokens) == sql
    assert all(sql.startswith(token.text, token.start) for token in tokens)


@given(TEXTS)
def test_any_text_is_rewritten_or_refused_by_name(sql: str) -> None:
    try:
        rewritten = rewrite_sql(sql, {"video", "v"})
    except MareyError:
        return
    if not re.search(r"video|v", sql):
        assert rewritten.text == sql
    copied = [piece for piece in rewritten.pieces if piece.copied]
    assert all(sql.startswith(piece.text, piece.start) for piece in copied)


@given(TEXTS)
def test_brackets_that_close_are_pairs(sql: str) -> None:
    text = TokenText(sql)
    closes = [(at, text.close(at)) for at in range(len(text)) if text.close(at) is not None]
    for at, end in closes:
        assert text[at].text + text[end].text in ("()", "[]", "{}")
    for a, b in closes:
        for c, d in closes:
            assert not a < c < b < d, "brackets that cross"


@pytest.mark.parametrize(
    ("sql", "expected"),
    [
        ("video_read(v)", "__marey_read_every(v, NULL, NULL, NULL)"),
        ("video_read(v, NULL)", "__marey_read(v, NULL, NULL, NULL, NULL)"),
        ("video_read(v, width => 2)", "__marey_read_every(v, NULL, 2, NULL)"),
        ("video_read(v, [1], 3, width := 2)", "__marey_read(v, [1], 3, 2, NULL)"),
        ('"video_read" (v , a+f(1, 2))', "__marey_read(v, a+f(1, 2), NULL, NULL, NULL)"),
        ("Video_Remux(v, AUDIO => false)", "__marey_remux_every(v, false)"),
        ("video_at(v, 0.5)", "__marey_at(v, [0.5], NULL)"),
        ("video_at(v, t, 'ceil')", "__marey_at_either(v, t, t, arrow_typeof(t), 'ceil')"),
        (
            "video_read(v, video_uniform(v, 3))",
            "__marey_read(v, __marey_uniform(v, 3, NULL), NULL, NULL, NULL)",
        ),
        ("v.index.width", '"v.index.width"'),
        ("V . INDEX . Width", '"v.index.width"'),
        ("t.v.index.width", 't."v.index.width"'),
        ("v['index']['it''s']", '"v.index.it\'s"'),
        ('"v"."index"."a""b"', '"v.index.a""b"'),
        ("v.indexes.width", "v.indexes.width"),
        ("w.index.width", "w.index.width"),
        ("1 AS v", "1 AS v"),
        ("'video_read(v)' -- video_read(v)\n", "'video_read(v)' -- video_read(v)\n"),
        ("/* video_at( /* v.index.width */ */ 1", "/* video_at( /* v.index.width */ */ 1"),
        ("t.video_read(v)", "t.video_read(v)"),
        ("video_read", "video_read"),
        ("WITH video_x (a) AS (SELECT 1)", "WITH video_x (a) AS (SELECT 1)"),
        ("SELECT $$video_read($$", "SELECT $$video_read($$"),
    ],
)
def test_calls_and_paths_are_rewritten_and_nothing_else(sql: str, expected: str) -> None:
    assert rewrite_sql(sql, {"v"}).text == expected


@given(st.integers(0, 40), st.integers(0, 5), st.integers(0, 3))
def test_positions_lead_back_to_what_was_written(spaces: int, lines: int, calls: int) -> None:
    call = "video_read(v, [0], height => 8), v.index.width, "
    sql = "SELECT " + call * calls + "\n" * lines + " " * spaces + "'mark'"
    rewritten = rewrite_sql(sql, {"v"})
    before = rewritten.text[: rewritten.text.index("'mark'")]
    place = before.count("\n") + 1, len(before) - (before.rfind("\n") + 1) + 1
    line, column = rewritten.written_position(*place)
    assert sql.split("\n")[line - 1][column - 1 :] == "'mark'"


def test_calls_nested_beyond_reason_are_refused() -> None:
    deep = "video_read(v, " * 500 + "[0]" + ")" * 500
    with pytest.raises(QueryError, match="nested more than 32 deep"):
        rewrite_sql(f"SELECT {deep}", {"v"})


def test_tokens_are_those_of_datafusion() -> None:
    """Strings, comments and quoted names end where DataFusion says that they end."""
    context = SessionContext()
    texts = ["'it''s'", "E'a\\'b'", "$$a'b$$", "$q$ $$ $q$", "'/* '", "'--'", "'\\'"]
    for text in texts:
        (token,) = (t for t in tokenize(text) if t.kind != "space")
        assert token.kind == "string"
        value = context.sql(f"SELECT {text} AS a /* ' */ -- '\n").to_pydict()["a"][0]
        assert isinstance(value, str)


@pytest.mark.parametrize("name", sorted(PUBLIC_NAMES))
def test_internal_names_are_not_shown(name: str) -> None:
    call = f"{name}(t.video,make_array(Int64(0)),NULL)"
    assert column_name(call) == PUBLIC_NAMES[name]
    assert column_name(f"{call} + 1") == f"{PUBLIC_NAMES[name]}(...) + 1"
    assert shown_calls(f"max({call}") == f"max({PUBLIC_NAMES[name]}(...)"
    assert shown_calls(f"{name}((") == f"{PUBLIC_NAMES[name]}(...)"


def test_a_message_nobody_foresaw_stays_a_query_error() -> None:
    error = plan_error(rewrite_sql("SELECT 1"), "the moon is full")
    assert type(error) is QueryError
    assert str(error) == "the moon is full"


@pytest.mark.parametrize("operator", ["or", "AND", "+", "||", "::int +", "union all select"])
def test_more_operators_than_can_be_planned_are_refused(operator: str) -> None:
    few = f"SELECT a {operator} " * 300
    assert rewrite_sql(few).text == few
    with pytest.raises(QueryError, match=r"has \d+ operators, 2000 are planned at most"):
        rewrite_sql(f"SELECT a {operator} " * 2001)
    strings = "SELECT 'a or b + c', " * 3000
    assert rewrite_sql(strings).text == strings
