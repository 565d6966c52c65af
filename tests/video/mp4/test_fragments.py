"""The fields of fragments: what each flag brings, and what is refused."""

from collections.abc import Callable
from itertools import product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from marey.errors import BoxError
from marey.video.mp4.box import build_full_box, parse_box
from marey.video.mp4.fragments import (
    SampleDefaults,
    SegmentIndex,
    TrackFragmentHeader,
    parse_sidx,
    parse_tfdt,
    parse_tfhd,
    parse_trex,
    parse_trun,
)

uint32s = st.integers(0, (1 << 32) - 1)


def u32(*values: int) -> bytes:
    return b"".join((value % (1 << 32)).to_bytes(4) for value in values)


def test_trex() -> None:
    box = build_full_box("trex", 0, 0, u32(1, 2, 3, 4, 5))
    assert parse_trex(parse_box(box)) == SampleDefaults(1, 2, 3, 4, 5)


@given(st.tuples(*[st.none() | uint32s] * 4), st.none() | st.integers(0, (1 << 62) - 1))
def test_tfhd_has_the_fields_that_its_flags_name(
    values: tuple[int | None, ...], base: int | None
) -> None:
    flags = sum(
        bit for bit, v in zip((0x02, 0x08, 0x10, 0x20), values, strict=True) if v is not None
    )
    fields = b"" if base is None else base.to_bytes(8)
    fields += u32(*(v for v in values if v is not None))
    flags |= (0x01 if base is not None else 0) | 0x020000
    header = parse_tfhd(parse_box(build_full_box("tfhd", 0, flags, u32(7), fields)))
    assert header == TrackFragmentHeader(7, base, True, *values)
    defaults = SampleDefaults(7, 1, 2, 3, 4)
    over = header.over(defaults)
    assert over.track_id == 7
    stated = (over.description, over.duration_ticks, over.size, over.flags)
    assert stated == tuple(
        d if v is None else v for v, d in zip(values, (1, 2, 3, 4), strict=True)
    )


@pytest.mark.parametrize("wanted", list(product([False, True], repeat=6)))
def test_trun_has_the_fields_that_its_flags_name(wanted: tuple[bool, ...]) -> None:
    bits = (0x001, 0x004, 0x100, 0x200, 0x400, 0x800)
    flags = sum(bit for bit, is_there in zip(bits, wanted, strict=True) if is_there)
    offset, first, *columns = wanted
    body = u32(3) + (u32(-8) if offset else b"") + (u32(0x2000000) if first else b"")
    body += u32(*(10 * row + c for row in range(3) for c, there in enumerate(columns) if there))
    run = parse_trun(parse_box(build_full_box("trun", 1, flags, body)))
    assert (run.count, run.data_offset) == (3, -8 if offset else 0)
    assert run.first_flags == (0x2000000 if first else None)
    read = (run.duration_ticks, run.size, run.flags, run.composition_offset_ticks)
    for c, (values, there) in enumerate(zip(read, columns, strict=True)):
        assert (None if values is None else values.tolist()) == (
            [c, 10 + c, 20 + c] if there else None
        )


@pytest.mark.parametrize("version", [0, 1])
def test_composition_offsets_are_signed_in_both_versions(version: int) -> None:
    run = parse_trun(parse_box(build_full_box("trun", version, 0x800, u32(2, -512, 512))))
    assert run.composition_offset_ticks is not None
    assert run.composition_offset_ticks.tolist() == [-512, 512]


@pytest.mark.parametrize(("version", "width"), [(0, 4), (1, 8)])
def test_tfdt(version: int, width: int) -> None:
    assert parse_tfdt(parse_box(build_full_box("tfdt", version, 0, (9).to_bytes(width)))) == 9


def sidx_box(version: int, *references: tuple[int, int], timescale: int = 1000) -> bytes:
    width = 8 if version else 4
    rows = b"".join(u32(size, duration, 0) for size, duration in references)
    count = len(references).to_bytes(2)
    times = (5).to_bytes(width) + (16).to_bytes(width)
    return build_full_box("sidx", version, 0, u32(1, timescale), times, bytes(2), count, rows)


@pytest.mark.parametrize("version", [0, 1])
def test_sidx(version: int) -> None:
    data = sidx_box(version, (100, 10), (200, 20))
    index = parse_sidx(parse_box(data, start=40))
    assert index == SegmentIndex(1, 1000, 40 + len(data) + 16, 16, 5, (100, 200), (10, 20))


@pytest.mark.parametrize(
    "box",
    [sidx_box(0), sidx_box(0, (1 << 31, 1)), sidx_box(0, (1, 1), timescale=0)],
    ids=["empty", "index of indexes", "no timescale"],
)
def test_an_index_that_tells_nothing_is_none(box: bytes) -> None:
    assert parse_sidx(parse_box(box)) is None


@pytest.mark.parametrize(
    ("parse", "box", "message"),
    [
        (
            parse_tfhd,
            build_full_box("tfhd", 0, 0, u32(0)),
            "tfhd at 0: expected a track number from 1 up, got 0",
        ),
        (
            parse_tfhd,
            build_full_box("tfhd", 0, 1, u32(1), b"\xff" * 8),
            r"tfhd at 0: expected a data offset below 2\^62, got 18446744073709551615",
        ),
        (
            parse_tfdt,
            build_full_box("tfdt", 1, 0, b"\xff" * 8),
            r"tfdt at 0: expected a time below 2\^62, got 18446744073709551615",
        ),
        (
            parse_trun,
            build_full_box("trun", 0, 0xF00, u32(1 << 31), bytes(64)),
            "trun at 16: expected 34359738368 bytes for 2147483648 samples of 4 .*",
        ),
        (
            parse_sidx,
            sidx_box(0, (1, 1))[:-1] + b"",
            "sidx at 32: expected 12 bytes for 1 references, 11 left",
        ),
    ],
    ids=["track 0", "data offset", "time", "count", "references"],
)
def test_what_is_refused(parse: Callable[..., object], box: bytes, message: str) -> None:
    box = len(box).to_bytes(4) + box[4:]
    with pytest.raises(BoxError, match=f"^{message}$"):
        parse(parse_box(box))


def test_a_count_without_fields_allocates_nothing() -> None:
    run = parse_trun(parse_box(build_full_box("trun", 0, 0, u32(0xFFFFFFFF))))
    assert (run.count, run.size) == (0xFFFFFFFF, None)
    assert np.iinfo(np.uint32).max == run.count
