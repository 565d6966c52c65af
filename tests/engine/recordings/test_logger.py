"""A logger loses and duplicates nothing, whoever reads, and whenever the process ends."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from marey import Marey, errors
from marey import expressions as se
from marey.engine.recordings.dataset import RecordingDataset

from .conftest import START, STEP, Recorded


def stored(drive: RecordingDataset) -> list[bytes]:
    rows = sorted(drive.reader().to_pylist(), key=lambda row: row["decode_index"])
    assert [row["decode_index"] for row in rows] == list(range(len(rows)))
    return [row["/camera:VideoStream:sample"] for row in rows]


def test_samples_are_committed_by_bytes_and_at_the_end(
    db: Marey, drive: RecordingDataset, recorded: Any
) -> None:
    stream: Recorded = recorded("raw")
    size = sum(map(len, stream.samples))
    with drive.logger(
        "e", "/camera", codec="h264", commit_bytes=size // 3, commit_seconds=1e6
    ) as log:
        assert log.flush() == 0
        for time, sample in zip(stream.times, stream.samples, strict=True):
            log.append(np.datetime64(int(time), "ns"), sample)
            assert log.durable == len(stored(drive))
        assert 0 < log.durable < len(stream.samples)
        assert log.durable + log.pending == len(stream.samples)
    assert log.durable == len(stream.samples)
    assert stored(drive) == list(stream.samples)
    clip = drive.video("/camera")
    table = db.scan({"f": se.video.read(clip["video"], pixel_format="native")}).to_table()
    assert [f["data"] for f in table["f"].to_pylist()[0]["frames"]] == list(stream.frames)
    log.close()
    with pytest.raises(errors.InputError, match="closed"):
        log.append(0, stream.samples[0])


def test_a_sample_that_waits_is_committed_by_time(
    drive: RecordingDataset, recorded: Any
) -> None:
    stream: Recorded = recorded("raw")
    with drive.logger("e", "/camera", codec="h264", commit_seconds=0.05) as log:
        log.append(START, stream.samples[0])
        while not log.durable:
            threading.Event().wait(0.01)
        assert len(stored(drive)) == 1


def test_a_refused_sample_costs_no_other(
    db: Marey, drive: RecordingDataset, recorded: Any
) -> None:
    stream: Recorded = recorded("raw")
    with drive.logger("e", "/camera", codec="h264") as log:
        for at, (time, sample) in enumerate(zip(stream.times, stream.samples, strict=True)):
            if at % 7 == 3:
                with pytest.raises(errors.BitstreamError):
                    log.append(int(time), b"\0\0\0\1\x09\xf0")
                with pytest.raises(errors.InputError):
                    log.append("noon", sample)
                if at == 24:
                    log.flush()
            log.append(int(time), sample)
    assert stored(drive) == list(stream.samples)
    clip = drive.video("/camera")
    table = db.scan({"f": se.video.read(clip["video"], pixel_format="native")}).to_table()
    assert [f["data"] for f in table["f"].to_pylist()[0]["frames"]] == list(stream.frames)


def test_several_timelines_and_samples_without_time(
    drive: RecordingDataset, recorded: Any
) -> None:
    stream: Recorded = recorded("baseline")
    with drive.logger("e", "/camera", codec="h264") as log:
        log.append({"frame": 0, "log_time": START}, stream.samples[0])
        log.append(None, stream.samples[1])
        log.append({"frame": 2}, stream.samples[2])
    rows = drive.reader().to_pylist()
    found = [(r["frame"], r["log_time"] and r["log_time"].value) for r in rows]
    assert sorted(found, key=str) == [(0, START), (2, None), (None, None)]


def test_readers_see_whole_commits_while_samples_come(
    drive: RecordingDataset, again: Callable[[], RecordingDataset], recorded: Any
) -> None:
    stream: Recorded = recorded("raw")
    laps, n = 5, len(stream.samples)
    reader, seen, stop = again(), [0], threading.Event()
    failed: list[BaseException] = []

    def read() -> None:
        try:
            while not stop.is_set():
                rows = pa.table(reader.reader())
                if rows.num_rows:
                    at = np.sort(rows["decode_index"].to_numpy())
                    assert np.array_equal(at, np.arange(len(at)))
                    assert len(at) >= seen[-1]
                    seen.append(len(at))
        except BaseException as error:
            failed.append(error)

    thread = threading.Thread(target=read)
    thread.start()
    with drive.logger("e", "/camera", codec="h264", commit_bytes=2000) as log:
        for lap in range(laps):
            for time, sample in zip(stream.times.tolist(), stream.samples, strict=True):
                log.append(time + lap * n * STEP, sample)
    stop.set()
    thread.join()
    assert not failed
    assert stored(drive) == laps * list(stream.samples)


WRITER = """
import sys
from pathlib import Path
from marey import Marey

root, payload = Path(sys.argv[1]), Path(sys.argv[2]).read_bytes()
drive = Marey(root).project("robots").dataset("drive")
sizes = [int(size) for size in sys.argv[3].split(",")]
samples, at = [], 0
for size in sizes:
    samples.append(payload[at : at + size])
    at += size
time = 0
while True:
    times = list(range(time, time + len(samples)))
    drive.log("e", "/camera", codec="h264", index={"log_time": times}, samples=samples)
    time += len(samples)
    print(time, flush=True)
"""


def test_a_writer_that_is_killed_leaves_whole_calls(
    drive: RecordingDataset, recorded: Any, tmp_path: Path
) -> None:
    stream: Recorded = recorded("raw")
    call = stream.samples[:12]
    (tmp_path / "payload").write_bytes(b"".join(call))
    done = 0
    for calls in (1, 12):
        command = [sys.executable, "-c", WRITER, str(tmp_path / "root")]
        command += [str(tmp_path / "payload"), ",".join(str(len(s)) for s in call)]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as writer:
            assert writer.stdout is not None
            for _ in range(calls):
                line = writer.stdout.readline()
            writer.kill()
            reported = done + int(line)
        found = stored(drive)
        assert len(found) >= reported
        assert len(found) % len(call) == 0
        assert found == list(call) * (len(found) // len(call))
        done = len(found)
    drive.log("e", "/camera", codec="h264", index={"log_time": [START]}, samples=call[:1])
    assert len(stored(drive)) == done + 1


def test_settings_of_a_logger_are_checked(drive: RecordingDataset) -> None:
    for wrong in ({"commit_bytes": 0}, {"commit_seconds": 0}):
        with pytest.raises(errors.ConfigError, match="commits by"):
            drive.logger("e", "/camera", codec="h264", **wrong)  # type: ignore[arg-type]
    with pytest.raises(errors.InputError, match="no codec"):
        drive.logger("e", "/camera", codec="h26")
