"""The rewriter's output, parsed again: the same active pictures with the same order counts.

Nothing is decoded here. The clip and the rewritten subset each run through a decoded picture
buffer of their own, and every slice that was kept must see the same lists in both: the same
pictures in the same places, of the same kind, as far away in picture order. A gap, or anything
else that a conformant stream does not do, counts as an error.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable
from functools import cache

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from marey.tests.support.adversarial_streams import STREAMS, random_stream
from marey.tests.support.reference_trees import build_stream
from marey.video.clips import RECIPES
from marey.video.h264.avcc import parse_avcc
from marey.video.h264.dpb import DecodedPictureBuffer
from marey.video.h264.nal import split_annexb, split_length_prefixed
from marey.video.h264.picture import Picture
from marey.video.h264.pps import parse_pps
from marey.video.h264.ref_lists import active_list
from marey.video.h264.slice_header import FRAME, P, SliceHeader, parse_slice_header
from marey.video.h264.sps import Sps, parse_sps
from marey.video.index.build import build_frame_index
from marey.video.index.frames import FrameIndex
from marey.video.plan import EXACT, DecodeRun, packets, plan_read
from marey.video.plan.rewritten_lists import modifications
from marey.video.source import BytesReader

Seen = tuple[tuple[object, ...], ...]
"""What one slice sees: for each entry of each list its picture, kind and distance."""

SETS = 12


class Parser:
    """Headers of a stream by the parameter sets that came with it."""

    def __init__(self, sets: Iterable[bytes]) -> None:
        nals = list(sets)
        self.sps = {
            s.seq_parameter_set_id: s for s in (parse_sps(n) for n in nals if n[0] & 31 == 7)
        }
        self.pps = {
            p.pic_parameter_set_id: p for p in (parse_pps(n) for n in nals if n[0] & 31 == 8)
        }

    def slices(self, sample: bytes | memoryview, length_size: int) -> list[SliceHeader]:
        spans = (
            split_length_prefixed(sample, length_size) if length_size else split_annexb(sample)
        )
        headers = [
            parse_slice_header(sample[start:end], self.sps, self.pps)
            for start, end in spans
            if sample[start] & 31 in (1, 5)
        ]
        return [h for h in headers if not h.redundant_pic_cnt]


def follow(
    buffer: DecodedPictureBuffer, headers: list[SliceHeader], sample: int
) -> list[tuple[int, int, Seen]]:
    """One picture through a buffer: where each slice begins, its type, and what it sees."""
    picture = buffer.start_picture(headers[0], sample)
    seen = []
    for header in headers:
        assert header.structure == FRAME
        lists = buffer.reference_lists(header)
        seen.append(
            (
                header.first_mb_in_slice,
                header.slice_type,
                tuple(tuple(_seen(entry, picture) for entry in entries) for entries in lists),
            )
        )
    buffer.end_picture()
    return seen


def _seen(entry: tuple[Picture, int] | None, picture: Picture) -> tuple[object, ...]:
    assert entry is not None
    other = entry[0]
    return (
        other.id,
        bool(other.long_term),
        other.top_order_count - picture.top_order_count,
        other.bottom_order_count - picture.bottom_order_count,
        picture.bottom_order_count - picture.top_order_count,
    )


class Source:
    """A clip, and what each slice of it sees when all of it is there."""

    def __init__(self, data: bytes) -> None:
        self.data = memoryview(data)
        self.index = build_frame_index(BytesReader(data)).index
        self.sees: dict[int, list[tuple[int, int, Seen]]] = {}
        buffer = DecodedPictureBuffer()
        for sample in range(self.index.sample_count):
            sets = self.index.parameter_sets_at(sample)
            at = int(self.index.offset[sample])
            held = self.data[at : at + int(self.index.size[sample])]
            headers = Parser((*sets.sps, *sets.pps)).slices(held, self.index.nal_length_size)
            if headers:
                self.sees[sample] = follow(buffer, headers, sample)

    def runs(self, frames: list[int]) -> list[DecodeRun]:
        """The rewritten runs of a plan for these frames."""
        plan = plan_read(self.index, np.array(frames), cost=EXACT, force="rewritten")
        self.buffers = [self.data[r.start : r.end] for r in plan.ranges]
        return [run for run in plan.runs if run.strategy == "rewritten"]

    def check(self, run: DecodeRun) -> None:
        """Parse what the rewriter makes of a run."""
        sets, length_size = sets_of(run)
        parser = Parser(sets)
        buffer = DecodedPictureBuffer()
        users = used_by(self.index, run.samples.tolist())
        for sample, packet in packets(run, self.buffers):
            headers = parser.slices(packet, length_size)
            first = headers[0]
            assert (first.nal_unit_type == 5) == (sample == run.samples[0])
            assert follow(buffer, headers, sample) == self.sees[sample], sample
            assert buffer.problem_count == 0, (sample, buffer.problems)
            assert buffer.gap_frames == 0
            held = {p.id for p in buffer.pictures}
            wanted = {r for r, last in users.items() if r <= sample < last}
            assert wanted <= held
            # A reference picture sends away what nobody asks for any more.
            if first.nal_ref_idc and first.nal_unit_type != 5:
                assert held == wanted
            for header in headers:
                assert (header.nal_ref_idc, header.frame_num) == (
                    first.nal_ref_idc,
                    first.frame_num,
                )


def sets_of(run: DecodeRun) -> tuple[list[bytes], int]:
    """The parameter sets that a decoder of the run is given, and its length size."""
    early = run.prefixes.get(int(run.samples[0]), b"")
    if run.extradata[0] != 1:
        data = run.extradata + early
        return [data[start:end] for start, end in split_annexb(data)], 0
    config = parse_avcc(run.extradata)
    spans = split_length_prefixed(early, config.length_size)
    return [*config.sps, *config.pps, *(early[a:b] for a, b in spans)], config.length_size


def used_by(index: FrameIndex, samples: list[int]) -> dict[int, int]:
    """The last user of each reference."""
    last: dict[int, int] = {}
    for sample in samples:
        for reference in index.references_of(sample).tolist():
            last[reference] = sample
    return last


def random_frames(rng: random.Random, frames: int) -> list[int]:
    return [rng.randrange(frames) for _ in range(rng.choice((1, 2, 3, 5, 8)))]


@cache
def source_of(data: bytes) -> Source:
    return Source(data)


@pytest.mark.parametrize("name", RECIPES)
def test_subsets_of_every_recipe(name: str, clip: Callable[[str], bytes]) -> None:
    source = source_of(clip(name))
    rng = random.Random(name)
    sets = [random_frames(rng, source.index.frame_count) for _ in range(SETS)]
    sets.append(list(range(source.index.frame_count)))
    checked = 0
    for frames in sets:
        for run in source.runs(frames):
            source.check(run)
            checked += 1
    assert checked >= SETS, "a recipe whose headers cannot be rewritten"


@pytest.mark.parametrize("name", STREAMS)
def test_subsets_of_adversarial_streams(name: str) -> None:
    source = source_of(build_stream(STREAMS[name]))
    rng = random.Random(name)
    checked = 0
    for _ in range(SETS):
        for run in source.runs(random_frames(rng, source.index.frame_count)):
            source.check(run)
            checked += 1
    assert checked > 0


@pytest.mark.parametrize("seed", range(20))
def test_subsets_of_random_streams(seed: int) -> None:
    """Streams that change marks at will have runs that cannot be rewritten: most have not."""
    rng = random.Random(seed)
    source = Source(build_stream(random_stream(rng), seed=seed % 3))
    for _ in range(SETS):
        for run in source.runs(random_frames(rng, source.index.frame_count)):
            source.check(run)


@given(st.data())
def test_modifications_make_the_list(data: st.DataObject) -> None:
    """Against the process of 8.2.4.3 itself, on any buffer, repeated entries included."""
    count = data.draw(st.integers(1, 8))
    pictures = []
    for number in range(count):
        picture = Picture(number, number + 1, 0)
        picture.frame_num_wrap = picture.frame_num
        as_long = data.draw(st.booleans())
        picture.short_term, picture.long_term = (0, FRAME) if as_long else (FRAME, 0)
        picture.long_term_frame_idx = number if as_long else -1
        pictures.append(picture)
    initial = [(p, FRAME) for p in data.draw(st.permutations(pictures))]
    wanted = data.draw(
        st.one_of(
            st.lists(st.sampled_from(range(count)), min_size=1, max_size=12),
            st.integers(1, count).map(lambda n: [p.id for p, _ in initial[:n]]),
        )
    )
    found = modifications(
        wanted,
        initial,
        dict(enumerate(pictures)),
        frame_num=count + 1,
        max_frame_num=1 << 15,
    )
    sps = Sps(
        profile_idc=100,
        level_idc=30,
        pic_width_in_mbs=4,
        pic_height_in_map_units=4,
        log2_max_frame_num=15,
    )
    header = SliceHeader(sps, None, 1, 1, 0, P, P, 0, count + 1)  # type: ignore[arg-type]
    header.num_ref_idx_l0_active = len(wanted)
    header.ref_pic_list_modification = (found, None)
    entries = active_list(list(initial), header, 0, pictures, lambda problem: None)
    assert [entry and entry[0].id for entry in entries] == wanted
    # And no operation without need.
    assert found is None or len(found) <= len(wanted)
    if wanted == [p.id for p, _ in initial[: len(wanted)]]:
        assert found is None
