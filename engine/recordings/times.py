"""Times as they are given, fitted to a timeline: nanoseconds, or whole numbers.

A timeline of timestamps or durations counts nanoseconds, any other counts whole numbers. Whole
numbers given for one of times are nanoseconds; so are they on a new timeline called `log_time`.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.types as pat

from ...errors import InputError
from ...storage.recordings.schema import check_timeline
from ...video.timing import NANOSECONDS, Timebase

NANOSECOND = pa.timestamp("ns")
LOG_TIME = "log_time"
"""The timeline that a logger writes unless it is told another; always one of times."""

_REFUSED = (pa.ArrowException, TypeError, ValueError, OverflowError)


def fit_times(
    index: object, count: int, known: Mapping[str, pa.DataType]
) -> dict[str, pa.Array]:
    """The times of some samples, by timeline.

    Args:
        index: By name an array, a list or an Arrow array, one value a sample; None, NaT and
            null mean that a sample has no time there.
        count: How many samples there are.
        known: Types of the timelines that there are already.

    Raises:
        InputError: There is no timeline, a name cannot be one, or values do not fit.
    """
    if not isinstance(index, Mapping) or not index:
        raise InputError(
            "index: expected a dict of timelines and times, such as "
            f'{{"log_time": times}}, got {index if index == {} else type(index).__name__}'
        )
    return {
        check_timeline(name): fit_column(name, values, count, known.get(name))
        for name, values in index.items()
    }


def fit_time(timeline: str, value: object, known: Mapping[str, pa.DataType]) -> pa.Scalar:
    """One time; see `fit_times`."""
    return fit_column(timeline, [value], 1, known.get(timeline))[0]


def timebase_of(dtype: pa.DataType) -> Timebase:
    """Seconds a unit of a timeline: whole numbers count as seconds.

    >>> timebase_of(NANOSECOND), timebase_of(pa.int64())
    (Timebase(numerator=1, denominator=1000000000), Timebase(numerator=1, denominator=1))
    """
    return Timebase(1, 1) if pat.is_integer(dtype) else NANOSECONDS


def to_integers(times: pa.Array) -> tuple[np.ndarray, np.ndarray]:
    """The times as int64, 0 where there is none, and whether there is one."""
    valid = times.is_valid().to_numpy(zero_copy_only=False)
    return times.view(pa.int64()).fill_null(0).to_numpy(), valid


def fit_column(name: str, values: object, count: int, known: pa.DataType | None) -> pa.Array:
    """The times of one timeline; see `fit_times`."""
    if values is None:
        raise InputError(
            f"index {name!r}: expected times, one a sample, got None; leave the index out if "
            "no sample has a time on it"
        )
    given = _to_array(name, values)
    if len(given) != count:
        raise InputError(f"index {name!r}: {len(given)} times for {count} samples")
    wanted = known or _type_for(name, given.type)
    if pat.is_null(given.type):
        return pa.nulls(count, wanted)
    if not (given.type == wanted or _goes_with(given.type, wanted)):
        raise InputError(f"index {name!r}: values of {given.type} on a timeline of {wanted}")
    try:
        if pat.is_timestamp(given.type):
            return given.cast(pa.timestamp("ns", given.type.tz)).cast(wanted)
        if pat.is_integer(given.type) and not pat.is_integer(wanted):
            return given.cast(pa.int64()).view(wanted)
        return given.cast(wanted)
    except _REFUSED as error:
        raise InputError(f"index {name!r}: {error}") from error


def _goes_with(given: pa.DataType, wanted: pa.DataType) -> bool:
    kinds = (pat.is_timestamp, pat.is_duration)
    alike = any(is_kind(given) and is_kind(wanted) for is_kind in kinds)
    return alike or bool(pat.is_integer(given))


def _type_for(name: str, given: pa.DataType) -> pa.DataType:
    if pat.is_timestamp(given) or name == LOG_TIME:
        return NANOSECOND
    if pat.is_duration(given):
        return pa.duration("ns")
    if pat.is_integer(given):
        return pa.int64()
    if pat.is_null(given):
        raise InputError(
            f"index {name!r}: only nulls do not say what a new index counts; leave it out, or "
            "give an array of a type"
        )
    raise InputError(
        f"index {name!r}: expected timestamps, durations or whole numbers, found {given}"
    )


def _to_array(name: str, values: Any) -> pa.Array:
    try:
        if isinstance(values, pa.ChunkedArray):
            return values.combine_chunks()
        if isinstance(values, pa.Array):
            return values
        if isinstance(values, list | tuple) and any(_is_exact(v) for v in values):
            values = np.array(values, _exact_dtype(values))
        return pa.array(values, from_pandas=True)
    except _REFUSED as error:
        raise InputError(f"index {name!r}: no column of times: {error}") from error


def _is_exact(value: object) -> bool:
    return isinstance(value, np.datetime64 | np.timedelta64) or hasattr(value, "nanosecond")


def _exact_dtype(values: list[object] | tuple[object, ...]) -> str:
    spans = any(isinstance(v, np.timedelta64 | timedelta) for v in values)
    moments = any(isinstance(v, np.datetime64 | datetime) for v in values)
    if spans and moments:
        raise TypeError("moments and spans of time on one timeline")
    return "timedelta64[ns]" if spans else "datetime64[ns]"
