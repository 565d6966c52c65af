"""What a scan says that it did, held against what the kernel and the decoders count."""

from __future__ import annotations

import logging
import re
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from av import Packet

from marey import Marey
from marey import expressions as se
from marey.engine.metrics import ScanMetrics
from marey.engine.scan import Scan
from marey.storage.files import PADDING_BYTES
from marey.tests.support.file_reads import counted_reads
from marey.video.decode.pyav import PyAvDecoder

CLIPS = ["closed_gops", "open_gop", "pyramid_normal", "slices"]
U32S = pa.list_(pa.uint32())
FRAMES = se.aux("frames", U32S)


@pytest.fixture
def db(tmp_path: Path, clip: Callable[[str], bytes]) -> Iterator[Marey]:
    """Rows 0 to 3 are stored, row 4 is a reference, and row 5 one to a file that is gone."""
    there, gone = tmp_path / "there.mp4", tmp_path / "gone.mp4"
    there.write_bytes(clip("quicktime"))
    gone.write_bytes(clip("default"))
    with Marey(tmp_path / "root") as db:
        table = db.project("p").create_table("clips", key_schema={"k": pa.int64()})
        blobs = [se.Blob(clip(name)) for name in CLIPS]
        blobs += [se.Blob.from_uri(there), se.Blob.from_uri(gone)]
        table.write({"k": range(6), "video": [se.Video(blob) for blob in blobs]})
        gone.unlink()
        yield db


def keys(lists: dict[int, list[int]]) -> pa.Table:
    return pa.table({"k": list(lists), "frames": pa.array(list(lists.values()), U32S)})


def frames_of(db: Marey) -> Scan:
    clips = db.project("p").table("clips")
    return db.scan({"k": clips["k"], "f": se.video.read(clips["video"], FRAMES)})


