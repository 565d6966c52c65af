"""Which frames a selection names: arithmetic on the frame index of one clip, exact throughout.

Seconds are compared as doubles, the ones that a read reports. Rounding keeps order, so only a
time that is a frame's own can fall on the wrong side of it; such a time, as a double or with
the six decimals that FFmpeg prints, means that frame. Times of a clock are whole nanoseconds,
and times of streams may be whole numbers: both are compared as those.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from fractions import Fraction
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from ..errors import FrameRangeError, UnsupportedError
from ..video.index.clip import ClipIndex
from ..video.index.frames import SampleFlag
from ..video.index.stream_frames import CONTAINER
from ..video.index.times import FrameTimes, Times
from ..video.timing import NANOSECONDS, Timebase, rescale, to_seconds
from .chance import Chance

Int64s = npt.NDArray[np.int64]
Doubles = npt.NDArray[np.float64]

MAX_TICKS = 1 << 24
"""The most frames that one `video_every` lists: a clock can be asked to tick without end."""

NO_TIME = -(1 << 63)
"""Stands for a null in arrays of times; it is numpy's NaT too."""

_MOST_SECONDS = (1 << 63) // NANOSECONDS.denominator - 1
_NTSC = 1001
_PRINTED_DECIMALS = 6
_HALF_PRINTED = 0.5000001e-6


