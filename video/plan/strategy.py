"""Whole or rewritten: which of the two kinds of run decodes a set of pictures for less.

Decoding is by far the dearest step, so dropping one picture pays for rewriting the headers of
many. Pictures that are not decoded are not fetched either, so fewer of them are worth a little
more CPU, as small pictures need. Still nothing is rewritten where nothing is gained: a closure
that is all there is stays as it is.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ..index.frames import FrameIndex, Int64s
from .closure import closure_of, connected
from .decode_cost import decode_seconds
from .read_plan import Strategy
from .rewriting import can_rewrite
from .whole import SampleRun, plan_whole

# What decoding fewer pictures may cost, as a multiple of what decoding more would.
_WORTH_OF_LESS = 1.1

Planned = tuple[Strategy, SampleRun]


def plan_runs(
    index: FrameIndex, targets: Int64s, *, force: Strategy | None = None
) -> list[Planned]:
    """The runs that decode `targets` for the least CPU.

    Args:
        index: The clip.
        targets: Samples, ascending, each once.
        force: For tests and measurements: `whole` never rewrites, `rewritten` does wherever it
            can.

    Raises:
        BitstreamError: A target leads through a sample whose headers are damaged.
    """
    planned: list[Planned] = []
    for run in plan_whole(index, targets):
        whole: list[Planned] = [("whole", run)]
        if force == "whole" or (force is None and len(run.samples) == len(run.targets)):
            planned += whole
            continue
        wanted = run.targets.tolist()
        closure = closure_of(index, wanted)
        if force is None and len(closure) == len(run.samples):
            planned += whole  # all of it is needed
            continue
        pieces = connected(index, closure, wanted)
        # A file can be laid out for what is asked for (`marey.video.transcode`): one stretch
        # of it, and nothing else in it. More would be fetched in many pieces.
        laid_out = len(closure) == len(wanted) and _is_one_stretch(index, run.targets)
        surely = force == "rewritten" or laid_out
        rewritten: list[Planned] = [("rewritten", piece) for piece in pieces]
        if not surely and len(pieces) == 1 and not _is_better(index, rewritten, whole):
            planned += whole  # what could be left out is not worth it
            continue
        closed = _plan_closed(index, pieces, force)
        planned += closed if surely or _is_better(index, closed, whole) else whole
    return planned


def _plan_closed(
    index: FrameIndex, closures: Sequence[SampleRun], force: Strategy | None
) -> list[Planned]:
    """A run for each independent piece: its closure rewritten, or whole where that is as
    little.
    """
    planned: list[Planned] = []
    rest: list[Int64s] = []
    for closure in closures:
        needed = force == "rewritten" or not _is_as_little_whole(index, closure)
        if needed and can_rewrite(index, closure.samples):
            planned.append(("rewritten", closure))
        else:
            rest.append(closure.targets)
    if rest:
        whole = plan_whole(index, np.sort(np.concatenate(rest)))
        planned.extend(("whole", run) for run in whole)
    return planned


def _is_one_stretch(index: FrameIndex, samples: Int64s) -> bool:
    offset, size = index.offset[samples], index.size[samples]
    order = np.argsort(offset, kind="stable")
    ends = (offset + size)[order]
    return bool((offset[order][1:] == ends[:-1]).all())


def _is_as_little_whole(index: FrameIndex, closure: SampleRun) -> bool:
    """Whether the targets take no more samples with nothing left out than in their closure."""
    start, end = int(index.decode_from[closure.targets].min()), int(closure.targets[-1])
    references = index.references_before
    if int(references[end + 1] - references[start]) > len(closure.samples):
        return False
    whole = plan_whole(index, closure.targets)
    return len(whole) == 1 and len(whole[0].samples) <= len(closure.samples)


def _is_better(index: FrameIndex, closed: Sequence[Planned], whole: Sequence[Planned]) -> bool:
    fewer = sum(len(run.samples) for _, run in closed) < len(whole[0][1].samples)
    return _cost(index, closed) < _cost(index, whole) * (_WORTH_OF_LESS if fewer else 1.0)


def _cost(index: FrameIndex, planned: Sequence[Planned]) -> float:
    return sum(decode_seconds(index, run.samples, strategy) for strategy, run in planned)
