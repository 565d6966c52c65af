"""Operators build trees; an expression itself is no value."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from marey import expressions as se
from marey.errors import ExpressionError
from marey.expressions.check import resolve
from marey.expressions.columns import Column
from marey.expressions.node import Boolean, as_expr

Clips = Callable[[str], Column]


def test_no_truth_value(clips: Clips) -> None:
    message = r'clips\["clip_id"\] > 3 has no truth value.*& \| ~'
    with pytest.raises(ExpressionError, match=message):
        bool(clips("clip_id") > 3)
    with pytest.raises(ExpressionError, match="no truth value"):
        assert 1 < clips("clip_id") < 3


def test_no_iteration_and_no_membership(clips: Clips) -> None:
    with pytest.raises(TypeError):
        iter(clips("clip_id"))
    with pytest.raises(TypeError):
        assert 3 in clips("clip_id")


def test_expressions_are_told_apart_by_identity(clips: Clips) -> None:
    label = clips("label")
    assert {label: 1, clips("label"): 2}[label] == 1


def test_a_chain_of_conditions_is_one_node(clips: Clips) -> None:
    chain = clips("clip_id") == 0
    for i in range(5000):
        chain = chain | (clips("clip_id") == i)
    assert isinstance(chain, Boolean)
    assert len(chain.operands) == 5001
    mixed = (clips("seen") | clips("seen")) & clips("seen")
    assert isinstance(mixed, Boolean)
    assert len(mixed.operands) == 2


@pytest.mark.parametrize(
    ("build", "text"),
    [
        (lambda c: 1 + c, '1 + clips["clip_id"]'),
        (lambda c: 1 - c, '1 - clips["clip_id"]'),
        (lambda c: 2 * c, '2 * clips["clip_id"]'),
        (lambda c: 2 / c, '2 / clips["clip_id"]'),
        (lambda c: 2 // c, '2 // clips["clip_id"]'),
        (lambda c: 2 % c, '2 % clips["clip_id"]'),
        (lambda c: c < 3, 'clips["clip_id"] < 3'),
        (lambda c: np.int64(3) + c, '3 + clips["clip_id"]'),
        (lambda c: np.float64(3) <= c, 'clips["clip_id"] >= 3.0'),
        (lambda c: True & (c == 1), 'True & (clips["clip_id"] == 1)'),
        (lambda c: False | (c == 1), 'False | (clips["clip_id"] == 1)'),
    ],
)
def test_python_values_on_the_left(
    clips: Clips, build: Callable[[Column], se.Expr], text: str
) -> None:
    assert repr(build(clips("clip_id"))) == text


@pytest.mark.parametrize("values", ["abc", b"abc", {"a": 1}, 3, None, [object()]])
def test_isin_takes_lists(clips: Clips, values: Any) -> None:
    with pytest.raises(ExpressionError):
        clips("label").isin(values)


@pytest.mark.parametrize(
    "values",
    [
        [1, 3],
        (1, 3),
        {1, 3},
        range(1, 4, 2),
        np.array([1, 3]),
        pa.array([1, 3]),
        {1: 0, 3: 0}.keys(),
    ],
    ids=lambda values: type(values).__name__,
)
def test_isin_takes_any_list(clips: Clips, values: Any) -> None:
    assert repr(clips("clip_id").isin(values)) == 'clips["clip_id"].isin([1, 3])'


@pytest.mark.parametrize(
    "build",
    [
        lambda: se.lit(se.lit(1)),
        lambda: se.lit(object()),
        lambda: se.lit(1)[0],
        lambda: se.lit(1).cast("int64"),
        lambda: se.struct({}),
        lambda: se.struct([("a", 1)]),
        lambda: se.struct({"": 1}),
        lambda: se.struct({1: 1}),
        lambda: se.struct({"__marey_read": 1}),
        lambda: as_expr(object()),
        lambda: se.lit(1) + object(),
    ],
)
def test_refused_when_built(build: Callable[[], object]) -> None:
    with pytest.raises(ExpressionError):
        build()


def test_trees_pickle(clips: Clips) -> None:
    frames = se.aux("frame_indices", pa.list_(pa.uint32()))
    tree = se.struct(
        {
            "frames": se.video.read(clips("video"), frames, height=224),
            "kept": (clips("label") == "kitchen") & ~clips("clip_id").isin([1, None]),
            "cast": (-clips("small") / 2).cast(pa.float32()),
        }
    )
    again = pickle.loads(pickle.dumps(tree))
    assert repr(again) == repr(tree)
    assert resolve(again).dtype == resolve(tree).dtype


def test_nodes_do_not_change(clips: Clips) -> None:
    with pytest.raises(AttributeError):
        clips("label").path = ()  # type: ignore[misc]
