"""Runs of times to times of samples: stts and ctts as libavformat reads them (8.6.1).

FFmpeg 8.1 merges the two tables into one before it uses them, which shows where one is shorter.
"""

from __future__ import annotations

import numpy as np

from .tables import CompositionOffsets, Int64s, TimeToSample, from_runs

# stts deltas above this are negative numbers in disguise, for libavformat.
_MAX_DELTA = (1 << 32) - 1 - 48_000 * 10


def durations(
    stts: TimeToSample, ctts: CompositionOffsets | None, declared: int
) -> tuple[Int64s, int]:
    """The duration of each declared sample, and how many of them stts or ctts reach."""
    stated = from_runs(stts.count, corrected_deltas(stts), declared)
    composed = 0
    if ctts is not None:
        composed = min(int(np.minimum(counted(ctts), declared).sum()), declared)
    ticks = np.zeros(declared, np.int64)
    ticks[: len(stated)] = stated
    if len(stated) >= composed and len(stated):
        # Samples past stts go on at its last rate; up to where ctts reaches they take no time.
        ticks[len(stated) :] = stated[-1]
    return ticks, max(len(stated), composed)


def corrected_deltas(stts: TimeToSample) -> Int64s:
    """The deltas as libavformat corrects them.

    A delta near 2^32 is a negative one, by which some muxers take back time: it becomes 1, and
    the deltas after it lend what was gained.
    """
    deltas = stts.delta_ticks
    if not len(deltas) or int(deltas.max()) <= _MAX_DELTA:
        return deltas
    corrected = []
    decoded = wanted = 0
    for count, delta in zip(stts.count.tolist(), deltas.tolist(), strict=True):
        used = delta
        if delta > _MAX_DELTA:
            used = 1
            wanted += (delta - (1 << 32) if delta >= 1 << 31 else 1) * count
        else:
            wanted += delta * count
        decoded += used * count
        if decoded > wanted:
            drift = (decoded - wanted) // max(count, 1)
            correction = drift if used > drift else (used - 1) % (1 << 32)
            decoded -= correction * count
            used = (used - correction) % (1 << 32)
        corrected.append(used)
    return np.array(corrected, np.int64)


def counted(ctts: CompositionOffsets) -> Int64s:
    """The lengths of the runs; those from 2^31 up are negative for libavformat, and ignored."""
    return np.where(ctts.count < 1 << 31, ctts.count, 0)


def composition_offsets(ctts: CompositionOffsets | None, declared: int) -> tuple[Int64s, int]:
    """The offset of each declared sample, 0 past the table, and the shift of decoding times."""
    offsets = np.zeros(declared, np.int64)
    if ctts is None:
        return offsets, 0
    count = counted(ctts)
    stated = from_runs(count, ctts.offset_ticks, declared)
    offsets[: len(stated)] = stated
    # libavformat leaves the last two runs out of the shift.
    considered = ctts.offset_ticks[:-2][count[:-2] > 0]
    shift = min(-int(considered.min(initial=0)), (1 << 31) - 1)
    return offsets, shift
