"""What is logged is there, whole and as it was given; what is refused leaves nothing."""

from __future__ import annotations

import sys
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from marey import Marey, errors
from marey import expressions as se
from marey.engine.recordings.dataset import RecordingDataset
from marey.video.h264.nal import split_annexb

from .conftest import START, STEP, Recorded


def rows(drive: RecordingDataset) -> list[dict[str, Any]]:
    return sorted(drive.reader().to_pylist(), key=lambda row: row["decode_index"])


def frame_planes(db: Marey, drive: RecordingDataset, entity: str = "/camera") -> list[bytes]:
    clip = drive.video(entity)
    table = db.scan({"f": se.video.read(clip["video"], pixel_format="native")}).to_table()
    return [frame["data"] for frame in table["f"].to_pylist()[0]["frames"]]


def test_samples_are_stored_verbatim_in_decode_order(
    db: Marey, drive: RecordingDataset, recorded: Any, log_stream: Any
) -> None:
    stream: Recorded = recorded("raw")
    log_stream(drive, stream, [1, 2, 9, 30])
    found = rows(drive)
    assert [row["/camera:VideoStream:sample"] for row in found] == list(stream.samples)
    assert [row["decode_index"] for row in found] == list(range(len(stream.samples)))
    assert [row["log_time"].value for row in found] == stream.times.tolist()
    assert {row["/camera:VideoStream:codec"] for row in found} == {"h264"}
    assert frame_planes(db, drive) == list(stream.frames)


def test_every_call_may_come_from_another_process(
    db: Marey,
    drive: RecordingDataset,
    again: Callable[[], RecordingDataset],
    recorded: Any,
    log_stream: Any,
) -> None:
    stream: Recorded = recorded("open_gop")
    for start in range(0, len(stream.samples), 5):
        again().log("episode_0", "/camera", codec="h264", **stream.part(start, start + 5))
    assert frame_planes(db, drive) == list(stream.frames)
    keys = [row["/camera:VideoStream:is_keyframe"] for row in rows(drive)]
    log_stream(drive, stream, segment="whole")
    whole = [r for r in rows(drive) if r["segment_id"] == "whole"]
    assert keys == [row["/camera:VideoStream:is_keyframe"] for row in whole]


