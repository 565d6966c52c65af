"""Which samples a file of chosen frames holds, and in which runs they are decoded.

Decoding order is kept as far as it can be. A clip's own edit list may show one picture twice,
or go back to earlier ones; a file with one edit cannot. So the frames are cut into *passes*,
each of which goes forward, and a picture that two passes need is there twice.

A pass is decoded in *runs*. Each begins with an IDR picture, so that nothing before it matters:
rewritten runs always do, and whole ones are taken from the last IDR picture on. Only the first
of all may begin with a picture that is none.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from ...errors import BitstreamError, FrameRangeError, UnsupportedError
from ..index.frames import FrameIndex, Int64s, SampleFlag
from ..plan.closure import plan_closures
from ..plan.read_plan import Strategy
from ..plan.rewriting import can_rewrite
from ..plan.whole import SampleRun, plan_whole_from, refuse_lost, split_targets

# A decoder holds at most 16 frames back (A.3.1): two samples each where they are fields.
_MOST_HELD_BACK = 32
_DEEPEST_REORDERING = 16  # H264_MAX_DPB_FRAMES


@dataclass(frozen=True, slots=True, eq=False)
class RemuxRun(SampleRun):
    """Samples that are decoded on their own; those of `targets` are shown."""

    frames: Int64s
    """For each of `targets`, the frame that it is shown as."""


@dataclass(frozen=True, slots=True, eq=False)
class RemuxPlan:
    """The samples of a file to be made, and how they are carried."""

    index: FrameIndex
    """Of the clip."""
    frames: Int64s
    """The frames shown, ascending, each once."""
    strategy: Strategy
    """`whole` or `rewritten`, for all runs alike: they share one configuration."""
    runs: tuple[RemuxRun, ...]
    """In the order of the file."""
    is_plain: bool
    """The clip presents these frames in the order in which its stream puts them out."""


def plan_remux(index: FrameIndex, frames: npt.NDArray[np.integer]) -> RemuxPlan:
    """Which samples a file with these frames holds.

    Args:
        index: The clip.
        frames: Frame numbers; shown in display order, each once.

    Raises:
        FrameRangeError: A frame that the clip does not have, or none at all.
        BitstreamError: A frame depends on damaged or lost pictures.
        UnsupportedError: The stream cannot be rewritten, and untouched it would begin with a
            picture that is no IDR picture and hide others, or come back to such a beginning.
    """
    wanted = np.unique(np.asarray(frames, np.int64))
    if not len(wanted):
        raise FrameRangeError("no frame was chosen: a file must show at least one")
    index.check_frames(wanted)
    refuse_lost(index, index.frame_sample[wanted].astype(np.int64))
    passes = list(_passes(index, wanted))
    try:
        whole = [run for frames_of in passes for run in _whole_runs(index, frames_of)]
    except BitstreamError:
        # Damage on the way may lie outside of the closure.
        whole = []
    closed = [run for frames_of in passes for run in _closed_runs(index, frames_of)]
    less = sum(len(r.samples) for r in closed) < sum(len(r.samples) for r in whole)
    if (less or not _may_stay(index, whole)) and all(
        can_rewrite(index, run.samples) for run in closed
    ):
        strategy, runs = _REWRITTEN, closed
    else:
        whole = whole or [run for of in passes for run in _whole_runs(index, of)]
        _refuse_late_starts(index, whole)
        strategy, runs = _WHOLE, whole
    is_plain = len(passes) == 1 and not _falls(index, wanted)
    return RemuxPlan(index, wanted, strategy, tuple(runs), is_plain)


_WHOLE: Strategy = "whole"
_REWRITTEN: Strategy = "rewritten"


def _passes(index: FrameIndex, frames: Int64s) -> Iterator[Int64s]:
    """Stretches of frames that decoding each picture once, in the clip's order, can present."""
    shown = index.frame_sample[frames].astype(np.int64)
    cuts = _goes_back(index, shown)
    if len(np.unique(shown)) < len(shown):
        seen: set[int] = set()
        for i, sample in enumerate(shown.tolist()):
            if cuts[i] or sample in seen:
                cuts[i] = True
                seen.clear()
            seen.add(sample)
    yield from np.split(frames, np.flatnonzero(cuts))


