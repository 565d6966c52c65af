"""From frames wanted to a `ReadPlan`: samples to decode, bytes to fetch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt

from ..index.frames import FrameIndex, Int64s, SampleFlag
from .byte_ranges import LOCAL, SourceCost, plan_ranges
from .decode_cost import decode_seconds
from .parameter_sets import extradata, first_prefix, prefixes
from .read_plan import DecodeRun, FetchShape, ReadPlan, Strategy
from .rewriting import REWRITTEN_LENGTH_SIZE
from .rewritten_sets import sets_of_rewritten
from .strategy import plan_runs
from .whole import SampleRun


def plan_read(
    index: FrameIndex,
    frames: npt.NDArray[np.integer],
    *,
    cost: SourceCost = LOCAL,
    force: Strategy | None = None,
) -> ReadPlan:
    """Plan a read of some frames of one clip.

    Args:
        index: The clip's frame index.
        frames: Frame numbers in any order; duplicates are planned once.
        cost: What reading from the source costs.
        force: For tests and measurements: never rewrite (`whole`), or wherever it can be done.

    Raises:
        FrameRangeError: A frame that the clip does not have.
        BitstreamError: A frame depends on a sample whose headers are damaged.
    """
    wanted = np.unique(np.asarray(frames, np.int64))
    index.check_frames(wanted)
    frame_samples = index.frame_sample[wanted].astype(np.int64)
    planned = plan_runs(index, np.unique(frame_samples), force=force)
    none = np.empty(0, np.int64)
    samples = np.concatenate([none, *(run.samples for _, run in planned)])
    fetch = plan_ranges(index.offset[samples], index.size[samples], cost)
    runs = []
    begin = 0
    for strategy, run in planned:
        own = slice(begin, begin + len(run.samples))
        begin = own.stop
        runs.append(_decode_run(index, strategy, run, fetch.buffer[own], fetch.position[own]))
    return ReadPlan(
        frames=wanted,
        frame_samples=frame_samples,
        ranges=fetch.ranges,
        runs=tuple(runs),
        fetch_shape=fetch_shape(index, [run for _, run in planned], fetch.gap_bytes),
    )


def _decode_run(
    index: FrameIndex, strategy: Strategy, run: SampleRun, buffer: Int64s, position: Int64s
) -> DecodeRun:
    sets = index.parameter_sets_at(int(run.samples[0]))
    length_size = index.nal_length_size
    if strategy == "rewritten":
        rewritten = sets_of_rewritten(index, sets)
        assert rewritten is not None  # `can_rewrite` holds for every such run
        sets = rewritten.nals
        length_size = REWRITTEN_LENGTH_SIZE if length_size else 0
        prefix = first_prefix(sets, length_size)
        before: Mapping[int, bytes] = {int(run.samples[0]): prefix} if prefix else {}
    else:
        before = prefixes(index, run.samples)
    return DecodeRun(
        strategy=strategy,
        samples=run.samples,
        targets=run.targets,
        buffer=buffer,
        position=position,
        size=index.size[run.samples],
        extradata=extradata(sets, length_size),
        index=index,
        seconds=decode_seconds(index, run.samples, strategy),
        prefixes=before,
    )


def fetch_shape(index: FrameIndex, runs: Sequence[SampleRun], gap_bytes: int) -> FetchShape:
    """The outcome of the byte-range plans of some runs, which fetch so many needless bytes."""
    if gap_bytes:
        return "widened"
    for run in runs:
        first, end = int(run.samples[0]), int(run.samples[-1]) + 1
        if end - first != len(run.samples):
            return "exact"
        begins_gop = (
            index.flags[end] & SampleFlag.START if end < index.sample_count else index.ends_gop
        )
        if not begins_gop:
            return "exact"
    return "GOP" if runs else "exact"
