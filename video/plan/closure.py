"""The least samples that decode a set of pictures: the transitive hull of their active
references.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence

import numpy as np

from ..index.frames import FrameIndex, Int64s, SampleFlag
from .whole import SampleRun, reaches_too_far


def plan_closures(index: FrameIndex, targets: Int64s) -> list[SampleRun]:
    """Runs that hold the targets and all they depend on, and nothing else.

    Pictures that share no reference, even indirectly, go to different runs: each run is one
    connected piece of the reference graph.

    Args:
        index: The clip.
        targets: Samples, ascending, each once.

    Raises:
        FrameIndexError: One depends on what lies before the part that `index` is of.
    """
    wanted = targets.tolist()
    return connected(index, closure_of(index, wanted), wanted)


def closure_of(index: FrameIndex, targets: Sequence[int]) -> set[int]:
    """The targets and all they depend on.

    Raises:
        FrameIndexError: Some of that lies before the part that `index` is of.
    """
    begin, references = index.reference_lists
    has_fields = index.kinds & SampleFlag.SECOND_FIELD
    needed = set(targets)
    waiting = list(needed)
    while waiting:
        sample = waiting.pop()
        for other in references[begin[sample] : begin[sample + 1]]:
            if other not in needed:
                if other < 0:
                    raise reaches_too_far(index, sample)
                needed.add(other)
                waiting.append(other)
        if has_fields:
            for other in _other_fields(index, sample):
                if other not in needed:
                    needed.add(other)
                    waiting.append(other)
    return needed


def connected(
    index: FrameIndex, closure: Collection[int], targets: Sequence[int]
) -> list[SampleRun]:
    """A closure in connected pieces, by their first samples."""
    begin, references = index.reference_lists
    ascending = sorted(closure)
    if sum(begin[sample] == begin[sample + 1] for sample in ascending) == 1:
        # All others refer to earlier ones, and so lead to it.
        return [SampleRun(np.array(ascending, np.int64), np.array(targets, np.int64))]
    has_fields = index.kinds & SampleFlag.SECOND_FIELD
    group = _Groups()
    for sample in ascending:
        for other in references[begin[sample] : begin[sample + 1]]:
            group.join(sample, other)
        if has_fields:
            for other in _other_fields(index, sample):
                group.join(sample, other)
    pieces: dict[int, list[int]] = {}
    for sample in ascending:
        pieces.setdefault(group.root(sample), []).append(sample)
    wanted: dict[int, list[int]] = {}
    for target in targets:
        wanted.setdefault(group.root(target), []).append(target)
    # Roots are the first samples of their pieces.
    return [
        SampleRun(np.array(samples, np.int64), np.array(wanted[root], np.int64))
        for root, samples in pieces.items()
    ]


def _other_fields(index: FrameIndex, sample: int) -> Iterator[int]:
    """The sample that holds the other field of the same picture, where there is one."""
    if index.flags[sample] & SampleFlag.SECOND_FIELD:
        yield sample - 1
    after = sample + 1
    if after < index.sample_count and index.flags[after] & SampleFlag.SECOND_FIELD:
        yield after


class _Groups:
    """Disjoint sets of samples (union-find with path halving); the root is the least."""

    def __init__(self) -> None:
        self._parent: dict[int, int] = {}

    def root(self, sample: int) -> int:
        parent = self._parent
        while (above := parent.get(sample, sample)) != sample:
            parent[sample] = sample = parent.get(above, above)
        return sample

    def join(self, a: int, b: int) -> None:
        a, b = self.root(a), self.root(b)
        if a != b:
            self._parent[max(a, b)] = min(a, b)
