"""What is fuzzed: each target does all that the package does with one kind of hostile bytes.

A target raises what the package raises; only `MareyError` is allowed, and warnings are errors.
What it checks by itself raises `AssertionError`.
"""

from __future__ import annotations

import struct
import warnings
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from functools import cache
from random import Random

import numpy as np

from marey.errors import MareyError
from marey.tests.support.adversarial_streams import STREAMS
from marey.tests.support.frame_indexes import random_index
from marey.tests.support.reference_trees import build_stream
from marey.tests.support.stored_indexes import Unpacked, unpack
from marey.video.clips import RECIPES, ClipRecipe, make_clip
from marey.video.h264.nal import CODED_SLICES, NAL_PPS, NAL_SPS, split_annexb
from marey.video.index.build import build_frame_index
from marey.video.index.clip import ClipIndex
from marey.video.index.encode import decode_index, encode_index, open_index
from marey.video.index.frames import FrameIndex
from marey.video.mp4.edits import present
from marey.video.mp4.movie import read_movie
from marey.video.plan import packets, plan_read
from marey.video.remux import remux_frames
from marey.video.source import BytesReader
from marey.video.timing import Timebase

from . import hostile_files, hostile_streams
from .engine import Fuzz, Mutate, Target
from .mutations import INTERESTING, mutate_boxes, mutate_bytes, mutate_stream

_SETS = 2
_MOST_FRAMES = 40
_MOST_SOURCE = 1 << 20
_FEW_SAMPLES = 6
# They count to a quarter of a million in few bytes.
_SLOW = ("promised_samples", "millions_in_a_run", "small_runs", "many_tracks")


def _use(index: FrameIndex, data: bytes, salt: int) -> None:
    """Plan, cut and remux some sets of frames of an index over bytes."""
    chance = Random(salt)
    reader = BytesReader(data)
    k = index.frame_count
    sets = [list(range(min(k, _MOST_FRAMES)))]
    sets += (
        [[chance.randrange(k) for _ in range(chance.choice((1, 2, 5)))] for _ in range(_SETS)]
        if k
        else []
    )
    for frames in sets:
        for force in (None, "rewritten", "whole"):
            try:
                plan = plan_read(index, np.array(frames, np.int64), force=force)
                assert all(len(run.samples) for run in plan.runs), "a run of no samples"
                buffers = reader.read(plan.ranges)
                for run in plan.runs:
                    for sample, packet in packets(run, buffers):
                        assert 0 <= sample < index.sample_count
                        assert packet.nbytes >= 0
            except MareyError:
                pass
        with suppress(MareyError):
            audio = len(frames) != 2
            remux_frames(index, np.array(frames, np.int64), reader, audio=audio)
    for bad in ([k], [-1], [1 << 62], []):
        try:
            plan_read(index, np.array(bad, np.int64))
            assert not bad, f"frame {bad[0]} of {k} was planned"
        except MareyError:
            pass


def read_file(data: bytes) -> None:
    """Index a file, store the index and read it back, and use it."""
    built = build_frame_index(BytesReader(data))
    index = decode_index(encode_index(built.index))
    for name in (
        "offset",
        "size",
        "flags",
        "decode_from",
        "references",
        "frame_sample",
        "pts_ticks",
    ):
        before, after = getattr(built.index, name), getattr(index, name)
        assert np.array_equal(before, after), f"{name} changed when the index was stored"
    assert index.last_duration_ticks == built.index.last_duration_ticks
    _use(index, data, len(data))


def read_boxes(data: bytes) -> None:
    """Read the boxes of a file with all its tracks, and follow their edits."""
    movie = read_movie(BytesReader(data))
    for track in movie.tracks:
        if track.handler == "vide":
            present(track, movie.timescale)


def read_wrapped(data: bytes) -> None:
    """A byte stream's NAL units as samples of an MP4 file."""
    read_file(wrap(data))


def wrap(data: bytes) -> bytes:
    """An MP4 file of a byte stream: a sample for each first slice, whatever is in it."""
    nals = [data[a:b] for a, b in split_annexb(data)]
    pieces: list[bytes] = []
    for nal in nals:
        framed = len(nal).to_bytes(4) + nal
        is_first = bool(nal) and nal[0] & 31 in CODED_SLICES and nal[1:2] >= b"\x80"
        if not pieces or is_first:
            pieces.append(framed)
        else:
            pieces[-1] += framed
    sizes = hostile_files.u32(*(len(p) for p in pieces))
    place = len(hostile_files.FTYP) + 8
    mdat = len(b"".join(pieces)) + 8
    sets = {
        kind: [n for n in nals if n and n[0] & 31 == kind][:8] for kind in (NAL_SPS, NAL_PPS)
    }
    config = hostile_files.avcc(
        sps=tuple(n[:999] for n in sets[NAL_SPS]), pps=tuple(n[:999] for n in sets[NAL_PPS])
    )
    stbl = hostile_files.samples(sizes, len(pieces), place)
    moov = hostile_files.moov(hostile_files.trak(stbl, entries=(hostile_files.entry(config),)))
    return hostile_files.FTYP + mdat.to_bytes(4) + b"mdat" + b"".join(pieces) + moov


