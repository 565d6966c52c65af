"""When the frames of a clip begin, found by bisection: few times of a long clip are looked up
without decoding the others.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import numpy as np
import numpy.typing as npt

from .clip import ClipIndex
from .frames import Int64s

Times = npt.NDArray[np.int64 | np.float64]
Unit = Callable[[Int64s], Times]


class FrameTimes:
    """The times of a clip's frames, ascending: those of damaged files may decrease, then the
    latest so far counts.

    Args:
        clip: With at least one frame.
        unit: Makes times of ticks, in their order; ticks by default.

    Raises:
        FrameIndexError: A block that is looked at is damaged.
    """

    def __init__(self, clip: ClipIndex, unit: Unit = lambda ticks: ticks) -> None:
        self._clip = clip
        self._unit = unit
        self._blocks = clip.directory.has_frames()
        latest = clip.directory.times("latest_pts")[self._blocks]
        reached = np.maximum.accumulate(latest)
        begins = clip.directory.times("first_pts")[self._blocks]
        begins[1:] = np.maximum(begins[1:], reached[:-1])
        self._begins = unit(begins)
        """Of the first frame of each block that has frames."""
        self._reached = begins
        self._first_frame = clip.directory.first_frame[self._blocks]
        self._known: dict[int, Times] = {}

    def at(self, frames: Int64s) -> Times:
        """When frames begin, in the order given."""
        blocks = np.searchsorted(self._first_frame, frames, side="right") - 1
        found: Times = np.empty(len(frames), self._begins.dtype)
        for block in np.unique(blocks).tolist():
            here = blocks == block
            found[here] = self._times(block)[frames[here] - self._first_frame[block]]
        return found

    def count_before(self, times: Times, side: Literal["left", "right"]) -> Int64s:
        """How many frames begin before each time; with `right` those that begin just then as
        well. As `numpy.searchsorted`.
        """
        blocks = np.searchsorted(self._begins, times, side=side) - 1
        found = np.zeros(len(times), np.int64)
        for block in np.unique(blocks[blocks >= 0]).tolist():
            here = blocks == block
            within = np.searchsorted(self._times(block), times[here], side=side)
            found[here] = self._first_frame[block] + within
        return found

    def _times(self, block: int) -> Times:
        """Of all frames of one block, by its place among those with frames."""
        known = self._known.get(block)
        if known is None:
            ticks = self._clip.block_times(int(self._blocks[block]))
            ticks = np.maximum(np.maximum.accumulate(ticks), self._reached[block])
            known = self._known[block] = self._unit(ticks)
        return known
