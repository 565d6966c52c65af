"""Expressions as text: what their author wrote."""

from __future__ import annotations

import operator
from collections.abc import Callable

import hypothesis.strategies as st
import pyarrow as pa
import pytest
from hypothesis import given, settings

from marey import expressions as se
from marey.expressions.columns import Column, Relation, column
from marey.expressions.render import render

Columns = Callable[[str], Column]

RELATION = Relation("p", "clips", pa.schema([("a", pa.int64()), ("b", pa.int64())]), 0)


def test_golden(clips: Columns, golden: Callable[[str, str], None]) -> None:
    video, label, n = clips("video"), clips("label"), clips("clip_id")
    frames = se.aux("frame_indices", pa.list_(pa.uint32()))
    cases = [
        label == "kitchen",
        label == 'say "hi"\n',
        (label == "kitchen") & (n > 3) | ~(n <= 5) & clips("seen"),
        ((label == "a") | (label == "b")) & clips("seen"),
        n + 2 * n - (n - 1) / -n,
        (n + 1) * -(n % 2) // 3,
        -(-n) - se.lit(-2),  # noqa: B002  # no decrement
        -se.lit(-2),
        ~~clips("seen"),
        (n == 1) == clips("seen"),
        label.is_null() & n.is_not_null(),
        n.isin([1, None, 3]),
        n.isin(range(1000)),
        (n + 1).cast(pa.int8()),
        (-n).is_null(),
        se.lit(7).is_null(),
        se.lit(b"abc") == se.lit("x" * 200),
        clips("Meta.1")["Weight"],
        video["index"]["width"] >= 1920,
        se.struct({"a b": n, "clip": se.struct({"n": 1.5})})["clip"]["n"],
        se.video.read(video),
        se.video.read(video, frames, height=224, width=224),
        se.video.read(video, [0, 8, 16], pixel_format="native"),
        se.video.read(video, height=112),
        se.video.remux(video, se.video.uniform(video, 4), audio=True),
        se.video.every(video, 29.97),
        se.video.at(video, [0.5, 1.0], "nearest"),
        se.video.at(video, se.aux("times", pa.list_(pa.float64()))),
        se.video.range(video, -8),
        se.video.range(video, 0, 100, 5),
        se.video.range(video, 100, step=-5),
        se.video.keyframes(video),
    ]
    golden("expressions.txt", "".join(repr(case) + "\n" for case in cases))


class Clips:
    def __getitem__(self, name: str) -> Column:
        return column(RELATION, name)


BUILD = {
    "+": operator.add,
    "-": operator.sub,
    "*": operator.mul,
    "/": operator.truediv,
    "//": operator.floordiv,
    "%": operator.mod,
    "&": operator.and_,
    "|": operator.or_,
    "==": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}


def larger(inner: st.SearchStrategy[se.Expr]) -> st.SearchStrategy[se.Expr]:
    return st.one_of(
        st.tuples(st.sampled_from(sorted(BUILD)), inner, inner).map(
            lambda t: BUILD[t[0]](t[1], t[2])
        ),
        inner.map(lambda e: -e),
        inner.map(lambda e: ~e),
        inner.map(lambda e: e.is_null()),
        inner.map(lambda e: e.isin([1, -2])),
    )


COLUMNS = st.sampled_from([Clips()["a"], Clips()["b"]])


@settings(max_examples=60)
@given(st.recursive(COLUMNS, larger, max_leaves=6))
def test_text_builds_the_same_tree(expr: se.Expr) -> None:
    text = render(expr)
    assert render(eval(text, {"clips": Clips()})) == text


def test_deep_trees_are_cut(clips: Columns) -> None:
    deep: se.Expr = clips("clip_id")
    for _ in range(5000):
        deep = deep + 1
    assert "…" in repr(deep)


def test_long_text_is_cut(clips: Columns) -> None:
    assert render(clips("clip_id") + 1, limit=5) == "clips…"


@pytest.mark.parametrize("value", [1.5, "x", None, True, [1, 2], {"a": 1}])
def test_a_constant_is_its_value(value: object) -> None:
    assert repr(se.lit(value)).replace('"', "'") == repr(value)


def test_a_time_that_python_has_no_value_for_is_shown() -> None:
    late = pa.scalar(10**15, pa.timestamp("s"))
    assert repr(se.lit(late)) == "<value out of range: 1000000000000000>"
