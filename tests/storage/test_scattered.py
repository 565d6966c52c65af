"""A write that many lay down and one commits: all its rows, or none, whoever writes beside."""

from __future__ import annotations

import pickle
from collections.abc import Callable

import pyarrow as pa
import pytest

from marey.errors import ConflictError, DuplicateKeyError, InputError
from marey.storage import scattered
from marey.storage.dataset import Dataset, open_dataset
from marey.storage.scattered import Piece, ScatteredWrite
from marey.storage.schema import VideoValue

MakeVideo = Callable[..., VideoValue]
COLUMNS = pa.schema([("clip_id", pa.int64()), ("label", pa.string())])


def rows(*keys: int) -> pa.Table:
    return pa.table({"clip_id": keys, "label": [f"l{key}" for key in keys]}, schema=COLUMNS)


def laid_down(write: ScatteredWrite, video: MakeVideo, *keys: int) -> Piece:
    """A piece as a worker makes it, there and back."""
    elsewhere = pickle.loads(pickle.dumps(write))
    videos = {"video": [video(b"%d" % key) for key in keys]}
    return pickle.loads(pickle.dumps(elsewhere.lay_down(rows(*keys), videos)))


def stored(clips: Dataset) -> dict[int, tuple[str, bytes]]:
    clips.refresh()
    found = {}
    for batch in clips.scan(["clip_id", "label"]):
        for row in batch.to_pylist():
            (read,) = clips.read_ranges("video", [(row["_rowid"], 0, 1)])
            found[row["clip_id"]] = (row["label"], bytes(read))
    return found


def expected(*keys: int) -> dict[int, tuple[str, bytes]]:
    return {key: (f"l{key}", b"%d" % key) for key in keys}


def test_pieces_become_one_version(clips: Dataset, video: MakeVideo) -> None:
    write = clips.scattered_write().plan(COLUMNS, ["video"])
    pieces = [laid_down(write, video, 1, 2), laid_down(write, video, 3)]
    clips.refresh()
    assert clips.count() == 0
    assert clips.schema.names == ["clip_id"]  # not even the new columns are there yet
    before = clips.version
    assert write.commit(pieces) == before + 2
    assert stored(clips) == expected(1, 2, 3)
    again = clips.scattered_write().plan(COLUMNS, ["video"])
    assert again.commit([laid_down(again, video, 4)]) == before + 3
    assert stored(clips) == expected(1, 2, 3, 4)


def test_keys_stand_once_and_are_new(clips: Dataset, video: MakeVideo) -> None:
    write = clips.scattered_write().plan(COLUMNS, ["video"])
    one, other = laid_down(write, video, 1, 2), laid_down(write, video, 2)
    with pytest.raises(DuplicateKeyError, match="clip_id=2"):
        write.commit([one, other])
    assert clips.count() == 0
    write.commit([one])
    with pytest.raises(InputError, match=r"1 of 1 keys .* clip_id=2: .* not updated"):
        write.commit([other])
    assert stored(clips) == expected(1, 2)


def test_who_comes_second_finds_the_key_of_the_first(
    clips: Dataset, video: MakeVideo, monkeypatch: pytest.MonkeyPatch
) -> None:
    clips.write(rows(0), {"video": [video(b"0")]})
    other = open_dataset(clips.uri)
    write = clips.scattered_write().plan(COLUMNS, ["video"])
    commit = scattered.commit_update
    between = [5, 1]

    def commit_after_another(*args: object) -> int:
        if between:
            key = between.pop(0)
            other.write(rows(key), {"video": [video(b"%d" % key)]})
        return commit(*args)  # type: ignore[arg-type]

    monkeypatch.setattr(scattered, "commit_update", commit_after_another)
    write.commit([laid_down(write, video, 7)])
    assert stored(clips) == expected(0, 1, 5, 7)
    between[:] = [8]
    with pytest.raises(InputError, match="clip_id=8"):
        write.commit([laid_down(write, video, 8)])
    assert stored(clips) == expected(0, 1, 5, 7, 8)


def test_columns_that_another_writer_adds_are_a_conflict(
    clips: Dataset, video: MakeVideo
) -> None:
    write = clips.scattered_write().plan(COLUMNS, ["video"])
    piece = laid_down(write, video, 1)
    clips.write(pa.table({"clip_id": [2], "label": [3]}))
    with pytest.raises(ConflictError, match="another writer added column 'label'"):
        write.commit([piece])
    assert clips.count() == 1


def test_columns_fit_the_table_and_the_plan(clips: Dataset, video: MakeVideo) -> None:
    clips.write(pa.table({"clip_id": [0], "label": ["a"]}))
    with pytest.raises(InputError, match="'clip_id'"):
        clips.scattered_write().plan(pa.schema([("label", pa.string())]), [])
    with pytest.raises(InputError, match="column 'label': expected string, found videos"):
        clips.scattered_write().plan(pa.schema([("clip_id", pa.int64())]), ["label"])
    write = clips.scattered_write().plan(COLUMNS, [])
    with pytest.raises(InputError, match="column 'video': the first rows do not have it"):
        laid_down(write, video, 1)
