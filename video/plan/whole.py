"""Which samples to decode when none is changed: everything since the start but unneeded
non-references.

Dropping a picture that nothing refers to (nal_ref_idc 0) leaves every reference list as it was:
reference marking, frame_num gaps and picture order all follow reference pictures only (8.2.1,
8.2.5). So the plan is exact whatever the stream does. Where references were lost on the way
(`SampleFlag.UNCLOSED`) even that is not relied on: everything is decoded.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

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
    open_runs: dict[bool, _Open] = {}
    done: list[_Open] = []
    for start, its_targets in split_targets(targets, index.decode_from[targets]):
        end = int(its_targets[-1])
        unclosed = bool(index.unclosed_before[end + 1] > index.unclosed_before[start])
        # Two runs that overlap decode less as one, if they leave out the same kinds of samples.
        before = open_runs.get(unclosed)
        if before is not None and start <= before.end:
            before.targets.append(its_targets)
            before.end = max(before.end, end)
        else:
            open_runs[unclosed] = run = _Open(start, end, [its_targets])
            done.append(run)
    return [
        plan_whole_from(index, run.start, np.sort(np.concatenate(run.targets))) for run in done
    ]


@dataclass(slots=True)
class _Open:
    """A run that later ones may join."""

    start: int
    end: int
    """Its last target."""
    targets: list[Int64s]


def split_targets(
    targets: Int64s, starts: npt.NDArray[np.integer]
) -> Iterator[tuple[int, Int64s]]:
    """The targets of each start, both ascending.

    >>> [(s, t.tolist()) for s, t in split_targets(np.array([4, 5, 9]), np.array([3, 0, 3]))]
    [(0, [5]), (3, [4, 9])]
    """
    if not len(targets):
        return
    order = np.argsort(starts, kind="stable")
    ascending = starts[order]
    first = np.flatnonzero(np.diff(ascending, prepend=ascending[0] - 1))
    ends = np.append(first[1:], len(order))
    for a, b, start in zip(
        first.tolist(), ends.tolist(), ascending[first].tolist(), strict=True
    ):
        yield start, targets[order[a:b]]


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
