"""The stored form: a round trip for any index, small, and FrameIndexError alone for junk."""

from __future__ import annotations

import random
import struct
import tracemalloc
from collections.abc import Callable, Iterator
from dataclasses import fields, replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from marey.errors import FrameIndexError
from marey.tests.support.frame_indexes import random_index, reference_graphs
from marey.tests.support.stored_indexes import RECORD_BYTES, unpack, zstd
from marey.video.clips import ClipRecipe, make_clip
from marey.video.index.build import build_frame_index
from marey.video.index.encode import _HEAD, decode_index, encode_index, open_index
from marey.video.index.frames import FrameIndex, SampleFlag
from marey.video.source import BytesReader

SEEDS = st.integers(0, 1 << 32)


def assert_same(found: FrameIndex, expected: FrameIndex) -> None:
    for field in fields(FrameIndex):
        a, b = getattr(found, field.name), getattr(expected, field.name)
        if isinstance(b, np.ndarray):
            np.testing.assert_array_equal(a, b, err_msg=field.name)
            assert a.dtype == b.dtype, field.name
        else:
            assert a == b, field.name


@given(reference_graphs(), st.integers(1, 50))
def test_round_trip(index: FrameIndex, block_samples: int) -> None:
    assert_same(decode_index(encode_index(index, block_samples=block_samples)), index)


@pytest.mark.parametrize("name", ["default", "open_gop", "edit_list", "mbaff", "raw_resized"])
def test_round_trip_of_clips(name: str, clip: Callable[[str], bytes]) -> None:
    index = build_frame_index(BytesReader(clip(name))).index
    assert_same(decode_index(encode_index(index)), index)


def accept_or_refuse(blob: bytes) -> None:
    """Decode; what is accepted keeps what plans rely on."""
    try:
        index = decode_index(blob)
    except FrameIndexError:
        return
    n = index.sample_count
    assert (index.size >= 0).all()
    assert (index.offset >= 0).all()
    assert (index.offset + index.size <= index.source_bytes).all()
    assert len(index.references) == index.reference_start[-1]
    assert (np.diff(index.reference_start) >= 0).all()
    of = np.repeat(np.arange(n), np.diff(index.reference_start))
    assert (index.references < of).all()
    assert (index.references >= 0).all()
    assert (index.decode_from <= np.arange(n)).all()
    assert (index.flags[index.decode_from] & SampleFlag.START).all()
    firsts = [sets.first_sample for sets in index.parameter_sets]
    assert firsts == sorted(firsts)
    for sets in index.parameter_sets:
        assert sets.format.width > 0
        assert sets.format.height > 0
        assert sets.format.chroma_format_idc <= 3


@given(st.binary(max_size=200))
def test_arbitrary_bytes(blob: bytes) -> None:
    with pytest.raises(FrameIndexError):
        decode_index(blob)


@settings(max_examples=200)
@given(SEEDS)
def test_changed_columns(seed: int) -> None:
    chance = random.Random(seed)
    index = random_index(chance, chance.randint(1, 24))
    stored = unpack(encode_index(index, block_samples=chance.choice((4, 1024))))
    at = chance.randrange(len(stored.bodies))
    body = bytearray(stored.bodies[at])
    for _ in range(chance.randint(1, 4)):
        body[chance.randrange(len(body))] = chance.choice((0, 1, 2, 4, 8, 127, 128, 255))
    stored.bodies[at] = bytes(body)
    accept_or_refuse(stored.pack())


@settings(max_examples=200)
@given(SEEDS)
def test_changed_directories(seed: int) -> None:
    chance = random.Random(seed)
    stored = unpack(encode_index(random_index(chance, chance.randint(8, 24)), block_samples=4))
    for _ in range(chance.randint(1, 2)):
        record = chance.choice(stored.records)
        field = chance.randrange(len(record))
        bits = 31 if field < 8 else 62
        record[field] = chance.choice((0, 1, 2, record[field] + 1, (1 << bits) - 1))
    accept_or_refuse(stored.pack())


@given(SEEDS)
def test_changed_or_cut_bytes(seed: int) -> None:
    chance = random.Random(seed)
    blob = bytearray(encode_index(random_index(chance, chance.randint(1, 12))))
    at = chance.randrange(len(blob))
    blob[at] ^= chance.randint(1, 255)
    accept_or_refuse(bytes(blob))
    accept_or_refuse(bytes(blob[:at]))


def test_widest_columns_are_refused_or_sane() -> None:
    """Eight bytes a value reach below 0 and past every sum."""
    index = build_frame_index(BytesReader(make_clip(ClipRecipe("small", frames=4)))).index
    stored = unpack(encode_index(index))
    (body,) = stored.bodies
    rng = random.Random(1)
    for _ in range(300):
        columns, at = [], 0
        n, k, jumps, total = stored.records[0][:4]
        for count in (n, n, n, jumps, jumps, n, total, total, k, k, n, n):
            width = body[at]
            planes = np.frombuffer(body, np.uint8, width * count, at + 1).reshape(width, count)
            columns.append(planes)
            at += 1 + width * count
        which = rng.randrange(len(columns))
        wide = np.zeros((8, columns[which].shape[1]), np.uint8)
        wide[: len(columns[which])] = columns[which]
        for _ in range(rng.randint(1, 3)):
            if wide.size:
                wide[rng.randrange(8), rng.randrange(wide.shape[1])] = rng.choice((1, 128, 255))
        columns[which] = wide
        changed = b"".join(bytes([len(c)]) + c.tobytes() for c in columns) + body[at:]
        stored.bodies = [changed]
        accept_or_refuse(stored.pack())


