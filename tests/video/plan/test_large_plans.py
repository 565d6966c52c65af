"""Plans of many frames take time in proportion to them, whatever the references are.

Each of these took seconds to minutes when one step of planning looked at every sample for every
target; what a plan comes to is checked.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from random import Random

import numpy as np
import pytest

from marey.errors import UnsupportedError
from marey.tests.fuzz.hostile_streams import PPS, SPS
from marey.tests.support.frame_indexes import random_index
from marey.video.h264.pps import build_pps
from marey.video.h264.sps import build_sps
from marey.video.index.frames import FrameIndex, ParameterSets, PictureFormat, SampleFlag
from marey.video.plan import plan_read
from marey.video.timing import Timebase

N = 3000


def index_of(
    flags: Callable[[int], int],
    references: Callable[[int], list[int]],
    decode_from: Callable[[int], int],
) -> FrameIndex:
    """A clip of `N` samples, one frame each."""
    lists = [references(i) for i in range(N)]
    return replace(
        random_index(Random(0), 2),
        offset=np.arange(N) * 500,
        size=np.full(N, 500),
        flags=np.array([flags(i) for i in range(N)], np.uint16),
        decode_from=np.array([decode_from(i) for i in range(N)], np.int32),
        reference_start=np.cumsum([0, *map(len, lists)]),
        references=np.array([k for each in lists for k in each], np.int32),
        long_term=np.zeros(sum(map(len, lists)), np.uint8),
        top_order_count=np.arange(N) % 1000 * 2,
        bottom_order_delta=np.zeros(N, np.int64),
        frame_sample=np.arange(N, dtype=np.int32),
        pts_ticks=np.arange(N),
        last_duration_ticks=1,
        timebase=Timebase(1, 25),
        parameter_sets=(
            ParameterSets(
                0, (build_sps(SPS),), (build_pps(PPS),), (), PictureFormat(640, 360, 8, 8, 1)
            ),
        ),
        container="mp4",
        nal_length_size=4,
        source_bytes=N * 500,
        colour=None,
    )


FIRST = SampleFlag.REFERENCE | SampleFlag.IDR | SampleFlag.START
CLIPS = {
    "every picture a start": index_of(lambda i: FIRST, lambda i: [], lambda i: i),
    "intra pictures that are no starts": index_of(
        lambda i: SampleFlag.REFERENCE if i else FIRST, lambda i: [], lambda i: 0
    ),
    "and cannot be rewritten": index_of(
        lambda i: SampleFlag.FIXED_HEADERS | (SampleFlag.REFERENCE if i else FIRST),
        lambda i: [],
        lambda i: 0,
    ),
    "pictures that need half of what came before": index_of(
        lambda i: SampleFlag.REFERENCE | SampleFlag.START, lambda i: [], lambda i: i // 2
    ),
    "starts that overlap": index_of(
        lambda i: SampleFlag.REFERENCE | (0 if i % 12 else SampleFlag.START),
        lambda i: [i // 12 * 12] if i % 12 else [],
        lambda i: max(0, i // 12 * 12 - 12 * (i % 12 in (1, 2))),
    ),
}


@pytest.mark.parametrize("name", CLIPS)
def test_all_frames_are_decoded_once(name: str) -> None:
    plan = plan_read(CLIPS[name], np.arange(N))
    assert plan.samples_decoded == N


@pytest.mark.parametrize("name", CLIPS)
def test_every_tenth_frame_is_planned_for_no_more_than_all(name: str) -> None:
    plan = plan_read(CLIPS[name], np.arange(0, N, 10))
    targets = np.concatenate([run.targets for run in plan.runs])
    assert sorted(targets.tolist()) == list(range(0, N, 10))
    assert plan.samples_decoded <= N


def test_pictures_that_cannot_be_rewritten_share_one_run() -> None:
    plan = plan_read(CLIPS["and cannot be rewritten"], np.arange(0, N, 3))
    assert [run.strategy for run in plan.runs] == ["whole"]


def test_large_sets_that_hang_on_a_changing_one_are_not_sent_for_ever() -> None:
    index = CLIPS["every picture a start"]
    first = index.parameter_sets[0]
    large = tuple(bytes([8]) + bytes([n]) * 60_000 for n in range(100))
    states = tuple(
        replace(
            first,
            first_sample=i,
            sps=(build_sps(replace(SPS, level_idc=50 + i // 10 % 2)),),
            pps=large,
        )
        for i in range(0, N, 10)
    )
    chain = replace(
        index,
        flags=np.where(np.arange(N) == 0, FIRST, SampleFlag.REFERENCE).astype(np.uint16),
        decode_from=np.zeros(N, np.int32),
        parameter_sets=states,
    )
    with pytest.raises(UnsupportedError, match="bytes of parameter sets to send again"):
        plan_read(chain, np.arange(N), force="whole")
