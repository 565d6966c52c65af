"""Frames as arrays: the right numbers, in place."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

from marey.engine.arrays import to_numpy
from marey.errors import InputError

FRAMES = pa.struct(
    [
        (
            "frames",
            pa.list_(
                pa.struct(
                    [
                        ("data", pa.large_binary()),
                        ("frame_index", pa.uint32()),
                        ("pts_seconds", pa.float64()),
                        ("duration_seconds", pa.float64()),
                    ]
                )
            ),
        ),
        ("frame_shape", pa.list_(pa.int32())),
    ]
)


def value(pixels: np.ndarray, shape: list[int] | None = None) -> dict[str, Any]:
    frames = [
        {"data": p.tobytes(), "frame_index": i, "pts_seconds": 0.0, "duration_seconds": 0.0}
        for i, p in enumerate(pixels)
    ]
    return {"frames": frames, "frame_shape": shape or list(pixels.shape[1:])}


def column(pixels: list[np.ndarray]) -> pa.StructArray:
    return pa.array([value(p) for p in pixels], FRAMES)


@pytest.fixture
def pixels() -> np.ndarray:
    return np.random.default_rng(7).integers(0, 256, (3, 2, 4, 5, 3), np.uint8)


def test_a_column_is_rows_frames_height_width_channels(pixels: np.ndarray) -> None:
    assert np.array_equal(to_numpy(column(list(pixels))), pixels)


def test_a_slice_of_a_column_is_that_slice(pixels: np.ndarray) -> None:
    assert np.array_equal(to_numpy(column(list(pixels)).slice(1, 2)), pixels[1:])


def test_a_column_in_chunks_is_joined(pixels: np.ndarray) -> None:
    array = column(list(pixels))
    chunked = pa.chunked_array([array.slice(0, 1), array.slice(1, 0), array.slice(1, 2)])
    assert np.array_equal(to_numpy(chunked), pixels)


def test_a_value_is_frames_height_width_channels(pixels: np.ndarray) -> None:
    array = column(list(pixels))
    assert np.array_equal(to_numpy(array[1]), pixels[1])
    assert np.array_equal(to_numpy(array[1].as_py()), pixels[1])


def test_a_view_shares_the_memory_of_the_column(pixels: np.ndarray) -> None:
    array = column(list(pixels))
    data = array.field("frames").values.field("data").buffers()[2]
    for view in (to_numpy(array), to_numpy(array[0]), to_numpy(pa.chunked_array([array]))):
        assert np.shares_memory(view, np.frombuffer(data, np.uint8))
        assert not view.flags.writeable


def test_planes_that_are_not_the_shape_stay_packed_bytes() -> None:
    packed = np.arange(2 * 24, dtype=np.uint8).reshape(2, 24)
    array = pa.array([value(packed, [4, 4])], FRAMES)
    assert np.array_equal(to_numpy(array[0]), packed)
    assert to_numpy(array).shape == (1, 2, 24)


def test_no_rows_and_no_frames_keep_their_axes(pixels: np.ndarray) -> None:
    assert to_numpy(column([])).shape == (0, 0, 0, 0, 3)
    assert to_numpy(pa.chunked_array([], FRAMES)).shape == (0, 0, 0, 0, 3)
    none = pa.array([value(pixels[0][:0], [4, 5, 3])], FRAMES)
    assert to_numpy(none).shape == (1, 0, 4, 5, 3)
    assert to_numpy(none[0]).shape == (0, 4, 5, 3)


@pytest.mark.parametrize("library", ["pandas", "polars"])
def test_a_series_is_a_column(library: str, pixels: np.ndarray) -> None:
    table = pa.table({"f": column(list(pixels))})
    series = table.to_pandas()["f"] if library == "pandas" else pl.from_arrow(table)["f"]
    assert np.array_equal(to_numpy(series), pixels)
    assert to_numpy(series[:0]).shape == (0, 0, 0, 0, 3)
    ragged = pa.table({"f": column([pixels[0], pixels[0][:1]])})
    gone = pa.table({"f": pa.array([value(pixels[0]), None], FRAMES)})
    for bad, says in ((ragged, "row 1 has 1 frames"), (gone, "row 1 holds no frames but None")):
        series = bad.to_pandas()["f"] if library == "pandas" else pl.from_arrow(bad)["f"]
        with pytest.raises(InputError, match=says):
            to_numpy(series)


def test_a_series_of_anything_else_is_refused() -> None:
    with pytest.raises(InputError, match="row 0 holds no frames but 1"):
        to_numpy(pd.Series([1, 2]))
    with pytest.raises(InputError, match="got dict"):
        to_numpy(pl.Series([{"a": 1}]))


def test_what_cannot_be_one_block_is_refused_by_row(pixels: np.ndarray) -> None:
    with pytest.raises(InputError, match=r"row 1 is null: .*is_not_null\(\)"):
        to_numpy(pa.array([value(pixels[0]), None], FRAMES))
    with pytest.raises(InputError, match=r"row 1 has 1 frames, row 0 has 2: .*frame_count"):
        to_numpy(column([pixels[0], pixels[0][:1]]))
    with pytest.raises(InputError, match=r"row 1 has shape \[4, 4, 3\].* height= and width="):
        to_numpy(column([pixels[0], pixels[0][:, :, :4]]))
    chunks = pa.chunked_array([column([pixels[0]]), column([pixels[0][:1]])])
    with pytest.raises(InputError, match=r"each row of chunk 1 has 1 frames, .* 0 has 2"):
        to_numpy(chunks)
    with pytest.raises(InputError, match="the frames value is null"):
        to_numpy(pa.scalar(None, FRAMES))
    with pytest.raises(InputError, match="got int64"):
        to_numpy(pa.array([1]))
    with pytest.raises(InputError, match="got list"):
        to_numpy([1, 2])


def test_frames_with_short_offsets_are_frames(pixels: np.ndarray) -> None:
    frame = pa.struct([("data", pa.binary()), ("frame_index", pa.uint32())])
    short = pa.struct([("frames", pa.large_list(frame)), ("frame_shape", pa.list_(pa.int64()))])
    array = pa.array([value(block) for block in pixels], short)
    assert np.array_equal(to_numpy(array), pixels)
    assert np.array_equal(to_numpy(array[1]), pixels[1])


@pytest.mark.parametrize(
    "other",
    [
        pa.array([{"frames": [1], "frame_shape": [1]}]),
        pa.array([{"frames": 1, "frame_shape": [1]}]),
        pa.array([{"frames": [{"data": 1}], "frame_shape": [1, 1, 1]}]),
        pa.array([{"frames": [{"data": b"1"}], "frame_shape": [0, -1]}]),
        pa.array([{"frames": [{"data": b"1"}], "frame_shape": None}]),
        pa.array([{"frames": [{"data": b"1"}], "frame_shape": "1x1"}]),
        {"frames": None, "frame_shape": [1, 1, 3]},
        {"frames": [{}], "frame_shape": [1, 1, 3]},
        {"frames": [{"data": 5}], "frame_shape": [1, 1, 3]},
        {"frames": [{"data": b"123"}], "frame_shape": None},
        {"frames": [], "frame_shape": [-1, 1, 3]},
    ],
)
def test_what_only_looks_like_frames_is_refused(other: object) -> None:
    with pytest.raises(InputError, match=r"expected (a column that|what) video\.read returns"):
        to_numpy(other)
