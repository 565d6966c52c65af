"""The least samples that decode a set of pictures: the transitive hull of their active
references.
"""

from __future__ import annotations

import numpy as np

from ..index.frames import FrameIndex, Int64s, SampleFlag
from .whole import SampleRun


def plan_closures(index: FrameIndex, targets: Int64s) -> list[SampleRun]:
    """Runs that hold the targets and all they depend on, and nothing else.

    Pictures that share no reference, even indirectly, go to different runs: each run is one
    connected piece of the reference graph.

    Args:
        index: The clip.
        targets: Samples, ascending, each once.
    """
    if not len(targets):
        return []
    group = _Groups()
    needed = _closure(index, targets, group)
    wanted = set(targets.tolist())
    by_root: dict[int, list[int]] = {}
    for sample in needed:
        by_root.setdefault(group.root(sample), []).append(sample)
    runs = []
    for samples in by_root.values():
        among = [sample for sample in samples if sample in wanted]
        runs.append(SampleRun(np.array(samples, np.int64), np.array(among, np.int64)))
    return sorted(runs, key=lambda run: int(run.samples[0]))


def _closure(index: FrameIndex, targets: Int64s, group: _Groups) -> list[int]:
    """All samples needed, ascending; connected ones are joined in `group`."""
    needed = set(targets.tolist())
    waiting = sorted(needed)
    while waiting:
        sample = waiting.pop()
        related = index.references_of(sample).tolist()
        if _is_second_field(index, sample):
            related.append(sample - 1)
        if _is_second_field(index, sample + 1):
            related.append(sample + 1)
        for other in related:
            group.join(sample, other)
            if other not in needed:
                needed.add(other)
                waiting.append(other)
    return sorted(needed)


def _is_second_field(index: FrameIndex, sample: int) -> bool:
    return sample < index.sample_count and bool(index.flags[sample] & SampleFlag.SECOND_FIELD)


class _Groups:
    """Disjoint sets of samples (union-find with path halving)."""

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
