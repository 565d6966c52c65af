"""What the decoder had to make up is never delivered; a clean stream is never refused."""

import random

import pytest

from marey.errors import DecodeError
from marey.video.clips import RECIPES


@pytest.fixture(scope="module")
def entry(samples) -> int:
    """Where the second GOP of the clip with open GOPs begins."""
    return [i for i, key in enumerate(samples("open_gop").keys) if key][1]


@pytest.fixture(scope="module", params=[True, False], ids=["stated", "unstated"])
def open_gop(request, samples, entry, damage) -> list[tuple[int, bytes]]:
    """Two GOPs from there on, with and without the messages that state a recovery point."""
    packets = list(enumerate(samples("open_gop").packets))[entry : entry + 24]
    if request.param:
        return packets
    return [(sample, damage.without_types(packet, 6)) for sample, packet in packets]


def changed(packets, sample, change):
    return [(i, change(p) if i == sample else p) for i, p in enumerate(packets)]


@pytest.mark.parametrize("name", sorted(RECIPES.keys() - {"raw_resized"}))
def test_clean_streams_are_never_refused(name, run_of, planes_of, true_planes, decoders):
    true = true_planes(name)
    assert planes_of(run_of(name, targets=list(true)), decoders) == true


@pytest.mark.parametrize("sample", [0, 1, 5, 30])
@pytest.mark.parametrize("which", [0, 1, 3])
def test_lost_slice(sample, which, run_of, planes_of, decoders, samples, damage):
    packets = samples("slices").packets
    broken = changed(packets, sample, lambda p: damage.without_slice(p, which))
    with pytest.raises(DecodeError, match=f"sample {sample}: slices are lost or broken"):
        planes_of(run_of("slices", broken), decoders)


@pytest.mark.parametrize(
    "name", ["default", "baseline", "cavlc_b", "mbaff", "slices", "ten_bits"]
)
def test_slice_that_ends_early(name, run_of, planes_of, decoders, samples, damage):
    packets = samples(name).packets
    # The largest: a few bytes of CABAC can be made of anything.
    size = [len(damage.split(packet)[-1]) for packet in packets]
    for sample in sorted(range(len(packets)), key=size.__getitem__)[-4:]:
        broken = changed(packets, sample, damage.cut_short)
        with pytest.raises(DecodeError, match=f"sample {sample}: "):
            planes_of(run_of(name, broken), decoders)


def test_damage_is_found_though_a_picture_that_depends_on_it_comes_out_first(
    run_of, planes_of, true_planes, decoders, samples, damage
):
    """B-pictures are shown before the P-picture that they refer to."""
    packets = samples("default").packets
    order = list(true_planes("default"))
    later = next(s for s in order if order.index(s) > order.index(s + 1) and s > 0)
    broken = changed(packets, later, damage.cut_short)
    with pytest.raises(DecodeError, match=f"sample {later}: "):
        planes_of(run_of("default", broken[: later + 2], targets=[later + 1]), decoders)


def test_damage_after_the_targets_does_not_matter(
    run_of, planes_of, true_planes, decoders, samples, damage
):
    packets = samples("zero_latency").packets
    broken = changed(packets, 40, damage.cut_short)
    made = run_of("zero_latency", broken, targets=[0, 10, 20])
    true = true_planes("zero_latency")
    assert planes_of(made, decoders) == {s: true[s] for s in (0, 10, 20)}


def test_a_run_after_a_damaged_one_is_exact(
    run_of, planes_of, true_planes, decoders, samples, damage
):
    broken = changed(samples("default").packets, 3, damage.cut_short)
    with pytest.raises(DecodeError):
        planes_of(run_of("default", broken), decoders)
    assert planes_of(run_of("default"), decoders) == true_planes("default")


def test_sample_of_noise(run_of, planes_of, decoders, samples):
    noise = random.Random(0).randbytes(500)
    broken = changed(samples("default").packets, 4, lambda p: noise)
    with pytest.raises(DecodeError, match="sample 4: libavcodec: Invalid data"):
        planes_of(run_of("default", broken), decoders)


def test_entry_at_an_intra_picture_is_clean(
    open_gop, entry, run_of, planes_of, true_planes, decoders
):
    """libavcodec calls all of these corrupt where no recovery point is stated."""
    true = true_planes("open_gop")
    order = list(true)
    exact = [s for s, _ in open_gop if order.index(s) >= order.index(entry)]
    found = planes_of(run_of("open_gop", open_gop, exact), decoders)
    assert found == {sample: true[sample] for sample in exact}


@pytest.mark.parametrize("behind", [0, 12])
def test_damage_after_an_entry_at_an_intra_picture(
    behind, open_gop, entry, run_of, planes_of, decoders, damage
):
    broken = entry + behind
    run = [(s, damage.cut_short(p) if s == broken else p) for s, p in open_gop]
    with pytest.raises(DecodeError, match=f"sample {broken}: "):
        planes_of(run_of("open_gop", run, [entry, entry + 20]), decoders)


def test_leading_pictures_of_an_entry_are_not_taken_for_damage(
    open_gop, entry, run_of, planes_of, true_planes, decoders
):
    """They are wrong, since what they refer to is missing: the plan leaves them out."""
    true, targets = true_planes("open_gop"), [entry, entry + 1]
    found = planes_of(run_of("open_gop", open_gop[:8], targets), decoders)
    assert found[entry] == true[entry]
    assert found[entry + 1] != true[entry + 1]
