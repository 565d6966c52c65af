"""Decoder configuration records."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from marey.errors import BoxError
from marey.video.h264.avcc import AvcConfig, build_avcc, parse_avcc

nals = st.binary(max_size=40)
configs = st.builds(
    AvcConfig,
    profile=st.integers(0, 255),
    compatibility=st.integers(0, 255),
    level=st.integers(0, 255),
    length_size=st.integers(1, 4),
    sps=st.lists(nals, max_size=31).map(tuple),
    pps=st.lists(nals, max_size=40).map(tuple),
    tail=st.binary(max_size=10),
)


@given(configs)
def test_round_trip(config: AvcConfig) -> None:
    data = build_avcc(config)
    assert parse_avcc(data) == config
    assert parse_avcc(memoryview(data)) == config
    assert build_avcc(parse_avcc(data)) == data


@given(configs, st.data())
def test_a_cut_record_is_refused_unless_only_the_tail_is_cut(
    config: AvcConfig, data: st.DataObject
) -> None:
    whole = build_avcc(config)
    cut = whole[: data.draw(st.integers(0, len(whole)))]
    if len(cut) >= len(whole) - len(config.tail):
        parsed = parse_avcc(cut)
        assert (parsed.sps, parsed.pps) == (config.sps, config.pps)
        assert config.tail.startswith(parsed.tail)
    else:
        with pytest.raises(BoxError, match=r"avcC at \d+: expected \d+ bytes"):
            parse_avcc(cut)


def test_reserved_bits_may_be_anything() -> None:
    strict = bytes.fromhex("0164001fffe1000167010001 68")
    loose = bytes.fromhex("0164001f03010001670100 0168")
    assert parse_avcc(strict) == parse_avcc(loose)
    assert parse_avcc(strict).length_size == 4


def test_another_version_is_refused() -> None:
    with pytest.raises(BoxError, match="expected version 1, got 2"):
        parse_avcc(bytes.fromhex("0264001fffe000"))


@pytest.mark.parametrize(
    ("sps", "pps"), [((b"g",) * 32, ()), ((), (b"h",) * 256), ((bytes(65536),), ())]
)
def test_what_has_no_room_is_not_written(
    sps: tuple[bytes, ...], pps: tuple[bytes, ...]
) -> None:
    with pytest.raises(BoxError):
        build_avcc(
            AvcConfig(profile=66, compatibility=0, level=30, length_size=4, sps=sps, pps=pps)
        )


@given(st.binary(max_size=60))
def test_arbitrary_bytes_raise_no_other_error(data: bytes) -> None:
    try:
        config = parse_avcc(b"\x01" + data)
    except BoxError:
        return
    assert parse_avcc(build_avcc(config)) == config