def uniform(index: ClipIndex, n: int, chance: Chance | None = None) -> Int64s:
    """The middle frame of each of `n` equal parts, or one of its frames by chance; every frame
    once where there are fewer.
    """
    count = min(n, index.frame_count)
    if chance is None:
        parts = 2 * np.arange(count, dtype=np.int64) + 1
        return parts * index.frame_count // (2 * max(count, 1))
    begins = [part * index.frame_count // count for part in range(count + 1)] if count else []
    drawn = [begin + chance.below(end - begin) for begin, end in pairwise(begins)]
    return np.array(drawn, np.int64)


def random_clip(index: ClipIndex, frames: int, stride: int, chance: Chance) -> Int64s:
    """Every `stride`-th frame from one drawn by chance on, `frames` of them.

    A clip that is too short for them gives those that it has, from its first frame on.
    """
    whole = min(frames, -(-index.frame_count // stride))
    if not whole:
        return np.empty(0, np.int64)
    start = chance.below(index.frame_count - (whole - 1) * stride) if whole == frames else 0
    return start + stride * np.arange(whole, dtype=np.int64)


def slice_frames(index: ClipIndex, start: int, stop: int | None, step: int) -> Int64s:
    """Frames as a Python slice takes them; `step` is not 0."""
    return np.arange(*slice(start, stop, step).indices(index.frame_count), dtype=np.int64)


def keyframes(index: ClipIndex) -> Int64s:
    """The frames at which decoding can start."""
    found = [
        part.first_frame + np.flatnonzero(part.flags[part.frame_sample] & SampleFlag.START)
        for part in index.parts()
    ]
    return np.concatenate(found)


def every(index: ClipIndex, fps: float) -> Int64s:
    """The frame on screen at each tick of a clock that starts with the first frame.

    Raises:
        UnsupportedError: There are more than `MAX_TICKS` ticks.
    """
    if not index.frame_count:
        return np.empty(0, np.int64)
    begins = FrameTimes(index)
    first, last = begins.at(np.array([0, index.frame_count - 1])).tolist()
    length = last + index.head.last_duration_ticks - first
    rate = exact_rate(fps)
    timebase = index.head.timebase
    tick = Fraction(timebase.denominator, timebase.numerator) / rate
    count = max(1, math.ceil(length / tick))
    if count > MAX_TICKS:
        raise UnsupportedError(
            f"{fps} frames a second make {count} frames of this clip: "
            f"at most {MAX_TICKS} are listed"
        )
    times = np.array([first])
    if count > 1:
        clock = Timebase(tick.numerator, tick.denominator)
        times = times + rescale(np.arange(count), clock, Timebase(1, 1), "floor")
    return begins.count_before(times, "right") - 1


def exact_rate(fps: float) -> Fraction:
    """The rate that a double stands for.

    Broadcast rates (n * 1000/1001) are written with two decimals or more; any other rate is the
    simplest fraction that is the same double.

    >>> exact_rate(29.97), exact_rate(23.976), exact_rate(12.5), exact_rate(1 / 3)
    (Fraction(30000, 1001), Fraction(24000, 1001), Fraction(25, 2), Fraction(1, 3))
    """
    if fps == int(fps):
        return Fraction(int(fps))
    nominal = round(fps * _NTSC / 1000)
    broadcast = nominal * 1000 / _NTSC
    if any(fps == round(broadcast, digits) for digits in range(2, 16)):
        return Fraction(nominal * 1000, _NTSC)
    simple = Fraction(fps).limit_denominator(1_000_000)
    return simple if float(simple) == fps else Fraction(fps)


def at(index: ClipIndex, seconds: Doubles, mode: str) -> Int64s:
    """The frame at each time; `mode` is one of `functions.AT_MODES`.

    Raises:
        FrameRangeError: A time that is no number, or at which the mode finds no frame.
    """
    if not len(seconds):
        return np.empty(0, np.int64)
    if not np.isfinite(seconds).all():
        raise FrameRangeError(f"time {seconds[~np.isfinite(seconds)][0]} s is no time")
    if not index.frame_count:
        raise FrameRangeError(f"time {seconds[0]} s was asked for, the clip has no frame")
    timebase = index.head.timebase
    begins = FrameTimes(index, lambda ticks: to_seconds(ticks, timebase))
    near = _nearest(begins, index.frame_count, seconds)
    at_near = begins.at(near)
    seconds = np.where(_is_printed(seconds, at_near), at_near, seconds)

    def refuse(bad: npt.NDArray[np.bool_], why: str) -> None:
        if bad.any():
            first, last = begins.at(np.array([0, index.frame_count - 1])).tolist()
            raise FrameRangeError(
                f"time {seconds[bad][0]} s {why}: frames begin from {first} s to {last} s"
            )

    match mode:
        case "floor":
            frames = begins.count_before(seconds, "right") - 1
            refuse(frames < 0, "is before the first frame")
        case "ceil":
            frames = begins.count_before(seconds, "left")
            refuse(frames == index.frame_count, "is after the last frame begins")
        case "nearest":
            frames = near
        case _:
            frames = near
            refuse(at_near != seconds, "is not when a frame begins")
    return frames


def at_time(index: ClipIndex, times: Int64s, mode: str) -> Int64s:
    """The frame at each time of a clock, in nanoseconds: exact, whatever the time.

    Raises:
        FrameRangeError: A time that is none, or at which the mode finds no frame; or the
            stream's frames have numbers and no times.
    """
    if not len(times):
        return np.empty(0, np.int64)
    if index.head.container != CONTAINER:
        raise FrameRangeError("frames of a file have no time of a clock: give seconds")
    if index.head.timebase != NANOSECONDS:
        raise FrameRangeError("the timeline counts whole numbers: give numbers, not times")
    return _at_ticks(index, times, mode, _clock)


def at_number(index: ClipIndex, numbers: Int64s, mode: str) -> Int64s:
    """The frame at each whole number: those of a timeline of numbers, seconds elsewhere. Exact
    where the frames are a stream's.

    Raises:
        FrameRangeError: As `at_time`; or more seconds than a clock of nanoseconds has.
    """
    if not len(numbers):
        return np.empty(0, np.int64)
    if index.head.container != CONTAINER:
        seconds = np.where(numbers == NO_TIME, np.nan, numbers.astype(np.float64))
        return at(index, seconds, mode)
    if index.head.timebase != NANOSECONDS:
        return _at_ticks(index, numbers, mode, str)
    second = NANOSECONDS.denominator
    beyond = (numbers != NO_TIME) & ((numbers < -_MOST_SECONDS) | (numbers > _MOST_SECONDS))
    if beyond.any():
        raise FrameRangeError(
            f"time {numbers[beyond][0]} s is no time of a clock: whole numbers are seconds, "
            "give timestamps for nanoseconds"
        )
    ticks = np.where(numbers == NO_TIME, NO_TIME, numbers * second)
    return _at_ticks(index, ticks, mode, _clock)


def _at_ticks(
    index: ClipIndex, times: Int64s, mode: str, show: Callable[[np.int64 | int], str]
) -> Int64s:
    if (times == NO_TIME).any():
        raise FrameRangeError("a null is no time")
    if not index.frame_count:
        raise FrameRangeError(f"time {show(times[0])} was asked for, the clip has no frame")
    begins = FrameTimes(index)
    count = index.frame_count

    def refuse(bad: npt.NDArray[np.bool_], why: str) -> None:
        if bad.any():
            first, last = begins.at(np.array([0, count - 1])).tolist()
            raise FrameRangeError(
                f"time {show(times[bad][0])} {why}: frames begin from {show(first)} to "
                f"{show(last)}"
            )

    match mode:
        case "floor":
            frames = begins.count_before(times, "right") - 1
            refuse(frames < 0, "is before the first frame")
        case "ceil":
            frames = begins.count_before(times, "left")
            refuse(frames == count, "is after the last frame begins")
        case _:
            floor = begins.count_before(times, "right") - 1
            before, after = np.maximum(floor, 0), np.minimum(floor + 1, count - 1)
            # Differences of int64 can leave it, those of uint64 cannot.
            wide = times.astype(np.uint64)
            to_next = begins.at(after).astype(np.uint64) - wide
            since = wide - begins.at(before).astype(np.uint64)
            nearer = np.where(floor < 0, False, (after > before) & (to_next < since))
            frames = np.where(nearer, after, before)
            if mode == "exact":
                refuse(begins.at(frames) != times, "is not when a frame begins")
    return frames


def _clock(nanoseconds: np.int64 | int) -> str:
    return str(np.datetime64(int(nanoseconds), "ns"))


def _is_printed(seconds: Doubles, begins: Times) -> npt.NDArray[np.bool_]:
    """Whether each time is what FFmpeg prints for the beginning of a frame."""
    short = np.round(seconds, _PRINTED_DECIMALS) == seconds
    close: npt.NDArray[np.bool_] = np.abs(seconds - begins) <= _HALF_PRINTED
    return np.asarray(short & close, np.bool_)


def _nearest(begins: FrameTimes, frame_count: int, seconds: Doubles) -> Int64s:
    """The frame whose beginning is nearest to each time, the earlier of two."""
    floor = begins.count_before(seconds, "right") - 1
    before, after = np.maximum(floor, 0), np.minimum(floor + 1, frame_count - 1)
    nearer = np.abs(begins.at(after) - seconds) < np.abs(seconds - begins.at(before))
    return np.where(nearer, after, before)
