"""Tables that disagree: each case is what libavformat makes of it, or is refused by name."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from marey.errors import BoxError
from marey.video.mp4.chunks import corrected_stsc
from marey.video.mp4.samples import SampleTable, TrackTables, build_samples, empty_samples
from marey.video.mp4.tables import (
    CompositionOffsets,
    Int64s,
    SampleGroup,
    SampleSizes,
    SampleToChunk,
    TimeToSample,
)
from marey.video.mp4.times import corrected_deltas


def ints(*values: int) -> Int64s:
    return np.array(values, np.int64)


def stts(*runs: tuple[int, int]) -> TimeToSample:
    return TimeToSample(ints(*(c for c, _ in runs)), ints(*(d for _, d in runs)))


def ctts(*runs: tuple[int, int]) -> CompositionOffsets:
    return CompositionOffsets(ints(*(c for c, _ in runs)), ints(*(o for _, o in runs)))


def stsc(*runs: tuple[int, int, int]) -> SampleToChunk:
    return SampleToChunk(*(ints(*column) for column in zip(*runs, strict=True)))


def stsz(*sizes: int) -> SampleSizes:
    return SampleSizes(len(sizes), 0, ints(*sizes))


# Two chunks of two samples each, which agree.
PLAIN = TrackTables(
    stts=stts((4, 10)),
    ctts=None,
    stsc=stsc((1, 2, 1)),
    stsz=stsz(5, 6, 7, 8),
    stco=ints(100, 200),
    stss=None,
    stps=ints(),
    random_access=None,
)


def built(tables: TrackTables, *, descriptions: int = 1, file_size: int = 1000) -> SampleTable:
    return build_samples(tables, descriptions=descriptions, file_size=file_size)


def test_tables_that_agree() -> None:
    samples = built(PLAIN)
    assert samples.offset.tolist() == [100, 105, 200, 207]
    assert samples.size.tolist() == [5, 6, 7, 8]
    assert samples.dts_ticks.tolist() == [0, 10, 20, 30]
    assert samples.composition_offset_ticks.tolist() == [0, 0, 0, 0]
    assert samples.description.tolist() == [0, 0, 0, 0]
    assert samples.sync.all()
    assert (len(samples), samples.composed, samples.overfull) == (4, False, False)


@pytest.mark.parametrize(
    ("table", "dts"),
    [
        (stts((2, 10)), [0, 10, 20, 30]),
        (stts((9, 10)), [0, 10, 20, 30]),
        (stts((1, 10), (0, 99), (3, 1)), [0, 10, 11, 12]),
        (stts((4, 0)), [0, 0, 0, 0]),
        (stts((0, 10)), [0, 0, 0, 0]),
        (stts((1 << 32, 10)), [0, 10, 20, 30]),
        (stts((2, 10), (1, (1 << 32) - 5), (2, 10)), [0, 10, 20, 21]),
    ],
    ids=["short", "long", "empty run", "zero", "nothing", "hostile", "negative"],
)
def test_decoding_times(table: TimeToSample, dts: list[int]) -> None:
    assert built(replace(PLAIN, stts=table)).dts_ticks.tolist() == dts


def test_a_negative_delta_is_made_up_for_by_the_next() -> None:
    assert corrected_deltas(stts((1, 10), (1, (1 << 32) - 5), (1, 10))).tolist() == [10, 1, 4]


@pytest.mark.parametrize(
    ("table", "offsets", "shift"),
    [
        (ctts((4, 3)), [3, 3, 3, 3], 0),
        (ctts((2, 3)), [3, 3, 0, 0], 0),
        (ctts((9, 3)), [3, 3, 3, 3], 0),
        (ctts((1, -3), (1, 1), (2, 2)), [-3, 1, 2, 2], 3),
        # libavformat leaves the last two runs out of the shift.
        (ctts((1, 1), (1, -3), (2, 2)), [1, -3, 2, 2], 0),
        (ctts(((1 << 31) + 1, 9), (4, 3)), [3, 3, 3, 3], 0),
    ],
    ids=["whole", "short", "long", "negative", "negative late", "negative count"],
)
def test_composition_offsets(table: CompositionOffsets, offsets: list[int], shift: int) -> None:
    samples = built(replace(PLAIN, ctts=table))
    assert samples.composition_offset_ticks.tolist() == offsets
    assert samples.shift_ticks.tolist() == [shift] * 4


def test_where_ctts_goes_on_after_stts_samples_take_no_time() -> None:
    tables = replace(PLAIN, stts=stts((2, 10)), ctts=ctts((4, 3)))
    assert built(tables).dts_ticks.tolist() == [0, 10, 20, 20]


@pytest.mark.parametrize(
    ("tables", "offsets", "overfull"),
    [
        ({"stco": ints(100)}, [100, 105], False),
        ({"stco": ints(100, 200, 300)}, [100, 105, 200, 207], True),
        ({"stsc": stsc((1, 1, 1), (2, 9, 1))}, [100, 200, 206, 213], True),
        ({"stsc": stsc((2, 2, 1))}, [100, 105, 200, 207], False),
        ({"stsc": stsc((1, 3, 1), (1, 2, 1))}, [100, 105, 111, 200], True),
        ({"stsz": SampleSizes(4, 9, ints())}, [100, 109, 200, 209], False),
        ({"stsz": stsz(5, 0, 0, 8)}, [100, 105, 200, 200], False),
        ({"stco": ints(100, (1 << 63) - 1)}, [100, 105, 1 << 62, (1 << 62) + 7], False),
    ],
    ids=[
        "chunk missing",
        "chunk too many",
        "long chunk",
        "begins late",
        "run twice",
        "one size",
        "zero sizes",
        "far away",
    ],
)
def test_places(tables: dict[str, object], offsets: list[int], overfull: bool) -> None:
    samples = built(replace(PLAIN, **tables))
    assert samples.offset.tolist() == offsets
    assert samples.overfull == overfull


@pytest.mark.parametrize(
    ("runs", "corrected"),
    [
        ([(1, 2, 1), (2, 0, 1)], [(1, 2, 1)]),
        ([(0, 2, 1)], [(1, 2, 1)]),
        ([(1, 0, 0)], [(1, 1, 1)]),
        ([(1, 0, 1), (3, 4, 2)], [(2, 4, 2), (3, 4, 2)]),
        ([(5, 2, 1), (3, 4, 1)], [(5, 2, 1), (6, 4, 1)]),
        ([(1, 2, 1), (1 << 31, 3, 1)], [(1, 2, 1), (2, 3, 1)]),
    ],
)
def test_runs_of_chunks_that_make_no_sense(
    runs: list[tuple[int, int, int]], corrected: list[tuple[int, int, int]]
) -> None:
    table = corrected_stsc(stsc(*runs))
    columns = (table.first_chunk, table.samples_per_chunk, table.description)
    assert list(zip(*(c.tolist() for c in columns), strict=True)) == corrected


@pytest.mark.parametrize(
    ("tables", "sync"),
    [
        ({"stss": ints(1, 3)}, [True, False, True, False]),
        ({"stss": ints(0, 2)}, [True, False, True, False]),
        ({"stss": ints(1, 9)}, [True, False, False, False]),
        ({"stss": ints(3, 2, 4)}, [False, False, True, False]),
        ({"stss": ints()}, [True, False, False, False]),
        ({"stss": ints(1), "stps": ints(3)}, [True, False, True, False]),
        ({"stss": ints(2), "stps": ints(2, 3)}, [False, True, False, False]),
        ({"stss": ints(), "stps": ints(2)}, [False, True, False, False]),
        (
            {"stss": ints(1), "random_access": SampleGroup("rap ", ints(2, 1), ints(0, 1))},
            [True, False, True, False],
        ),
        (
            {"stss": ints(), "random_access": SampleGroup("rap ", ints(1 << 32), ints(0))},
            [False, False, False, False],
        ),
    ],
    ids=[
        "listed",
        "from 0",
        "past the end",
        "not in order",
        "empty",
        "partial",
        "partial again",
        "partial only",
        "random access",
        "no random access",
    ],
)
def test_sync_samples(tables: dict[str, object], sync: list[bool]) -> None:
    assert built(replace(PLAIN, **tables)).sync.tolist() == sync


def test_descriptions_count_from_0() -> None:
    tables = replace(PLAIN, stsc=stsc((1, 2, 2), (2, 2, 1)))
    assert built(tables, descriptions=2).description.tolist() == [1, 1, 0, 0]


@pytest.mark.parametrize(
    ("tables", "message"),
    [
        ({"stsc": stsc((1, 2, 3))}, "stsc: expected a sample description from 1 to 1, got 3"),
        (
            {"stsc": stsc((1, 2, 1), (3, 2, 1))},
            "stsc: expected runs within the 2 chunks of stco, got one from chunk 3",
        ),
        (
            {"stts": stts()},
            "stbl: 2 chunks, but one of stts, stsc and stsz is empty or missing",
        ),
        ({"stco": ints()}, "stbl: 4 samples, but stco is empty or missing"),
        (
            {"stsz": stsz(1, 1 << 30, 1, 1)},
            "stsz: expected samples below 1 GiB, got one of 1073741824 bytes",
        ),
        (
            {
                "stsz": SampleSizes((1 << 32) - 1, 1, ints()),
                "stsc": stsc((1, (1 << 31) - 1, 1)),
            },
            "stsz: expected at most 262156 samples in a file of 1000 bytes, got more",
        ),
    ],
    ids=["description", "chunk", "no stts", "no stco", "size", "count"],
)
def test_what_is_refused(tables: dict[str, object], message: str) -> None:
    with pytest.raises(BoxError, match=f"^{message}$"):
        built(replace(PLAIN, **tables))


def test_a_cut_file_keeps_its_samples_and_tells_which_are_lost() -> None:
    samples = built(PLAIN, file_size=206)
    assert len(samples) == 4
    assert samples.beyond(1000).tolist() == []
    assert samples.beyond(206).tolist() == [2, 3]
    assert samples.beyond(108).tolist() == [1, 2, 3]


def test_no_samples() -> None:
    assert len(empty_samples()) == 0
    assert repr(built(PLAIN)) == "<SampleTable: 4 samples, 26 bytes>"


wild = st.one_of(st.integers(0, 6), st.integers(0, (1 << 32) - 1))
pairs = st.lists(st.tuples(wild, wild), max_size=4)


@given(
    pairs,
    st.none() | pairs,
    st.lists(st.tuples(wild, wild, st.integers(0, 3)), max_size=4),
    st.lists(wild, max_size=5),
    st.lists(st.integers(0, (1 << 63) - 1), max_size=4),
    st.none() | st.lists(wild, max_size=4),
    st.none() | st.tuples(wild, wild),
)
def test_any_tables_give_whole_arrays_or_our_error(
    times: list[tuple[int, int]],
    composition: list[tuple[int, int]] | None,
    chunks: list[tuple[int, int, int]],
    sizes: list[int],
    places: list[int],
    sync: list[int] | None,
    constant: tuple[int, int] | None,
) -> None:
    tables = TrackTables(
        stts=stts(*times),
        ctts=None if composition is None else ctts(*composition),
        stsc=stsc(*chunks) if chunks else SampleToChunk(ints(), ints(), ints()),
        stsz=stsz(*sizes) if constant is None else SampleSizes(*constant, ints(*sizes)),
        stco=ints(*places),
        stss=None if sync is None else ints(*sync),
        stps=ints(),
        random_access=None,
    )
    try:
        samples = build_samples(tables, descriptions=2, file_size=1000)
    except BoxError:
        return
    n = len(samples)
    assert n <= tables.stsz.count
    for column in (samples.size, samples.dts_ticks, samples.description, samples.sync):
        assert len(column) == n
    assert len(samples.composition_offset_ticks) == len(samples.duration_ticks) == n
    assert np.all(samples.offset >= 0)
    assert np.all(np.diff(samples.dts_ticks) >= 0)
