"""The track of one rate: some samples of a clip, each frame on screen until the rate's next.

The same samples may stand in tracks of several rates: tracks share bytes, not tables.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

import numpy as np

from ...errors import UnsupportedError
from ..index.frames import Int64s
from ..mp4.headers import IDENTITY_MATRIX, Edit, Matrix
from ..mp4.write import TrackSpec

_LEAST_TIMESCALE = 10_000
_MOST_TIMESCALE = (1 << 31) - 1


@dataclass(frozen=True, slots=True, eq=False)
class CodedFrames:
    """The samples of a clip of constant rate, each of which shows one frame."""

    shown: Int64s
    """`[n]` the frame that each sample shows; decode order."""
    sizes: Int64s
    """`[n]` bytes of each."""
    positions: Int64s
    """`[n]` where each begins in mdat."""
    sync: np.ndarray
    """`[n]` whether decoding can start there."""
    entry: bytes
    """The sample entry that holds for all."""
    rate: Fraction
    """Frames a second."""
    width: float
    """Display width."""
    height: float
    """Display height."""
    matrix: Matrix = IDENTITY_MATRIX
    """How pictures are turned and placed."""

    def clock(self) -> tuple[int, int]:
        """Ticks a second, and ticks a frame: fine enough for players.

        Raises:
            UnsupportedError: The rate is no fraction that a file can state.
        """
        finer = max(1, -(-_LEAST_TIMESCALE // self.rate.numerator))
        timescale = self.rate.numerator * finer
        if timescale > _MOST_TIMESCALE:
            raise UnsupportedError(f"a rate of {self.rate} frames a second: MP4 has no room")
        return timescale, self.rate.denominator * finer


def rate_track(clip: CodedFrames, step: int, *, enabled: bool = True) -> TrackSpec:
    """The track of every `step`-th frame.

    It is as long as the clip: its last frame stands until the clip's end.
    """
    timescale, frame_ticks = clip.clock()
    total = len(clip.shown) * frame_ticks
    chosen = np.flatnonzero(clip.shown % step == 0)
    shown = clip.shown[chosen] // step
    ticks = frame_ticks * step
    decoded = np.arange(len(chosen), dtype=np.int64)
    late = int((decoded - shown).max())
    return TrackSpec(
        descriptions=(clip.entry,),
        timescale=timescale,
        sizes=clip.sizes[chosen],
        durations_ticks=np.full(len(chosen), ticks, np.int64),
        composition_offsets_ticks=(shown + late - decoded) * ticks,
        sync=clip.sync[chosen],
        positions=clip.positions[chosen],
        edits=(Edit(duration_ticks=total, media_time_ticks=late * ticks),),
        width=clip.width,
        height=clip.height,
        matrix=clip.matrix,
        enabled=enabled,
    )
