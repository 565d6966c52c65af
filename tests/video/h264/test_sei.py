"""SEI messages: walked, found, written; damage is passed over."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from marey.video.bits.writer import BitWriter
from marey.video.h264.sei import (
    PAYLOAD_RECOVERY_POINT,
    PAYLOAD_USER_DATA_UNREGISTERED,
    X264_UUID,
    RecoveryPoint,
    build_sei,
    recovery_point,
    sei_messages,
    user_data_unregistered,
)

messages = st.lists(
    st.tuples(
        st.one_of(st.integers(0, 10), st.integers(0, 2000)),
        st.one_of(st.binary(max_size=20), st.integers(0, 1200).map(bytes)),
    ),
    max_size=6,
)


def recovery_payload(point: RecoveryPoint) -> bytes:
    writer = BitWriter()
    writer.ue(point.recovery_frame_cnt)
    writer.flag(point.exact_match_flag)
    writer.flag(point.broken_link_flag)
    writer.u(2, point.changing_slice_group_idc)
    writer.trailing_bits()
    return writer.to_bytes()


recovery_points = st.builds(
    RecoveryPoint, st.integers(0, 65535), st.booleans(), st.booleans(), st.integers(0, 3)
)


@given(messages)
def test_round_trip(items: list[tuple[int, bytes]]) -> None:
    nal = build_sei(items)
    assert list(sei_messages(nal)) == items
    assert list(sei_messages(memoryview(nal))) == items


@given(messages, recovery_points)
def test_a_recovery_point_is_found_among_others(
    items: list[tuple[int, bytes]], point: RecoveryPoint
) -> None:
    others = [(kind, data) for kind, data in items if kind != PAYLOAD_RECOVERY_POINT]
    assert recovery_point(build_sei(others)) is None
    whole = build_sei([*others, (PAYLOAD_RECOVERY_POINT, recovery_payload(point)), *others])
    assert recovery_point(whole) == point
    assert recovery_point(memoryview(whole)) == point


def test_a_damaged_recovery_point_is_passed_over() -> None:
    point = RecoveryPoint(3, True, False, 0)
    empty = (PAYLOAD_RECOVERY_POINT, b"")
    good = (PAYLOAD_RECOVERY_POINT, recovery_payload(point))
    assert recovery_point(build_sei([empty])) is None
    assert recovery_point(build_sei([empty, good])) == point
    far = RecoveryPoint(65536, True, False, 0)
    assert recovery_point(build_sei([(PAYLOAD_RECOVERY_POINT, recovery_payload(far))])) is None


def test_user_data_is_told_by_its_uuid() -> None:
    data = (PAYLOAD_USER_DATA_UNREGISTERED, X264_UUID + b"x264 - core 164")
    other = (PAYLOAD_USER_DATA_UNREGISTERED, bytes(16) + b"other")
    nal = build_sei([other, (4, X264_UUID), data])
    assert user_data_unregistered(nal) == b"x264 - core 164"
    assert user_data_unregistered(nal, bytes(16)) == b"other"
    assert user_data_unregistered(build_sei([other])) is None


@pytest.mark.parametrize(
    "nal", ["", "06", "0680", "0606", "0605ff", "0605ffffff", "0606057f", "06ff"]
)
def test_a_size_past_the_end_ends_the_walk(nal: str) -> None:
    assert list(sei_messages(bytes.fromhex(nal))) == []
    assert recovery_point(bytes.fromhex(nal)) is None


def test_long_numbers_are_no_trap() -> None:
    # A size of 255 a byte, all the way: one step, not one a byte.
    nal = b"\x06\x06" + b"\xff" * 5_000_000
    assert recovery_point(nal) is None
    assert list(sei_messages(b"\x06\x06" + b"\xff" * 100 + b"\x00\x80")) == []


def test_millions_of_empty_messages_are_no_trap() -> None:
    nal = b"\x06" + b"\x05\x00" * 1_000_000 + b"\x06\x01\x80\x80"
    assert len(list(sei_messages(nal))) == 1000


@given(st.binary(max_size=100))
def test_arbitrary_bytes_raise_nothing(data: bytes) -> None:
    nal = b"\x06" + data
    found = list(sei_messages(nal))
    assert sum(len(payload) for _, payload in found) <= len(data)
    kinds = {kind for kind, _ in found}
    assert recovery_point(nal) is None or PAYLOAD_RECOVERY_POINT in kinds
    assert user_data_unregistered(nal) is None or PAYLOAD_USER_DATA_UNREGISTERED in kinds