def test_a_claimed_size_is_not_allocated() -> None:
    index = build_frame_index(BytesReader(make_clip(ClipRecipe("small", frames=4)))).index
    for claim in (1 << 31, (1 << 32) - 1):
        for blob in claiming(encode_index(index), claim):
            tracemalloc.start()
            with pytest.raises(FrameIndexError):
                decode_index(blob)
            assert tracemalloc.get_traced_memory()[1] < 1 << 20
            tracemalloc.stop()


def claiming(blob: bytes, size: int) -> Iterator[bytes]:
    """Blobs that say that one of their parts unfolds to so many bytes."""
    head = list(_HEAD.unpack_from(blob))
    for place in (7, 8, 9):  # blocks, states, bytes before the blocks
        yield _HEAD.pack(*head[:place], size, *head[place + 1 :]) + blob[_HEAD.size :]
    stored = unpack(blob)
    start = _HEAD.size + int(head[10])
    for field in range(8):
        changed = unpack(blob)
        changed.records[0][field] = size
        # Packed by hand: `pack` puts lengths right.
        preface = struct.pack("<8I3q", *changed.records[0]) + stored.sets
        compressed = zstd(preface)
        yield _HEAD.pack(*head[:10], len(compressed), *head[11:]) + compressed + blob[start:]


def test_another_version_is_refused_by_name() -> None:
    index = build_frame_index(BytesReader(make_clip(ClipRecipe("small", frames=4)))).index
    blob = bytearray(encode_index(index))
    blob[4] += 1
    with pytest.raises(FrameIndexError, match="newer"):
        decode_index(bytes(blob))
    blob[4] = 1
    with pytest.raises(FrameIndexError, match="before the first release; write the clip again"):
        decode_index(bytes(blob))


@pytest.mark.parametrize(
    "x264",
    ["", "bframes=5:b-pyramid=normal:ref=4", "keyint=30:scenecut=0", "cabac=0:ref=3:bframes=0"],
)
def test_six_bytes_a_frame_on_ordinary_clips(x264: str) -> None:
    recipe = ClipRecipe("long", width=64, height=48, frames=500, x264=x264)
    index = build_frame_index(BytesReader(make_clip(recipe))).index
    sets = sum(len(nal) for s in index.parameter_sets for nal in (*s.sps, *s.pps, *s.sei))
    spent = len(encode_index(index)) - _HEAD.size - RECORD_BYTES - sets
    assert spent <= 6 * index.frame_count, spent / index.frame_count


def test_frame_of_a_sample_without_a_picture_is_refused() -> None:
    index = random_index(random.Random(3), 8)
    index.flags[index.frame_sample[0]] |= SampleFlag.NO_PICTURE
    with pytest.raises(FrameIndexError, match="frames of samples without a picture"):
        decode_index(encode_index(index))


def test_second_field_of_nothing_is_refused() -> None:
    index = random_index(random.Random(4), 8)
    index.flags[0] |= SampleFlag.SECOND_FIELD
    with pytest.raises(FrameIndexError, match="a block begins with a second field"):
        decode_index(encode_index(index))


def test_sample_whose_end_leaves_64_bits_is_refused() -> None:
    index = random_index(random.Random(5), 3)
    far = replace(
        index,
        offset=np.array([0, 10, (1 << 63) - 9]),
        size=np.array([10, 10, 100]),
        source_bytes=(1 << 63) - 1,
    )
    with pytest.raises(FrameIndexError, match="sample 2 of a block at 9223372036854775799, 1"):
        decode_index(encode_index(far))


@pytest.mark.parametrize(("field", "number"), [(8, 5000), (9, 17 << 20)])
def test_numbers_that_no_index_has_are_refused(field: int, number: int) -> None:
    blob = encode_index(random_index(random.Random(6), 3))
    head = list(_HEAD.unpack_from(blob))
    head[field] = number
    with pytest.raises(FrameIndexError, match=r"5000 states|claim to unfold to 17825792"):
        decode_index(_HEAD.pack(*head) + blob[_HEAD.size :])


def bomb(blocks: int) -> bytes:
    """A stored index of few bytes, of a million samples that are all zeros."""
    stored = unpack(encode_index(random_index(random.Random(7), 3)))
    n = (1 << 20) // blocks
    stored.head[5] = stored.head[6] = n * blocks
    stored.records = [[n, n, 0, 0, 0, 0, 0, 1, 0, 0, 0] for _ in range(blocks)]
    stored.bodies = [bytes((16 << 20) // blocks) for _ in range(blocks)]
    return stored.pack()


def test_many_blocks_of_zeros_are_refused_together() -> None:
    """Each by itself could be honest."""
    stored = unpack(bomb(1))
    stored.records *= 2
    stored.bodies *= 2
    stored.head[5] = stored.head[6] = 2 << 20
    with pytest.raises(FrameIndexError, match="claim to unfold to 33554432"):
        open_index(stored.pack())


@pytest.mark.parametrize("blocks", [1, 1 << 8])
def test_index_blob_of_zeros_takes_little_memory(blocks: int) -> None:
    blob = bomb(blocks)
    assert len(blob) < 10_000 + 60 * blocks
    tracemalloc.start()
    try:
        with pytest.raises(FrameIndexError):
            decode_index(blob)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 200_000_000
