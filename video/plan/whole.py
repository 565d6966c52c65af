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
import numpy.typing as npt

from ...errors import BitstreamError, FrameIndexError
from ..index.frames import Flags, FrameIndex, Int64s, SampleFlag


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
        FrameIndexError: A target depends on what lies before the part that `index` is of.
    """
    refuse_lost(index, targets)
    starts = index.decode_from[targets]
    if len(starts) and int(starts.min()) < 0:
        raise reaches_too_far(index, int(targets[np.argmin(starts)]))
    open_runs: dict[bool, _Open] = {}
    done: list[_Open] = []
    for start, its_targets in split_targets(targets, starts):
        end = its_targets[-1]
        unclosed = bool(
            index.kinds & SampleFlag.UNCLOSED
            and index.unclosed_before[end + 1] > index.unclosed_before[start]
        )
        # Two runs that overlap decode less as one, if they leave out the same kinds of samples.
        before = open_runs.get(unclosed)
        if before is not None and start <= before.end:
            before.targets += its_targets
            before.end = max(before.end, end)
        else:
            open_runs[unclosed] = run = _Open(start, end, its_targets)
            done.append(run)
    return [plan_whole_from(index, run.start, np.array(sorted(run.targets))) for run in done]


def refuse_lost(index: FrameIndex, targets: Int64s) -> None:
    """Refuse pictures that no decoding of the stream gives exactly.

    Raises:
        BitstreamError: Naming the first.
    """
    lost = targets[(index.flags[targets] & SampleFlag.LOST) != 0]
    if len(lost):
        raise BitstreamError(
            f"sample {index.clip_sample(int(lost[0]))} depends on a reference picture that "
            "the stream does not hold"
        )


@dataclass(slots=True)
class _Open:
    """A run that later ones may join."""

    start: int
    end: int
    """Its last target."""
    targets: list[int]


def split_targets(
    targets: Int64s, starts: npt.NDArray[np.integer]
) -> list[tuple[int, list[int]]]:
    """The targets of each start, both ascending.

    >>> split_targets(np.array([4, 5, 9]), np.array([3, 0, 3]))
    [(0, [5]), (3, [4, 9])]
    """
    by_start: dict[int, list[int]] = {}
    for start, target in zip(starts.tolist(), targets.tolist(), strict=True):
        by_start.setdefault(start, []).append(target)
    return sorted(by_start.items())


def plan_whole_from(index: FrameIndex, start: int, targets: Int64s) -> SampleRun:
    """The run from one start to the last target; `start` must not lie after theirs.

    Raises:
        BitstreamError: It leads through a sample whose headers are damaged.
    """
    end = int(targets[-1]) + 1
    kinds = index.kinds
    if kinds & SampleFlag.SECOND_FIELD and _is_second_field(index, end):
        end += 1
    if (
        kinds & SampleFlag.UNCLOSED
        and index.unclosed_before[end] > index.unclosed_before[start]
    ):
        keep = (index.flags[start:end] & SampleFlag.NO_PICTURE) == 0
    else:
        keep = index.is_reference[start:end].copy()
        keep[targets - start] = True
        if kinds & SampleFlag.SECOND_FIELD:
            _keep_pairs(index.flags[start:end], keep)
    if kinds & SampleFlag.DAMAGED:
        damaged = np.flatnonzero(index.flags[start:end] & SampleFlag.DAMAGED)
        if len(damaged):
            raise BitstreamError(
                f"sample {index.clip_sample(start + int(damaged[0]))} has damaged headers, and "
                f"decoding sample {index.clip_sample(int(targets[-1]))} leads through it from "
                f"{index.clip_sample(start)}"
            )
    return SampleRun(samples=keep.nonzero()[0] + start, targets=targets)


def reaches_too_far(index: FrameIndex, sample: int) -> FrameIndexError:
    """A sample that is to be decoded needs one from before the part: its block denies that."""
    return FrameIndexError(
        f"the frame index is damaged: sample {index.clip_sample(sample)} depends on samples "
        f"before {index.first_sample}, from where its block is to be read"
    )


def _is_second_field(index: FrameIndex, sample: int) -> bool:
    return sample < index.sample_count and bool(index.flags[sample] & SampleFlag.SECOND_FIELD)


def _keep_pairs(flags: Flags, keep: npt.NDArray[np.bool_]) -> None:
    """The two fields of a picture stay together."""
    second = np.flatnonzero(flags & SampleFlag.SECOND_FIELD)
    second = second[second > 0]
    keep[second] = keep[second - 1] = keep[second] | keep[second - 1]
