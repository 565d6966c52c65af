"""Runs: every target once and exact, however few are asked for; early stop; errors by name."""

import random
from dataclasses import replace

import numpy as np
import pytest

from marey.errors import DecodeError, UnsupportedError
from marey.video.clips import RECIPES
from marey.video.decode.frame import PixelOutput
from marey.video.decode.run import decode_frames, decode_into
from marey.video.index.frames import PictureFormat
from marey.video.plan import packets, plan_read
from marey.video.source import BytesReader

from .conftest import decode_through

NATIVE = PixelOutput("native")
ONE_SIZE = [name for name in RECIPES if name != "raw_resized"]


@pytest.fixture
def read(clip, index_of, decoders):
    """Plan, fetch and decode some frames of a clip."""

    def make(name, frames, output=NATIVE):
        index = index_of(name)
        plan = plan_read(index, np.asarray(frames))
        buffers = BytesReader(clip(name)).read(plan.ranges)
        return decode_frames(plan, buffers, index, output, decoders=decoders)

    return make


@pytest.mark.parametrize("name", ONE_SIZE)
def test_all_frames_at_once(name, read, truth):
    true = truth(name)
    frames = read(name, range(len(true)))
    assert frames.frame_indices.tolist() == list(range(len(true)))
    assert all(f.data.tobytes() == t.planes for f, t in zip(frames, true, strict=True))


@pytest.mark.parametrize("name", RECIPES)
def test_some_frames_alone(name, read, truth):
    true = truth(name)
    for k in random.Random(name).sample(range(len(true)), 6):
        assert read(name, [k])[0].data.tobytes() == true[k].planes, f"frame {k}"


@pytest.mark.parametrize("name", ONE_SIZE)
def test_frames_in_company(name, read, truth):
    true = truth(name)
    rng = random.Random(name)
    for _ in range(3):
        wanted = sorted(rng.sample(range(len(true)), 5))
        assert [f.data.tobytes() for f in read(name, wanted)] == [
            true[k].planes for k in wanted
        ]


def test_no_frames(read):
    assert read("default", np.empty(0, np.int64)).to_numpy().shape == (0, 160 * 96 * 3 // 2)


def test_times_are_those_of_the_index(read, index_of):
    index = index_of("variable_rate")
    frames = read("variable_rate", [0, 1, 47])
    second = (index.pts_ticks[1] - index.pts_ticks[0]) / index.timebase.denominator
    assert frames.pts_seconds[1] - frames.pts_seconds[0] == pytest.approx(second)
    assert frames.duration_seconds[0] == pytest.approx(second)
    assert (frames.duration_seconds > 0).all()


def test_frames_of_two_sizes_need_a_size(read):
    with pytest.raises(UnsupportedError, match=r"128x80, 160x96.*give height and width"):
        read("raw_resized", [0, 47], PixelOutput())
    frames = read("raw_resized", [0, 47], PixelOutput("rgb24", 48, 64))
    assert frames.to_numpy().shape == (2, 48, 64, 3)


def test_a_sample_shown_twice_is_decoded_once(clip, index_of, decoders, truth):
    """An edit list can show one stretch of media again."""
    index = index_of("closed_gops")
    plan = plan_read(index, np.arange(2))
    again = replace(plan, frames=np.arange(4), frame_samples=plan.frame_samples[[0, 1, 0, 1]])
    buffers = BytesReader(clip("closed_gops")).read(plan.ranges)
    frames = decode_frames(again, buffers, index, NATIVE, decoders=decoders)
    true = truth("closed_gops")
    assert [f.data.tobytes() for f in frames] == [true[k].planes for k in (0, 1, 0, 1)]


def test_each_target_is_delivered_once_in_display_order(run_of, decoders, index_of):
    delivered = []
    made = run_of("default", targets=[1, 2, 3, 8])
    decode_through(made, decoders, lambda sample, _: delivered.append(sample))
    order = index_of("default").frame_sample.tolist()
    assert delivered == sorted([1, 2, 3, 8], key=order.index)


def test_decoding_stops_when_all_targets_are_out(run_of, decoders):
    made = run_of("zero_latency", targets=[0, 3])
    cost = decode_through(made, decoders, lambda sample, picture: None)
    assert cost.samples == 4
    assert cost.decode_seconds > 0


def test_a_run_after_one_that_stopped_early_is_exact(run_of, decoders, planes_of, true_planes):
    for targets in ([0], [5, 6], [20], [47]):
        made = run_of("default", targets=targets)
        true = true_planes("default")
        assert planes_of(made, decoders) == {s: true[s] for s in targets}


def test_targets_that_never_come_are_named(run_of, decoders, samples):
    coded = list(enumerate(samples("default").packets))
    made = run_of("default", coded[:3], targets=[0, 2, 9, 11])
    with pytest.raises(DecodeError) as caught:
        decode_through(made, decoders, lambda sample, picture: None)
    assert str(caught.value) == (
        "2 of 4 pictures did not come out of the decoder, first sample 9"
    )


def test_picture_of_another_size_is_never_written(clip, index_of, decoders, monkeypatch):
    index = index_of("default")
    plan = plan_read(index, np.array([0]))
    buffers = BytesReader(clip("default")).read(plan.ranges)
    wrong = replace(index.parameter_sets[0], format=PictureFormat(320, 192, 8, 8, 1))
    monkeypatch.setattr(type(index), "parameter_sets_at", lambda self, sample: wrong)

    def destination(sample):
        raise AssertionError("asked for room")

    with pytest.raises(
        DecodeError, match=r"sample 0: expected .*width=320.*decoded .*width=160"
    ):
        decode_into(
            plan,
            index,
            PixelOutput(),
            packets_of=lambda run: packets(run, buffers),
            decoders=decoders,
            destination=destination,
        )


def test_errors_of_the_caller_pass_through(run_of, decoders, planes_of):
    def refuse(sample, picture):
        raise KeyboardInterrupt

    made = run_of("default", targets=[0])
    with pytest.raises(KeyboardInterrupt):
        decode_through(made, decoders, refuse)
    assert list(planes_of(made, decoders)) == [0], "the decoder is still good"
