"""An index that grows with its stream is that of the whole stream, wherever it is cut."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import replace
from functools import cache

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from marey.errors import BitstreamError, FrameIndexError, InputError
from marey.video.clips import RECIPES, make_clip
from marey.video.h264.nal import split_annexb
from marey.video.index.build import build_frame_index
from marey.video.index.frames import FrameIndex, SampleFlag
from marey.video.index.framing import detect_framing, leading_zeros, read_parameter_sets
from marey.video.index.growing import GrowingIndex
from marey.video.index.stream_block import BlockFlag, IndexBlock, join_blocks
from marey.video.index.stream_encode import decode_block, encode_block
from marey.video.index.stream_frames import stream_frames
from marey.video.source import BytesReader
from marey.video.timing import NANOSECONDS

KINDS = (
    "raw",
    "open_gop",
    "pyramid_normal",
    "intra_refresh",
    "mbaff",
    "slices",
    "many_references",
    "baseline",
    "raw_resized",
    "chroma_444",
)
COLUMNS = (
    "size",
    "flags",
    "decode_from",
    "reference_start",
    "references",
    "long_term",
    "top_order_count",
    "bottom_order_delta",
    "frame_sample",
)


@cache
def annexb(kind: str) -> tuple[FrameIndex, list[bytes]]:
    """A clip as one Annex B stream: its index, and its samples."""
    recipe = replace(RECIPES[kind], container="h264", mux={}, shift=0, durations=())
    data = make_clip(recipe)
    index = build_frame_index(BytesReader(data)).index
    places = zip(index.offset.tolist(), index.size.tolist(), strict=True)
    return index, [data[at : at + size] for at, size in places]


def timed(block: IndexBlock, whole: FrameIndex) -> IndexBlock:
    """The block with frame numbers for times; hidden samples have none."""
    shown = dict(zip(whole.frame_sample.tolist(), range(whole.frame_count), strict=True))
    at = range(block.first, block.end)
    times = np.array([shown.get(i, 0) for i in at], np.int64)
    return replace(block, times={"t": (times, np.array([i in shown for i in at]))})


def assert_same(found: FrameIndex, whole: FrameIndex) -> None:
    for name in COLUMNS:
        assert np.array_equal(getattr(found, name), getattr(whole, name)), name
    assert found.parameter_sets == whole.parameter_sets


@pytest.mark.parametrize("kind", KINDS)
def test_blocks_joined_are_the_index_of_the_whole(kind: str) -> None:
    whole, samples = annexb(kind)
    chance = random.Random(kind)
    growing, blocks = GrowingIndex(0), []
    at = 0
    while at < len(samples):
        for sample in samples[at : (at := at + chance.choice((1, 1, 2, 5, 17)))]:
            growing.take(sample)
        blocks.append(decode_block(encode_block(timed(growing.cut(), whole))))
    while len(blocks) > 1:  # in any order of joining
        i = chance.randrange(len(blocks) - 1)
        blocks[i : i + 2] = [join_blocks(blocks[i : i + 2])]
    assert_same(stream_frames(blocks[0], "t", NANOSECONDS), whole)


@pytest.mark.parametrize("kind", KINDS)
def test_an_index_is_taken_up_again_anywhere(kind: str) -> None:
    whole, samples = annexb(kind)
    for cut in random.Random(kind).sample(range(1, len(samples)), 6):
        growing = GrowingIndex(0)
        for sample in samples[:cut]:
            growing.take(sample)
        before = timed(growing.cut(), whole)
        start = before.resume.sample
        sets = [s for s in before.parameter_sets if s.first_sample <= start][-1]
        again = GrowingIndex(
            0,
            [*sets.sps, *sets.pps, *sets.sei],
            first=start,
            byte_start=sum(map(len, samples[:start])),
            fields=before.resume.fields,
        )
        for sample in samples[start:cut]:
            again.take(sample)
        again.cut()
        for sample in samples[cut:]:
            again.take(sample)
        joined = join_blocks([before, timed(again.cut(), whole)])
        assert_same(stream_frames(joined, "t", NANOSECONDS), whole)


def test_a_long_pass_begins_anew_and_says_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("marey.video.index.growing._LONGEST_PASS", 5)
    whole, samples = annexb("raw")
    growing, blocks = GrowingIndex(0), []
    for sample in samples:
        growing.take(sample)
        blocks.append(timed(growing.cut(), whole))
    assert_same(stream_frames(join_blocks(blocks), "t", NANOSECONDS), whole)


def test_keyframes_are_where_decoding_can_start() -> None:
    for kind in ("raw", "open_gop", "intra_refresh"):
        whole, samples = annexb(kind)
        growing = GrowingIndex(0)
        keys = [i for i, sample in enumerate(samples) if growing.take(sample)]
        assert keys[0] == 0
        assert set(keys) <= set(whole.starts.tolist())
    assert len(keys) == 1  # an intra refresh recovers later than it begins


def take_all(samples: Sequence[bytes]) -> None:
    growing = GrowingIndex(0)
    for sample in samples:
        growing.take(sample)


@pytest.mark.parametrize(
    ("spoil", "text"),
    [
        (lambda s: [s[0], b"not h264"], "no coded picture"),
        (lambda s: [s[0], b"\0\0\0\1\x09\xf0"], "no coded picture"),
        (lambda s: [s[0], s[1] + s[2]], "2 pictures"),
        (lambda s: [s[1]], "no PPS"),
        (lambda s: [s[0], s[1][:5]], "no coded picture"),
    ],
)
def test_what_is_no_access_unit_is_refused(
    spoil: Callable[[list[bytes]], list[bytes]], text: str
) -> None:
    with pytest.raises(BitstreamError, match=text):
        take_all(spoil(annexb("raw")[1]))


def test_framing_is_told_by_what_fills_the_sample() -> None:
    _, samples = annexb("raw")
    for sample in samples:
        assert detect_framing(sample) == 0
        for pad in (0, 300):  # 00 00 01 xx may begin a length
            nals = [sample[a:b] + b"\x80" * pad for a, b in split_annexb(sample)]
            framed = b"".join(len(nal).to_bytes(4) + nal for nal in nals)
            assert detect_framing(framed) == 4
    with pytest.raises(BitstreamError, match="expected a start code"):
        detect_framing(b"not h264")
    assert leading_zeros(b"\0\0\0" + samples[0]) == 3


def test_parameter_sets_come_as_a_record_or_behind_start_codes(
    samples: Callable[[str], object],
) -> None:
    extradata = samples("default").extradata  # type: ignore[attr-defined]
    nals, length_size = read_parameter_sets(extradata)
    assert length_size == 4
    assert [nal[0] & 31 for nal in nals] == [7, 8]
    again = read_parameter_sets(b"".join(b"\0\0\0\1" + nal for nal in nals))
    assert again == (nals, None)
    for wrong in (b"", b"\1\2", b"\0\0\0\1\x68\xce", extradata[:9]):
        with pytest.raises(InputError, match="parameter_sets"):
            read_parameter_sets(wrong)


@cache
def some_block() -> bytes:
    whole, samples = annexb("raw")
    growing = GrowingIndex(0)
    for sample in samples[:9]:
        growing.take(sample)
    return encode_block(timed(growing.cut(), whole))


@settings(max_examples=300)
@given(st.data())
def test_damaged_blocks_are_refused(data: st.DataObject) -> None:
    block = some_block()
    at = data.draw(st.integers(0, len(block) - 1))
    damaged = bytearray(block[: data.draw(st.sampled_from((len(block), at)))])
    if at < len(damaged):
        damaged[at] ^= data.draw(st.integers(1, 255))
    with suppress(FrameIndexError):
        decode_block(bytes(damaged))


def test_flags_of_blocks_and_of_samples_do_not_meet() -> None:
    of_samples = [value for name, value in vars(SampleFlag).items() if name.isupper()]
    of_blocks = (
        BlockFlag.SHOWN,
        3 << BlockFlag.RECOVERY_SHIFT,
        BlockFlag.IS_B,
        BlockFlag.RESETS_ORDER,
    )
    both = [*of_samples, *of_blocks]
    assert sum(both) == int(np.bitwise_or.reduce(both)) < 1 << 16
    assert max(of_samples) < BlockFlag.SHOWN
