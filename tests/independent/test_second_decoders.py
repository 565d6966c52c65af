"""Decoders that share nothing with libavcodec find the same frames in Marey's subset streams.

Elsewhere libavcodec says both what is true and what came out, so a stream that is wrong but to
its taste would pass. Here every picture of every rewritten closure is held, in output order,
against libavcodec's full decode of the clip as it was.

`make independent` installs what can be installed and runs this; what a decoder lacks is the
reason of its skipped tests. `MAREY_LONG=1` asks for many more sets and encoders.
"""

from __future__ import annotations

import os
import random
from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import cache

import pytest

from marey.tests.independent.second_decoders import (
    H264Bsd,
    OpenH264,
    Reach,
    ReferenceDecoder,
    SecondDecoder,
)
from marey.tests.independent.subset_streams import (
    SubsetStream,
    subset_streams,
    untouched_stream,
)
from marey.tests.support.adversarial_streams import STREAMS, random_stream
from marey.tests.support.reading import Clip, digest
from marey.tests.support.reference_trees import build_stream
from marey.video.clips import RECIPES, ClipRecipe, make_clip
from marey.video.plan import Strategy

LONG = bool(os.environ.get("MAREY_LONG"))
SETS = 100 if LONG else 5
SEEDS = 200 if LONG else 10

DECODERS: dict[str, SecondDecoder] = {
    "h264bsd": H264Bsd(),
    "openh264": OpenH264(),
    "reference": ReferenceDecoder(),
}

_CAVLC = "cabac=0:no-8x8dct=1:weightp=0:bframes=0"
BASELINE = {
    "baseline": RECIPES["baseline"],
    "baseline_slices": ClipRecipe("", x264=f"{_CAVLC}:slices=4:ref=4:keyint=24"),
    "baseline_references": ClipRecipe("", x264=f"{_CAVLC}:ref=8:keyint=48", preset="veryslow"),
    "baseline_refresh": ClipRecipe("", x264=f"{_CAVLC}:intra-refresh=1:keyint=12"),
    "baseline_fine": ClipRecipe("", frames=12, x264=f"{_CAVLC}:qp=1:keyint=12"),
} | {f"{name}_baseline": replace(stream, cabac=False) for name, stream in STREAMS.items()}
PREDICTED = {
    "zero_latency": RECIPES["zero_latency"],
    # Pictures that stand in a list several times, each time with another weight.
    "weighted_cavlc": ClipRecipe("", x264="bframes=0:cabac=0:ref=8:keyint=24:weightp=2"),
    "slices_cabac": ClipRecipe("", x264="bframes=0:slices=3:ref=3:keyint=24"),
} | STREAMS
# An edit list hides pictures, so that they have no place in the order of frames.
OTHERS = {
    name: recipe for name, recipe in RECIPES.items() if name not in (*BASELINE, *PREDICTED)
}
del OTHERS["edit_list"]
STREAMS_BY_REACH = {
    Reach.BASELINE: BASELINE,
    Reach.PREDICTED: BASELINE | PREDICTED,
    Reach.ALL: BASELINE | PREDICTED | OTHERS,
}
PAIRS = [(d, s) for d, decoder in DECODERS.items() for s in STREAMS_BY_REACH[decoder.reach]]


@pytest.fixture(scope="session", autouse=True)
def closed_decoders() -> Iterator[None]:
    yield
    for decoder in DECODERS.values():
        decoder.close()


def decoder_of(name: str) -> SecondDecoder:
    decoder = DECODERS[name]
    if missing := decoder.missing():
        pytest.skip(missing)
    return decoder


@cache
def clip_of(name: str) -> Clip:
    source = STREAMS_BY_REACH[Reach.ALL][name]
    if isinstance(source, ClipRecipe):
        container = "h264" if source.container == "h264" else None
        return Clip(make_clip(source), container=container)
    return Clip(build_stream(source), container="h264")


def decoded(decoder: SecondDecoder, stream: SubsetStream) -> list[bytes]:
    return [digest(p) for p in decoder.decode(stream.units, stream.frame_bytes)]


def random_sets(rng: random.Random, clip: Clip, count: int) -> Iterator[list[int]]:
    for _ in range(count):
        size = rng.choice((1, 2, 2, 3, 5, 8))
        yield [rng.randrange(clip.index.frame_count) for _ in range(size)]


def wrong_sets(
    decoder: SecondDecoder,
    clip: Clip,
    sets: Sequence[Sequence[int]],
    strategy: Strategy,
    *,
    untouched: bool = False,
) -> list[Sequence[int]]:
    """Those of the sets with a run that comes out otherwise than in the full decode."""
    return [
        frames
        for frames in sets
        for stream in subset_streams(clip, frames, strategy, untouched=untouched)
        if decoded(decoder, stream) != [clip.truth[frame] for frame in stream.frames]
    ]


