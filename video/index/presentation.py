"""From packets in decode order to frames in display order: what a player presents, and when.

Frame k is the k-th picture that a full sequential decode with FFmpeg puts out. Three things
decide that: edit lists (packets hidden or repeated, already applied in `CodedTrack`), output
order (by picture order count, anew after every IDR picture and
memory_management_control_operation 5: C.4), and what libavcodec loses on the way (`output`).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ..streams import CodedTrack
from .frames import Int32s, Int64s
from .output import OutputColumn, OutputPicture, lost_pictures

Bools = npt.NDArray[np.bool_]

_BLOCK = 4096


@dataclass(frozen=True, slots=True)
class PictureOrder:
    """What output order needs of every sample, `[n]` in decode order."""

    shown: Bools
    """The sample begins a picture that the decoder puts out (a frame, or the first field of
    a pair)."""
    epoch: Int64s
    """Counts IDR pictures and MMCO 5: all of one epoch is put out before the next."""
    order_count: Int64s
    """Picture order count within the epoch."""
    output: OutputColumn
    """What libavcodec's output queue sees of each shown picture."""


def present_frames(track: CodedTrack, order: PictureOrder) -> tuple[Int32s, Int64s]:
    """The presented frames.

    Returns:
        The sample of each frame, and its presentation time in ticks; both in display order.
    """
    sample, pts = track.packet_sample, track.pts_ticks
    if not len(sample):
        return np.empty(0, np.int32), np.empty(0, np.int64)
    segment = np.cumsum(np.diff(sample, prepend=sample[0] - 1) != 1)
    display = np.lexsort((order.order_count[sample], order.epoch[sample], segment))
    keep = order.shown[sample] & ~_lost(sample, order) & ~track.discard
    display = display[keep[display]]
    return sample[display].astype(np.int32), pts[display]


def last_duration(track: CodedTrack, frame_sample: Int32s, pts_ticks: Int64s) -> int:
    """How long the last presented frame stands, in ticks.

    As long as the container states for its sample: what follows that in decoding order may be
    shown before it, or hidden. Where nothing is stated, as long as the frame before it.
    """
    if not len(frame_sample):
        return 0
    stated = int(track.duration_ticks[frame_sample[-1]])
    if not stated and len(pts_ticks) > 1:
        return max(0, int(pts_ticks[-1]) - int(pts_ticks[-2]))
    return stated


def _lost(sample: Int64s, order: PictureOrder) -> Bools:
    """Packets whose pictures libavcodec decodes but does not put out."""
    shown = np.flatnonzero(order.shown[sample])
    lost = np.zeros(len(sample), np.bool_)
    lost[shown[lost_pictures(_Pictures(order.output, sample[shown]))]] = True
    return lost


@dataclass(frozen=True, slots=True)
class _Pictures:
    """The pictures of some samples, made when they are asked for: there can be millions."""

    column: OutputColumn
    samples: Int64s

    def __iter__(self) -> Iterator[OutputPicture]:
        for start in range(0, len(self.samples), _BLOCK):
            for i in self.samples[start : start + _BLOCK].tolist():
                picture = self.column[i]
                assert picture is not None  # every shown sample has one
                yield picture
