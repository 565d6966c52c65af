"""Recordings of Rerun, read and written by its own SDK."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from datafusion import col

from marey import Marey, errors
from marey import expressions as se
from marey.engine.recordings.dataset import RecordingDataset
from marey.video.h264.nal import split_annexb

from .conftest import START, STEP, Recorded

rerun = pytest.importorskip("rerun", reason="the extra `rerun` is not installed")


def planes(db: Marey, drive: RecordingDataset) -> list[bytes]:
    clip = drive.video("/camera", index="log_time")
    table = db.scan({"f": se.video.read(clip["video"], pixel_format="native")}).to_table()
    return [frame["data"] for frame in table["f"].to_pylist()[0]["frames"]]


def test_there_and_back(
    db: Marey, drive: RecordingDataset, recorded: Any, log_stream: Any, tmp_path: Path
) -> None:
    stream: Recorded = recorded("raw")
    log_stream(drive, stream, [10])
    assert drive.to_rrd(tmp_path / "one.rrd") == [tmp_path / "one.rrd"]
    back = db.project("robots").create_dataset("back")
    done = back.import_rrd(tmp_path / "one.rrd")
    assert (done.segments, done.samples) == (("episode_0",), len(stream.samples))
    assert planes(db, back) == list(stream.frames)
    names = [f'"{n}"' for n in ("decode_index", "log_time", "/camera:VideoStream:sample")]
    rows = [pa.table(d.reader().select(*map(col, names))) for d in (drive, back)]
    assert rows[0].sort_by("decode_index") == rows[1].sort_by("decode_index")
    with pytest.raises(errors.InputError, match="already"):
        back.import_rrd(tmp_path / "one.rrd")


def test_several_segments_make_a_folder(
    db: Marey, drive: RecordingDataset, recorded: Any, log_stream: Any, tmp_path: Path
) -> None:
    for segment in ("a", "b/c"):
        log_stream(drive, recorded("baseline"), segment=segment)
    files = drive.to_rrd(tmp_path / "all")
    assert [file.name for file in files] == ["a.rrd", "b%2Fc.rrd"]
    back = db.project("robots").create_dataset("back")
    assert [back.import_rrd(file).segments for file in files] == [("a",), ("b/c",)]
    with pytest.raises(errors.NotFoundError, match="no segment"):
        drive.to_rrd(tmp_path / "x.rrd", ["c"])


def test_lengths_become_start_codes_and_entries_get_their_sets(
    db: Marey, drive: RecordingDataset, recorded: Any, tmp_path: Path
) -> None:
    stream: Recorded = recorded("raw")
    first = stream.samples[0]
    sets = [first[a:b] for a, b in split_annexb(first) if first[a] & 31 in (7, 8)]
    framed = []
    for sample in stream.samples:
        nals = [sample[a:b] for a, b in split_annexb(sample) if sample[a] & 31 not in (7, 8)]
        framed.append(b"".join(len(nal).to_bytes(4) + nal for nal in nals))
    drive.log(
        "e",
        "/camera",
        codec="h264",
        index={"log_time": stream.times},
        samples=framed,
        parameter_sets=b"".join(b"\0\0\0\1" + nal for nal in sets),
    )
    drive.to_rrd(tmp_path / "e.rrd")
    back = db.project("robots").create_dataset("back")
    back.import_rrd(tmp_path / "e.rrd")
    assert planes(db, back) == list(stream.frames)


def test_what_the_sdk_logs_is_imported(
    db: Marey, drive: RecordingDataset, recorded: Any, tmp_path: Path
) -> None:
    stream: Recorded = recorded("baseline")
    recording = rerun.RecordingStream("app", recording_id="episode_7")
    recording.save(tmp_path / "live.rrd")
    recording.log("/camera", rerun.VideoStream(codec=rerun.VideoCodec.H264), static=True)
    for at, sample in enumerate(stream.samples):
        recording.set_time("log_time", timestamp=np.datetime64(START + at * STEP, "ns"))
        recording.set_time("frame", sequence=at)
        recording.log("/camera", rerun.VideoStream.from_fields(sample=sample))
    recording.set_time("log_time", timestamp=np.datetime64(START, "ns"))
    recording.log("/labels", rerun.TextLog("kitchen"))
    recording.flush()
    del recording
    drive.import_rrd(tmp_path / "live.rrd")
    assert planes(db, drive) == list(stream.frames)
    drive.register_layer("labels", tmp_path / "live.rrd", index="log_time")
    rows = drive.reader("log_time").filter(col('"/labels:TextLog:text"').is_not_null())
    assert [(r["segment_id"], r["/labels:TextLog:text"]) for r in rows.to_pylist()] == [
        ("episode_7", "kitchen")
    ]


def test_what_is_no_recording_is_refused(drive: RecordingDataset, tmp_path: Path) -> None:
    (tmp_path / "junk.rrd").write_bytes(b"junk" * 100)
    with pytest.raises(errors.CorruptVideoError, match="no recording"):
        drive.import_rrd(tmp_path / "junk.rrd")
    with pytest.raises(errors.SourceNotFoundError):
        drive.import_rrd(tmp_path / "nothing.rrd")