@pytest.fixture
def sent(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The samples that decoders were given, by any thread."""
    samples: list[int] = []
    lock, send = threading.Lock(), PyAvDecoder.send

    def counting(self: PyAvDecoder, ready: Packet) -> Any:
        with lock:
            samples.append(ready.pts)
        return send(self, ready)

    monkeypatch.setattr(PyAvDecoder, "send", counting)
    return samples


WANTED = [
    {0: [0]},
    {0: [47, 3], 1: [20], 2: [7, 31], 3: [0, 24]},
    {4: [5, 40]},
    {k: list(range(48)) for k in range(5)},
]


@pytest.mark.parametrize("wanted", WANTED)
def test_bytes_and_requests_are_those_of_the_kernel(
    db: Marey, wanted: dict[int, list[int]]
) -> None:
    scan = frames_of(db)
    # Keys, indexes and places are cached; what is read else is read for no frames, too.
    nothing = keys({k: [] for k in wanted})
    for _ in range(3):
        scan.to_table(key_table=nothing)
        scan.to_table(key_table=keys(wanted))
    with counted_reads() as small:
        scan.to_table(key_table=nothing)
    assert (scan.metrics.bytes_fetched, scan.metrics.range_requests) == (0, 0)
    with counted_reads() as all_of_it:
        scan.to_table(key_table=keys(wanted))
    metrics = scan.metrics
    padding = all_of_it.bytes - small.bytes - metrics.bytes_fetched
    assert 0 <= padding <= PADDING_BYTES * metrics.range_requests
    assert all_of_it.calls - small.calls == metrics.range_requests > 0


def test_a_remux_counts_what_it_reads(db: Marey) -> None:
    clips = db.project("p").table("clips")
    scan = db.scan({"mp4": se.video.remux(clips["video"], FRAMES)})
    wanted = keys({0: [5, 6, 7], 2: [30]})
    for _ in range(3):
        scan.to_table(key_table=wanted)
    with counted_reads() as counted:
        scan.to_table(key_table=wanted)
    metrics = scan.metrics
    assert 0 < metrics.bytes_fetched <= counted.bytes
    assert metrics.samples_decoded == 0
    assert metrics.frames == 4
    assert metrics.source_bytes == sum(clips_bytes for clips_bytes in source_bytes(db, [0, 2]))


def source_bytes(db: Marey, ids: list[int]) -> list[int]:
    clips = db.project("p").table("clips")
    scan = db.scan({"size": clips["video"]["index"]["source_bytes"]})
    sizes: list[int] = scan.to_table(key_table={"k": ids})["size"].to_pylist()
    return sizes


@pytest.mark.parametrize("wanted", WANTED)
def test_rows_frames_and_samples_are_counted(
    db: Marey, sent: list[int], wanted: dict[int, list[int]]
) -> None:
    scan = frames_of(db)
    table = scan.to_table(key_table=keys(wanted))
    metrics = scan.metrics
    assert metrics.rows == table.num_rows == len(wanted)
    assert metrics.frames == sum(map(len, wanted.values()))
    assert metrics.samples_decoded == len(sent) > 0
    assert metrics.source_bytes == sum(source_bytes(db, list(wanted)))
    assert metrics.rows_skipped == 0


def test_rows_that_fail_count_for_what_was_done(db: Marey, sent: list[int]) -> None:
    scan = frames_of(db)
    wanted = keys({0: [3], 5: [3], 1: [999], 2: [4]})
    table = scan.to_table(key_table=wanted, on_error="skip")
    metrics = scan.metrics
    assert table["k"].to_pylist() == [0, 2]
    assert (metrics.rows, metrics.frames, metrics.rows_skipped) == (2, 2, 2)
    assert metrics.samples_decoded == len(sent)
    good = frames_of(db)
    good.to_table(key_table=keys({0: [3], 2: [4]}))
    # The file that is gone gave no byte, and the frame that there is not was not looked for.
    assert metrics.bytes_fetched == good.metrics.bytes_fetched
    assert metrics.range_requests == good.metrics.range_requests


def test_samples_of_a_run_that_fails_are_counted(
    tmp_path: Path, clip: Callable[[str], bytes], sent: list[int]
) -> None:
    data = clip("default")
    file = tmp_path / "clip.mp4"
    file.write_bytes(data)
    with Marey(tmp_path / "root") as db:
        table = db.project("p").create_table("clips", key_schema={"k": pa.int64()})
        table.write({"k": [0], "video": [se.Video(se.Blob.from_uri(file))]})
        half = len(data) // 2
        file.write_bytes(data[:half] + bytes(b ^ 0x55 for b in data[half:]))
        scan = db.scan({"f": se.video.read(table["video"])})
        assert scan.to_table(on_error="null")["f"].null_count == 1
        assert scan.metrics.samples_decoded == len(sent)


def test_counts_survive_a_pickle_and_show_themselves() -> None:
    metrics = ScanMetrics(rows=3, bytes_fetched=1_234_567)
    assert "rows=3, " in repr(metrics)
    assert "bytes_fetched=1,234,567" in repr(metrics)


def test_the_log_has_a_line_a_clip(db: Marey, caplog: pytest.LogCaptureFixture) -> None:
    scan = frames_of(db)
    wanted = keys({0: [47, 3], 2: [7, 31]})
    with caplog.at_level(logging.DEBUG, "marey"):
        scan.to_table(key_table=wanted)
    found = [record for record in caplog.records if record.name == "marey"]
    assert len(found) == 2
    line = re.compile(
        r"p\.clips\.video row (\d+): 2 of 48 frames, (?:\d+ samples \w+(?: \+ )?)+, "
        r"(\d+) ranges \((exact|widened|GOP)\), (\d+) bytes of \d+"
    )
    matched = [line.fullmatch(record.getMessage()) for record in found]
    assert all(matched)
    assert sum(int(m[2]) for m in matched if m) == scan.metrics.range_requests
    assert sum(int(m[4]) for m in matched if m) == scan.metrics.bytes_fetched


def test_nothing_is_logged_unless_asked_for(
    db: Marey, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO, "marey"):
        frames_of(db).to_table(key_table=keys({0: [47, 3]}))
    assert not caplog.records
