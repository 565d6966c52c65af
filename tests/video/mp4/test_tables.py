"""The tables of stbl: round trips, and counts without bytes behind them."""

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from marey.errors import BoxError
from marey.video.mp4.box import build_full_box, parse_box
from marey.video.mp4.tables import (
    CompositionOffsets,
    Int64s,
    SampleSizes,
    SampleToChunk,
    TimeToSample,
    build_ctts,
    build_stco,
    build_stsc,
    build_stss,
    build_stsz,
    build_stts,
    from_runs,
    parse_ctts,
    parse_sbgp,
    parse_stco,
    parse_stsc,
    parse_stss,
    parse_stsz,
    parse_stts,
    to_runs,
)

RoundTrip = Callable[..., None]

uint32s = st.integers(0, (1 << 32) - 1)
int32s = st.integers(-(1 << 31), (1 << 31) - 1)


def columns(*kinds: st.SearchStrategy[int]) -> st.SearchStrategy[list[Int64s]]:
    rows = st.lists(st.tuples(*kinds), min_size=1, max_size=6)
    return rows.map(lambda r: [np.array(c, np.int64) for c in zip(*r, strict=True)])


@given(columns(uint32s, uint32s))
def test_stts(assert_round_trip: RoundTrip, runs: list[Int64s]) -> None:
    assert_round_trip(TimeToSample(*runs), build_stts, parse_stts)


@given(columns(uint32s, int32s))
def test_ctts(assert_round_trip: RoundTrip, runs: list[Int64s]) -> None:
    table = CompositionOffsets(*runs)
    assert_round_trip(table, build_ctts, parse_ctts)
    assert build_ctts(table)[8] == int(table.offset_ticks.min() < 0)


@given(columns(uint32s, uint32s, uint32s))
def test_stsc(assert_round_trip: RoundTrip, runs: list[Int64s]) -> None:
    assert_round_trip(SampleToChunk(*runs), build_stsc, parse_stsc)


@given(columns(uint32s))
def test_stss(assert_round_trip: RoundTrip, samples: list[Int64s]) -> None:
    assert_round_trip(samples[0], build_stss, parse_stss)


@given(columns(uint32s))
def test_stsz_of_differing_sizes(assert_round_trip: RoundTrip, sizes: list[Int64s]) -> None:
    assert_round_trip(SampleSizes(len(sizes[0]), 0, sizes[0]), build_stsz, parse_stsz)


@given(uint32s, st.integers(1, (1 << 32) - 1))
def test_stsz_of_one_size(assert_round_trip: RoundTrip, count: int, size: int) -> None:
    table = SampleSizes(count, size, np.empty(0, np.int64))
    assert_round_trip(table, build_stsz, parse_stsz)


@given(columns(uint32s), columns(st.integers(0, (1 << 63) - 1)))
def test_stco_and_co64(
    assert_round_trip: RoundTrip, narrow: list[Int64s], wide: list[Int64s]
) -> None:
    def build(offsets: Int64s) -> bytes:
        return build_stco(offsets, wide=bool(offsets.max() >= 1 << 32))

    for offsets in (*narrow, *wide):
        assert_round_trip(offsets, build, parse_stco, refuses_cuts=False)


@pytest.mark.parametrize(
    ("bits", "packed", "sizes"),
    [
        (4, b"\x12\x3f", [1, 2, 3]),
        (8, b"\x01\x02\xff", [1, 2, 255]),
        (16, b"\x00\x01\x01\x00\xff\xff", [1, 256, 65535]),
    ],
)
def test_stz2_packs_sizes(bits: int, packed: bytes, sizes: list[int]) -> None:
    fields = bytes(3) + bytes([bits]) + (3).to_bytes(4) + packed
    table = parse_stsz(parse_box(build_full_box("stz2", 0, 0, fields)))
    assert (table.count, table.constant, table.sizes.tolist()) == (3, 0, sizes)


def test_sbgp_of_both_versions() -> None:
    rows = (1).to_bytes(4) + (5).to_bytes(4) + (1).to_bytes(4)
    for version, parameter in ((0, b""), (1, bytes(4))):
        box = build_full_box("sbgp", version, 0, b"rap ", parameter, rows)
        group = parse_sbgp(parse_box(box))
        assert (group.grouping, group.count.tolist(), group.group.tolist()) == (
            "rap ",
            [5],
            [1],
        )


def test_stco_has_as_many_chunks_as_there_are_bytes_for() -> None:
    data = bytearray(build_stco(np.array([7, 8]), wide=False))
    data[12:16] = b"\xff" * 4
    assert parse_stco(parse_box(bytes(data))).tolist() == [7, 8]


@pytest.mark.parametrize(
    ("parse", "box", "message"),
    [
        (
            parse_stts,
            build_full_box("stts", 0, 0, b"\xff" * 4, bytes(8)),
            "stts at 16: expected 34359738360 bytes for 4294967295 runs, 8 left",
        ),
        (
            parse_stsz,
            build_full_box("stsz", 0, 0, bytes(4), b"\x7f\xff\xff\xff"),
            "stsz at 20: expected 8589934588 bytes for 2147483647 sizes of 32 bits, 0 left",
        ),
        (
            parse_stsz,
            build_full_box("stz2", 0, 0, bytes(3), b"\x07", bytes(4)),
            "stz2 at 0: expected sizes of 4, 8 or 16 bits, got 7",
        ),
        (
            parse_stco,
            build_full_box("co64", 0, 0, (1).to_bytes(4), b"\xff" * 8),
            r"co64 at 0: expected offsets below 2\^63, got 18446744073709551615",
        ),
    ],
    ids=["stts", "stsz", "stz2", "co64"],
)
def test_what_is_refused(parse: Callable[..., object], box: bytes, message: str) -> None:
    with pytest.raises(BoxError, match=f"^{message}$"):
        parse(parse_box(box))


@given(st.lists(st.integers(-3, 3), max_size=30), st.integers(0, 40))
def test_runs_and_back(values: list[int], limit: int) -> None:
    count, value = to_runs(np.array(values, np.int64))
    assert len(count) == len(value)
    assert not np.any(np.diff(value) == 0)
    assert from_runs(count, value, limit).tolist() == values[:limit]


@given(columns(uint32s, int32s), st.integers(0, 50))
def test_runs_claim_what_they_like(runs: list[Int64s], limit: int) -> None:
    count, value = runs
    expected = [
        v
        for c, v in zip(count.tolist(), value.tolist(), strict=True)
        for _ in range(min(c, limit))
    ]
    assert from_runs(count, value, limit).tolist() == expected[:limit]
