"""Clips whose index has many blocks, through a table: exact, found by time, failing by name."""

from __future__ import annotations

from pathlib import Path
from random import Random

import numpy as np
import pyarrow as pa
import pytest

from marey import Marey
from marey import expressions as se
from marey.engine import ingest
from marey.errors import FrameIndexError
from marey.tests.support.reading import digest, sequential
from marey.tests.support.stored_indexes import unpack
from marey.video.clips import ClipRecipe, make_clip
from marey.video.index.encode import encode_index

FRAMES = 120
KINDS = {
    "closed GOPs": "keyint=12:scenecut=0:bframes=3",
    "open GOPs": "keyint=12:scenecut=0:open-gop=1:bframes=3",
    "one endless GOP": "keyint=infinite:scenecut=0:bframes=3",
    "intra refresh": "keyint=10:intra-refresh=1:bframes=0",
}


@pytest.fixture(autouse=True)
def small_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        ingest, "encode_index", lambda index: encode_index(index, block_samples=16)
    )


@pytest.fixture(scope="module")
def data() -> dict[str, bytes]:
    return {
        kind: make_clip(ClipRecipe("of many blocks", 64, 48, FRAMES, x264=x264))
        for kind, x264 in KINDS.items()
    }


def written(root: Path, data: dict[str, bytes]) -> Marey:
    db = Marey(root)
    clips = db.project("p").create_table("clips", key_schema={"kind": pa.string()})
    clips.write({"kind": list(data), "video": [se.Video(se.Blob(d)) for d in data.values()]})
    return db


def test_random_frames_of_many_clips_and_rows_are_exact(
    tmp_path: Path, data: dict[str, bytes]
) -> None:
    db = written(tmp_path, data)
    clips = db.project("p").table("clips")
    truth = {kind: sequential(clip) for kind, clip in data.items()}
    chance = Random(12)
    kinds = [kind for kind in KINDS for _ in range(6)]
    lists = [
        [chance.randrange(FRAMES) for _ in range(chance.choice((1, 1, 3, 9)))] for _ in kinds
    ]
    frames = se.aux("frames", pa.list_(pa.uint32()))
    scan = db.scan({"f": se.video.read(clips["video"], frames, pixel_format="native")})
    keys = pa.table({"kind": kinds, "frames": pa.array(lists, pa.list_(pa.uint32()))})
    found = scan.to_table(key_table=keys)["f"].to_pylist()
    for kind, wanted, value in zip(kinds, lists, found, strict=True):
        assert [f["frame_index"] for f in value["frames"]] == wanted
        assert [digest(f["data"]) for f in value["frames"]] == [truth[kind][k] for k in wanted]
        assert [f["pts_seconds"] for f in value["frames"]] == [k / 25 for k in wanted]
        assert {round(f["duration_seconds"], 9) for f in value["frames"]} == {1 / 25}


def test_selections_of_long_clips(tmp_path: Path, data: dict[str, bytes]) -> None:
    db = written(tmp_path, data)
    clips = db.project("p").table("clips")
    video = clips["video"]
    found = (
        db.scan(
            {
                "uniform": se.video.uniform(video, 4),
                "at": se.video.at(video, [0.0, 1.5, 4.79]),
                "every": se.video.every(video, 0.5),
                "range": se.video.range(video, -2, None),
                "keyframes": se.video.keyframes(video),
            },
            where=clips["kind"] == "closed GOPs",
        )
        .to_table()
        .to_pylist()
    )
    assert found == [
        {
            "uniform": [15, 45, 75, 105],
            "at": [0, 37, 119],
            "every": [0, 50, 100],
            "range": [118, 119],
            "keyframes": list(range(0, FRAMES, 12)),
        }
    ]


def test_a_damaged_block_fails_the_rows_that_need_it(
    tmp_path: Path, data: dict[str, bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    def damaged(index: object) -> bytes:
        stored = unpack(encode_index(index, block_samples=24))  # type: ignore[arg-type]
        stored.bodies[2] = stored.bodies[2][:-1]
        return stored.pack()

    monkeypatch.setattr(ingest, "encode_index", damaged)
    db = written(tmp_path, {"closed GOPs": data["closed GOPs"]})
    clips = db.project("p").table("clips")
    frames = se.aux("frames", pa.list_(pa.uint32()))
    scan = db.scan({"f": se.video.read(clips["video"], frames)})
    keys = pa.table(
        {
            "kind": ["closed GOPs"] * 3,
            "frames": pa.array([[0, 110], [3, 60], [100]], pa.list_(pa.uint32())),
        }
    )
    table = scan.to_table(key_table=keys, on_error="null")
    assert table["f"].is_valid().to_pylist() == [True, False, True]
    with pytest.raises(FrameIndexError, match=r"p\.clips \(kind='closed GOPs'\), column 'f'"):
        scan.to_table(key_table=keys)


def test_parts_are_kept_and_counted(tmp_path: Path, data: dict[str, bytes]) -> None:
    db = written(tmp_path, data)
    clips = db.project("p").table("clips")
    scan = db.scan({"f": se.video.read(clips["video"], se.video.uniform(clips["video"], 3))})
    kept = db._workspace.catalog.caches.room
    first = scan.to_table()
    size = kept.size
    assert size > 4 * 3 * 16 * 30
    assert scan.to_table().equals(first)
    assert kept.size == size
    assert np.array_equal(first["f"].is_valid(), [True] * 4)
