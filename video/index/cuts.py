"""Where the samples of a clip are cut into blocks of its stored index.

A block holds all samples of its frames and no other's, so a cut goes where nothing shown
earlier is decoded later. Best is a place where, besides, nothing decoded later refers back:
between closed GOPs. Streams whose GOPs never close are cut at other starts, or within GOPs;
their blocks are then read together with those that they reach back to.
"""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import numpy.typing as npt

from .frames import FrameIndex, Int64s, SampleFlag

BLOCK_SAMPLES = 1024
"""About how many samples a block has. Fewer would cost more bytes a sample, more would take
longer to decode for one frame."""


def choose_cuts(index: FrameIndex, block_samples: int = BLOCK_SAMPLES) -> list[tuple[int, int]]:
    """The blocks of a clip.

    Args:
        index: The clip.
        block_samples: About how many samples a block shall have.

    Returns:
        First sample and first frame of each block; then how many samples and frames there are.
    """
    n = index.sample_count
    cuts = [(0, 0)]
    if n > block_samples * 3 // 2:
        frames_before = _before(np.bincount(index.frame_sample, minlength=n))
        ranked = _ranked_places(index, frames_before)
        while n - cuts[-1][0] > block_samples * 3 // 2:
            place = _next_cut(ranked, cuts[-1][0], block_samples)
            if place is None:
                break
            cuts.append((place, int(frames_before[place])))
    return [*cuts, (n, index.frame_count)]


def cut_parts(index: FrameIndex, block_samples: int = BLOCK_SAMPLES) -> list[FrameIndex]:
    """The parts of a clip's index that become its blocks, in order."""
    return [
        index.part(slice(a, b), slice(c, d))
        for (a, c), (b, d) in pairwise(choose_cuts(index, block_samples))
    ]


def _ranked_places(index: FrameIndex, frames_before: Int64s) -> list[Int64s]:
    """Samples before which a cut may go, ascending: the best places, then others."""
    n = index.sample_count
    # All that is shown before the frames of this sample and of later ones is decoded before it.
    latest = np.maximum.accumulate(np.append(-1, index.frame_sample))
    possible = latest[frames_before[:n]] < np.arange(n)
    possible &= (index.flags & SampleFlag.SECOND_FIELD) == 0
    starts = possible & ((index.flags & SampleFlag.START) != 0)
    lowest = index.decode_from.astype(np.int64)
    # References ascend within a sample: the first one is the furthest back.
    refers = np.flatnonzero(np.diff(index.reference_start))
    oldest = index.references[index.reference_start[refers]]
    lowest[refers] = np.minimum(lowest[refers], oldest)
    reached = np.minimum.accumulate(lowest[::-1])[::-1]
    closed = starts & (reached >= np.arange(n))
    return [np.flatnonzero(places) for places in (closed, starts, possible)]


def _next_cut(ranked: list[Int64s], begin: int, block_samples: int) -> int | None:
    """The best place near the size that a block shall have; else the next one at all."""
    usual, longest = begin + block_samples, begin + 2 * block_samples
    for places in ranked:
        first, end = np.searchsorted(places, (begin + block_samples // 2 + 1, longest))
        near = places[first:end]
        if len(near):
            return int(near[np.argmin(np.abs(near - usual))])
    beyond = ranked[-1][np.searchsorted(ranked[-1], longest) :]
    return int(beyond[0]) if len(beyond) else None


def _before(counts: npt.NDArray[np.integer]) -> Int64s:
    sums = np.zeros(len(counts) + 1, np.int64)
    np.cumsum(counts, out=sums[1:])
    return sums
