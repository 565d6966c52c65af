"""The first packet of a run is told to be a point of recovery, where nothing else says so."""

import pytest

from marey.video.decode.entry import (
    Entry,
    has_slices,
    marked_as_entry,
    may_bring_sets,
    nal_length_size,
)
from marey.video.h264.nal import split_annexb, split_length_prefixed
from marey.video.h264.sei import recovery_point

DELIMITER = bytes.fromhex("0910")
P_SLICE = bytes([0x41, 0b1_1_000000]) + bytes(20)  # first_mb 0, slice_type 0
I_SLICE = bytes([0x41, 0b1_011_0000]) + bytes(20)  # first_mb 0, slice_type 2
I_ONLY = bytes([0x41, 0b1_0001000, 0]) + bytes(20)  # first_mb 0, slice_type 7
PARAMETERS = bytes.fromhex("68ce3c80")
IDR = bytes([0x65, 0b1_0001000, 0]) + bytes(20)


def sample(*units: bytes, length_size: int = 4) -> bytes:
    return b"".join(len(unit).to_bytes(length_size) + unit for unit in units)


def stream(*units: bytes) -> bytes:
    return b"".join(b"\0\0\1" + unit for unit in units)


@pytest.mark.parametrize("length_size", [1, 2, 3, 4])
@pytest.mark.parametrize("intra", [I_SLICE, I_ONLY])
def test_intra_entry_gets_the_message_before_its_first_slice(intra, length_size):
    packet = sample(DELIMITER, intra, intra, length_size=length_size)
    marked, kind = marked_as_entry(packet, length_size)
    units = [bytes(marked[a:b]) for a, b in split_length_prefixed(marked, length_size)]
    assert kind is Entry.MARKED
    assert [units[0], *units[2:]] == [DELIMITER, intra, intra]
    message = recovery_point(units[1])
    assert message is not None
    assert (message.recovery_frame_cnt, message.broken_link_flag) == (0, False)


def test_intra_entry_in_a_byte_stream():
    ends_in_one = I_SLICE + b"\x80"
    marked, kind = marked_as_entry(stream(DELIMITER, ends_in_one, ends_in_one), 0)
    units = [bytes(marked[a:b]) for a, b in split_annexb(marked)]
    assert kind is Entry.MARKED
    assert [units[0], *units[2:]] == [DELIMITER, ends_in_one, ends_in_one]
    assert recovery_point(units[1]) is not None


def test_marked_packet_can_be_read_beyond_its_end():
    marked, _ = marked_as_entry(sample(I_SLICE), 4)
    assert isinstance(marked, memoryview)
    assert len(memoryview(marked.obj)) - len(marked) >= 64


@pytest.mark.parametrize(
    ("first", "kind"), [(IDR, Entry.IDR), (P_SLICE, Entry.UNKNOWN), (DELIMITER, Entry.NOT_YET)]
)
def test_other_packets_stay_as_they_are(first, kind):
    packet = sample(first)
    assert marked_as_entry(packet, 4) == (packet, kind)


@pytest.mark.parametrize(
    "packet",
    [b"", b"\0", bytes.fromhex("000000ff41"), sample(b"\x41"), sample(b"\x41\0\0\0\0\0")],
)
def test_damaged_packets_stay_as_they_are(packet):
    assert marked_as_entry(packet, 4) == (packet, Entry.NOT_YET)


def test_what_counts_as_slices():
    assert has_slices(sample(DELIMITER, P_SLICE), 4)
    assert has_slices(stream(IDR), 0)
    assert not has_slices(sample(DELIMITER, b"\x67\x42"), 4)
    assert has_slices(bytes.fromhex("000000ff41"), 4), "damage is no lack of slices"


@pytest.mark.parametrize(
    ("extradata", "size"),
    [("", 0), ("0000000167", 0), ("0164000bff", 4), ("0164000bfc", 1), ("0164", 0)],
)
def test_length_size_of_extradata(extradata, size):
    assert nal_length_size(bytes.fromhex(extradata)) == size


@pytest.mark.parametrize("length_size", [1, 2, 4])
@pytest.mark.parametrize(
    "units", [(IDR,), (DELIMITER, IDR, IDR), (b"\x06\x05\x00\x80", P_SLICE)]
)
def test_samples_without_parameter_sets_are_known_as_such(units, length_size):
    assert not may_bring_sets(sample(*units, length_size=length_size), length_size)


@pytest.mark.parametrize(
    ("packet", "length_size"),
    [
        (sample(PARAMETERS, IDR), 4),
        (sample(IDR, PARAMETERS), 4),
        (sample(b"\x0d", IDR), 4),  # an SPS extension
        (sample(IDR)[:-1], 4),
        (sample(IDR) + b"\0", 4),
        (sample(b"", IDR), 4),
        (sample(bytes([0x65]) * 300, length_size=2), 2),  # its first byte is that of an avcC
        (stream(IDR), 0),
    ],
)
def test_samples_that_are_not_known_to_be_without_may_bring_them(packet, length_size):
    assert may_bring_sets(packet, length_size)
