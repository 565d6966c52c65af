"""mvhd, tkhd, mdhd, hdlr and elst."""

from collections.abc import Callable
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from marey.errors import BoxError
from marey.video.mp4.box import build_box, build_full_box, parse_box
from marey.video.mp4.headers import (
    IDENTITY_MATRIX,
    Edit,
    Matrix,
    MediaHeader,
    MovieHeader,
    TrackHeader,
    build_elst,
    build_hdlr,
    build_mdhd,
    build_mvhd,
    build_tkhd,
    parse_elst,
    parse_hdlr,
    parse_mdhd,
    parse_mvhd,
    parse_tkhd,
)

RoundTrip = Callable[..., None]

timescales = st.integers(1, (1 << 31) - 1)
durations = st.one_of(st.integers(0, (1 << 32) + 3), st.integers(0, (1 << 63) - 1))
int32s = st.integers(-(1 << 31), (1 << 31) - 1)
matrices = st.tuples(*[int32s] * 9)
pixels = st.integers(0, (1 << 32) - 1).map(lambda fixed: fixed / 65536)


@given(st.builds(MovieHeader, timescales, durations, matrices))
def test_mvhd(assert_round_trip: RoundTrip, header: MovieHeader) -> None:
    def build(value: MovieHeader) -> bytes:
        return build_mvhd(value, next_track_id=2)

    # What stands behind the duration may be missing.
    assert_round_trip(header, build, parse_mvhd, refuses_cuts=False)
    cut = build_box("mvhd", bytes(parse_box(build(header)).body)[:40])
    assert parse_mvhd(parse_box(cut)) == replace(header, matrix=IDENTITY_MATRIX)


@given(st.integers(0, (1 << 32) - 1), st.booleans(), durations, matrices, pixels, pixels)
def test_tkhd(
    assert_round_trip: RoundTrip,
    track_id: int,
    enabled: bool,
    duration: int,
    matrix: Matrix,
    width: float,
    height: float,
) -> None:
    header = TrackHeader(track_id, enabled, duration, matrix, width, height)
    assert_round_trip(header, build_tkhd, parse_tkhd)


@given(
    st.builds(
        MediaHeader,
        timescales,
        durations,
        st.text("abcdefghijklmnopqrstuvwxyz", min_size=3, max_size=3),
    )
)
def test_mdhd(assert_round_trip: RoundTrip, header: MediaHeader) -> None:
    assert_round_trip(header, build_mdhd, parse_mdhd, refuses_cuts=False)


@given(
    st.lists(
        st.builds(
            Edit,
            st.integers(0, (1 << 63) - 1),
            st.integers(-(1 << 63), (1 << 63) - 1),
            int32s.map(lambda fixed: fixed / 65536),
        ),
        max_size=5,
    ).map(tuple)
)
def test_elst(assert_round_trip: RoundTrip, edits: tuple[Edit, ...]) -> None:
    assert_round_trip(edits, build_elst, parse_elst, refuses_cuts=False)


def test_hdlr(assert_round_trip: RoundTrip) -> None:
    assert_round_trip("vide", lambda h: build_hdlr(h, "A name"), parse_hdlr, refuses_cuts=False)


def test_version_0_of_elst_has_32_bits() -> None:
    fields = (
        (2).to_bytes(4) + b"\0\0\0\x09\xff\xff\xff\xff\0\1\0\0" + b"\0\0\0\1\0\0\0\2\0\0\x80\0"
    )
    edits = parse_elst(parse_box(build_full_box("elst", 0, 0, fields)))
    assert edits == (Edit(9, -1), Edit(1, 2, 0.5))


def test_as_many_edits_as_there_are_bytes_for_whatever_elst_says() -> None:
    edits = (Edit(1, 2), Edit(3, 4))
    data = bytearray(build_elst(edits))
    data[12:16] = (1 << 31).to_bytes(4)
    assert parse_elst(parse_box(bytes(data))) == edits


@pytest.mark.parametrize("timescale", [0, 0x80000000])
def test_a_timescale_that_is_none_counts_as_1(timescale: int) -> None:
    mdhd = build_full_box("mdhd", 0, 0, bytes(8), timescale.to_bytes(4), bytes(8))
    assert parse_mdhd(parse_box(mdhd)).timescale == 1
    mvhd = build_full_box("mvhd", 0, 0, bytes(8), timescale.to_bytes(4), bytes(8))
    assert parse_mvhd(parse_box(mvhd)).timescale == 1


def test_a_duration_of_all_ones_is_not_known() -> None:
    mvhd = build_full_box("mvhd", 0, 0, bytes(8), (9).to_bytes(4), b"\xff" * 4)
    assert parse_mvhd(parse_box(mvhd)) == MovieHeader(9, 0)


def test_a_language_of_quicktime_is_undetermined() -> None:
    mdhd = build_full_box("mdhd", 0, 0, bytes(8), (9).to_bytes(4), bytes(8))
    assert parse_mdhd(parse_box(mdhd)).language == "und"


@pytest.mark.parametrize(
    ("parse", "box", "message"),
    [
        (
            parse_mdhd,
            build_full_box("mdhd", 2, 0, bytes(32)),
            "mdhd at 0: expected version 0 or 1, got 2",
        ),
        (
            parse_elst,
            build_full_box("elst", 1, 0, (1).to_bytes(4), b"\xff" * 20),
            r"elst at 16: expected a duration below 2\^63, got 18446744073709551615",
        ),
        (
            parse_elst,
            build_full_box("elst", 0, 0, bytes(4 + 12 * ((1 << 14) + 1))),
            "elst at 0: expected at most 16384 edits, got 16385",
        ),
        (
            parse_tkhd,
            build_full_box("tkhd", 0, 0, bytes(79)),
            "tkhd at 88: expected 4 bytes for u32, 3 left",
        ),
    ],
    ids=["mdhd version", "elst duration", "elst count", "tkhd short"],
)
def test_what_is_refused(parse: Callable[..., object], box: bytes, message: str) -> None:
    with pytest.raises(BoxError, match=f"^{message}$"):
        parse(parse_box(box))


def test_the_identity_matrix_changes_nothing() -> None:
    header = TrackHeader(1, True, 0, IDENTITY_MATRIX, 16.0, 9.0)
    assert parse_tkhd(parse_box(build_tkhd(header))).matrix == (
        65536,
        0,
        0,
        0,
        65536,
        0,
        0,
        0,
        1 << 30,
    )
