"""Finding moov and moof, wherever they are, in few reads and without a byte of the samples."""

from collections.abc import Sequence

import pytest

from marey.errors import BoxError
from marey.video.mp4.box import build_box, parse_box
from marey.video.mp4.locate import is_mp4, read_movie_boxes
from marey.video.source import ByteRange, BytesReader

FTYP = build_box("ftyp", b"isom", bytes(4))
MOOV = build_box("moov", build_box("mvhd", bytes(100)))
FRAGMENTED_MOOV = build_box("moov", build_box("mvhd", bytes(100)), build_box("mvex"))
MOOF = build_box("moof", bytes(50))
MEGABYTE = 1 << 20


class Counting(BytesReader):
    """Counts the reads and their bytes."""

    def __init__(self, data: bytes) -> None:
        super().__init__(data)
        self.reads = 0
        self.bytes = 0

    def read(self, ranges: Sequence[ByteRange]) -> list[memoryview]:
        self.reads += len(ranges)
        self.bytes += sum(r.length for r in ranges)
        return super().read(ranges)


def large(box: bytes) -> bytes:
    """The same box with a size of 64 bits."""
    return (1).to_bytes(4) + box[4:8] + (len(box) + 8).to_bytes(8) + box[8:]


MDAT = build_box("mdat", bytes(MEGABYTE))


@pytest.mark.parametrize(
    ("data", "reads"),
    [
        (FTYP + MOOV + MDAT, 1),
        (FTYP + MDAT + MOOV, 2),
        (FTYP + large(MDAT) + large(MOOV), 2),
        (MOOV, 1),
        (
            FTYP
            + build_box("free", bytes(9))
            + MDAT
            + MDAT
            + MOOV
            + build_box("uuid", bytes(16)),
            3,
        ),
        (FTYP + MOOV + b"\0\0\0\0mdat" + bytes(MEGABYTE), 1),
        (FTYP + MDAT + b"\0\0\0\0" + MOOV[4:], 2),
    ],
    ids=["first", "last", "64 bits", "alone", "between", "endless mdat", "endless moov"],
)
def test_moov_is_found_in_few_reads(data: bytes, reads: int) -> None:
    reader = Counting(data)
    found = read_movie_boxes(reader)
    assert bytes(found.moov.body) == MOOV[8:]
    assert found.moov.type == "moov"
    assert data[found.moov.body_start :][: len(found.moov.body)] == MOOV[8:]
    assert reader.reads == reads
    assert reader.bytes < 1 << 16


def test_every_fragment_is_found() -> None:
    fragment = MOOF + build_box("mdat", bytes(100_000))
    reader = Counting(FTYP + FRAGMENTED_MOOV + fragment * 5 + build_box("mfra", bytes(8)))
    found = read_movie_boxes(reader)
    first = len(FTYP + FRAGMENTED_MOOV)
    assert [moof.start for moof in found.moofs] == [first + n * len(fragment) for n in range(5)]
    assert all(bytes(moof.body) == bytes(50) for moof in found.moofs)
    # Each fragment costs one read of 16 KiB, not its 100 kB.
    assert reader.reads <= 7
    assert reader.bytes <= 7 << 14


def test_a_movie_without_mvex_is_not_searched_for_fragments() -> None:
    reader = Counting(FTYP + MOOV + MDAT + MOOF)
    assert read_movie_boxes(reader).moofs == ()
    assert reader.reads == 1


def test_indexes_come_with_the_size_of_what_ends_the_file() -> None:
    sidx = build_box("sidx", bytes(24))
    mfra = build_box("mfra", bytes(4), (16).to_bytes(4))
    found = read_movie_boxes(BytesReader(FTYP + FRAGMENTED_MOOV + sidx + MOOF + mfra))
    assert [box.start for box in found.sidxs] == [len(FTYP + FRAGMENTED_MOOV)]
    assert found.mfra_bytes == 16


def test_a_moov_cut_short_is_what_is_there() -> None:
    found = read_movie_boxes(BytesReader(FTYP + MOOV[:-10]))
    assert len(found.moov.body) == len(MOOV) - 18


def test_bytes_that_are_no_box_end_the_walk() -> None:
    tail = b"\0\0\0\x03junk" + MOOF
    assert read_movie_boxes(BytesReader(FTYP + FRAGMENTED_MOOV + tail)).moofs == ()


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "no moov box in 0 bytes: found no box"),
        (FTYP + MDAT, "no moov box in 1048600 bytes: found 'ftyp', 'mdat'"),
        (
            FTYP + MDAT[:100],
            r"no moov box in 116 bytes: found 'ftyp', 'mdat \(cut: 1048584 bytes, 100 left\)'",
        ),
        (b"\0\0\0\x03free", "free at 0: expected a size of 0 or from 8 up, got 3"),
    ],
)
def test_a_file_without_a_movie_is_refused(data: bytes, message: str) -> None:
    with pytest.raises(BoxError, match=f"^{message}$"):
        read_movie_boxes(BytesReader(data))


@pytest.mark.parametrize(
    ("head", "expected"),
    [
        (FTYP, True),
        (MOOV, True),
        (MDAT[:16], True),
        (large(MDAT)[:16], True),
        (b"\0\0\0\x08wide", True),
        (b"\0\0\0\0mdat", True),
        (b"\0\0\0\x01\x67\x42\0\x1e\xab", False),
        (b"\0\0\1\x67\x42\0\x1e\xab", False),
        (b"RIFF\0\0\0\0AVI ", False),
        (b"\x1aE\xdf\xa3" + bytes(8), False),
        (b"ftyp", False),
        (b"", False),
    ],
)
def test_what_can_be_mp4(head: bytes, expected: bool) -> None:
    assert is_mp4(head) == expected


def test_moov_twice_the_first_counts() -> None:
    other = build_box("moov", bytes(40))
    found = read_movie_boxes(BytesReader(FTYP + FRAGMENTED_MOOV + other))
    assert found.moov == parse_box(FRAGMENTED_MOOV, len(FTYP))
