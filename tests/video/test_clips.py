"""Sample clips are small, deterministic, and are what they say they are."""

from dataclasses import replace
from itertools import pairwise

import pytest

from marey.video.clips import RECIPES, ClipRecipe, make_clip, sample_clips
from marey.video.synthetic import moving_pictures, woven

HIDDEN = {"edit_list": 7}
"""Frames that an edit list hides, by clip."""

PIXEL_FORMATS = {
    # The decoder gives monochrome as 4:2:0 with chroma of half scale.
    "monochrome": "yuv420p",
    "ten_bits_monochrome": "yuv420p10le",
}


@pytest.mark.parametrize("name", RECIPES)
def test_every_clip_is_small_and_plays_every_frame(name, clip, truth):
    recipe = RECIPES[name]
    encoded = recipe.frames + (recipe.then.frames if recipe.then else 0)
    frames = truth(name)
    assert len(clip(name)) < 100_000
    assert len(frames) == encoded - HIDDEN.get(name, 0)
    assert frames[0].pixel_format == PIXEL_FORMATS.get(name, recipe.pixel_format)
    assert (frames[0].width, frames[0].height) == (recipe.width, recipe.height)
    assert len({frame.planes for frame in frames}) == len(frames), "two frames look the same"


def test_a_recipe_always_gives_the_same_bytes(clip):
    assert make_clip(RECIPES["default"]) == clip("default")


def test_another_seed_is_another_scene(clip):
    assert make_clip(replace(RECIPES["default"], seed=1)) != clip("default")


@pytest.mark.parametrize("count", [1, 2, 5, 9])
@pytest.mark.parametrize(("width", "height"), [(1, 1), (8, 8), (17, 103), (161, 97)])
def test_pictures_have_the_size_asked_for(width, height, count):
    shapes = [picture.shape for picture in moving_pictures(width, height, count)]
    assert shapes == [(3, height, width)] * count


def test_woven_pictures_hold_two_moments():
    pictures = list(moving_pictures(16, 8, 4))
    frames = list(woven(iter(pictures)))
    assert len(frames) == 2
    assert (frames[1][:, ::2] == pictures[2][:, ::2]).all()
    assert (frames[1][:, 1::2] == pictures[3][:, 1::2]).all()


def box_order(data: bytes) -> list[bytes]:
    names, at = [], 0
    while at < len(data):
        names.append(data[at + 4 : at + 8])
        at += int.from_bytes(data[at : at + 4], "big")
    return names


def nal_types(packet: bytes) -> list[int]:
    """Types of the NAL units of a sample with lengths of four bytes."""
    types, at = [], 0
    while at < len(packet):
        types.append(packet[at + 4] & 31)
        at += 4 + int.from_bytes(packet[at : at + 4], "big")
    return types


def reorders(pts: tuple) -> bool:
    return any(later < earlier for earlier, later in pairwise(pts))


def test_moov_stands_where_the_name_says(clip):
    assert box_order(clip("moov_first")).index(b"moov") == 1
    assert box_order(clip("default"))[-1] == b"moov"


def test_fragmented_clip_has_several_fragments(clip):
    assert box_order(clip("fragmented")).count(b"moof") == 4


@pytest.mark.parametrize("name", ["default", "pyramid_strict", "open_gop", "temporal_direct"])
def test_clips_with_b_frames_reorder(name, samples):
    assert reorders(samples(name).pts)


@pytest.mark.parametrize("name", ["baseline", "zero_latency"])
def test_clips_without_b_frames_do_not(name, samples):
    assert not reorders(samples(name).pts)


def test_four_slices_a_picture(samples):
    for packet in samples("slices").packets:
        assert sum(kind in (1, 5) for kind in nal_types(packet)) == 4


@pytest.mark.parametrize("name", ["open_gop", "intra_refresh"])
def test_only_the_first_picture_is_idr(name, samples):
    idr = [5 in nal_types(packet) for packet in samples(name).packets]
    assert idr == [True] + [False] * (len(idr) - 1)


def test_avc3_carries_parameter_sets_in_its_samples(clip, samples):
    assert b"avc3" in clip("avc3")
    first, second = (nal_types(samples("avc3").packets[i]) for i in (0, 1))
    assert {7, 8} <= set(first)
    assert not {7, 8} & set(second)


@pytest.mark.parametrize(("name", "interlaced"), [("mbaff", True), ("default", False)])
def test_the_decoder_calls_woven_clips_interlaced(name, interlaced, truth):
    assert {frame.interlaced for frame in truth(name)} == {interlaced}


def test_variable_rate_follows_its_durations(truth):
    recipe = RECIPES["variable_rate"]
    gaps = [b.pts - a.pts for a, b in pairwise(truth("variable_rate"))]
    unit = gaps[0] // recipe.durations[0]
    expected = [recipe.durations[i % len(recipe.durations)] * unit for i in range(len(gaps))]
    assert gaps == expected


def test_edit_list_hides_its_pre_roll(samples, truth):
    assert len(samples("edit_list").packets) == RECIPES["edit_list"].frames
    assert truth("edit_list")[0].pts == 0
    assert truth("empty_edit")[0].pts > 0


def test_resized_clip_changes_size(truth):
    assert {(f.width, f.height) for f in truth("raw_resized")} == {(160, 96), (128, 80)}


def test_sample_clips_are_short_movies_with_labels(full_decode):
    clips = list(sample_clips(4, seconds=0.2))
    assert [c.name for c in clips] == ["kitchen_0", "street_1", "garden_2", "kitchen_3"]
    assert clips[0].label == clips[3].label
    assert clips[0].data != clips[3].data
    assert [len(full_decode(c.data)) for c in clips] == [5] * 4


def test_a_recipe_can_be_written_on_the_spot(full_decode):
    assert len(full_decode(make_clip(ClipRecipe("three frames", frames=3)))) == 3