# Pictures of two sizes cannot be told apart in what the reference decoder writes.
@pytest.mark.parametrize(("decoder", "name"), [p for p in PAIRS if p[1] != "raw_resized"])
def test_untouched_clips(decoder: str, name: str) -> None:
    """The decoder itself is right, and the index has the order of its frames."""
    second = decoder_of(decoder)
    clip = clip_of(name)
    stream = untouched_stream(clip, range(clip.index.sample_count))
    assert decoded(second, stream) == clip.truth


@pytest.mark.parametrize(("decoder", "name"), PAIRS)
def test_random_sets(decoder: str, name: str) -> None:
    second = decoder_of(decoder)
    clip = clip_of(name)
    rng = random.Random(f"{decoder} {name}")
    sets = list(random_sets(rng, clip, SETS))
    assert not wrong_sets(second, clip, sets, "rewritten")
    assert not wrong_sets(second, clip, sets, "whole")


@pytest.mark.parametrize("name", ["golden_baseline", "chains_baseline"])
@pytest.mark.parametrize("decoder", DECODERS)
def test_closures_go_wrong_untouched(decoder: str, name: str) -> None:
    """What rewriting is for; and a sign that these tests can fail."""
    second = decoder_of(decoder)
    clip = clip_of(name)
    sets = list(random_sets(random.Random(name), clip, 8))
    assert wrong_sets(second, clip, sets, "rewritten", untouched=True)


@pytest.mark.parametrize("seed", range(SEEDS))
@pytest.mark.parametrize("decoder", DECODERS)
def test_random_encoders(decoder: str, seed: int) -> None:
    second = decoder_of(decoder)
    rng = random.Random(seed)
    clip = Clip(make_clip(random_recipe(rng, second.reach)))
    whole = untouched_stream(clip, range(clip.index.sample_count))
    if decoded(second, whole) != clip.truth:
        # One clip in 200 so far: OpenH264 gives up within the slice data of seed 66.
        assert second.reach is not Reach.ALL
        pytest.skip(f"{decoder} does not decode the untouched clip")
    sets = list(random_sets(rng, clip, 4))
    assert not wrong_sets(second, clip, sets, "rewritten")
    assert not wrong_sets(second, clip, sets, "whole")


def random_recipe(rng: random.Random, reach: Reach) -> ClipRecipe:
    """Settings of x264 within a reach."""
    interlaced = reach is Reach.ALL and rng.random() < 0.3
    choices: dict[str, tuple[object, ...]] = {
        "ref": (1, 2, 3, 4, 8),
        "keyint": (8, 12, 100),
        "scenecut": (0, 40),
        "slices": (1, 1, 2, 4),
        "intra-refresh": (0, 0, 0, 1),
        "partitions": ("all", "none", "p8x8,i4x4"),
        "deblock": ("0,0", "-2,3"),
        "no-deblock": (0, 0, 1),
        "qp": (1, 20, 30, 40),
        # With interlaced macroblocks x264 breaks 8.3.1.2: predicts from what is not available.
        "constrained-intra": (0,) if interlaced else (0, 1),
        "cabac": (0,) if reach is Reach.BASELINE else (0, 1),
        "8x8dct": (0,) if reach is Reach.BASELINE else (0, 1),
        "weightp": (0,) if reach is Reach.BASELINE else (0, 1, 2),
        "bframes": (0,) if reach is not Reach.ALL else (0, 1, 3, 5),
        "b-pyramid": ("none", "strict", "normal"),
        "direct": ("spatial", "temporal"),
        "weightb": (0, 1),
        "tff": (int(interlaced),),
    }
    x264 = ":".join(f"{name}={rng.choice(values)}" for name, values in choices.items())
    return ClipRecipe(
        "random settings",
        width=rng.choice((64, 96, 160)),
        height=rng.choice((64, 96)),
        frames=24,
        x264=x264,
        preset=rng.choice(("medium", "veryslow")),
        interlaced=interlaced,
        seed=rng.randrange(8),
    )


@pytest.mark.parametrize("seed", range(SEEDS))
@pytest.mark.parametrize("decoder", DECODERS)
def test_random_reference_structures(decoder: str, seed: int) -> None:
    """Memory management and long-term references of every sort."""
    second = decoder_of(decoder)
    rng = random.Random(seed)
    stream = random_stream(rng)
    if second.reach is Reach.BASELINE:
        stream = replace(stream, cabac=False)
    if stream.pic_order_cnt_type == 1:
        # Its pictures do not come out as they go in, which is asked of B slices' decoders only.
        stream = replace(stream, pic_order_cnt_type=0)
    clip = Clip(build_stream(stream, seed=seed % 3), container="h264")
    assert not wrong_sets(second, clip, list(random_sets(rng, clip, 4)), "rewritten")
