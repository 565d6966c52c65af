"""Datasets of recordings in an object store: a real one, on loopback."""

from __future__ import annotations

import io
import random
from collections.abc import Iterator
from typing import Any

import lance
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from datafusion import col

from marey import Marey, errors
from marey import expressions as se
from marey.engine.recordings.dataset import RecordingDataset
from marey.storage.recordings import layers
from marey.tests.support.s3_server import S3, s3_server

from .conftest import START, STEP, Recorded

LABEL = "/labels:Label:text"


@pytest.fixture(scope="module")
def s3() -> Iterator[S3]:
    with s3_server() as server:
        server.client().create_bucket(Bucket="media")
        yield server


@pytest.fixture
def lake(s3: S3, request: Any) -> Marey:
    """A root of its own."""
    return Marey(f"s3://media/{request.node.name}", storage_options=s3.options)


def keys(s3: S3, prefix: str) -> list[str]:
    found = s3.client().list_objects_v2(Bucket="media", Prefix=f"{prefix}/")
    return [item["Key"] for item in found.get("Contents", [])]


def samples(drive: RecordingDataset, segment: str) -> list[bytes]:
    rows = pa.table(drive.filter_segments(segment).reader()).sort_by("decode_index")
    assert rows["decode_index"].to_pylist() == list(range(len(rows)))
    stored: list[bytes] = rows["/camera:VideoStream:sample"].to_pylist()
    return stored


def labels(text: str) -> pa.Table:
    time = pa.array([START], pa.timestamp("ns"))
    return pa.table({"segment_id": ["e"], "log_time": time, LABEL: [text]})


def test_logged_read_decoded_and_kept_up(lake: Marey, s3: S3, recorded: Any) -> None:
    stream: Recorded = recorded("raw")
    drive = lake.project("robots").create_dataset("drive")
    drive.log("e", "/camera", codec="h264", **stream.part(0, 12))  # type: ignore[arg-type]
    with drive.logger("e", "/camera", codec="h264", commit_bytes=3000) as log:
        for time, sample in zip(stream.times[12:].tolist(), stream.samples[12:], strict=True):
            log.append(time, sample)
    assert log.durable == len(stream.samples) - 12
    other = Marey(lake.root, storage_options=s3.options)
    for session in (lake, other):
        drive = session.project("robots").dataset("drive")
        assert samples(drive, "e") == list(stream.samples)
        clip = drive.video("/camera")
        scan = session.scan({"f": se.video.read(clip["video"], pixel_format="native")})
        frames = scan.to_table()["f"].to_pylist()[0]["frames"]
        assert [frame["data"] for frame in frames] == list(stream.frames)
        done = drive.optimize()
        assert done.fragments_after == 1
    found = lake.sql("SELECT count(*) AS n FROM robots.drive").to_table()
    assert found["n"].to_pylist() == [len(stream.samples)]


def test_writers_that_do_not_know_of_each_other(lake: Marey, s3: S3, recorded: Any) -> None:
    stream: Recorded = recorded("raw")
    lake.project("robots").create_dataset("drive")
    writers = [
        Marey(lake.root, storage_options=s3.options).project("robots").dataset("drive")
        for _ in range(2)
    ]
    for at, start in enumerate(range(0, len(stream.samples), 12)):
        part: Any = stream.part(start, start + 12)
        writers[at % 2].log("e", "/camera", codec="h264", **part)
        if at == 1:
            writers[0].optimize()  # takes away what would have told the other of it
    assert samples(writers[0], "e") == list(stream.samples)


def test_layers_from_objects(
    lake: Marey, s3: S3, recorded: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    drive = lake.project("robots").create_dataset("drive")
    drive.log("e", "/camera", codec="h264", **recorded("raw").part(0, 12))
    file = io.BytesIO()
    pq.write_table(labels("parquet"), file)
    s3.client().put_object(Bucket="media", Key="x/a.parquet", Body=file.getvalue())
    lance.write_dataset(labels("lance"), "s3://media/x/b", storage_options=s3.options)
    for source, text in (("s3://media/x/a.parquet", "parquet"), ("s3://media/x/b", "lance")):
        drive.register_layer("labels", source)
        rows = drive.reader("log_time").filter(col(f'"{LABEL}"').is_not_null())
        assert [(r[LABEL], r["decode_index"]) for r in rows.to_pylist()] == [(text, 0)]
    with pytest.raises(errors.SourceNotFoundError, match=r"x/none\.parquet"):
        drive.register_layer("none", "s3://media/x/none.parquet")
    with pytest.raises(errors.UnsupportedError, match="files of this machine"):
        drive.register_layer("none", "s3://media/x/none.rrd")
    folder = f"{lake.root.removeprefix('s3://media/')}/robots/drive.dataset/layers"
    drive.optimize()
    assert len({key.split("/")[4] for key in keys(s3, folder)}) == 2, "it may yet be read"
    monkeypatch.setattr(layers, "_STALE_SECONDS", -1)
    drive.optimize()
    assert len({key.split("/")[4] for key in keys(s3, folder)}) == 1
    assert drive.layers() == ["labels"]


def test_datasets_are_listed_and_dropped(lake: Marey, s3: S3, recorded: Any) -> None:
    project = lake.project("robots")
    part = recorded("raw").part(0, 12)
    for name in ("drive", "other"):
        project.create_dataset(name).log("e", "/camera", codec="h264", **part)
    project.create_table("clips", key_schema={"k": pa.int64()})
    assert (project.list_datasets(), project.list_tables()) == (["drive", "other"], ["clips"])
    assert lake.projects() == ["robots"]
    project.drop_dataset("drive")
    assert project.list_datasets() == ["other"]
    root = lake.root.removeprefix("s3://media/")
    assert not keys(s3, f"{root}/robots/drive.dataset")
    with pytest.raises(errors.TableNotFoundError, match=r"no dataset robots\.drive"):
        project.dataset("drive")
    again = project.create_dataset("drive")
    assert again.segment_ids() == []
    assert project.dataset("other").segment_ids() == ["e"]


def test_few_bytes_are_sent_for_a_frame(lake: Marey, s3: S3, recorded: Any) -> None:
    """Of a larger stream the samples of one frame are read, and not the file they are in."""
    stream: Recorded = recorded("raw")
    drive = lake.project("robots").create_dataset("drive")
    laps, chance = 10, random.Random(7)
    times = [t + lap * 100 * STEP for lap in range(laps) for t in stream.times.tolist()]
    # Filler data (7.3.2.7) tells samples apart: of equal ones Lance keeps one.
    filler = [bytes(chance.choices(range(1, 256), k=2000)) for _ in times]
    logged = [
        sample + b"\0\0\1\x0c" + more
        for sample, more in zip(stream.samples * laps, filler, strict=True)
    ]
    drive.log("e", "/camera", codec="h264", index={"log_time": times}, samples=logged)
    clip = drive.video("/camera")
    scan = lake.scan({"f": se.video.read(clip["video"], [40], pixel_format="native")})
    scan.to_table()
    s3.log()
    table = scan.to_table()
    assert table["f"][0].as_py()["frames"][0]["data"] == stream.frames[40]
    sent = sum(r["bytes"] for r in s3.log() if "/data/" in r["path"])
    assert 0 < sent < sum(map(len, logged)) / 8
