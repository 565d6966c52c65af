"""A reader written from docs/formats/frame-index.md alone: who has the page can read a blob.

It shares no code with `marey.video.index.encode`: plain Python, one value after the other.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pyarrow as pa
import pytest
from hypothesis import given

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
        assert blob[4] == 2
        self.container = ("mp4", "annexb")[blob[5]]
        self.nal_length_size = blob[6]
        self.colour = (blob[7] % 128 - 1, blob[7] >= 128) if blob[7] else None
        u32 = [int.from_bytes(blob[i : i + 4], "little") for i in range(8, 32, 4)]
        n, k, j, m, p, body_bytes = u32
        i64 = [int.from_bytes(blob[i : i + 8], "little", signed=True) for i in range(32, 64, 8)]
        self.source_bytes, self.last_duration, self.numerator, self.denominator = i64
        # Body, one zstd frame
        self.body = pa.Codec("zstd").decompress(blob[64:], body_bytes, asbytes=True)
        self.at = 0
        size, flags, back = self.column(n), self.column(n), self.column(n)
        jumps, jump = self.column(j), self.signed(j)
        counts, ranks, long_term = self.column(n), self.column(m), self.column(m)
        display, times = self.signed(k), self.signed(k)
        orders, bottoms = self.signed(n), self.signed(n)
        nals = [self.take(self.u(2)) for _ in range(self.u(4))]
        self.states = [self.state(nals) for _ in range(p)]
        self.display = None
        if self.u(1):
            matrix = tuple(self.u(4) for _ in range(9))
            width, height = self.u(4), self.u(4)
            self.display = (matrix, width, height, self.take(self.u(2)))
        assert self.at == len(self.body)

        self.size, self.flags, self.long_term, self.bottom = size, flags, long_term, bottoms
        self.offset = list(self.offsets(size, dict(zip(jumps, jump, strict=True))))
        starts = [s for s in range(n) if flags[s] & 4]
        self.decode_from = [
            starts[sum(1 for start in starts if start <= s) - 1 - back[s]] for s in range(n)
        ]
        rank = iter(ranks)
        self.references = []
        for s in range(n):
            before = [r for r in range(s) if flags[r] & 1]
            self.references.append([before[-1 - next(rank)] for _ in range(counts[s])])
        self.frame_sample = [i + d for i, d in enumerate(display)]
        self.pts = list(self.summed_twice(times))
        # Samples in display order, each where it is shown first; those without a frame last.
        order = list(dict.fromkeys(self.frame_sample))
        order += sorted(set(range(n)) - set(order))
        self.top = dict(zip(order, self.summed_twice(orders), strict=True))

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

    @staticmethod
    def offsets(size: list[int], jump: dict[int, int]) -> Iterator[int]:
        end = 0
        for sample, length in enumerate(size):
            at = end + jump.get(sample, 0)
            yield at
            end = at + length

    @staticmethod
    def summed_twice(values: list[int]) -> Iterator[int]:
        value = difference = 0
        for second in values:
            difference += second
            value += difference
            yield value


def assert_read_by_the_page(index: FrameIndex) -> None:
    page = Page(encode_index(index))
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
    assert [page.top[s] for s in range(index.sample_count)] == index.top_order_count.tolist()
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


@pytest.mark.parametrize("name", RECIPES)
def test_clips_are_read_by_the_page(name: str, clip: Callable[[str], bytes]) -> None:
    assert_read_by_the_page(build_frame_index(BytesReader(clip(name))).index)


@given(reference_graphs())
def test_any_index_is_read_by_the_page(index: FrameIndex) -> None:
    assert_read_by_the_page(index)
