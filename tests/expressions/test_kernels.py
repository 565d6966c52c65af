"""Kernels on arrays as DataFusion hands them over: slices, nulls, no rows, wrong rows."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from marey.errors import FrameRangeError, InputError, MareyError
from marey.expressions import kernels
from marey.expressions.dtypes import FRAME_LIST, HANDLE, READ_REQUEST, REMUX_REQUEST
from marey.expressions.functions import FUNCTIONS, PUBLIC_NAMES

MakeIndexes = Callable[..., Any]

DOUBLES = pa.list_(pa.float64())


def handles(rows: list[int | None]) -> pa.Array:
    return pa.array(
        [None if r is None else {"__marey_table": 3, "__marey_row": r} for r in rows], HANDLE
    )


def nulls(count: int, dtype: pa.DataType) -> pa.Array:
    return pa.nulls(count, dtype)


def signature(name: str) -> tuple[list[pa.DataType], pa.DataType]:
    """What an internal function takes and gives."""
    variants = FUNCTIONS[PUBLIC_NAMES[name]].variants()
    parameters, returns = next((p, r) for variant, p, r in variants if variant == name)
    return [parameter.wire_type for parameter in parameters], returns


@pytest.fixture(scope="session")
def source(make_indexes: MakeIndexes, make_index: Callable[..., Any]) -> Callable[..., Any]:
    indexes = {row: make_index(range(row), starts=(0, 4)) for row in range(12)}
    return lambda **given: make_indexes(indexes, **given)


def uniform(source: Any, videos: Any, n: Any) -> Any:
    return kernels.uniform(source, videos, n, nulls(len(n), pa.float64()))


def read(source: Any, videos: pa.Array, frames: pa.Array, **given: pa.Array) -> pa.Array:
    count = len(videos)
    return kernels.read(
        source,
        videos,
        frames,
        given.get("height", nulls(count, pa.float64())),
        given.get("width", nulls(count, pa.float64())),
        given.get("form", nulls(count, pa.string())),
    )


def test_request(source: Callable[..., Any]) -> None:
    frames = pa.array([[0.0, 8.0, 8.0], [1.0], None, []], DOUBLES)
    found = read(source(), handles([5, None, 6, 7]), frames, height=pa.array([224.0] * 4))
    assert found.type == READ_REQUEST
    found.validate(full=True)
    assert found.is_valid().to_pylist() == [True, False, False, True]
    assert found[0].as_py() == {
        "__marey_read": {"__marey_table": 3, "__marey_row": 5},
        "frame_indices": [0, 8, 8],
        "every_frame": False,
        "height": 224,
        "width": None,
        "pixel_format": "rgb24",
    }
    assert found[3]["frame_indices"].as_py() == []


def test_every_frame_is_not_a_null_list(source: Callable[..., Any]) -> None:
    none = nulls(2, pa.float64())
    found = kernels.read_every(
        source(), handles([5, None]), none, none, pa.array(["native", None], pa.string())
    )
    assert [r and (r["every_frame"], r["frame_indices"]) for r in found.to_pylist()] == [
        (True, None),
        None,
    ]
    assert found[0]["pixel_format"].as_py() == "native"
    remuxed = kernels.remux_every(source(), handles([5, None]), pa.array([None, True]))
    assert remuxed.type == REMUX_REQUEST
    assert remuxed.to_pylist()[0]["audio"] is False
    assert not remuxed[1].is_valid


@given(st.data())
@settings(max_examples=40)
def test_slices_give_slices(source: Callable[..., Any], data: st.DataObject) -> None:
    rows = data.draw(st.lists(st.none() | st.integers(1, 11), min_size=1, max_size=8))
    count = len(rows)
    lists = st.none() | st.lists(st.integers(0, 9), max_size=4)
    frames = data.draw(st.lists(lists, min_size=count, max_size=count))
    first = data.draw(st.integers(0, count))
    length = data.draw(st.integers(0, count - first))
    videos, arrays = handles(rows), pa.array(frames, DOUBLES)
    whole = read(source(), videos, arrays)
    part = read(source(), videos.slice(first, length), arrays.slice(first, length))
    assert part.to_pylist() == whole.to_pylist()[first : first + length]
    n = pa.array([3.0] * count).slice(first, length)
    chosen = uniform(source(), videos.slice(first, length), n)
    assert [c and len(c) for c in chosen.to_pylist()] == [
        r and min(3, r) for r in rows[first : first + length]
    ]


def test_what_lies_under_null_lists_is_not_looked_at(source: Callable[..., Any]) -> None:
    frames = pa.ListArray.from_arrays(
        pa.array([0, 2, 3], pa.int32()),
        pa.array([-1.0, 1.5, 4.0]),
        mask=pa.array([True, False]),
    )
    found = read(source(), handles([5, 6]), frames)
    assert [r and r["frame_indices"] for r in found.to_pylist()] == [None, [4]]


@pytest.mark.parametrize("name", sorted(kernels.KERNELS))
def test_no_rows(source: Callable[..., Any], name: str) -> None:
    types, returns = signature(name)
    found = kernels.KERNELS[name](source(), *(pa.array([], dtype) for dtype in types))
    assert (len(found), found.type) == (0, returns)


@pytest.mark.parametrize("name", sorted(kernels.KERNELS))
def test_nothing_but_nulls(source: Callable[..., Any], name: str) -> None:
    types, returns = signature(name)
    noting = source(note_errors=True)
    found = kernels.KERNELS[name](noting, *(nulls(3, dtype) for dtype in types))
    found.validate(full=True)
    assert (found.null_count, found.type) == (3, returns)
    assert noting.asked == []


@pytest.mark.parametrize(
    ("frame", "text"),
    [
        (-1.0, "-1"),
        (1.5, "1.5"),
        (float("nan"), "null"),
        (None, "null"),
        (float("inf"), "inf"),
        (2.0**32, "4294967296"),
        (1e300, "1.0000000000000001e+300"),
    ],
)
def test_a_wrong_frame_number_is_an_error_of_its_row(
    source: Callable[..., Any], frame: float | None, text: str
) -> None:
    noting = source(note_errors=True)
    frames = pa.array([[1.0], [0.0, frame, frame], [2.0]], DOUBLES)
    found = read(noting, handles([5, 6, 7]), frames)
    assert found.is_valid().to_pylist() == [True, False, True]
    assert [r and r["frame_indices"] for r in found.to_pylist()] == [[1], None, [2]]
    ((table, row, error),) = noting.failures
    assert (table, row) == (3, 6)
    assert isinstance(error, FrameRangeError)
    assert f"holds {text} at position 1:" in str(error)


def test_rows_without_a_video_have_no_errors(source: Callable[..., Any]) -> None:
    found = read(source(), handles([None]), pa.array([[-1.0]], DOUBLES), height=pa.array([0.0]))
    assert found.null_count == 1
    assert uniform(source(), handles([None]), pa.array([0.0])).null_count == 1


@pytest.mark.parametrize(
    ("kernel", "arguments", "message"),
    [
        (uniform, ([2.0, 0.0],), "video_uniform: n must be at least 1, found 0"),
        (uniform, ([2.0, 1.5],), "video_uniform: n must be a whole number, found 1.5"),
        (kernels.every, ([25.0, float("nan")],), "video_every: fps must be finite"),
        (kernels.slice_frames, ([0.0] * 2, [1.0] * 2, [1.0, 0.0]), "step must be other than 0"),
        (kernels.at, ([[0.0]] * 2, ["floor", "first"]), "video_at: mode must be one of"),
    ],
)
def test_a_wrong_argument_is_an_error_of_its_row(
    source: Callable[..., Any], kernel: Callable[..., Any], arguments: Any, message: str
) -> None:
    noting = source(note_errors=True)
    found = kernel(noting, handles([5, 6]), *map(pa.array, arguments))
    assert found.is_valid().to_pylist() == [True, False]
    ((_, row, error),) = noting.failures
    assert row == 6
    assert isinstance(error, InputError)
    assert message in str(error)
    with pytest.raises(MareyError, match=message):
        kernel(source(), handles([5, 6]), *map(pa.array, arguments))


@pytest.mark.parametrize("height", [0.0, -4.0, 1.5, float("inf"), 2.0**31, 1e300])
def test_a_wrong_size_is_an_error_of_its_row(source: Callable[..., Any], height: float) -> None:
    noting = source(note_errors=True)
    found = read(
        noting,
        handles([5, 6, 5]),
        pa.array([[0.0]] * 3, DOUBLES),
        height=pa.array([8.0, height, height]),
        form=pa.array(["gray8", "native", "rgb24"]),
    )
    assert [r and r["height"] for r in found.to_pylist()] == [8, None, None]
    assert [row for _, row, _ in noting.failures] == [6, 5]


def test_an_unknown_pixel_format_is_an_error_of_its_row(source: Callable[..., Any]) -> None:
    noting = source(note_errors=True)
    frames = pa.array([[0.0]] * 2, DOUBLES)
    found = read(noting, handles([5, 6]), frames, form=pa.array(["rgb", None]))
    assert [r and r["pixel_format"] for r in found.to_pylist()] == [None, "rgb24"]


def test_a_selection_that_fails_is_an_error_of_its_row(source: Callable[..., Any]) -> None:
    noting = source(note_errors=True)
    times = pa.array([[0.0], [-1.0], None, [0.08, None]], DOUBLES)
    found = kernels.at(noting, handles([5, 6, 7, 8]), times, nulls(4, pa.string()))
    assert found.to_pylist() == [[0], None, None, None]
    assert [row for _, row, _ in noting.failures] == [6, 8]


def test_only_indexes_that_are_needed_are_read(source: Callable[..., Any]) -> None:
    asked = source()
    n = pa.array([2.0, None, 2.0])
    uniform(asked, handles([5, 6, None]), n)
    assert asked.asked == [5]
    requests = source()
    read(requests, handles([5]), pa.array([[0.0]], DOUBLES))
    assert requests.asked == []


def test_the_largest_int64_means_the_end(source: Callable[..., Any]) -> None:
    stop = pa.array([(1 << 63) - 1]).cast(pa.float64(), safe=False)
    found = kernels.slice_frames(
        source(), handles([5]), pa.array([3.0]), stop, nulls(1, pa.float64())
    )
    assert found.to_pylist() == [[3, 4]]


def test_an_index_that_cannot_be_read_gives_null(make_indexes: MakeIndexes) -> None:
    class Unreadable(make_indexes):  # type: ignore[misc,valid-type]
        def frame_indexes(self, handles: Any) -> list[None]:
            return [None] * len(handles)

    assert kernels.keyframes(Unreadable({}), handles([5])).to_pylist() == [None]


def test_frame_lists_hold_every_frame_number(source: Callable[..., Any]) -> None:
    numbers = np.array([0, 1, 2**31, 2**32 - 1], np.float64)
    found = read(source(), handles([5]), pa.array([numbers], DOUBLES))
    assert found.field("frame_indices").type == FRAME_LIST
    assert found[0]["frame_indices"].as_py() == numbers.astype(int).tolist()
