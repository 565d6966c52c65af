"""Files that declare more than they hold are read, or refused by name."""

from __future__ import annotations

from contextlib import suppress

import pytest

from marey.errors import BoxError, MareyError
from marey.tests.fuzz.hostile_files import FILES
from marey.video.index.build import build_frame_index
from marey.video.index.encode import decode_index, encode_index
from marey.video.mp4.box import build_box
from marey.video.mp4.fragments import check_run_count
from marey.video.mp4.movie import read_movie
from marey.video.source import BytesReader


@pytest.mark.parametrize("name", FILES)
def test_hostile_file_is_indexed_or_refused(name: str) -> None:
    with suppress(MareyError):
        built = build_frame_index(BytesReader(FILES[name](20_000)))
        decode_index(encode_index(built.index))


@pytest.mark.parametrize(
    ("name", "size", "message"),
    [
        ("many_tracks", 40_000, r"expected at most 2626[0-9]+ samples in a file of"),
        ("disordered_stsc", 1_600_000, "stsc: expected runs within the 1 chunks"),
        ("edited_tracks", 1 << 20, "moov: expected at most 65536 edits in all of its tracks"),
        ("far_apart", 400_000, "indexing 400599 bytes takes more than"),
        ("shared_samples", 20_000, "2500 samples share their bytes"),
        ("repeating_edits", 20_000, "edits bring more than 65536 of 1664 samples again"),
    ],
)
def test_what_is_refused(name: str, size: int, message: str) -> None:
    with pytest.raises(MareyError, match=message):
        build_frame_index(BytesReader(FILES[name](size)))


def test_more_tracks_than_files_have() -> None:
    movie = FILES["empty_tracks"](8000)
    assert len(read_movie(BytesReader(movie)).tracks) == 1000
    start = movie.index(b"moov") - 4
    more = build_box("moov", movie[start + 8 :] + build_box("trak") * 25)
    with pytest.raises(BoxError, match="moov: expected at most 1024 tracks, got 1025"):
        read_movie(BytesReader(movie[:start] + more))


def test_more_fragments_than_their_bytes_have() -> None:
    check_run_count(131_072 + 4, 1024, "moof at 8")
    with pytest.raises(BoxError, match="moof at 8: expected at most 131076 fragments and runs"):
        check_run_count(131_072 + 5, 1024, "moof at 8")
