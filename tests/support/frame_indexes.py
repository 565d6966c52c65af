"""Frame indexes that no file has: any legal content, drawn by hypothesis."""

from __future__ import annotations

from random import Random

import numpy as np
from hypothesis import strategies as st

from marey.video.h264.nal import NAL_PPS, NAL_SEI, NAL_SPS
from marey.video.index.frames import (
    ContainerColour,
    Display,
    FrameIndex,
    ParameterSets,
    PictureFormat,
    SampleFlag,
)
from marey.video.timing import Timebase


@st.composite
def reference_graphs(draw: st.DrawFn, most: int = 40) -> FrameIndex:
    """An index whose references, starts and fields obey the rules of `FrameIndex`.

    Any sample before may be referred to that is a reference, no matter what a decoded picture
    buffer could hold; fields come in pairs, in samples of their own.
    """
    # A seed and not a drawn `Random`: thirty times as fast, and sizes still shrink.
    return random_index(Random(draw(st.integers(0, 1 << 32))), draw(st.integers(1, most)))


def random_index(chance: Random, n: int) -> FrameIndex:
    """An index of `n` samples."""
    flags = np.zeros(n, np.uint16)
    references: list[list[int]] = []
    decode_from: list[int] = []
    reach: list[int] = []
    i = oldest = 0
    while i < n:
        pair = chance.random() < 0.15 and i + 1 < n
        start = i == 0 or chance.random() < 0.1
        if start:
            flags[i] |= SampleFlag.START
            if i == 0 or chance.random() < 0.5:
                flags[i] |= SampleFlag.IDR
                oldest = i
        held = [
            k
            for k in range(oldest, i)
            if flags[k] & (SampleFlag.REFERENCE | SampleFlag.SECOND_FIELD)
            == SampleFlag.REFERENCE
        ]
        count = 0 if start else min(len(held), chance.randint(0, 4))
        fields = [sorted(chance.sample(held, count)) for _ in range(1 + pair)]
        references += fields
        reach += [min([i, *(reach[k] for field in fields for k in field)])] * (1 + pair)
        if start or chance.random() < 0.6:
            flags[i : i + 1 + pair] |= SampleFlag.REFERENCE
        if pair:
            flags[i + 1] |= SampleFlag.SECOND_FIELD
        i += 1 + pair
    starts = np.flatnonzero(flags & SampleFlag.START)
    decode_from = [int(starts[starts <= r][-1]) for r in reach]
    return _index(chance, flags, references, decode_from)


def _index(
    chance: Random, flags: np.ndarray, references: list[list[int]], decode_from: list[int]
) -> FrameIndex:
    n = len(flags)
    size = np.array([chance.randint(0, 5000) for _ in range(n)], np.int64)
    gaps = np.array([chance.choice((0, 0, 0, 7, 900)) for _ in range(n)], np.int64)
    # Samples need not lie in decoding order.
    place = list(range(n)) if chance.random() < 0.7 else chance.sample(range(n), n)
    offset = np.zeros(n, np.int64)
    offset[place] = np.cumsum((gaps + size)[place]) - size[place]
    shown = np.flatnonzero((flags & SampleFlag.SECOND_FIELD) == 0).tolist()
    hidden = chance.choice((0, 0, 1, len(shown) // 2))
    frames = chance.sample(shown, len(shown) - hidden) + chance.choices(shown, k=hidden)
    if chance.random() < 0.5:
        frames.sort()
    flat = [k for r in references for k in r]
    k = len(frames)
    narrow = chance.random() < 0.5
    return FrameIndex(
        offset=offset,
        size=size,
        flags=flags,
        decode_from=np.array(decode_from, np.int32),
        reference_start=np.cumsum([0, *map(len, references)], dtype=np.int64),
        references=np.array(flat, np.int32),
        long_term=np.array([chance.choice((0, 0, 0, 1, 16)) for _ in flat], np.uint8),
        top_order_count=_column(chance, n, 7 if narrow else 31),
        bottom_order_delta=np.zeros(n, np.int64) if narrow else _column(chance, n, 31),
        frame_sample=np.array(frames, np.int32),
        pts_ticks=np.arange(k) * 512 if narrow else _column(chance, k, 60),
        last_duration_ticks=chance.getrandbits(40),
        timebase=Timebase(chance.randint(1, 1001), chance.randint(1, 90000)),
        parameter_sets=_parameter_sets(chance, n),
        container=chance.choice(("mp4", "annexb")),
        nal_length_size=chance.choice((0, 1, 2, 4)),
        source_bytes=int((offset + size).max()) + chance.randint(0, 100),
        colour=chance.choice((None, ContainerColour(chance.randint(0, 14), narrow))),
        display=chance.choice((None, _display(chance))),
    )


def _display(chance: Random) -> Display:
    a, b, u, c, d, v, x, y, w = _column(chance, 9, 31).tolist()
    return Display(
        matrix=(a, b, u, c, d, v, x, y, w),
        width=chance.getrandbits(32) / 65536,
        height=chance.getrandbits(32) / 65536,
        entry_boxes=chance.randbytes(chance.choice((0, 16, 300))),
    )


def _column(chance: Random, count: int, bits: int) -> np.ndarray:
    half = 1 << bits
    return np.array([chance.randrange(-half, half) for _ in range(count)], np.int64)


def _parameter_sets(chance: Random, n: int) -> tuple[ParameterSets, ...]:
    later = chance.sample(range(1, n), min(n - 1, chance.randint(0, 3)))
    pool = [chance.randbytes(chance.randint(3, 40)) for _ in range(5)]

    def nals(kind: int) -> tuple[bytes, ...]:
        return tuple(
            bytes([kind]) + body for body in chance.choices(pool, k=chance.randint(0, 3))
        )

    return tuple(
        ParameterSets(
            first_sample=first,
            sps=nals(NAL_SPS),
            pps=nals(NAL_PPS),
            sei=nals(NAL_SEI),
            format=PictureFormat(
                chance.randint(1, 16000),
                chance.randint(1, 16000),
                chance.randint(8, 14),
                chance.randint(8, 14),
                chance.randint(0, 3),
            ),
        )
        for first in (0, *sorted(later))
    )