def _goes_back(index: FrameIndex, shown: Int64s) -> npt.NDArray[np.bool_]:
    """For each shown sample, whether a decoder puts it out before the one that is shown before
    it.
    """
    before, after = shown[:-1], shown[1:]
    fields = (index.flags[before] | index.flags[after]) & SampleFlag.FIXED_HEADERS != 0
    # Of fields the index has no order counts.
    earlier = np.where(
        fields, after < before - _MOST_HELD_BACK, _order(index, after) <= _order(index, before)
    )
    back = (after <= before) & earlier
    back |= index.idr_before[after] < index.idr_before[before]
    return np.concatenate(([False], back))


def _falls(index: FrameIndex, frames: Int64s) -> bool:
    """Whether order counts fall somewhere without an IDR picture: what starts them anew, or
    cuts within a few pictures, is not in the index.
    """
    shown = index.frame_sample[frames].astype(np.int64)
    same = np.diff(index.idr_before[shown]) == 0
    return bool((same & (np.diff(_order(index, shown)) <= 0)).any())


def _order(index: FrameIndex, samples: Int64s) -> Int64s:
    """PicOrderCnt of frames (8.2.1)."""
    order: Int64s = index.top_order_count[samples] + np.minimum(
        index.bottom_order_delta[samples], 0
    )
    return order


def _with_frames(index: FrameIndex, run: SampleRun, frames: Int64s) -> RemuxRun:
    shown = index.frame_sample[frames]
    order = np.argsort(shown)
    at = np.searchsorted(shown[order], run.targets)
    return RemuxRun(run.samples, run.targets, frames[order][at])


def _whole_runs(index: FrameIndex, frames: Int64s) -> Iterator[RemuxRun]:
    """Runs of untouched samples, each from an IDR picture on."""
    targets = np.sort(index.frame_sample[frames].astype(np.int64))
    for start, shown in split_targets(targets, index.idr_before[targets]):
        yield _with_frames(index, plan_whole_from(index, start, np.array(shown)), frames)


def _closed_runs(index: FrameIndex, frames: Int64s) -> list[RemuxRun]:
    """Runs of what the frames depend on and nothing else, each decoded before the next."""
    targets = np.sort(index.frame_sample[frames].astype(np.int64))
    runs: list[RemuxRun] = []
    for piece in plan_closures(index, targets):
        run = _with_frames(index, piece, frames)
        while runs and _interleave(runs[-1], run):
            other = runs.pop()
            merged = SampleRun(
                np.union1d(other.samples, run.samples), np.union1d(other.targets, run.targets)
            )
            run = _with_frames(index, merged, frames)
        runs.append(run)
    return runs


def _interleave(before: RemuxRun, after: RemuxRun) -> bool:
    """Whether either of them is decoded or shown between pictures of the other."""
    return bool(
        before.samples[-1] > after.samples[0] or before.frames.max() > after.frames.min()
    )


def _may_stay(index: FrameIndex, runs: list[RemuxRun]) -> bool:
    """Whether untouched samples make a stream that players show all of."""
    if not runs or _hides_behind_no_idr(index, runs[0]):
        return False
    for before, after in pairwise(runs):
        if after.samples[0] < before.samples[-1] or not _is_idr(index, after):
            return False
        # 7.4.3: IDR pictures that follow each other differ in idr_pic_id. Those of the clip do,
        # unless something was left out between them.
        if len(before.samples) == 1 and after.samples[0] != before.samples[0] + 1:
            return False
    return True


def _hides_behind_no_idr(index: FrameIndex, first: RemuxRun) -> bool:
    """Whether FFmpeg's output queue would swallow pictures of the first run.

    In a file with hidden pictures libavformat takes the reordering for the deepest there is,
    and libavcodec puts nothing out before it has recovered: behind a beginning that is no IDR
    picture, pictures are held so long that some never come out.
    """
    hidden = len(first.samples) > len(first.targets)
    among_first = int(np.searchsorted(first.samples, first.targets[0])) < _DEEPEST_REORDERING
    return hidden and among_first and not _is_idr(index, first)


def _is_idr(index: FrameIndex, run: RemuxRun) -> bool:
    return bool(index.flags[run.samples[0]] & SampleFlag.IDR)


def _refuse_late_starts(index: FrameIndex, runs: list[RemuxRun]) -> None:
    if _hides_behind_no_idr(index, runs[0]):
        raise UnsupportedError(
            f"a file that begins with sample {int(runs[0].samples[0])}, which is no IDR "
            "picture and cannot be made one: players would not show all of its first pictures"
        )
    for run in runs[1:]:
        if not _is_idr(index, run):
            raise UnsupportedError(
                f"an edit list that goes back to sample {int(run.samples[0])}, which is no IDR "
                "picture and cannot be made one: decoding could not begin again there"
            )
