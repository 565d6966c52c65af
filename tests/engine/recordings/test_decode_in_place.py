"""Frames of recorded streams are those of a full decode, whichever are asked for together."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from marey import EngineConfig, Marey, errors
from marey import expressions as se
from marey.engine.recordings.dataset import RecordingDataset
from marey.tests.conftest import decode_everything
from marey.video.clips import RECIPES, ClipRecipe, make_clip
from marey.video.h264.nal import split_annexb
from marey.video.index.build import build_frame_index
from marey.video.source import BytesReader
from marey.video.timing import NANOSECONDS

from .conftest import START, STEP, Recorded

U32 = pa.list_(pa.uint32())
TIMES = pa.list_(pa.timestamp("ns"))
KINDS = ("raw", "open_gop", "pyramid_strict", "intra_refresh", "slices", "mbaff", "chroma_444")


@pytest.mark.parametrize("kind", KINDS)
def test_random_sets_of_frames_are_exact(
    db: Marey, drive: RecordingDataset, recorded: Any, log_stream: Any, kind: str
) -> None:
    stream: Recorded = recorded(kind)
    chance = random.Random(kind)
    n = len(stream.frames)
    log_stream(drive, stream, sorted(chance.sample(range(1, n), 4)))
    if chance.random() < 0.5:
        drive.optimize()
    wanted = [chance.choices(range(n), k=chance.randint(1, 6)) for _ in range(12)]
    wanted += [[n - 1], [0], list(range(n))]
    clip = drive.video("/camera")
    scan = db.scan({"f": se.video.read(clip["video"], se.aux("k", U32), pixel_format="native")})
    keys = pa.table({"segment_id": ["episode_0"] * len(wanted), "k": pa.array(wanted, U32)})
    for row, frames in zip(scan.to_table(key_table=keys)["f"].to_pylist(), wanted, strict=True):
        assert [f["data"] for f in row["frames"]] == [stream.frames[k] for k in frames]
        assert [f["frame_index"] for f in row["frames"]] == frames
        assert [f["time"].value for f in row["frames"]] == [START + STEP * k for k in frames]


def test_only_the_samples_of_the_closure_are_read(
    db: Marey, drive: RecordingDataset, recorded: Any, log_stream: Any
) -> None:
    stream: Recorded = recorded("pyramid_strict")
    log_stream(drive, stream)
    clip = drive.video("/camera")
    scan = db.scan({"f": se.video.read(clip["video"], [1])})
    scan.to_table()
    assert 0 < scan.metrics.bytes_fetched < sum(map(len, stream.samples)) / 2
    assert 0 < scan.metrics.samples_decoded < len(stream.samples) / 2
    assert "video.read" in str(scan.explain())


def test_times_choose_frames_to_the_nanosecond(
    db: Marey, drive: RecordingDataset, recorded: Any, log_stream: Any
) -> None:
    stream: Recorded = recorded("raw")
    log_stream(drive, stream)
    clip = drive.video("/camera")
    times = [START + 5 * STEP, START + 5 * STEP - 1, START + 5 * STEP + 1, START + 10**15]
    want = {"floor": [5, 4, 5, 47], "nearest": [5, 5, 5, 47]}
    for mode, frames in want.items():
        scan = db.scan({"k": se.video.at(clip["video"], se.aux("t", TIMES), mode)})
        keys = pa.table({"segment_id": ["episode_0"], "t": pa.array([times], TIMES)})
        assert scan.to_table(key_table=keys)["k"].to_pylist() == [frames]
    scan = db.scan({"k": se.video.at(clip["video"], se.aux("t", TIMES), "ceil")})
    keys = pa.table({"segment_id": ["episode_0"], "t": pa.array([times[:3]], TIMES)})
    assert scan.to_table(key_table=keys)["k"].to_pylist() == [[5, 5, 6]]


@pytest.mark.parametrize(
    ("mode", "time", "text"),
    [
        ("floor", START - 1, "before the first frame"),
        ("ceil", START + 47 * STEP + 1, "after the last"),
        ("exact", START + 1, "is not when a frame begins"),
        ("floor", None, "null"),
    ],
)
def test_a_time_without_a_frame_fails_its_row(
    db: Marey,
    drive: RecordingDataset,
    recorded: Any,
    log_stream: Any,
    mode: str,
    time: int | None,
    text: str,
) -> None:
    log_stream(drive, recorded("raw"))
    clip = drive.video("/camera")
    scan = db.scan({"k": se.video.at(clip["video"], se.aux("t", TIMES), mode)})  # type: ignore[arg-type]
    keys = pa.table({"segment_id": ["episode_0"] * 2, "t": pa.array([[START], [time]], TIMES)})
    with pytest.raises(errors.FrameRangeError, match=text):
        scan.to_table(key_table=keys)
    assert scan.to_table(key_table=keys, on_error="null")["k"].to_pylist() == [[0], None]


def test_times_of_a_clock_are_for_streams(db: Marey, drive: RecordingDataset) -> None:
    clips = db.project("p").create_table("t", key_schema={"k": pa.int64()})
    clips.write({"k": [1], "video": [se.Video(se.Blob(make_clip(RECIPES["default"])))]})
    with pytest.raises(errors.ExpressionError, match="give seconds"):
        db.scan({"k": se.video.at(clips["video"], se.aux("t", TIMES))})
    schema = db.scan({"f": se.video.read(clips["video"])}).schema
    names = [f.name for f in schema.field("f").type.field("frames").type.value_type]
    assert names == ["data", "frame_index", "pts_seconds", "duration_seconds"]


def test_segments_are_rows_with_facts(
    db: Marey, drive: RecordingDataset, recorded: Any, log_stream: Any
) -> None:
    log_stream(drive, recorded("raw"), segment="b")
    log_stream(drive, recorded("open_gop"), segment="a")
    log_stream(drive, recorded("baseline"), segment="c", entity="/other")
    clip = drive.video("/camera")
    index = clip["video"]["index"]
    scan = db.scan(
        {
            "segment_id": clip["segment_id"],
            "n": index["frame_count"],
            "first": index["start_time"],
            "every": se.video.uniform(clip["video"], 2),
            "bare": clip["video"],
        },
        where=index["width"] == 160,
    )
    found = scan.to_table().to_pylist()
    assert [(r["segment_id"], r["n"], r["first"].value) for r in found] == [
        ("b", 48, START),
        ("a", 48, START),
    ]
    assert found[0]["every"] == [12, 36]
    assert found[0]["bare"]["index"]["container"] == "stream"
    with pytest.raises(errors.NotFoundError, match="/camera"):
        drive.video("/camerb")
    with pytest.raises(errors.KeyNotFoundError):
        scan.to_table(key_table=pa.table({"segment_id": ["z"]}))


def test_a_scan_sees_what_was_logged_since(
    db: Marey, drive: RecordingDataset, recorded: Any
) -> None:
    stream: Recorded = recorded("raw")
    drive.log("e", "/camera", codec="h264", **stream.part(0, 20))
    clip = drive.video("/camera")
    scan = db.scan({"f": se.video.read(clip["video"], pixel_format="native")})
    running = scan.to_record_batches()
    drive.log("e", "/camera", codec="h264", **stream.part(20))
    first = sum(len(b.column("f")[0]["frames"]) for b in running)
    assert first == 20
    frames = scan.to_table()["f"].to_pylist()[0]["frames"]
    assert [f["data"] for f in frames] == list(stream.frames)


def test_a_stream_that_is_joined_late_begins_with_what_can_be_decoded(
    db: Marey, drive: RecordingDataset, recorded: Any
) -> None:
    stream: Recorded = recorded("raw")
    sets = stream.samples[0][: stream.samples[0].index(b"\0\0\1\x65")]
    drive.log("e", "/camera", codec="h264", parameter_sets=_sets(sets), **stream.part(7))
    clip = drive.video("/camera")
    scan = db.scan({"f": se.video.read(clip["video"], pixel_format="native")})
    frames = scan.to_table()["f"].to_pylist()[0]["frames"]
    shown = [k for k in range(48) if START + STEP * k in [f["time"].value for f in frames]]
    assert [f["data"] for f in frames] == [stream.frames[k] for k in shown]
    assert len(shown) >= 30


def test_a_stream_may_begin_with_an_intra_picture_that_announces_nothing(
    db: Marey, drive: RecordingDataset
) -> None:
    x264 = "keyint=12:open-gop=1:ref=1:bframes=2:b-pyramid=none:scenecut=0"
    data = make_clip(ClipRecipe("an entry", 160, 96, 40, container="h264", x264=x264))
    index = build_frame_index(BytesReader(data)).index
    places = zip(index.offset.tolist(), index.size.tolist(), strict=True)
    nals = [[data[at:][a:b] for a, b in split_annexb(data[at : at + n])] for at, n in places]
    sets = [nal for nal in nals[0] if nal[0] & 31 in (7, 8)]
    late = next(
        at for at, units in enumerate(nals) if at and any(n[0] & 31 == 6 for n in units)
    )
    samples = [
        b"".join(b"\0\0\0\1" + nal for nal in units if nal[0] & 31 != 6)
        for units in [sets + nals[late], *nals[late + 1 :]]
    ]
    times = np.zeros(len(nals), np.int64)
    times[index.frame_sample] = np.arange(index.frame_count)
    drive.log("e", "/camera", codec="h264", index={"log_time": times[late:]}, samples=samples)
    clip = drive.video("/camera")
    scan = db.scan({"f": se.video.read(clip["video"], pixel_format="native")})
    frames = scan.to_table()["f"].to_pylist()[0]["frames"]
    truth = [frame.planes for frame in decode_everything(b"".join(samples))]
    assert len(samples) > len(truth) > len(samples) - 4
    assert [f["data"] for f in frames] == truth


def _sets(data: bytes) -> bytes:
    nals = [data[a:b] for a, b in split_annexb(data) if data[a] & 31 in (7, 8)]
    return b"".join(b"\0\0\0\1" + nal for nal in nals)


def test_a_stream_that_no_cache_has_room_for_is_not_indexed_for_each_frame(
    tmp_path: Path, recorded: Any, log_stream: Any
) -> None:
    stream: Recorded = recorded("raw")
    small = Marey(tmp_path / "small", config=EngineConfig(cache_bytes=1 << 12))
    drive = small.project("robots").create_dataset("drive")
    log_stream(drive, stream, [20])
    clip = drive.video("/camera")
    scan = small.scan({"f": se.video.read(clip["video"], [40], pixel_format="native")})
    recordings = drive._recordings
    seen = []
    for _ in range(2):
        assert scan.to_table()["f"].to_pylist()[0]["frames"][0]["data"] == stream.frames[40]
        store = recordings.newest("robots", "drive")
        (name,) = recordings.streams.names(store)
        opened = recordings.streams.open(store, name)
        seen += [opened, opened.frame_index("log_time", NANOSECONDS)]
    assert seen[0] is seen[2]
    assert seen[1] is seen[3]


def test_loaders_share_out_segments(
    db: Marey, drive: RecordingDataset, recorded: Any, log_stream: Any
) -> None:
    for segment in "abc":
        log_stream(drive, recorded("raw"), segment=segment)
    clip = drive.video("/camera")
    scan = db.scan(
        {"segment_id": clip["segment_id"], "f": se.video.read(clip["video"], [3, 40])}
    )
    loader = scan.to_data_loader(batch_size=2, num_workers=1)
    batches = list(loader)
    assert [row for b in batches for row in b.column("segment_id").to_pylist()] == [
        "a",
        "b",
        "c",
    ]
    assert all(len(row["frames"]) == 2 for b in batches for row in b.column("f").to_pylist())


@pytest.mark.parametrize("mode", ["floor", "ceil", "nearest", "exact"])
def test_whole_numbers_above_those_of_doubles_are_exact(
    db: Marey, drive: RecordingDataset, recorded: Any, mode: Any
) -> None:
    stream: Recorded = recorded("raw")
    first = (1 << 62) + 1
    order = np.argsort(np.argsort(stream.times))
    index = {"counter": first + 3 * order}
    drive.log("e", "/camera", codec="h264", index=index, samples=stream.samples)
    clip = drive.video("/camera")
    off = {"floor": 2, "ceil": -2, "nearest": 1, "exact": 0}[mode]
    numbers = [first + 3 * k + off for k in (7, 1, 40)]
    found = []
    for dtype in (pa.list_(pa.int64()), pa.list_(pa.uint64())):
        times = se.video.at(clip["video"], se.aux("n", dtype), mode)
        keys = pa.table({"segment_id": ["e"], "n": pa.array([numbers], dtype)})
        found.append(db.scan({"k": times}).to_table(key_table=keys))
    found.append(db.scan({"k": se.video.at(clip["video"], numbers, mode)}).to_table())
    camera = 'robots."drive/camera"'
    texts = (
        f"SELECT video_at(video, {numbers}, '{mode}') AS k FROM {camera}",
        f"SELECT video_at(video, n, '{mode}') AS k FROM {camera}, (SELECT {numbers} AS n)",
    )
    found += [db.sql(text).to_table() for text in texts]
    assert [table["k"].to_pylist() for table in found] == [[[7, 1, 40]]] * 5


def test_whole_numbers_on_a_clock_are_seconds(
    db: Marey, drive: RecordingDataset, recorded: Any
) -> None:
    stream: Recorded = recorded("raw")
    times = stream.times - START + 1_700_000_000 * 10**9 - 1
    drive.log("e", "/camera", codec="h264", index={"log_time": times}, samples=stream.samples)
    clip = drive.video("/camera")
    found = db.scan({"k": se.video.at(clip["video"], [1_700_000_001])}).to_table()
    assert found["k"].to_pylist() == [[24]]  # a second and a nanosecond after the first
    for wrong, text in ((START, "give timestamps for nanoseconds"), (0, "before the first")):
        with pytest.raises(errors.FrameRangeError, match=text):
            db.scan({"k": se.video.at(clip["video"], [wrong])}).to_table()


def test_videos_of_a_view_are_those_of_its_segments(
    db: Marey, drive: RecordingDataset, recorded: Any, log_stream: Any
) -> None:
    stream: Recorded = recorded("raw")
    for segment in ("a", "b", "c"):
        log_stream(drive, stream, segment=segment)
    view = drive.filter_segments(["c", "b", "nowhere"]).filter_contents("/camera/**")
    clip = view.video("/camera")
    frames = se.video.read(clip["video"], [5], pixel_format="native")
    outputs = {"s": clip["segment_id"], "f": frames}
    conditions = [None, clip["segment_id"] != "b", clip["segment_id"] != "x"]
    for condition, expected in zip(conditions, (["b", "c"], ["c"], ["b", "c"]), strict=True):
        found = db.scan(outputs, where=condition).to_table().to_pylist()
        assert sorted(row["s"] for row in found) == expected
        assert {row["f"]["frames"][0]["data"] for row in found} == {stream.frames[5]}
    keys = pa.table({"segment_id": ["c", "b"]})
    assert db.scan(outputs).to_table(key_table=keys)["s"].to_pylist() == ["c", "b"]
    with pytest.raises(errors.MareyError, match="'a'"):
        db.scan(outputs).to_table(key_table=pa.table({"segment_id": ["a"]}))
    with pytest.raises(errors.NotFoundError, match="does not show entity '/camera'"):
        drive.filter_contents("/other").video("/camera")
    assert drive.filter_segments([]).video("/camera").schema.names == ["segment_id", "video"]
