"""Blobs and videos to write: bytes are kept, places are made absolute, nothing is shown."""

from __future__ import annotations

import pickle
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from marey.errors import ExpressionError
from marey.expressions import Blob, Video


@pytest.mark.parametrize(
    "data",
    [
        b"abcd",
        bytearray(b"abcd"),
        memoryview(b"a_b_c_d_")[::2],
        pa.py_buffer(b"abcd"),
        np.frombuffer(b"abcd", np.uint8),
    ],
    ids=lambda data: type(data).__name__,
)
def test_anything_bytes_like(data: object) -> None:
    blob = Blob(data)  # type: ignore[arg-type]
    assert (blob.data, blob.uri, blob.size) == (b"abcd", None, 4)


@pytest.mark.parametrize("data", ["clip.mp4", Path("clip.mp4"), None, 3, [1, 2], Blob(b"x")])
def test_what_has_no_bytes(data: object) -> None:
    with pytest.raises(ExpressionError, match="takes the bytes of a file"):
        Blob(data)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("uri", "stored"),
    [
        ("/data/a b.mp4", "file:///data/a%20b.mp4"),
        ("/data/x/../7.mp4", "file:///data/7.mp4"),
        ("file:///data/a%20b.mp4", "file:///data/a%20b.mp4"),
        ("file://localhost/data/7.mp4", "file:///data/7.mp4"),
        ("FILE:///data/7.mp4", "file:///data/7.mp4"),
        ("/data/what?#100%.mp4", "file:///data/what%3F%23100%25.mp4"),
        ("file:///data/%FF.mp4", "file:///data/%FF.mp4"),
        ("s3://bucket/raw/../7.mp4", "s3://bucket/raw/../7.mp4"),
        ("https://host/7.mp4?sig=1", "https://host/7.mp4?sig=1"),
    ],
)
def test_uri_is_stored_absolute(uri: str, stored: str) -> None:
    assert Blob.from_uri(uri).uri == stored
    assert Blob.from_uri(stored).uri == stored


def test_a_tilde_is_the_home_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/anna")
    assert Blob.from_uri("~/a.mp4").uri == "file:///home/anna/a.mp4"
    assert Blob.from_uri(Path("~/a.mp4")).uri == "file:///home/anna/a.mp4"
    assert Blob.from_uri("/data/~/a.mp4").uri == "file:///data/~/a.mp4"


@pytest.mark.parametrize("size", [True, -1, 1.0, "3"])
def test_a_size_that_is_none(size: object) -> None:
    with pytest.raises(ExpressionError, match="whole number of bytes"):
        Blob.from_uri("/a.mp4", size=size)  # type: ignore[arg-type]


def test_a_size_of_numpy() -> None:
    assert Blob.from_uri("/a.mp4", size=np.int64(3)).size == 3  # type: ignore[arg-type]


def test_relative_path_starts_at_the_working_directory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert Blob.from_uri("clips/7.mp4").uri == (tmp_path / "clips/7.mp4").as_uri()
    assert Blob.from_uri(Path("7.mp4")).uri == (tmp_path / "7.mp4").as_uri()


@given(st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), min_size=1))
def test_any_file_name_survives(name: str) -> None:
    path = Path("/data") / name.lstrip("/")
    blob = Blob.from_uri(path)
    assert blob.uri is not None
    assert blob.uri.isascii()
    assert Blob.from_uri(blob.uri) == blob


@pytest.mark.parametrize(
    "uri",
    ["", "a\0b", b"x", 3, None, "file://", "file://host/x", "file:///a?b", "file:///a%00b"],
)
def test_what_is_no_uri(uri: object) -> None:
    with pytest.raises(ExpressionError):
        Blob.from_uri(uri)  # type: ignore[arg-type]


@pytest.mark.parametrize("size", [-1, 1.5, True, "4"])
def test_size_is_a_number_of_bytes(size: object) -> None:
    with pytest.raises(ExpressionError, match="whole number of bytes"):
        Blob.from_uri("/x", size=size)  # type: ignore[arg-type]


def test_neither_bytes_nor_secrets_are_shown() -> None:
    assert repr(Blob(b"secret")) == "Blob(<6 bytes>)"
    signed = Blob.from_uri("https://me:secret@host/7.mp4?signature=secret", size=9)
    assert repr(signed) == "Blob.from_uri('https://host/7.mp4', size=9)"


def test_video_takes_a_blob() -> None:
    assert Video(Blob(b"abc")).blob.data == b"abc"
    with pytest.raises(ExpressionError, match=r"found bytes: write Video\(Blob\("):
        Video(b"abc")  # type: ignore[arg-type]
    with pytest.raises(ExpressionError, match=r"found str: write Video\(Blob.from_uri\("):
        Video("clip.mp4")  # type: ignore[arg-type]


def test_they_are_values() -> None:
    video = Video(Blob.from_uri("s3://bucket/7.mp4", size=3))
    assert pickle.loads(pickle.dumps(video)) == video
    assert len({video, Video(Blob.from_uri("s3://bucket/7.mp4", size=3))}) == 1
    with pytest.raises(AttributeError):
        video.blob.size = 4  # type: ignore[misc]
