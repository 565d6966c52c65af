"""SQL decodes recorded streams as it decodes tables: `project."dataset/entity"` has videos."""

from __future__ import annotations

import pickle
from typing import Any

import pyarrow as pa
import pytest

from marey import Marey, errors
from marey import expressions as se
from marey.engine.recordings.dataset import RecordingDataset
from marey.video.clips import RECIPES, make_clip

from .conftest import START, STEP, Recorded

CAMERA = 'robots."drive/camera"'


@pytest.fixture
def two(drive: RecordingDataset, recorded: Any, log_stream: Any) -> RecordingDataset:
    """Two segments of one camera."""
    log_stream(drive, recorded("raw"), [20])
    log_stream(drive, recorded("open_gop"), segment="episode_1")
    return drive


def moment(frame: int, more: int = 0) -> str:
    """When a frame begins, in SQL."""
    return f"arrow_cast({START + frame * STEP + more}, 'Timestamp(Nanosecond, None)')"


def test_frames_with_their_times(db: Marey, two: RecordingDataset, recorded: Any) -> None:
    query = db.sql(
        "SELECT segment_id, video_read(video, [40, 3], pixel_format => 'native') AS f, "
        f"video.index.frame_count AS n FROM {CAMERA} WHERE video.index.width = 160 "
        "ORDER BY segment_id DESC"
    )
    rows = query.to_table().to_pylist()
    assert [row["segment_id"] for row in rows] == ["episode_1", "episode_0"]
    for row, kind in zip(rows, ("open_gop", "raw"), strict=True):
        stream: Recorded = recorded(kind)
        assert row["n"] == len(stream.frames)
        assert [f["data"] for f in row["f"]["frames"]] == [stream.frames[k] for k in (40, 3)]
        assert [f["time"].value for f in row["f"]["frames"]] == [
            START + k * STEP for k in (40, 3)
        ]
    clip = two.video("/camera")
    scan = db.scan({"f": se.video.read(clip["video"], [40, 3])})
    assert query.schema.field("f").type == scan.schema.field("f").type


def test_it_gives_what_a_scan_gives(db: Marey, two: RecordingDataset) -> None:
    clip = two.video("/camera")
    outputs = {
        "mp4": ("video_remux(video)", se.video.remux(clip["video"])),
        "u": ("video_uniform(video, 3)", se.video.uniform(clip["video"], 3)),
        "e": ("video_every(video, 5)", se.video.every(clip["video"], 5)),
        "k": ("video_keyframes(video)", se.video.keyframes(clip["video"])),
        "all": ("video_read(video, width => 32)", se.video.read(clip["video"], width=32)),
    }
    texts = ", ".join(f"{text} AS {name}" for name, (text, _) in outputs.items())
    found = db.sql(f"SELECT {texts} FROM {CAMERA}").to_table()
    scan = db.scan({name: expr for name, (_, expr) in outputs.items()})
    assert found.to_pylist() == scan.to_table().to_pylist()


@pytest.mark.parametrize(
    ("times", "frames"),
    [
        (f"[{moment(5)}, {moment(5, -1)}, {moment(5, 1)}]", [5, 4, 5]),
        (moment(7), [7]),
        ("[TIMESTAMP '2023-11-14 22:13:21']", [24]),
        ("TIMESTAMP '2030-01-01'", [47]),
        (f"[{(START + 10 * STEP) / 1e9 + 0.001}]", [10]),
        (f"{START // 10**9 + 2}", [47]),
    ],
)
def test_times_of_the_clock_and_seconds(
    db: Marey, two: RecordingDataset, times: str, frames: list[int]
) -> None:
    text = f"SELECT video_at(video, {times}) AS k FROM {CAMERA}"
    assert db.sql(text).to_table()["k"].to_pylist() == [frames, frames]


def test_frames_at_labelled_moments(db: Marey, two: RecordingDataset, recorded: Any) -> None:
    stream: Recorded = recorded("raw")
    times = pa.array([START + 7 * STEP, START + 30 * STEP], pa.timestamp("ns"))
    table = {"segment_id": ["episode_0"] * 2, "log_time": times, "label": ["turn", "stop"]}
    two.register_layer("labels", pa.table(table))
    found = db.sql(
        "SELECT l.label, video_read(c.video, video_at(c.video, l.log_time), pixel_format => "
        f"'native') AS f FROM {CAMERA} c JOIN robots.drive l USING (segment_id) "
        "WHERE l.label IS NOT NULL ORDER BY l.log_time"
    ).to_table()
    assert found["label"].to_pylist() == ["turn", "stop"]
    data = [[f["data"] for f in row["frames"]] for row in found["f"].to_pylist()]
    assert data == [[stream.frames[7]], [stream.frames[30]]]


def test_clips_and_streams_in_one_query(db: Marey, two: RecordingDataset) -> None:
    clips = db.project("robots").create_table("clips", key_schema={"k": pa.int64()})
    clips.write({"k": [1], "video": [se.Video(se.Blob(make_clip(RECIPES["default"])))]})
    both = (
        f"SELECT video_read(video, [2]) AS f FROM {CAMERA} WHERE segment_id = 'episode_0' "
        "UNION ALL SELECT video_read(video, [2]) AS f FROM robots.clips"
    )
    times = [f["frames"][0]["time"] for f in db.sql(both).to_table()["f"].to_pylist()]
    assert [time and time.value for time in times] == [START + 2 * STEP, None]
    with pytest.raises(errors.FrameRangeError, match="give seconds"):
        db.sql(f"SELECT video_at(video, [{moment(0)}]) FROM robots.clips").to_table()
    seconds = db.sql("SELECT video_at(video, 0.5) AS k FROM robots.clips").to_table()
    assert seconds["k"].to_pylist() == [[12]]


def test_rows_fail_by_name_and_plans_look_into_nothing(
    db: Marey, two: RecordingDataset
) -> None:
    query = db.sql(
        f"SELECT segment_id, video_at(video, TIMESTAMP '2000-01-01') AS k FROM {CAMERA}"
    )
    with pytest.raises(
        errors.FrameRangeError, match=r"drive/camera.*episode_0.*before the first"
    ):
        query.to_table()
    assert query.to_table(on_error="null")["k"].to_pylist() == [None, None]
    with pytest.raises(errors.UnsupportedError, match="made after the query"):
        db.sql(f"SELECT array_length(video_read(video)) FROM {CAMERA}")
    with pytest.raises(errors.QueryError, match="no times"):
        db.sql(f"SELECT video_at(video, video_at(video, [0.5])) FROM {CAMERA}")
    for name, text in (
        ('robots."drive/camere"', "no entity '/camere'.*'/camera'"),
        ('robots."drove/camera"', "no dataset robots.drove"),
        ('robots."Drive"', r"there is robots\.drive"),
    ):
        with pytest.raises(errors.TableNotFoundError, match=text):
            db.sql(f"SELECT * FROM {name}")


def test_loaders_and_other_processes(db: Marey, two: RecordingDataset) -> None:
    query = db.sql(f"SELECT segment_id, video_read(video, [3]) AS f FROM {CAMERA}")
    loader = pickle.loads(pickle.dumps(query.to_data_loader(batch_size=1)))
    rows = [row for batch in loader for row in batch.to_pylist()]
    assert sorted(row["segment_id"] for row in rows) == ["episode_0", "episode_1"]
    assert all(len(row["f"]["frames"]) == 1 for row in rows)
