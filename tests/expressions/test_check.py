"""Types are settled, and what does not fit is refused, before any data is read."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from marey import expressions as se
from marey.errors import ExpressionError, FrameRangeError, MareyError, UnsupportedError
from marey.expressions.check import resolve, resolve_condition, resolve_outputs
from marey.expressions.columns import Column
from marey.expressions.dtypes import FRAME_LIST, READ_REQUEST, REMUX_REQUEST
from marey.expressions.node import Comparison, Constant, IsIn

Columns = Callable[[str], Column]

U32 = pa.list_(pa.uint32())


def test_refusals_golden(clips: Columns, golden: Callable[[str, str], None]) -> None:
    v, label, n, seen = clips("video"), clips("label"), clips("clip_id"), clips("seen")
    frames = se.video.read(v, [0])
    cases: list[Callable[[], object]] = [
        lambda: label == 3,
        lambda: n == "3",
        lambda: label == None,  # noqa: E711  # what people write
        lambda: clips("taken") >= "2024-05-01",
        lambda: clips("taken") >= dt.datetime(2024, 5, 1, tzinfo=dt.UTC),
        lambda: v == v,
        lambda: frames == frames,
        lambda: clips("times") == [1.0],
        lambda: clips("Meta.1") == clips("Meta.1"),
        lambda: label & (n == 3),
        lambda: (n == 3) | 1,
        lambda: seen & label == "kitchen",
        lambda: ~n,
        lambda: ~v,
        lambda: label + "x",
        lambda: seen + 1,
        lambda: clips("price") * 2,
        lambda: -label,
        lambda: v + 1,
        lambda: label.isin([1, 2]),
        lambda: v.isin([1]),
        lambda: seen.cast(pa.timestamp("us")),
        lambda: v.cast(pa.large_binary()),
        lambda: frames.cast(pa.string()),
        lambda: label.cast(READ_REQUEST),
        lambda: frames["frames"],
        lambda: se.struct({"a": frames})["b"],
        lambda: (n + 1)["a"],
        lambda: v["index"],
        lambda: se.struct({"clip": v}),
        lambda: se.video.read(label),
        lambda: se.video.read(v["index"]["width"]),
        lambda: se.video.read(v, 5),
        lambda: se.video.read(v, [0, 1.5]),
        lambda: se.video.read(v, [0, -8]),
        lambda: se.video.read(v, [0, None]),
        lambda: se.video.read(v, [1 << 32]),
        lambda: se.video.read(v, [True]),
        lambda: se.video.read(v, ["0"]),
        lambda: se.video.read(v, se.aux("f", pa.list_(pa.float64()))),
        lambda: se.video.read(v, se.aux("f", pa.uint32())),
        lambda: se.video.read(v, label),
        lambda: se.video.read(v, height=0),
        lambda: se.video.read(v, height=1.5),
        lambda: se.video.read(v, width=1 << 40),
        lambda: se.video.read(v, pixel_format="rgb"),
        lambda: se.video.read(v, pixel_format=n),
        lambda: se.video.remux(v, audio="yes"),
        lambda: se.video.uniform(v, 0),
        lambda: se.video.uniform(v, None),
        lambda: se.video.every(v, 0),
        lambda: se.video.every(v, float("nan")),
        lambda: se.video.at(v, [0.5, None]),
        lambda: se.video.at(v, float("inf")),
        lambda: se.video.at(v, "1.5"),
        lambda: se.video.at(v, 1.5, "before"),
        lambda: se.video.at(v, se.aux("t", pa.list_(pa.timestamp("ns")))),
        lambda: se.video.range(v, 0, 8, 0),
        lambda: se.video.range(v, 0.5),
    ]
    lines = []
    for case in cases:
        with pytest.raises(MareyError) as caught:
            resolve(case())
        lines.append(f"{type(caught.value).__name__}: {caught.value}\n")
    golden("expression_errors.txt", "".join(lines))


@pytest.mark.parametrize(
    ("build", "dtype"),
    [
        (lambda c: c("clip_id") == 3, pa.bool_()),
        (lambda c: c("small") + c("small"), pa.int64()),
        (lambda c: c("small") / 2, pa.float64()),
        (lambda c: c("score") * 2, pa.float32()),
        (lambda c: c("score") * np.float64(2), pa.float64()),
        (lambda c: c("score") + c("clip_id"), pa.float64()),
        (lambda c: -c("small"), pa.int64()),
        (lambda c: c("label").is_null(), pa.bool_()),
        (lambda c: c("video").is_not_null(), pa.bool_()),
        (lambda c: se.video.read(c("video")).is_null(), pa.bool_()),
        (lambda c: c("label").cast(pa.large_string()), pa.large_string()),
        (lambda c: c("times"), pa.list_(pa.float64())),
        (lambda c: c("Meta.1")["Weight"], pa.int32()),
        (lambda c: c("video")["index"]["frame_count"], pa.int64()),
        (lambda c: se.struct({"a": c("small"), "b": "x"})["a"], pa.uint8()),
        (lambda c: se.video.read(c("video")), READ_REQUEST),
        (lambda c: se.video.remux(c("video"), [0]), REMUX_REQUEST),
        (lambda c: se.video.keyframes(c("video")), FRAME_LIST),
        (lambda c: "x", pa.string()),
        (lambda c: [1, 2], pa.list_(pa.int64())),
    ],
)
def test_types(clips: Columns, build: Callable[[Columns], object], dtype: pa.DataType) -> None:
    assert resolve(build(clips)).dtype == dtype


@pytest.mark.parametrize(
    "frames",
    [
        [0, 8],
        (0, 8),
        range(0, 16, 8),
        np.array([0, 8]),
        np.array([0, 8], np.uint8),
        pa.array([0, 8]),
        se.lit([0, 8]),
        se.aux("f", U32),
        se.aux("f", pa.list_(pa.int64())),
        se.aux("f", pa.large_list(pa.int32())),
        se.aux("f", pa.list_(pa.uint64(), 3)),
        [],
        se.lit(None),
        [2, 2, 0],
    ],
)
def test_what_chooses_frames(clips: Columns, frames: Any) -> None:
    resolved = resolve(se.video.read(clips("video"), frames))
    assert resolved.dtype == READ_REQUEST


@pytest.mark.parametrize(
    ("build", "dtype"),
    [
        (lambda c: c("small") == 3, pa.uint8()),
        (lambda c: c("small") == 300, pa.int64()),
        (lambda c: c("score") == 0.1, pa.float32()),
        (lambda c: c("score") == np.float64(0.1), pa.float64()),
        (lambda c: c("clip_id") > 1.5, pa.float64()),
        (lambda c: c("taken") > dt.date(2024, 5, 1), pa.timestamp("us")),
    ],
)
def test_a_constant_takes_the_type_beside_it_where_it_fits(
    clips: Columns, build: Callable[[Columns], se.Expr], dtype: pa.DataType
) -> None:
    resolved = resolve(build(clips))
    assert isinstance(resolved, Comparison)
    assert isinstance(resolved.right, Constant)
    assert resolved.right.dtype == dtype


def test_isin_takes_the_type_beside_it_where_it_fits(clips: Columns) -> None:
    fits, does_not = (resolve(clips("small").isin(v)) for v in ([1, None], [1, 300]))
    assert isinstance(fits, IsIn)
    assert isinstance(does_not, IsIn)
    assert fits.values.type == pa.uint8()
    assert does_not.values.type == pa.int64()


def test_conditions_are_bool(clips: Columns) -> None:
    assert resolve_condition(clips("clip_id") == 3).dtype == pa.bool_()
    assert resolve_condition(True).dtype == pa.bool_()
    with pytest.raises(ExpressionError, match=r"found string; write .* == .* with db.sql"):
        resolve_condition("label = 'kitchen'")
    with pytest.raises(ExpressionError, match="a condition must be bool, found int64"):
        resolve_condition(clips("clip_id"))


@pytest.mark.parametrize("outputs", [{}, None, [1], {"": 1}, {3: 1}])
def test_outputs_have_names(outputs: Any) -> None:
    with pytest.raises(ExpressionError):
        resolve_outputs(outputs)


def test_outputs_may_be_plain_values() -> None:
    resolved = resolve_outputs({"one": 1, "none": None})
    assert [e.dtype for e in resolved.values()] == [pa.int64(), pa.null()]


def test_a_deep_tree_is_refused_not_a_crash(clips: Columns) -> None:
    deep: se.Expr = clips("clip_id")
    for _ in range(5_000):
        deep = deep + 1
    with pytest.raises(ExpressionError, match="levels"):
        resolve(deep)


def test_a_tree_that_doubles_is_refused_not_endless(clips: Columns) -> None:
    wide: se.Expr = clips("clip_id")
    for _ in range(60):
        wide = wide + wide
    with pytest.raises(ExpressionError, match="nodes"):
        resolve(wide)


def test_resolving_again_changes_nothing(clips: Columns) -> None:
    once = resolve((clips("small") == 3) & se.video.read(clips("video"), [1]).is_null())
    assert repr(resolve(once)) == repr(once)
    assert resolve(once).dtype == once.dtype


def test_frames_of_every_frame_are_unsupported_inside(clips: Columns) -> None:
    with pytest.raises(UnsupportedError):
        resolve(se.video.read(clips("video"))["frames"])


def test_negative_frames_are_out_of_range(clips: Columns) -> None:
    with pytest.raises(FrameRangeError, match="-8 at position 1"):
        resolve(se.video.read(clips("video"), np.array([0, -8])))
