"""What the functions on videos compute: Arrow arrays in, Arrow arrays out.

A row without a video, or without a value that the function needs, gives null. A row whose
values are wrong goes to `IndexSource.fail`, which raises the error or notes it; then that row
gives null too.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from functools import partial
from types import MappingProxyType
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ..video.index.clip import ClipIndex
from . import selection
from .dtypes import FRAME_LIST, READ_REQUEST, REMUX_REQUEST, TIMED_READ_REQUEST
from .functions import FUNCTIONS
from .kernel_rows import Array, IndexSource, Int64s, Rows, flat_values, is_there

_CLOCK = re.compile("Timestamp|Date")
_NUMBER = re.compile("Int")


def read(
    source: IndexSource,
    handles: Array,
    frames: Array,
    height: Array,
    width: Array,
    form: Array,
    *,
    dtype: Any = READ_REQUEST,
) -> Array:
    """Requests for some frames; a null list gives null."""
    rows = Rows(source, FUNCTIONS["video_read"], handles)
    return _read_request(dtype, rows, rows.frame_numbers(frames), height, width, form)


def read_every(
    source: IndexSource,
    handles: Array,
    height: Array,
    width: Array,
    form: Array,
    *,
    dtype: Any = READ_REQUEST,
) -> Array:
    """Requests for every frame."""
    rows = Rows(source, FUNCTIONS["video_read"], handles)
    return _read_request(dtype, rows, None, height, width, form)


def remux(source: IndexSource, handles: Array, frames: Array, audio: Array) -> Array:
    """Requests for an MP4 of some frames; a null list gives null."""
    rows = Rows(source, FUNCTIONS["video_remux"], handles)
    return _remux_request(rows, rows.frame_numbers(frames), audio)


def remux_every(source: IndexSource, handles: Array, audio: Array) -> Array:
    """Requests for an MP4 of every frame."""
    rows = Rows(source, FUNCTIONS["video_remux"], handles)
    return _remux_request(rows, None, audio)


def uniform(source: IndexSource, handles: Array, n: Array, jitter_seed: Array) -> Array:
    """Frame lists of `video_uniform`."""
    rows = Rows(source, FUNCTIONS["video_uniform"], handles)
    counts = rows.values("n", n).to_pylist()
    seeds = rows.values("jitter_seed", jitter_seed).to_pylist()

    def choose(row: int, index: ClipIndex) -> Int64s:
        chance = None if seeds[row] is None else rows.chance(row, seeds[row])
        return selection.uniform(index, counts[row], chance)

    return rows.select(choose)


def random_clip(
    source: IndexSource, handles: Array, frames: Array, stride: Array, seed: Array
) -> Array:
    """Frame lists of `video_random_clip`."""
    rows = Rows(source, FUNCTIONS["video_random_clip"], handles)
    counts = rows.values("frames", frames).to_pylist()
    strides = rows.values("stride", stride).to_pylist()
    seeds = rows.values("seed", seed).to_pylist()
    return rows.select(
        lambda row, index: selection.random_clip(
            index, counts[row], strides[row], rows.chance(row, seeds[row])
        )
    )


def every(source: IndexSource, handles: Array, fps: Array) -> Array:
    """Frame lists of `video_every`."""
    rows = Rows(source, FUNCTIONS["video_every"], handles)
    rates = rows.values("fps", fps).to_pylist()
    return rows.select(lambda row, index: selection.every(index, rates[row]))


def at(source: IndexSource, handles: Array, seconds: Array, mode: Array) -> Array:
    """Frame lists of `video_at`."""
    rows = Rows(source, FUNCTIONS["video_at"], handles)
    rows.has_value &= is_there(seconds)
    modes = rows.values("mode", mode).to_pylist()
    flat, lengths = flat_values(seconds)
    times = np.split(flat, np.cumsum(lengths)[:-1])
    return rows.select(lambda row, index: selection.at(index, times[row], modes[row]))


def at_timed(source: IndexSource, handles: Array, times: Array, mode: Array) -> Array:
    """Frame lists of `video_at` by times of a clock."""
    return _at_exact(source, handles, times, mode, selection.at_time)


def at_numbered(source: IndexSource, handles: Array, numbers: Array, mode: Array) -> Array:
    """Frame lists of `video_at` by whole numbers."""
    return _at_exact(source, handles, numbers, mode, selection.at_number)


def _at_exact(
    source: IndexSource,
    handles: Array,
    times: Array,
    mode: Array,
    find: Callable[[ClipIndex, Int64s, str], Int64s],
) -> Array:
    rows = Rows(source, FUNCTIONS["video_at"], handles)
    rows.has_value &= is_there(times)
    modes = rows.values("mode", mode).to_pylist()
    lengths = pc.list_value_length(times).fill_null(0).to_numpy(zero_copy_only=False)
    values = times.flatten()
    ticks = values.view(pa.int64()).fill_null(selection.NO_TIME).to_numpy(zero_copy_only=False)
    own = np.split(ticks, np.cumsum(lengths)[:-1])
    return rows.select(lambda row, index: find(index, own[row], modes[row]))


def at_either(
    source: IndexSource,
    handles: Array,
    seconds: Array,
    times: Array,
    types: Array,
    mode: Array,
) -> Array:
    """Frame lists of `video_at` by what the type of its times says they are: seconds, times of
    a clock, or whole numbers, which came as times of a clock unchanged.
    """
    names = [name for name in types.unique().to_pylist() if name]
    if any(map(_CLOCK.search, names)):
        return at_timed(source, handles, times, mode)
    if any(map(_NUMBER.search, names)):
        return at_numbered(source, handles, times, mode)
    return at(source, handles, seconds, mode)


def slice_frames(
    source: IndexSource, handles: Array, start: Array, stop: Array, step: Array
) -> Array:
    """Frame lists of `video_range`."""
    rows = Rows(source, FUNCTIONS["video_range"], handles)
    starts = rows.values("start", start).to_pylist()
    stops = rows.values("stop", stop).to_pylist()
    steps = rows.values("step", step).to_pylist()
    return rows.select(
        lambda row, index: selection.slice_frames(index, starts[row], stops[row], steps[row])
    )


def keyframes(source: IndexSource, handles: Array) -> Array:
    """Frame lists of `video_keyframes`."""
    rows = Rows(source, FUNCTIONS["video_keyframes"], handles)
    return rows.select(lambda _, index: selection.keyframes(index))


KERNELS: Mapping[str, Callable[..., Array]] = MappingProxyType(
    {
        "__marey_read": read,
        "__marey_read_every": read_every,
        "__marey_remux": remux,
        "__marey_remux_every": remux_every,
        "__marey_uniform": uniform,
        "__marey_random_clip": random_clip,
        "__marey_every": every,
        "__marey_read_timed": partial(read, dtype=TIMED_READ_REQUEST),
        "__marey_read_every_timed": partial(read_every, dtype=TIMED_READ_REQUEST),
        "__marey_at": at,
        "__marey_at_timed": at_timed,
        "__marey_at_numbered": at_numbered,
        "__marey_at_either": at_either,
        "__marey_range": slice_frames,
        "__marey_keyframes": keyframes,
    }
)
"""By the names that `Function.internal` gives."""


def _read_request(
    dtype: Any, rows: Rows, frames: Array | None, height: Array, width: Array, form: Array
) -> Array:
    children = [
        rows.values("height", height),
        rows.values("width", width),
        rows.values("pixel_format", form),
    ]
    return _request(dtype, rows, frames, children)


def _remux_request(rows: Rows, frames: Array | None, audio: Array) -> Array:
    return _request(REMUX_REQUEST, rows, frames, [rows.values("audio", audio)])


def _request(dtype: Any, rows: Rows, frames: Array | None, children: list[Array]) -> Array:
    count = len(rows.handles)
    every_frame = pa.array(np.full(count, frames is None))
    lists = pa.nulls(count, FRAME_LIST) if frames is None else frames
    # The struct is null, not its fields alone: filters on requests ask the struct.
    return pa.StructArray.from_arrays(
        [rows.handles, lists, every_frame, *children],
        fields=list(dtype),
        mask=pa.array(~rows.has_value),
    )
