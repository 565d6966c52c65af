"""Field pictures: each is an access unit (7.4.1.2.3), so two samples may make a frame."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from marey import Marey, errors
from marey import expressions as se
from marey.engine.recordings.dataset import RecordingDataset
from marey.tests.conftest import decode_everything
from marey.tests.support.field_streams import field_samples

from .conftest import START, STEP
from .test_export import presented

FRAMES = 12
FIELDS = field_samples(FRAMES)
PAIRS = [FIELDS[i] + FIELDS[i + 1] for i in range(0, len(FIELDS), 2)]
TIMES = START + STEP * np.arange(FRAMES)


def truth() -> list[bytes]:
    frames = decode_everything(b"".join(FIELDS))
    assert len(frames) == FRAMES
    assert len({frame.planes for frame in frames}) == FRAMES
    assert all(frame.interlaced for frame in frames)
    return [frame.planes for frame in frames]


def log_fields(drive: Callable[[], RecordingDataset], cuts: list[int]) -> None:
    """Each field a sample; the second half a step after the first."""
    times = np.repeat(TIMES, 2) + np.tile([0, STEP // 2], FRAMES)
    for start, end in zip([0, *cuts], [*cuts, len(FIELDS)], strict=True):
        index: Any = {"log_time": times[start:end]}
        drive().log("e", "/camera", codec="h264", index=index, samples=FIELDS[start:end])


def frames_of(db: Marey, wanted: list[list[int]]) -> list[list[Any]]:
    clip = db.project("robots").dataset("drive").video("/camera")
    numbers = pa.list_(pa.uint32())
    scan = db.scan(
        {"f": se.video.read(clip["video"], se.aux("k", numbers), pixel_format="native")}
    )
    keys = pa.table({"segment_id": ["e"] * len(wanted), "k": pa.array(wanted, numbers)})
    return [row["frames"] for row in scan.to_table(key_table=keys)["f"].to_pylist()]


@pytest.mark.parametrize("cuts", [[], [1], [7, 8, 9], list(range(1, 2 * FRAMES))])
def test_two_fields_logged_apart_are_one_frame(
    db: Marey, drive: RecordingDataset, again: Callable[[], RecordingDataset], cuts: list[int]
) -> None:
    log_fields(again, cuts)
    planes = truth()
    wanted = [list(range(FRAMES)), [5], [11, 2], [0, 3, 7]]
    for row, frames in zip(frames_of(db, wanted), wanted, strict=True):
        assert [f["data"] for f in row] == [planes[k] for k in frames]
        assert [f["time"].value for f in row] == [int(TIMES[k]) for k in frames]
    keys = [row["/camera:VideoStream:is_keyframe"] for row in drive.reader().to_pylist()]
    assert sum(keys) == FRAMES // 4


def test_two_fields_in_one_sample_are_the_same_frame(
    db: Marey, drive: RecordingDataset
) -> None:
    drive.log("e", "/camera", codec="h264", index={"log_time": TIMES}, samples=PAIRS)
    (row,) = frames_of(db, [list(range(FRAMES))])
    assert [f["data"] for f in row] == truth()


def test_a_logger_takes_fields_and_an_export_shows_frames(
    drive: RecordingDataset, tmp_path: Any
) -> None:
    with drive.logger("e", "/camera", codec="h264", commit_bytes=1500) as log:
        for at, field in enumerate(FIELDS):
            log.append(int(TIMES[at // 2]) if at % 2 == 0 else None, field)
    done = drive.export_mp4("e", "/camera", tmp_path / "out.mp4")
    assert done.frames == FRAMES
    assert presented(tmp_path / "out.mp4")[0] == truth()


def test_more_than_a_pair_in_a_sample_is_refused(drive: RecordingDataset) -> None:
    for wrong in (b"".join(FIELDS[:3]), FIELDS[0] + FIELDS[2]):
        with pytest.raises(errors.BitstreamError, match=r"sample 0 of 1.*pictures"):
            drive.log("e", "/camera", codec="h264", index={"log_time": [0]}, samples=[wrong])
    assert drive.segment_ids() == []