def read_index(data: bytes) -> None:
    """Use an index, which comes unpacked (`Unpacked.to_bytes`)."""
    blob = Unpacked.from_bytes(data).pack()
    _use_parts(open_index(blob), len(data))
    index = decode_index(blob)
    index.duration_ticks.sum()
    _use(index, _source_of(index), len(data))
    # What was read can be stored again, and says the same.
    again = decode_index(encode_index(index))
    assert np.array_equal(again.references, index.references)
    assert np.array_equal(again.pts_ticks, index.pts_ticks)


def _use_parts(clip: ClipIndex, salt: int) -> None:
    """Plan some frames with the parts that they need."""
    chance = Random(salt)
    if not clip.frame_count:
        return
    frames = np.array([chance.randrange(clip.frame_count) for _ in range(4)])
    with suppress(MareyError):
        for part, places in clip.split(frames):
            local = frames[places] - part.first_frame
            for force in (None, "rewritten", "whole"):
                with suppress(MareyError):
                    plan_read(part, local, force=force)


def read_blob(data: bytes) -> None:
    """Use an index as it is stored."""
    _use_parts(open_index(data), len(data))
    index = decode_index(data)
    _use(index, _source_of(index), len(data))


def _source_of(index: FrameIndex) -> bytes:
    """The seed that an index was made of, by its size; else bytes that fit nothing."""
    for data in (*_clips().values(), *_streams()):
        if len(data) == index.source_bytes:
            return data
    return bytes(min(index.source_bytes, _MOST_SOURCE))


def mutate_unpacked(chance: Random, data: bytes) -> bytes:
    """An unpacked index, changed in its values or in its bytes."""
    if chance.random() < 0.5:
        with suppress(MareyError, ValueError, OverflowError, IndexError, struct.error):
            return _mutate_values(chance, data)
    return mutate_bytes(chance, data)


_COLUMNS = (
    "offset",
    "size",
    "flags",
    "decode_from",
    "references",
    "long_term",
    "top_order_count",
    "bottom_order_delta",
    "frame_sample",
    "pts_ticks",
)


def _mutate_values(chance: Random, data: bytes) -> bytes:
    """An index with some of its values, and not of its bytes, changed."""
    index = decode_index(Unpacked.from_bytes(data).pack())
    column = chance.choice((*_COLUMNS, "pts_ticks", "scalars", "scalars"))
    if column == "scalars":
        timebase = Timebase(_extreme(chance) or 1, _extreme(chance) or 1)
        index = replace(index, timebase=timebase, last_duration_ticks=_extreme(chance))
    else:
        values = getattr(index, column).copy()
        limits = np.iinfo(values.dtype)
        for _ in range(chance.choice((1, 1, 2, len(values)))):
            value = _extreme(chance) * chance.choice((1, -1)) + chance.choice((0, 0, 1, -1))
            values[chance.randrange(len(values))] = max(limits.min, min(value, limits.max))
        index = replace(index, **{column: values})
    return _unpacked(encode_index(index, block_samples=chance.choice((_FEW_SAMPLES, 1024))))


def _unpacked(blob: bytes) -> bytes:
    return unpack(blob).to_bytes()


def _extreme(chance: Random) -> int:
    return int(min(chance.choice(INTERESTING), (1 << 63) - 1))


@cache
def _clips() -> dict[str, bytes]:
    names = (
        "default",
        "edit_list",
        "fragmented",
        "quicktime",
        "avc3",
        "slices",
        "mbaff",
        "raw",
    )
    return {
        name: make_clip(
            ClipRecipe(
                "a seed",
                width=32,
                height=32,
                frames=10,
                **{
                    key: getattr(RECIPES[name], key)
                    for key in (
                        "x264",
                        "container",
                        "tag",
                        "mux",
                        "shift",
                        "interlaced",
                        "audio",
                    )
                },
            )
        )
        for name in names
    }


@cache
def _streams() -> list[bytes]:
    streams = [build_stream(STREAMS[name])[:5000] for name in ("golden_long_term", "forgetful")]
    streams += [build(400) for build in hostile_streams.STREAMS.values()]
    return [*streams, _clips()["raw"]]


def _files() -> list[bytes]:
    files = [clip for name, clip in _clips().items() if name != "raw"]
    small = [build(2000) for name, build in hostile_files.FILES.items() if name not in _SLOW]
    return files + [data for data in small if len(data) < 20_000]


def _indexes() -> list[bytes]:
    built = [
        build_frame_index(BytesReader(data)).index
        for data in (*_clips().values(), *_streams()[:2])
    ]
    built += [random_index(Random(seed), 12) for seed in range(8)]
    whole = [encode_index(index) for index in built]
    return whole + [encode_index(index, block_samples=_FEW_SAMPLES) for index in built]


TARGETS: dict[str, tuple[Target, Mutate, Callable[[], list[bytes]]]] = {
    "boxes": (read_boxes, mutate_boxes, _files),
    "file": (read_file, mutate_boxes, _files),
    "stream": (read_file, mutate_stream, _streams),
    "wrapped": (read_wrapped, mutate_stream, _streams),
    "index": (read_index, mutate_unpacked, lambda: [_unpacked(blob) for blob in _indexes()]),
    "blob": (read_blob, mutate_bytes, _indexes),
}
"""By name: the target, what changes its inputs, and the inputs to begin with."""


def fuzz(name: str, *, guided: bool = True) -> Fuzz:
    """A target ready to be started."""
    target, mutate, seeds = TARGETS[name]

    def strict(data: bytes) -> None:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            target(data)

    return Fuzz(name, strict, mutate, seeds(), guided=guided)
