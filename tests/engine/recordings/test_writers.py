"""Writers that do not know of each other: one of them counts, and the other finds out."""

from __future__ import annotations

import pickle
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa

from marey import Marey
from marey import expressions as se
from marey.engine.recordings.dataset import RecordingDataset

from .conftest import Recorded


def test_a_writer_whose_rival_was_cleaned_away_starts_over(
    db: Marey, drive: RecordingDataset, again: Callable[[], RecordingDataset], recorded: Any
) -> None:
    stream: Recorded = recorded("raw")
    first, second, third = again(), again(), again()
    first.log("e", "/camera", codec="h264", **stream.part(0, 10))
    second.log("e", "/camera", codec="h264", **stream.part(10, 20))
    third.log("f", "/camera", codec="h264", **stream.part(0, 5))
    drive.optimize()  # takes away the versions that would have told the first of the second
    first.log("e", "/camera", codec="h264", **stream.part(20, 30))
    drive.optimize()
    second.log("e", "/camera", codec="h264", **stream.part(30))
    third.log("f", "/camera", codec="h264", **stream.part(5))
    for reader in (drive, again()):
        rows = pa.table(reader.filter_segments("e").reader()).sort_by("decode_index")
        assert rows["decode_index"].to_pylist() == list(range(len(stream.samples)))
        assert rows["/camera:VideoStream:sample"].to_pylist() == list(stream.samples)
    recordings = db.project("robots").dataset("drive")._recordings
    assert recordings.streams.void_rows(recordings.newest("robots", "drive"))
    clip = drive.video("/camera")
    table = db.scan({"f": se.video.read(clip["video"], pixel_format="native")}).to_table()
    for row in table["f"].to_pylist():
        assert [f["data"] for f in row["frames"]] == list(stream.frames)


_LOGGING = """
import pickle, sys
from marey import Marey
root, segment, parts = pickle.load(sys.stdin.buffer)
dataset = Marey(root).project("robots").dataset("drive")
for part in parts:
    dataset.log(segment, "/camera", codec="h264", **part)
"""


def test_processes_log_to_one_dataset_and_merge_its_files(
    db: Marey, drive: RecordingDataset, recorded: Any, tmp_path: Path
) -> None:
    stream: Recorded = recorded("raw")
    count = len(stream.samples)
    parts = [stream.part(i, i + 1) for i in range(count)]
    running = []
    for segment in "ab":
        process = subprocess.Popen([sys.executable, "-c", _LOGGING], stdin=subprocess.PIPE)
        assert process.stdin is not None
        pickle.dump((db.root, segment, parts), process.stdin)
        process.stdin.close()
        running.append(process)
    while any(process.poll() is None for process in running):
        drive.optimize()
    assert [process.returncode for process in running] == [0, 0]
    ids = pa.table(drive.reader())["decode_index"].to_pylist()
    assert sorted(ids) == sorted([*range(count), *range(count)])
    clip = drive.video("/camera")
    table = db.scan({"f": se.video.read(clip["video"], pixel_format="native")}).to_table()
    assert len(table) == 2
    for row in table["f"].to_pylist():
        assert [f["data"] for f in row["frames"]] == list(stream.frames)
