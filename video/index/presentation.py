"""From packets in decode order to frames in display order: what a player presents, and when.

Frame k is the k-th picture that a full sequential decode with FFmpeg puts out. Three things
decide that: edit lists (packets hidden or repeated, already applied in `CodedTrack`), output
order (by picture order count, anew after every IDR picture and
memory_management_control_operation 5: C.4), and what libavcodec holds back at the head of a
stream that does not begin with an IDR picture: it shows nothing before the first picture at
which decoding can have recovered.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ..streams import CodedTrack
from .frames import Int32s, Int64s

Bools = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class PictureOrder:
    """What output order needs of every sample, `[n]` in decode order."""

    shown: Bools
    """The sample begins a picture that the decoder puts out (a frame, or the first field of
    a pair)."""
    idr: Bools
    """It is an IDR picture."""
    anchor: Bools
    """Decoding that begins before it has recovered here: a start, or a recovery point is
    reached."""
    epoch: Int64s
    """Counts IDR pictures and MMCO 5: all of one epoch is put out before the next."""
    order_count: Int64s
    """Picture order count within the epoch."""


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
    held_back = _held_back(sample, display, order)
    keep = order.shown[sample] & ~track.discard & ~held_back
    display = display[keep[display]]
    return sample[display].astype(np.int32), pts[display]


def _held_back(sample: Int64s, display: Int64s, order: PictureOrder) -> Bools:
    """Packets before the first IDR picture, and before the first anchor in display order."""
    held = np.zeros(len(sample), np.bool_)
    idr = np.flatnonzero(order.idr[sample])
    first_idr = int(idr[0]) if len(idr) else len(sample)
    early = display[display < first_idr]
    early = early[order.shown[sample[early]]]
    if len(early):
        anchors = np.flatnonzero(order.anchor[sample[early]])
        held[early[: anchors[0] if len(anchors) else len(early)]] = True
    return held
