"""Chunks to places: which chunk each sample is in, so its bytes and its description (8.7)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ...errors import BoxError
from .tables import Int64s, SampleSizes, SampleToChunk

_INT32_MAX = (1 << 31) - 1
# Runs are corrected one by one.
_MAX_DISORDERED = 1 << 17
# Offsets past this are nonsense; held here, no sum of them and sizes leaves 64 bits.
_FARTHEST = 1 << 62


@dataclass(frozen=True, slots=True, eq=False)
class Places:
    """Where samples lie, in decode order."""

    offset: Int64s
    """First byte in the file."""
    size: Int64s
    """Bytes."""
    description: npt.NDArray[np.int32]
    """Sample description, from 0."""
    overfull: bool
    """The chunks have room for more samples than there are."""


def place_samples(
    stsc: SampleToChunk, stsz: SampleSizes, stco: Int64s, declared: int
) -> Places:
    """At most `declared` samples, one after the other in their chunks.

    Raises:
        BoxError: A run of chunks begins after the last chunk.
    """
    stsc = corrected_stsc(stsc)
    if len(stsc.first_chunk) and int(stsc.first_chunk[-1]) > len(stco):
        raise BoxError(
            f"stsc: expected runs within the {len(stco)} chunks of stco, "
            f"got one from chunk {int(stsc.first_chunk[-1])}"
        )
    run = np.searchsorted(stsc.first_chunk, np.arange(1, len(stco) + 1), "right") - 1
    run = np.maximum(run, 0)
    in_chunk = stsc.samples_per_chunk[run]
    ends = np.cumsum(in_chunk)
    overfull = bool(len(ends)) and int(ends[-1]) > stsz.count
    ends = np.minimum(ends, declared)
    starts = np.concatenate((np.zeros(1, np.int64), ends[:-1])) if len(ends) else ends
    count = int(ends[-1]) if len(ends) else 0

    sizes = np.full(count, stsz.constant) if stsz.constant else stsz.sizes[:count]
    before = np.cumsum(sizes) - sizes
    used = np.flatnonzero(ends > starts)
    # Each chunk lends its samples one number: its place less all the bytes before it.
    lead = np.minimum(stco[used], _FARTHEST) - before[starts[used]]
    in_chunk = ends[used] - starts[used]
    return Places(
        offset=np.repeat(lead, in_chunk) + before,
        size=sizes,
        description=np.repeat(stsc.description[run[used]] - 1, in_chunk).astype(np.int32),
        overfull=overfull,
    )


def corrected_stsc(stsc: SampleToChunk) -> SampleToChunk:
    """The runs as libavformat corrects them: one that makes no sense takes after the next."""
    first, count, description = (
        np.where(column > _INT32_MAX, column - (1 << 32), column)
        for column in (stsc.first_chunk, stsc.samples_per_chunk, stsc.description)
    )
    rising = bool(np.all(np.diff(first) > 0)) and bool(np.all(first[:1] >= 1))
    if rising and bool(np.all(count >= 1)) and bool(np.all(description >= 1)):
        return SampleToChunk(first, count, description)
    if len(first) > _MAX_DISORDERED:
        raise BoxError(
            f"stsc: expected runs of chunks in order, or at most {_MAX_DISORDERED} of them, "
            f"got {len(first)}"
        )
    runs = np.stack((first, count, description), axis=1).tolist()
    for i in range(len(runs) - 1, -1, -1):
        before = runs[i - 1][0] if i else 0
        is_last = i + 1 >= len(runs)
        after = _INT32_MAX + 1 if is_last else runs[i + 1][0]
        if max(before, i) < runs[i][0] < after and min(runs[i][1:]) >= 1:
            continue
        if not is_last:
            runs[i] = [after - 1, *runs[i + 1][1:]]
        elif runs[i][1] == 0 and i:
            runs.pop()
        else:
            runs[i] = [max(runs[i][0], i + 1), max(runs[i][1], 1), max(runs[i][2], 1)]
            if i and runs[i][0] <= before:
                runs[i][0] = min(before + 1, _INT32_MAX)
    corrected = np.array(runs, np.int64).reshape(-1, 3)
    return SampleToChunk(corrected[:, 0], corrected[:, 1], corrected[:, 2])