def test_two_writers_of_one_stream_take_turns(
    db: Marey, drive: RecordingDataset, again: Callable[[], RecordingDataset], recorded: Any
) -> None:
    stream: Recorded = recorded("raw")
    writers = [drive, again()]
    for start in range(0, len(stream.samples), 4):
        part = stream.part(start, start + 4)
        writers[start // 4 % 2].log("episode_0", "/camera", codec="h264", **part)
    assert frame_planes(db, drive) == list(stream.frames)


def test_length_prefixed_samples_with_their_sets_given_once(
    db: Marey, drive: RecordingDataset, recorded: Any
) -> None:
    stream: Recorded = recorded("raw")
    sets = [
        stream.samples[0][a:b]
        for a, b in split_annexb(stream.samples[0])
        if stream.samples[0][a] & 31 in (7, 8)
    ]
    framed = []
    for sample in stream.samples:
        nals = [sample[a:b] for a, b in split_annexb(sample) if sample[a] & 31 not in (7, 8)]
        framed.append(b"".join(len(nal).to_bytes(4) + nal for nal in nals))
    given = {"parameter_sets": b"".join(b"\0\0\0\1" + nal for nal in sets)}
    for start, end in ((0, 7), (7, 48)):
        times = stream.times[start:end].view("datetime64[ns]")
        drive.log(
            "episode_0",
            "/camera",
            codec="h264",
            index={"log_time": times},
            samples=framed[start:end],
            **given,
        )
        given = {}
    assert frame_planes(db, drive) == list(stream.frames)
    assert [row["/camera:VideoStream:sample"] for row in rows(drive)] == framed


@pytest.mark.parametrize("length_size", [2, 4])
def test_a_configuration_says_how_long_lengths_are(
    db: Marey, drive: RecordingDataset, recorded: Any, length_size: int
) -> None:
    stream: Recorded = recorded("slices")
    nals = [[s[a:b] for a, b in split_annexb(s)] for s in stream.samples]
    sps, pps = (next(n for n in nals[0] if n[0] & 31 == kind) for kind in (7, 8))
    config = bytes([1, *sps[1:4], 0xFC | length_size - 1, 0xE1])
    config += len(sps).to_bytes(2) + sps + b"\1" + len(pps).to_bytes(2) + pps
    framed = [
        b"".join(len(nal).to_bytes(length_size) + nal for nal in units if nal[0] & 31 < 6)
        for units in nals
    ]
    index: Any = {"log_time": stream.times}
    drive.log("e", "/camera", codec="h264", index=index, samples=framed, parameter_sets=config)
    assert frame_planes(db, drive) == list(stream.frames)


@pytest.mark.parametrize("position", [0, 3])
@pytest.mark.parametrize("bad", [b"not h264", b"\0\0\0\1\x09\xf0", b""])
def test_a_call_with_a_bad_sample_is_refused_whole(
    db: Marey, drive: RecordingDataset, recorded: Any, position: int, bad: bytes
) -> None:
    stream: Recorded = recorded("raw")
    drive.log("episode_0", "/camera", codec="h264", **stream.part(0, 6))
    samples = [*stream.samples[6:10]]
    samples[position] = bad
    times = stream.times[6:10].view("datetime64[ns]")
    for segment, at in (("episode_0", rf"sample {position}\b"), ("another", "sample")):
        with pytest.raises(errors.MareyError, match=at):
            drive.log(
                segment, "/camera", codec="h264", index={"log_time": times}, samples=samples
            )
    assert drive.segment_ids() == ["episode_0"]
    drive.log("episode_0", "/camera", codec="h264", **stream.part(6))
    assert frame_planes(db, drive) == list(stream.frames)


def test_times_decide_the_order_and_may_be_missing(
    db: Marey, drive: RecordingDataset, recorded: Any
) -> None:
    stream: Recorded = recorded("baseline")  # no picture is reordered
    times = [START - i // 2 for i in range(len(stream.samples))]  # backwards, two at a time
    given = [None if i % 10 == 3 else np.datetime64(t, "ns") for i, t in enumerate(times)]
    drive.log("e", "/camera", codec="h264", index={"log_time": given}, samples=stream.samples)
    order = sorted((t, i) for i, t in enumerate(times) if i % 10 != 3)
    assert frame_planes(db, drive) == [stream.frames[i] for _, i in order]
    assert drive.reader(index="log_time").count() == len(order)
    assert drive.reader().count() == len(times)


def test_several_timelines_of_several_types(
    db: Marey, drive: RecordingDataset, recorded: Any
) -> None:
    stream: Recorded = recorded("raw")
    n = len(stream.samples)
    order = np.argsort(np.argsort(stream.times))
    drive.log(
        "e",
        "/camera",
        codec="h264",
        index={
            "log_time": stream.times,  # whole numbers: nanoseconds on this timeline
            "frame": order,
            "since": order.astype("timedelta64[ms]"),
        },
        samples=stream.samples,
    )
    types = {f.name: f.type for f in drive.schema}
    assert types["log_time"] == pa.timestamp("ns")
    assert types["frame"] == pa.int64()
    assert types["since"] == pa.duration("ns")
    clip = drive.video("/camera", index="frame")
    at = db.scan({"f": se.video.read(clip["video"], se.video.at(clip["video"], [7.0, 46.5]))})
    frames = at.to_table()["f"].to_pylist()[0]["frames"]
    assert [(f["frame_index"], f["pts_seconds"], f["time"]) for f in frames] == [
        (7, 7.0, None),
        (46, 46.0, None),
    ]
    with pytest.raises(errors.NotFoundError, match="frame"):
        drive.reader(index="frames")
    assert len(order) == n


@pytest.mark.parametrize(
    ("index", "text"),
    [
        ({}, "expected a dict"),
        ([1], "expected a dict"),
        ({"log_time": [1, 2]}, "2 times for 3 samples"),
        ({"log_time": [1.5, 2.0, 3.0]}, "double"),
        ({"when": ["a", "b", "c"]}, "string"),
        ({"segment_id": [1, 2, 3]}, "something else"),
        ({"a.b": [1, 2, 3]}, "no '.'"),
        ({3: [1, 2, 3]}, "has a name"),
        ({"log_time": [datetime(9999, 1, 1)] * 3}, "log_time"),
    ],
)
def test_times_that_do_not_fit_are_refused(
    drive: RecordingDataset, recorded: Any, index: Any, text: str
) -> None:
    with pytest.raises(errors.InputError, match=text):
        drive.log("e", "/c", codec="h264", index=index, samples=recorded("raw").samples[:3])
    assert drive.segment_ids() == []


def test_other_codecs_are_stored_and_queried_and_not_decoded(
    db: Marey, drive: RecordingDataset
) -> None:
    for at in (0, 2):
        drive.log("e", "/c", codec="H265", index={"frame": [at, at + 1]}, samples=[b"a", b"bc"])
    found = rows(drive)
    assert [row["/c:VideoStream:sample"] for row in found] == [b"a", b"bc", b"a", b"bc"]
    assert {row["/c:VideoStream:codec"] for row in found} == {"hevc"}
    assert {row["/c:VideoStream:is_keyframe"] for row in found} == {None}
    clip = drive.video("/c")
    scan = db.scan({"f": se.video.read(clip["video"], [0])})
    with pytest.raises(errors.UnsupportedError, match="hevc"):
        scan.to_table()
    assert scan.to_table(on_error="null")["f"].to_pylist() == [None]
    with pytest.raises(errors.InputError, match="hevc, not av1"):
        drive.log("e", "/c", codec="av1", index={"frame": [9]}, samples=[b"a"])
    with pytest.raises(errors.InputError, match="no codec"):
        drive.log("e", "/c", codec="h267", index={"frame": [9]}, samples=[b"a"])


def test_names_are_checked(drive: RecordingDataset) -> None:
    for segment, entity in (("", "/c"), ("e", "c"), ("e", "/"), ("e", "/a//b"), ("e", "/a:b")):
        with pytest.raises(errors.InputError):
            drive.log(segment, entity, codec="hevc", index={"frame": [0]}, samples=[b"a"])


def test_datasets_of_a_project(db: Marey, tmp_path: Path) -> None:
    project = db.project("robots")
    project.create_dataset("drive")
    project.create_table("clips", key_schema={"k": pa.int64()})
    assert project.list_datasets() == ["drive"]
    assert project.list_tables() == ["clips"]
    assert db.projects() == ["robots"]
    assert (
        repr(project.create_dataset("drive", exist_ok=True)) == "RecordingDataset(robots.drive)"
    )
    for name in ("drive", "clips"):
        with pytest.raises(errors.TableExistsError):
            project.create_dataset(name)
    with pytest.raises(errors.TableExistsError, match="is a dataset"):
        project.create_table("drive", key_schema={"k": pa.int64()}, exist_ok=True)
    with pytest.raises(errors.TableNotFoundError, match="'drive'"):
        project.dataset("drove")
    project.drop_dataset("drive")
    assert project.list_datasets() == []
    project.create_dataset("drive").log(
        "e", "/c", codec="hevc", index={"frame": [0]}, samples=[b"a"]
    )


def test_one_sample_a_call_keeps_files_and_versions_few(
    db: Marey, drive: RecordingDataset, recorded: Any, tmp_path: Path
) -> None:
    stream: Recorded = recorded("raw")
    for lap in range(3):
        for i, sample in enumerate(stream.samples):
            time = int(stream.times[i]) + lap * 100 * STEP
            drive.log(
                "e", "/camera", codec="h264", index={"log_time": [time]}, samples=[sample]
            )
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert len(files) < 150
    assert frame_planes(db, drive) == 3 * list(stream.frames)
    drive.optimize()
    assert len([path for path in tmp_path.rglob("*.lance") if path.is_file()]) < 3
    assert frame_planes(db, drive) == 3 * list(stream.frames)


def test_many_short_streams_keep_files_few(
    db: Marey, drive: RecordingDataset, recorded: Any, tmp_path: Path
) -> None:
    part: Any = recorded("raw").part(0, 2)
    for at in range(100):
        drive.log(f"e{at}", "/camera", codec="h264", **part)
    assert len(list(tmp_path.rglob("data/*.lance"))) < 60
    assert drive.segment_ids() == [f"e{at}" for at in range(100)]
    assert drive.reader().count() == 200


def test_without_the_sdk_of_rerun_its_methods_say_so(
    drive: RecordingDataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "rerun", None)
    with pytest.raises(errors.ConfigError, match=r"marey\[rerun\]"):
        drive.import_rrd(tmp_path / "a.rrd")
