"""Which samples to decode when none is changed: everything since the start but unneeded
non-references.

Dropping a picture that nothing refers to (nal_ref_idc 0) leaves every reference list as it was:
reference marking, frame_num gaps and picture order all follow reference pictures only (8.2.1,
8.2.5). So the plan is exact whatever the stream does. Where references were lost on the way
(`SampleFlag.UNCLOSED`) even that is not relied on: everything is decoded.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ...errors import BitstreamError
from ..index.frames import FrameIndex, Int64s, SampleFlag


@dataclass(frozen=True, slots=True)
class SampleRun:
    """Samples to decode on their own, and which of their pictures are wanted."""

    samples: Int64s
    """Ascending; the first is a start."""
    targets: Int64s
    """Ascending; among `samples`."""


def plan_whole(index: FrameIndex, targets: Int64s) -> list[SampleRun]:
    """The runs that decode `targets` (samples, ascending, each once).

    Raises:
        BitstreamError: A target's run leads through a sample whose headers are damaged, or a
            reference that it depends on was lost.
    """
    lost = targets[(index.flags[targets] & SampleFlag.LOST) != 0]
    if len(lost):
        raise BitstreamError(
            f"sample {int(lost[0])} depends on a reference picture that the stream "
            "does not hold"
        )
    starts = index.decode_from[targets]
    runs: list[SampleRun] = []
    for start in np.unique(starts).tolist():
        run = plan_whole_from(index, start, targets[starts == start])
        if runs and _overlap(runs[-1], run):
            merged = plan_whole_from(
                index, int(runs[-1].samples[0]), np.union1d(runs[-1].targets, run.targets)
            )
            if len(merged.samples) <= len(runs[-1].samples) + len(run.samples):
                runs[-1] = merged
                continue
        runs.append(run)
    return runs


def _overlap(earlier: SampleRun, later: SampleRun) -> bool:
    return int(earlier.samples[-1]) >= int(later.samples[0])


def plan_whole_from(index: FrameIndex, start: int, targets: Int64s) -> SampleRun:
    """The run from one start to the last target; `start` must not lie after theirs.

    Raises:
        BitstreamError: It leads through a sample whose headers are damaged.
    """
    end = int(targets[-1]) + 1
    if end < index.sample_count and index.flags[end] & SampleFlag.SECOND_FIELD:
        end += 1
    flags = index.flags[start:end]
    if (flags & SampleFlag.UNCLOSED).any():
        keep = np.ones(end - start, np.bool_)
    else:
        keep = (flags & SampleFlag.REFERENCE) != 0
        keep[targets - start] = True
    # The two fields of a picture stay together; samples without a picture are not decoded.
    second = np.flatnonzero(flags & SampleFlag.SECOND_FIELD)
    second = second[second > 0]
    pair = keep[second] | keep[second - 1]
    keep[second] = keep[second - 1] = pair
    keep &= (flags & SampleFlag.NO_PICTURE) == 0
    damaged = np.flatnonzero(flags & SampleFlag.DAMAGED)
    if len(damaged):
        raise BitstreamError(
            f"sample {start + int(damaged[0])} has damaged headers, and decoding sample "
            f"{int(targets[-1])} leads through it from {start}"
        )
    return SampleRun(samples=np.flatnonzero(keep) + start, targets=targets)
