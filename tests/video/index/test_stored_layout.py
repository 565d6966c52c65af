"""A reader written from docs/formats/frame-index.md alone: who has the page can read a blob.

It shares no code with `marey.video.index.encode`: plain Python, one value after the other.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from marey.tests.support.frame_indexes import reference_graphs
from marey.video.clips import RECIPES
from marey.video.index.build import build_frame_index
from marey.video.index.encode import encode_index
from marey.video.index.frames import FrameIndex
from marey.video.source import BytesReader


class Page:
    """What the page says, section by section."""

    def __init__(self, blob: bytes) -> None:
        # Head, 64 bytes
        assert blob[:4] == b"MFIX"
        assert blob[4] == 3
        self.container = ("mp4", "annexb")[blob[5]]
        self.nal_length_size = blob[6]
        self.colour = (blob[7] % 128 - 1, blob[7] >= 128) if blob[7] else None
        u32 = [int.from_bytes(blob[i : i + 4], "little") for i in range(8, 32, 4)]
        samples, frames, self.blocks, states, unfolded, stored = u32
        i64 = [int.from_bytes(blob[i : i + 8], "little", signed=True) for i in range(32, 64, 8)]
        self.source_bytes, self.last_duration, self.numerator, self.denominator = i64
        # Directory and parameter sets, one zstd frame
        preface = Bytes(blob[64 : 64 + stored], unfolded)
        records = [preface.record() for _ in range(self.blocks)]
        nals = [preface.take(preface.u(2)) for _ in range(preface.u(4))]
        self.states = [preface.state(nals) for _ in range(states)]
        self.display = None
        if preface.u(1):
            matrix = tuple(preface.u(4) for _ in range(9))
            width, height = preface.u(4), preface.u(4)
            self.display = (matrix, width, height, preface.take(preface.u(2)))
        preface.finish()
        # Blocks
        self.size: list[int] = []
        self.offset: list[int] = []
        self.flags: list[int] = []
        self.decode_from: list[int] = []
        self.references: list[list[int]] = []
        self.long_term: list[int] = []
        self.frame_sample: list[int] = []
        self.pts: list[int] = []
        self.top: list[int] = []
        self.bottom: list[int] = []
        at = 64 + stored
        for record in records:
            self.block(record, Bytes(blob[at : at + record[5]], record[4]))
            at += record[5]
        assert at == len(blob)
        assert (len(self.size), len(self.pts)) == (samples, frames)

    def block(self, record: list[int], body: Bytes) -> None:
        """A block, one zstd frame"""
        n, k, j, m, _, _, reach, begins_gop, first_byte, first_time, latest = record
        before = len(self.size)
        size, flags, back = body.column(n), body.column(n), body.column(n)
        jumps, jump = body.column(j), body.signed(j)
        counts, ranks, long_term = body.column(n), body.column(m), body.column(m)
        display, times = body.signed(k), body.signed(k)
        orders, bottoms = body.signed(n), body.signed(n)
        body.finish()

        end = first_byte
        for sample, length in enumerate(size):
            self.offset.append(end + dict(zip(jumps, jump, strict=True)).get(sample, 0))
            end = self.offset[-1] + length
        starts = [
            counted_back(back[s], [i for i in range(s + 1) if flags[i] & 4]) for s in range(n)
        ]
        rank = iter(ranks)
        references = []
        for s in range(n):
            earlier = [i for i in range(s) if flags[i] & 1]
            references.append([counted_back(next(rank), earlier) for _ in range(counts[s])])
        frame_sample = [i + d for i, d in enumerate(display)]
        pts = [first_time + t for t in summed_twice(times)]
        # Samples in display order, each where it is shown first; those without a frame last.
        order = list(dict.fromkeys(frame_sample))
        order += sorted(set(range(n)) - set(order))
        top = dict(zip(order, summed_twice(orders), strict=True))

        assert min([0, *starts, *(r for each in references for r in each)]) == -reach
        assert bool(flags[0] & 4) == bool(begins_gop)
        assert not flags[0] & 8
        assert max(pts, default=0) == latest
        self.size += size
        self.flags += flags
        self.decode_from += [before + s for s in starts]
        self.references += [[before + r for r in each] for each in references]
        self.long_term += long_term
        self.frame_sample += [before + s for s in frame_sample]
        self.pts += pts
        self.top += [top[s] for s in range(n)]
        self.bottom += bottoms


def counted_back(number: int, candidates: list[int]) -> int:
    """The candidates from the last to the first, then the samples before the block."""
    return [*reversed(candidates), *range(-1, -2 - number, -1)][number]


def summed_twice(values: list[int]) -> Iterator[int]:
    value = difference = 0
    for second in values:
        difference += second
        value += difference
        yield value


class Bytes:
    """One zstd frame, and the values in it one after the other."""

    def __init__(self, stored: bytes, size: int) -> None:
        self.body = pa.Codec("zstd").decompress(stored, size, asbytes=True)
        self.at = 0

    def finish(self) -> None:
        assert self.at == len(self.body)

    def record(self) -> list[int]:
        numbers = [self.u(4) for _ in range(8)]
        return [*numbers, *(int.from_bytes(self.take(8), "little", signed=True) for _ in "123")]

    def take(self, length: int) -> bytes:
        self.at += length
        return self.body[self.at - length : self.at]

    def u(self, length: int) -> int:
        return int.from_bytes(self.take(length), "little")

    def column(self, count: int) -> list[int]:
        width = self.u(1)
        assert width in (1, 2, 4, 8)
        planes = [self.take(count) for _ in range(width)]
        return [sum(plane[i] << 8 * b for b, plane in enumerate(planes)) for i in range(count)]

    def signed(self, count: int) -> list[int]:
        return [v // 2 if v % 2 == 0 else -(v + 1) // 2 for v in self.column(count)]

    def state(self, nals: list[bytes]) -> tuple[object, ...]:
        head = [self.u(length) for length in (4, 4, 4, 1, 1, 1)]
        sps, pps, messages = self.u(1), self.u(2), self.u(1)
        kinds = [[nals[self.u(4)] for _ in range(count)] for count in (sps, pps, messages)]
        return (*head, *kinds)


def assert_read_by_the_page(index: FrameIndex, block_samples: int) -> int:
    """Gives how many blocks there were."""
    page = Page(encode_index(index, block_samples=block_samples))
    assert page.container == index.container
    assert page.nal_length_size == index.nal_length_size
    assert page.source_bytes == index.source_bytes
    assert page.last_duration == index.last_duration_ticks
    colour = index.colour
    assert page.colour == (colour and (colour.matrix_coefficients, colour.full_range))
    display = index.display
    assert page.display == (
        display
        and (
            tuple(entry % 2**32 for entry in display.matrix),
            display.width * 65536,
            display.height * 65536,
            display.entry_boxes,
        )
    )
    assert (page.numerator, page.denominator) == (
        index.timebase.numerator,
        index.timebase.denominator,
    )
    assert page.size == index.size.tolist()
    assert page.offset == index.offset.tolist()
    assert page.flags == index.flags.tolist()
    assert page.decode_from == index.decode_from.tolist()
    references = [index.references_of(s).tolist() for s in range(index.sample_count)]
    assert page.references == references
    assert page.long_term == index.long_term.tolist()
    assert page.frame_sample == index.frame_sample.tolist()
    assert page.pts == index.pts_ticks.tolist()
    assert page.top == index.top_order_count.tolist()
    assert page.bottom == index.bottom_order_delta.tolist()
    assert page.states == [
        (
            s.first_sample,
            s.format.width,
            s.format.height,
            s.format.bit_depth_luma,
            s.format.bit_depth_chroma,
            s.format.chroma_format_idc,
            list(s.sps),
            list(s.pps),
            list(s.sei),
        )
        for s in index.parameter_sets
    ]
    return page.blocks


@pytest.mark.parametrize("name", RECIPES)
def test_clips_are_read_by_the_page(name: str, clip: Callable[[str], bytes]) -> None:
    index = build_frame_index(BytesReader(clip(name))).index
    assert assert_read_by_the_page(index, 1024) == 1
    assert_read_by_the_page(index, 8)


def test_clips_of_many_blocks_are_read_by_the_page(clip: Callable[[str], bytes]) -> None:
    index = build_frame_index(BytesReader(clip("default"))).index
    assert assert_read_by_the_page(index, 4) > index.sample_count // 12


@given(reference_graphs(), st.integers(1, 50))
def test_any_index_is_read_by_the_page(index: FrameIndex, block_samples: int) -> None:
    assert_read_by_the_page(index, block_samples)
