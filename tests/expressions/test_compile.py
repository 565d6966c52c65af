"""What expressions give inside DataFusion, against what they mean in Python."""

from __future__ import annotations

import datetime as dt
import math
import operator
from collections.abc import Callable
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from marey import expressions as se
from marey.errors import FrameRangeError, InputError, QueryError
from marey.expressions.check import resolve
from marey.expressions.columns import Column, Relation, column
from marey.expressions.compile import to_condition
from marey.expressions.dtypes import HANDLE

Columns = Callable[[str], Column]

U32 = pa.list_(pa.uint32())


@pytest.mark.parametrize(
    ("build", "values"),
    [
        (lambda c: c("label") == "hall", [False, None, True]),
        (lambda c: c("label") != "hall", [True, None, False]),
        (lambda c: c("label").isin(["hall", "attic"]), [False, None, True]),
        (lambda c: c("label").isin(["hall", None]), [False, True, True]),
        (lambda c: c("label").isin([None]), [False, True, False]),
        (lambda c: c("label").isin([]), [False, False, False]),
        (lambda c: c("small").isin([1, 300]), [True, False, None]),
        (lambda c: c("clip_id").isin([1.0, 2.5]), [True, False, False]),
        (lambda c: c("clip_id").isin(range(5000)), [True, True, True]),
        (lambda c: c("label").is_null(), [False, True, False]),
        (lambda c: c("label").is_not_null(), [True, False, True]),
        (lambda c: c("video").is_null(), [False, True, False]),
        (lambda c: se.video.read(c("video")).is_null(), [False, True, False]),
        (lambda c: se.video.remux(c("video"), [0]).is_not_null(), [True, False, True]),
        (lambda c: c("seen") & (c("clip_id") > 0), [True, None, False]),
        (lambda c: c("seen") & (c("clip_id") != 2), [True, False, False]),
        (lambda c: c("seen") | (c("clip_id") == 2), [True, True, False]),
        (lambda c: ~c("seen"), [False, None, True]),
        (lambda c: c("small") + 100, [101, 300, None]),
        (lambda c: c("small") * c("small"), [1, 40_000, None]),
        (lambda c: -c("small"), [-1, -200, None]),
        (lambda c: c("clip_id") / 2, [0.5, 1.0, 1.5]),
        (lambda c: 7 // c("clip_id"), [7, 3, 2]),
        (lambda c: -7 // c("clip_id"), [-7, -4, -3]),
        (lambda c: -7 % c("clip_id"), [0, 1, 2]),
        (lambda c: c("score") == 0.1, [True, False, None]),
        (lambda c: c("small") == 300, [False, False, None]),
        (lambda c: c("Meta.1")["Weight"], [1, None, 3]),
        (lambda c: c("Meta.1")["note"] == "y", [False, None, False]),
        (lambda c: se.struct({"m": c("Meta.1")})["m"]["note"], ["x", None, "z"]),
        (lambda c: c("video")["index"]["width"] > 500, [True, None, False]),
        (lambda c: c("clip_id").cast(pa.string()), ["1", "2", "3"]),
        (lambda c: c("times"), [[0.0, 0.1], [0.2], [0.15]]),
        (lambda c: se.lit([1, None]), [[1, None]] * 3),
        (lambda c: se.lit(None, U32), [None] * 3),
        (lambda c: se.lit(dt.date(2024, 5, 1)), [dt.date(2024, 5, 1)] * 3),
        (lambda c: None, [None] * 3),
        (
            lambda c: se.struct({"B c": 1, "l": c("label")}),
            [{"B c": 1, "l": x} for x in ("kitchen", None, "hall")],
        ),
    ],
)
def test_values(
    clips: Columns, query: Any, build: Callable[[Columns], object], values: list[Any]
) -> None:
    assert query.value(build(clips)) == values


@pytest.mark.parametrize(
    ("build", "values"),
    [
        (lambda v: se.video.uniform(v, 3), [[1, 5, 8], None, [0, 2, 3]]),
        (lambda v: se.video.uniform(v, se.aux("n", pa.int32())), [[2, 7], None, None]),
        (lambda v: se.video.every(v, 12.5), [[0, 2, 4, 6, 8], None, [0, 0, 2, 2, 2]]),
        (lambda v: se.video.at(v, [0.0, 0.1]), [[0, 2], None, [0, 0]]),
        (lambda v: se.video.at(v, 0.1), [[2], None, [0]]),
        (lambda v: se.video.at(v, 0.1, "ceil"), [[3], None, [1]]),
        (lambda v: se.video.at(v, se.aux("n", pa.int64()) / 25), [[2], None, [0]]),
        (lambda v: se.video.range(v, -3), [[7, 8, 9], None, [1, 2, 3]]),
        (lambda v: se.video.range(v, 8, 0, -3), [[8, 5, 2], None, [3]]),
        (lambda v: se.video.range(v, 0, 1 << 62, 4), [[0, 4, 8], None, [0]]),
        (lambda v: se.video.range(v, 0, (1 << 63) - 1, 4), [[0, 4, 8], None, [0]]),
        (lambda v: se.video.keyframes(v), [[0, 5], None, [0]]),
        (lambda v: se.video.uniform(v, se.lit(2)), [[2, 7], None, [1, 3]]),
    ],
)
def test_selections(
    clips: Columns, make_query: Any, build: Callable[[Column], se.Expr], values: list[Any]
) -> None:
    assert make_query(note_errors=True).value(build(clips("video"))) == values


@pytest.mark.parametrize(
    ("frames", "lists"),
    [
        ([0, 8, 8], [[0, 8, 8], None, [0, 8, 8]]),
        (np.array([3], np.int16), [[3], None, [3]]),
        (np.array([0, 2]), [[0, 2], None, [0, 2]]),
        (se.aux("frame_indices", pa.list_(pa.int64())), [[0, 3, 3], None, None]),
        (se.lit(None), [None, None, None]),
    ],
)
def test_requests_for_frames(clips: Columns, query: Any, frames: Any, lists: Any) -> None:
    for call in (se.video.read, se.video.remux):
        found = query.value(call(clips("video"), frames))
        assert [r and r["frame_indices"] for r in found] == lists
        assert [r and r["every_frame"] for r in found] == [x and False for x in lists] or lists


def test_a_read_of_no_frame_is_a_request_for_none(clips: Columns, query: Any) -> None:
    found = query.value(se.video.read(clips("video"), []))
    assert [r and r["frame_indices"] for r in found] == [[], None, []]


def test_a_request_whole(clips: Columns, query: Any) -> None:
    video = clips("video")
    frames = se.video.uniform(video, 2)
    found = query.value(se.video.read(video, frames, width=64, pixel_format="gray8"))
    assert found[1] is None
    assert found[2] == {
        "__marey_read": {"__marey_table": 1, "__marey_row": 6},
        "frame_indices": [1, 3],
        "every_frame": False,
        "height": None,
        "width": 64,
        "pixel_format": "gray8",
    }
    remuxed = query.value(se.struct({"clip": se.video.remux(video)}))
    assert remuxed[0]["clip"] == {
        "__marey_remux": {"__marey_table": 0, "__marey_row": 5},
        "frame_indices": None,
        "every_frame": True,
        "audio": False,
    }


def test_negative_frames_of_an_aux_fail_their_rows(clips: Columns, make_query: Any) -> None:
    read = se.video.read(clips("video"), se.aux("wrong", pa.list_(pa.int64())))
    with pytest.raises(FrameRangeError, match="holds -2 at position 1"):
        make_query().value(read)
    noting = make_query(note_errors=True)
    found = noting.value(read)
    assert [r and r["frame_indices"] for r in found] == [[0, 3], None, None]
    assert [(table, row) for table, row, _ in noting.source.failures] == [(1, 6)]


def test_types_are_those_that_check_gave(clips: Columns, query: Any) -> None:
    outputs: dict[str, Any] = {
        "sum": clips("small") + 1,
        "ratio": clips("small") / 2,
        "narrow": clips("score") * 2,
        "floor": clips("score") // 0.3,
        "rest": clips("score") % 0.3,
        "negative": -clips("score"),
        "text": "x",
        "bytes": b"x",
        "list": se.lit([1, 2], U32),
        "struct": se.struct({"m": clips("Meta.1"), "read": se.video.read(clips("video"))}),
        "remux": se.video.remux(clips("video")),
        "frames": se.video.keyframes(clips("video")),
        "cast": clips("label").cast(pa.large_string()),
        "null": None,
    }
    table = query.scan(**outputs)
    assert {f.name: f.type for f in table.schema} == {
        name: resolve(expr).dtype for name, expr in outputs.items()
    }
    assert query.scan(video=clips("video")).schema.field("video").type == HANDLE


@pytest.mark.parametrize(
    "build",
    [
        lambda big: big + 1,
        lambda big: -big - 2,
        lambda big: big * 2,
        lambda big: big * big,
        lambda big: -(-big - 1),
    ],
)
def test_integers_do_not_wrap_around(clips: Columns, query: Any, build: Any) -> None:
    largest = clips("clip_id") * 0 + ((1 << 63) - 1)
    assert query.value(largest - 1 + 1) == [(1 << 63) - 1] * 3
    with pytest.raises(QueryError, match="is no int64"):
        query.value(build(largest))


def test_names_are_taken_as_they_are(make_query: Any) -> None:
    names = ["Cap", "a.b", 'q"x', "SELECT", "ünï", "video.index.width"]
    table = pa.table({name: [i] for i, name in enumerate(names)})
    relation = Relation("p", "t", table.schema, token=0)
    query = make_query(table=table)
    assert [query.value(column(relation, n)) for n in names] == [[i] for i in range(len(names))]


def test_wide_conditions(clips: Columns, query: Any) -> None:
    chain = clips("clip_id") == 0
    for i in range(2, 1500):
        chain = chain | (clips("clip_id") == i)
    assert query.value(chain) == [False, True, True]


def test_deepest_tree_that_resolves_also_compiles(clips: Columns, query: Any) -> None:
    deep: se.Expr = clips("clip_id")
    for _ in range(148):
        deep = deep - 0
    assert query.value(deep) == [1, 2, 3]


NUMBERS = [
    *(None, 0, 1, -1, 2, 3, -7, 100, -128, 127, 12_345),
    *(2**31 - 1, -(2**31), 2**53, -(2**60), 2**62),
]
TABLE = pa.table(
    {
        "a": pa.array([1, -7, None, 2**62, -(2**31), 3], pa.int64()),
        "b": pa.array([2, 3, -5, None, 127, -1], pa.int32()),
        "x": pa.array([0.5, -7.25, None, 1e300, -0.0, 3.0], pa.float64()),
        "p": pa.array([True, False, None, True, False, None]),
        "q": pa.array([True, True, True, None, None, None]),
    }
)
RELATION = Relation("p", "t", TABLE.schema, token=0)
ROWS = TABLE.to_pylist()

# An expression, and what it means: a function of a row.
Meaning = tuple[se.Expr, Callable[[dict[str, Any]], Any]]

ARITHMETIC: dict[str, Callable[[Any, Any], Any]] = {
    "+": operator.add,
    "-": operator.sub,
    "*": operator.mul,
    "/": operator.truediv,
    "//": operator.floordiv,
    "%": operator.mod,
}


def ieee(symbol: str) -> Callable[[Any, Any], Any]:
    """What an operator means: Python's, where a float divided by zero is inf or nan."""

    def compute(left: Any, right: Any) -> Any:
        if right or symbol not in ("/", "//", "%"):
            return ARITHMETIC[symbol](left, right)
        if symbol == "%" or not left or math.isnan(left):
            return math.nan
        return math.copysign(math.inf, left) * math.copysign(1, right)

    return compute


COMPARISONS = {
    "==": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}


def of_columns(*names: str) -> st.SearchStrategy[Meaning]:
    return st.sampled_from(names).map(lambda n: (column(RELATION, n), lambda row: row[n]))


def of_constants(values: st.SearchStrategy[Any]) -> st.SearchStrategy[Meaning]:
    return values.map(lambda v: (se.lit(v), lambda row: v))


def known(
    function: Callable[..., Any], *operands: Callable[[dict[str, Any]], Any]
) -> Callable[[dict[str, Any]], Any]:
    """Null where an operand is null."""

    def of_row(row: dict[str, Any]) -> Any:
        values = [operand(row) for operand in operands]
        return None if None in values else function(*values)

    return of_row


def all_of(left: Any, right: Any) -> Any:
    return False if False in (left, right) else None if None in (left, right) else True


def any_of(left: Any, right: Any) -> Any:
    return True if True in (left, right) else None if None in (left, right) else False


@st.composite
def arithmetic(draw: st.DrawFn) -> Meaning:
    integers = of_columns("a", "b") | of_constants(st.sampled_from([1, 2, -3, 7, 2**40]))
    floats = of_columns("x") | of_constants(st.sampled_from([0.5, -3.0, 1.25]))
    sides = draw(st.sampled_from([(integers, integers), (floats, integers), (floats, floats)]))
    symbol = draw(st.sampled_from(sorted(ARITHMETIC)))
    (left, left_of), (right, right_of) = draw(sides[0]), draw(sides[1])
    return ARITHMETIC[symbol](left, right), known(ieee(symbol), left_of, right_of)


@st.composite
def conditions(draw: st.DrawFn, depth: int = 3) -> Meaning:
    kind = draw(st.sampled_from(["flag", "compare", "null", "in", "and", "or", "not"]))
    if kind == "flag" or depth == 0:
        return draw(of_columns("p", "q"))
    if kind == "compare":
        constants = of_constants(st.sampled_from([n for n in NUMBERS if n is not None]))
        (left, left_of), (right, right_of) = (
            draw(of_columns("a", "b")),
            draw(of_columns("a", "b") | constants),
        )
        build = COMPARISONS[draw(st.sampled_from(sorted(COMPARISONS)))]
        return build(left, right), known(build, left_of, right_of)
    if kind == "null":
        expr, of = draw(of_columns("a", "b", "p"))
        return expr.is_null(), lambda row: of(row) is None
    if kind == "in":
        expr, of = draw(of_columns("a", "b"))
        values = draw(st.lists(st.sampled_from(NUMBERS), max_size=4))
        if None in values:
            return expr.isin(values), lambda row: of(row) in values
        return expr.isin(
            values
        ), lambda row: bool(values) and known(values.__contains__, of)(row)
    inner, of = draw(conditions(depth - 1))
    if kind == "not":
        return ~inner, known(operator.not_, of)
    other, other_of = draw(conditions(depth - 1))
    if kind == "and":
        return inner & other, lambda row: all_of(of(row), other_of(row))
    return inner | other, lambda row: any_of(of(row), other_of(row))


@pytest.fixture(scope="module")
def numbers(make_query: Any) -> Any:
    return make_query(table=TABLE)


@settings(max_examples=80)
@given(conditions())
def test_conditions_mean_what_they_mean_in_sql(numbers: Any, condition: Meaning) -> None:
    expr, meaning = condition
    assert numbers.value(expr) == [meaning(row) for row in ROWS]


@settings(max_examples=120)
@given(arithmetic())
def test_arithmetic_means_what_it_means_in_python(numbers: Any, arithmetic: Meaning) -> None:
    expr, meaning = arithmetic
    expected = [meaning(row) for row in ROWS]
    if any(isinstance(v, int) and not -(1 << 63) <= v < 1 << 63 for v in expected):
        with pytest.raises(QueryError, match="is no int64"):
            numbers.value(expr)
        return
    for found, wanted in zip(numbers.value(expr), expected, strict=True):
        assert type(found) is type(wanted)
        if isinstance(wanted, float) and math.isnan(wanted):
            assert math.isnan(found), found
        elif isinstance(wanted, float):
            assert math.isclose(found, wanted, rel_tol=1e-9, abs_tol=1e-9), (found, wanted)
        else:
            assert found == wanted


def test_two_lists_without_a_common_value_are_null_where_the_column_is(numbers: Any) -> None:
    a = column(RELATION, "a")
    never = a.isin([1]) & a.isin([3])
    assert numbers.value(never) == [False, False, None, False, False, False]
    assert numbers.value(~never) == [True, True, None, True, True, True]
    always = ~a.isin([1]) | ~a.isin([3])
    assert numbers.value(always) == [True, True, None, True, True, True]


@settings(max_examples=80)
@given(conditions())
def test_conditions_keep_the_rows_where_they_are_true(numbers: Any, condition: Meaning) -> None:
    expr, meaning = condition
    kept = to_condition(resolve(expr), numbers.functions)
    numbered = numbers.session.table("clips").select("a", "b", "p", "q").filter(kept)
    expected = [row for row in ROWS if meaning(row) is True]
    found = numbered.to_arrow_table().to_pylist()
    assert found == [{n: row[n] for n in ("a", "b", "p", "q")} for row in expected]


def test_errors_of_rows_keep_their_class(clips: Columns, query: Any) -> None:
    with pytest.raises(InputError, match="n must be at least 1, found 0"):
        query.value(se.video.uniform(clips("video"), se.aux("n", pa.int64())))
