"""Several writers, crashes and full disks: nothing is lost, doubled or left half done."""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pytest

from marey.errors import InputError, StorageError
from marey.storage import write
from marey.storage.catalog import Catalog
from marey.storage.dataset import Dataset, open_dataset
from marey.storage.schema import VideoValue
from marey.storage.stage import Located, stage

MakeVideo = Callable[..., VideoValue]


def run(code: str, *arguments: object) -> subprocess.Popen[bytes]:
    """A process of its own that starts when a line comes in, and says when it is ready."""
    program = f"import sys\nfrom marey.storage.dataset import open_dataset\n{code}"
    return subprocess.Popen(
        [sys.executable, "-c", program, *map(str, arguments)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )


UPSERTS = """
import pyarrow as pa
from marey.storage.schema import VideoValue
uri, writer = sys.argv[1], int(sys.argv[2])
table = open_dataset(uri)
print("ready", flush=True)
sys.stdin.readline()
for n in range(12):
    own = 1000 * writer + n
    video = VideoValue(b"%d" % own, {}, b"")
    table.write(pa.table({"clip_id": [own, n], f"by_{writer}": [n, n]}), {"video": [video] * 2})
"""


def test_two_processes_lose_nothing_and_double_nothing(clips: Dataset) -> None:
    writers = [run(UPSERTS, clips.uri, writer) for writer in (1, 2)]
    for process in writers:
        assert process.stdout is not None
        process.stdout.readline()
    assert [process.communicate(b"go\n") and process.returncode for process in writers] == [
        0,
        0,
    ]
    clips.refresh()
    keys = [b.to_pydict()["clip_id"] for b in clips.scan(["clip_id"])]
    found = sorted(key for batch in keys for key in batch)
    assert found == sorted([*range(12), *range(1000, 1012), *range(2000, 2012)])
    shared = clips.find_keys(pa.table({"clip_id": range(12)}))
    both = clips.take(shared, ["by_1", "by_2"])
    assert both["by_1"].to_pylist() == both["by_2"].to_pylist() == list(range(12))


def test_threads_that_insert_one_key_make_one_row(clips: Dataset, video: MakeVideo) -> None:
    start = threading.Barrier(4)

    def insert(writer: int) -> None:
        table = open_dataset(clips.uri)
        start.wait()
        for n in range(5):
            table.write(pa.table({"clip_id": [n], "by": [writer]}), {"video": [video(b"v")]})

    threads = [threading.Thread(target=insert, args=(n,)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    clips.refresh()
    (batch,) = [pa.Table.from_batches(clips.scan(["clip_id", "by"]))]
    assert sorted(batch["clip_id"].to_pylist()) == list(range(5))
    assert clips.schema.names == ["clip_id", "by", "video"]


def test_media_are_laid_down_once_however_often_a_write_starts_over(
    clips: Dataset, video: MakeVideo, monkeypatch: pytest.MonkeyPatch
) -> None:
    clips.write(pa.table({"clip_id": [0], "label": ["a"]}), {"video": [None]})
    other = open_dataset(clips.uri)
    commit = write.commit_update
    losses, staged = [3], []

    def lose_the_race(*args: object) -> int:
        left, losses[0] = losses[0], 0  # the other's own commit comes this way too
        if left:
            other.write(pa.table({"clip_id": [10 + left], "label": ["other"]}))
            losses[0] = left - 1
        return commit(*args)  # type: ignore[arg-type]

    def note(base: object, handle: object, rows: Located) -> object:
        staged.append(sorted(rows.given.videos))
        return stage(base, handle, rows)  # type: ignore[arg-type]

    monkeypatch.setattr(write, "commit_update", lose_the_race)
    monkeypatch.setattr(write, "stage", note)
    clips.write(pa.table({"clip_id": [1, 2]}), {"video": [video(b"b"), video(b"c")]})
    assert staged == [["video"], [], [], []]
    assert clips.count() == 1 + 3 + 2


def test_two_writers_bring_one_column_with_different_types(clips: Dataset) -> None:
    first, second = open_dataset(clips.uri), open_dataset(clips.uri)
    first.write(pa.table({"clip_id": [1], "x": [1]}))
    with pytest.raises(InputError, match="column 'x': expected int64, found string"):
        second.write(pa.table({"clip_id": [2], "x": ["text"]}))
    second.write(pa.table({"clip_id": [2], "y": ["text"]}))
    first.refresh()
    assert first.schema.names == ["clip_id", "x", "y"]


def test_a_delete_between_is_not_undone(clips: Dataset) -> None:
    clips.write(pa.table({"clip_id": range(10), "label": ["a"] * 10}))
    other = open_dataset(clips.uri)
    other.delete("clip_id = 3")
    clips.write(pa.table({"clip_id": [4], "label": ["b"]}))
    assert clips.count() == 9
    clips.write(pa.table({"clip_id": [3]}))
    (row_id,) = clips.find_keys(pa.table({"clip_id": [3]})).to_pylist()
    assert clips.take([row_id], ["label"])["label"].to_pylist() == [None]


BIG_WRITE = """
import os, pyarrow as pa
from marey.storage.schema import VideoValue
table = open_dataset(sys.argv[1])
video = VideoValue(os.urandom(5_000_000), {}, b"")
print("ready", flush=True)
count = 200
table.write(pa.table({"clip_id": range(100, 100 + count)}), {"video": [video] * count})
"""


def test_a_writer_that_is_killed_leaves_the_version_before(
    clips: Dataset, video: MakeVideo, folder_bytes: Callable[[], int]
) -> None:
    clips.write(pa.table({"clip_id": [1]}), {"video": [video(b"abc")]})
    data = Path(clips.uri) / "data"
    before = clips.version, sum(1 for _ in data.rglob("*"))
    process = run(BIG_WRITE, clips.uri)
    assert process.stdout is not None
    process.stdout.readline()
    while sum(1 for _ in data.rglob("*")) < before[1] + 3:
        assert process.poll() is None, "it finished before it could be killed"
    process.send_signal(signal.SIGKILL)
    process.wait()
    process.stdout.close()
    clips.refresh()
    assert (clips.version, clips.count()) == (before[0], 1)
    clips.write(pa.table({"clip_id": [2]}), {"video": [video(b"def")]})
    assert clips.read_ranges("video", [(0, 0, 3), (1, 0, 3)]) == [b"abc", b"def"]
    clips.optimize(keep_versions_seconds=0, only_writer=True)
    assert folder_bytes() < 100_000
    assert clips.read_ranges("video", [(0, 0, 3), (1, 0, 3)]) == [b"abc", b"def"]


FULL_DISK = """
import resource, pyarrow as pa
from marey.errors import StorageError
from marey.storage.schema import VideoValue
table = open_dataset(sys.argv[1])
video = VideoValue(bytes(3_000_000), {}, b"")
resource.setrlimit(resource.RLIMIT_FSIZE, (1_000_000, 1_000_000))
try:
    table.write(pa.table({"clip_id": [1, 2], "label": ["a", "b"]}), {"video": [video] * 2})
except StorageError as error:
    assert error.__cause__ is not None
    print(error)
else:
    print("written")
"""


def test_a_full_disk_leaves_the_table_as_it_was(clips: Dataset, video: MakeVideo) -> None:
    process = run(FULL_DISK, clips.uri)
    message, _ = process.communicate()
    assert process.returncode == 0
    assert message.startswith(b"write to "), message
    clips.refresh()
    assert (clips.version, clips.schema.names, clips.count()) == (1, ["clip_id"], 0)
    clips.write(pa.table({"clip_id": [1]}), {"video": [video(b"abc")]})
    assert clips.count() == 1


def test_a_folder_that_cannot_be_written_is_a_storage_error(catalog: Catalog) -> None:
    key = pa.schema([("k", pa.int64())])
    table = catalog.create_table("p", "t", key_schema=key)
    data = Path(table.uri) / "data"
    data.write_text("a file where Lance wants a folder")
    with pytest.raises(StorageError, match="write to "):
        table.write(pa.table({"k": [1]}))
    table.refresh()
    assert (table.version, table.count()) == (1, 0)


def test_a_writer_that_always_loses_gives_up(
    clips: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(write, "ATTEMPTS", 2)
    other = open_dataset(clips.uri)
    commit = write.commit_update
    loser = threading.get_ident()

    def commit_after_another(*args: object) -> int:
        if threading.get_ident() == loser:
            n = other.version
            thread = threading.Thread(
                target=other.write, args=(pa.table({"clip_id": [100 + n]}),)
            )
            thread.start()
            thread.join()
        return commit(*args)  # type: ignore[arg-type]

    monkeypatch.setattr(write, "commit_update", commit_after_another)
    with pytest.raises(StorageError, match="other writers were quicker 2 times in a row"):
        clips.write(pa.table({"clip_id": [1]}))
    clips.refresh()
    assert clips.count() == 2
