"""How far a file's pictures are reordered, and sequence parameter sets that say so.

A player that is not told holds back as many frames as the level allows, or guesses, and with
some pictures gone the guess is another. So what was left out of a stream is stated anew
(E.2.1: max_num_reorder_frames); nothing of it changes how a picture is decoded.
"""

from __future__ import annotations

from bisect import bisect_right, insort
from collections.abc import Iterable
from dataclasses import replace
from functools import lru_cache

import numpy as np

from ..h264.sps import build_sps, parse_sps
from ..h264.vui import Vui
from ..index.frames import FrameIndex, Int64s, SampleFlag
from .plan import RemuxPlan

_MOST_REORDERED = 16


def output_ranks(index: FrameIndex, samples: Int64s) -> list[Int64s]:
    """Numbers that rise as a decoder puts out the pictures of samples, in each way there is to
    tell: none where fields are hidden by an edit list.

    Args:
        index: The clip.
        samples: In decode order, second fields left out.
    """
    ranks: list[Int64s] = []
    if len(np.unique(index.frame_sample)) == index.frame_count:
        frame_of = np.full(index.sample_count, -1, np.int64)
        frame_of[index.frame_sample] = np.arange(index.frame_count)
        if (frame_of[samples] >= 0).all():
            ranks.append(frame_of[samples])
    if not (index.flags[samples] & SampleFlag.FIXED_HEADERS).any():
        order = index.top_order_count[samples] + np.minimum(
            index.bottom_order_delta[samples], 0
        )
        by_order = np.empty(len(samples), np.int64)
        by_order[np.lexsort((order, index.idr_before[samples]))] = np.arange(len(samples))
        ranks.append(by_order)
    return ranks


def most_reordered(plan: RemuxPlan) -> int | None:
    """How many frames at most are decoded before one and put out after it; None where the
    index does not tell.
    """
    most = 0
    for run in plan.runs:
        ranks = output_ranks(plan.index, first_fields(plan.index, run.samples))
        if not ranks:
            return None
        most = max(most, *map(_most_before_and_after, (r.tolist() for r in ranks)))
    return most


def first_fields(index: FrameIndex, samples: Int64s) -> Int64s:
    """The samples but those that complete the field before them."""
    first: Int64s = samples[(index.flags[samples] & SampleFlag.SECOND_FIELD) == 0]
    return first


def _most_before_and_after(ranks: Iterable[int]) -> int:
    """How many come before one and have a higher rank.

    >>> _most_before_and_after([0, 4, 2, 1, 3, 5])
    2
    """
    latest: list[int] = []
    most = 0
    for rank in ranks:
        most = max(most, len(latest) - bisect_right(latest, rank))
        insort(latest, rank)
        del latest[: -_MOST_REORDERED - 1]
    return most


@lru_cache(maxsize=256)
def state_reordering(sps: bytes, frames: int | None) -> bytes:
    """A sequence parameter set that says how far pictures are reordered.

    Args:
        sps: A NAL unit.
        frames: max_num_reorder_frames; None: as it is bounded by what `sps` says.
    """
    old = parse_sps(sps)
    reordered = old.num_reorder_frames
    if frames is not None:
        reordered = min(reordered, frames)
    stated = old.vui.max_dec_frame_buffering if old.vui is not None else None
    buffered = max(old.max_dpb_frames, old.max_num_ref_frames) if stated is None else stated
    vui = replace(
        old.vui or Vui(),
        bitstream_restriction_flag=True,
        max_num_reorder_frames=reordered,
        max_dec_frame_buffering=max(buffered, reordered),
    )
    return build_sps(replace(old, vui=vui))


def states_reordering(sps: bytes) -> bool:
    """Whether a sequence parameter set says it."""
    vui = parse_sps(sps).vui
    return vui is not None and vui.bitstream_restriction_flag
