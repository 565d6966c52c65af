"""The benches run, small; what they measure without a clock is held to its bar."""

from __future__ import annotations

from pathlib import Path

import pytest

from marey.tests.bench import (
    closures,
    indexing,
    large,
    long,
    recordings,
    reheading,
    steps,
    traps,
)
from marey.tests.bench.engines.process import EngineProcess
from marey.video.clips import RECIPES, make_clip

CLOSED = ["one reference", "strict pyramid", "open GOPs of 30", "intra refresh of 40"]


@pytest.mark.parametrize("kind", CLOSED)
def test_no_more_is_decoded_than_references_ask_for(kind: str) -> None:
    found = closures.measure(kind, frames=50)
    # Now and then a header costs more to rewrite than the small picture to decode that this
    # would save.
    assert found.plan <= 1.02 * found.r0
    assert found.r0 <= found.whole <= found.since_idr


@pytest.mark.parametrize("kind", ["medium", "CAVLC, no B", "temporal direct, five B"])
def test_nothing_is_rewritten_where_nothing_needs_to_be(kind: str) -> None:
    """Closures of streams whose P frames list all there is: everything but unneeded B."""
    found = closures.measure(kind, frames=40)
    assert found.rewritten_share == 0
    assert found.plan == found.whole == found.r0


@pytest.mark.parametrize("kind", reheading.KINDS)
def test_every_kind_is_rewritten(kind: str) -> None:
    cost = reheading.measure(kind, frames=8, rounds=1)
    assert cost.slice_bytes > 0
    assert cost.microseconds > 0


@pytest.mark.parametrize("kind", ["x264 as it comes", "keyint 30", "no B, three references"])
def test_six_bytes_a_frame(kind: str) -> None:
    assert indexing.measure(kind, frames=400, rounds=1).frame_bytes <= 6


@pytest.mark.parametrize("kind", ["GOP 30", "open GOPs of 60"])
def test_long_clips_are_read_and_their_index_is_small(kind: str) -> None:
    cost = long.measure(kind, frames=1800, rounds=1)
    assert cost.index_bytes <= 6
    assert min(cost.long_plan, cost.long_read, cost.indexing) > 0


def test_frames_of_a_recorded_stream_are_measured() -> None:
    costs = list(recordings.measure(frames=60, width=160, height=96, rounds=1))
    assert [(cost.frame, cost.keyed) for cost in costs] == [
        (3, True),
        (3, False),
        (59, True),
        (59, False),
    ]
    assert all(0 < cost.samples < 30 for cost in costs)


def test_appended_samples_cost_few_bytes_and_files() -> None:
    grown = recordings.measure_appends(2000, one_a_call=False)
    assert grown.overhead < 25
    assert grown.files < 40
    assert recordings.measure_appends(40, one_a_call=True).files < 200


@pytest.mark.parametrize("name", ["edit_list", "open_gop"])
def test_marey_is_right_where_frames_are_easily_confused(tmp_path: Path, name: str) -> None:
    path = tmp_path / "clip.mp4"
    path.write_bytes(make_clip(RECIPES[name]))
    engine = EngineProcess("marey")
    try:
        assert traps.answers(engine, str(path), str(tmp_path)).text == "right"
    finally:
        engine.close()


def test_every_step_is_measured() -> None:
    found = steps.steps(make_clip(RECIPES["closed_gops"]))
    assert min(steps.measure(step, rounds=1) for step in found.values()) > 0


@pytest.mark.parametrize("kind", large.KINDS)
def test_keys_of_each_kind_are_found_in_a_fresh_process(tmp_path: Path, kind: str) -> None:
    uri = large.write_rows(str(tmp_path), kind, 3000)
    spent = large.look_up(uri, kind, 3000, 50)
    assert min(cpu for _, cpu in spent) > 0


def test_small_writes_and_upkeep_copy_no_media_but_those_of_small_fragments() -> None:
    video_kb = 100
    written = {
        name: float(kb.replace(",", ""))
        for name, kb, _ in large.upkeep(videos=20, video_bytes=video_kb * 1000)
    }
    assert written["write 20 videos"] > 20 * video_kb
    assert written["update a label of 10 rows"] < video_kb
    # The 8 videos of the small fragments are merged; the 20 of the large one are left alone.
    assert 8 * video_kb < written["optimize: 5 fragments to 2"] < 10 * video_kb
    assert written["optimize again"] < video_kb / 2
    assert written["delete 6 of the first videos"] < video_kb / 2
    # A fifth of a fragment is gone: what is left of it is copied.
    assert 14 * video_kb < written["optimize: deleted rows go"] < 24 * video_kb
