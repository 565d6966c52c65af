"""`explain`: its text, and that a run does what it says, for not a byte of media."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import hypothesis.strategies as st
import pyarrow as pa
import pytest
from hypothesis import given, settings

from marey import EngineConfig, Marey
from marey import expressions as se
from marey.engine import estimate
from marey.errors import KeyNotFoundError, UnsupportedError
from marey.storage import blobs
from marey.video.clips import ClipRecipe, make_clip
from marey.video.plan import EXACT, LOCAL, OBJECT_STORE, SourceCost

CLIPS = ["closed_gops", "open_gop", "pyramid_normal", "baseline", "zero_latency"]
U32S = pa.list_(pa.uint32())
WANTED = se.aux("frame_indices", U32S)
LARGE = ClipRecipe(
    "pictures that cost more to decode than to rewrite",
    width=640,
    height=352,
    frames=48,
    x264="bframes=3:b-pyramid=strict:b-adapt=0",
    preset="ultrafast",
)


def keys(ids: list[int], lists: list[list[int]]) -> pa.Table:
    return pa.table({"clip_id": ids, "frame_indices": pa.array(lists, U32S)})


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory, clip: Callable[[str], bytes]) -> Path:
    root = tmp_path_factory.mktemp("explain")
    table = Marey(root).project("p").create_table("clips", key_schema={"clip_id": pa.int64()})
    payloads = [*(clip(name) for name in CLIPS), make_clip(LARGE)]
    table.write(
        {
            "clip_id": list(range(7)),
            "label": ["a", "b", "a", "b", "a", "large", "none"],
            "video": [*(se.Video(se.Blob(payload)) for payload in payloads), None],
        }
    )
    return root


@pytest.fixture
def db(root: Path) -> Marey:
    return Marey(root)


def figures(text: str) -> dict[str, int]:
    """What all expressions are estimated to take together."""
    found = re.findall(r"^  (bytes|requests|samples) +([\d,]+) ", text, re.MULTILINE)
    totals = dict.fromkeys(["bytes", "requests", "samples"], 0)
    for name, amount in found:
        totals[name] += int(amount.replace(",", ""))
    return totals


def test_golden(db: Marey, golden: Callable[[str, str], None]) -> None:
    clips = db.project("p").table("clips")
    video, label = clips["video"], clips["label"]
    read = se.video.read(video, WANTED, height=48, width=80)
    evenly = se.video.uniform(video, 4)
    keyed = db.scan(
        {
            "clip_id": clips["clip_id"],
            "frames": read,
            "preview": se.struct({"label": label, "mp4": se.video.remux(video, WANTED)}),
        },
        where=label != "b",
    )
    asked = keys(
        [4, 0, 0, 9, 6, 1, 2, 5], [[47, 3], [1, 1], [40], [0], [0], [2], [7, 99], [46]]
    )
    late = se.video.at(video, [99.0], mode="exact")
    texts = [
        keyed.explain(key_table=asked),
        keyed.explain(),
        db.scan({"f": se.video.read(video, evenly)}, where=label == "a", limit=2).explain(),
        db.scan({"f": se.video.read(video)}, where=video["index"]["frame_count"] > 1).explain(),
        db.scan({"f": se.video.read(video, late)}).explain(),
        db.scan({"label": label}, where=clips["clip_id"] + 1 > 3).explain(),
        db.scan({"label": label}, where=clips["clip_id"] == 77).explain(),
        db.sql(
            "SELECT clip_id, video_read(video, [0, 20], height => 48) AS f FROM p.clips "
            "WHERE label = 'a' AND video.index.width >= 160 ORDER BY clip_id DESC LIMIT 2"
        ).explain(),
        db.sql("SELECT label, count(*) AS n FROM p.clips GROUP BY label").explain(),
    ]
    golden("explain.txt", f"\n{'-' * 64}\n".join([*texts, ""]))


@settings(max_examples=25, deadline=None)
@given(data=st.data())
def test_a_run_does_what_explain_says(data: st.DataObject, root: Path) -> None:
    cost = data.draw(st.sampled_from([None, EXACT, LOCAL, OBJECT_STORE]))
    budget = data.draw(st.sampled_from([1 << 16, 1 << 20, 256 << 20]))
    db = Marey(root, config=EngineConfig(source_cost=cost, memory_budget_bytes=budget))
    clips = db.project("p").table("clips")
    scan = db.scan(
        {
            "f": se.video.read(clips["video"], WANTED, height=16, width=16),
            "g": se.video.read(clips["video"], [5]),
        }
    )
    rows = data.draw(
        st.lists(
            st.tuples(st.integers(0, 6), st.lists(st.integers(0, 47), max_size=4)), max_size=12
        )
    )
    table = keys([key for key, _ in rows], [frames for _, frames in rows])
    text = scan.explain(table)
    scan.to_table(table)
    done = scan.metrics
    assert figures(text) == {
        "bytes": done.bytes_fetched,
        "requests": done.range_requests,
        "samples": done.samples_decoded,
    }
    rewritten = re.findall(r"rewritten: \S+ runs?, ([\d,]+) samples?", text)
    assert sum(int(n.replace(",", "")) for n in rewritten) == done.samples_rewritten
    assert (done.rewrite_seconds > 0) == (done.samples_rewritten > 0)


@pytest.mark.parametrize(
    ("cost", "frames", "outcome"),
    [
        (EXACT, [1, 30], "exact"),
        (
            SourceCost(request_seconds=1, bytes_per_second=1e9, overfetch=9e9),
            [1, 30],
            "widened",
        ),
        (SourceCost(request_seconds=1e-9, bytes_per_second=1e9), list(range(12)), "GOP"),
    ],
)
def test_the_source_decides_on_the_ranges(
    cost: SourceCost, frames: list[int], outcome: str, root: Path
) -> None:
    db = Marey(root, config=EngineConfig(source_cost=cost))
    clips = db.project("p").table("clips")
    scan = db.scan({"f": se.video.read(clips["video"], frames)}, where=clips["clip_id"] == 0)
    assert re.search(rf"fetch +{outcome}: 1 read$", scan.explain(), re.MULTILINE)


def test_no_media_is_read(db: Marey, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: Any) -> None:
        raise AssertionError("media was read")

    monkeypatch.setattr(blobs, "start_ranges", refuse)
    clips = db.project("p").table("clips")
    scan = db.scan({"f": se.video.read(clips["video"]), "m": se.video.remux(clips["video"])})
    assert figures(scan.explain())["bytes"] > 0
    with pytest.raises(AssertionError, match="media was read"):
        scan.to_table()


def test_only_the_first_rows_are_planned(db: Marey, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(estimate, "PLANNED_ROWS", 3)
    clips = db.project("p").table("clips")
    scan = db.scan({"f": se.video.read(clips["video"], WANTED)})
    few = keys([0, 1, 2], [[0]] * 3)
    assert "all rows of the result (3 rows)" in scan.explain(few)
    more = scan.explain(keys([0, 1, 2, 3], [[0]] * 4))
    assert "the first 3 rows of the result, there are more" in more
    assert figures(more) == figures(scan.explain(few))


def test_explain_does_not_touch_the_latest_run(db: Marey) -> None:
    clips = db.project("p").table("clips")
    scan = db.scan({"f": se.video.read(clips["video"], [99])})
    scan.to_table(on_error="null")
    before = scan.errors(), repr(scan.metrics)
    assert "6 values cannot be made" in scan.explain()
    assert (scan.errors(), repr(scan.metrics)) == before


def test_explain_leaves_missing_keys_to_the_run(db: Marey) -> None:
    clips = db.project("p").table("clips")
    scan = db.scan({"clip_id": clips["clip_id"]})
    table = pa.table({"clip_id": [1, 77]})
    assert "2 rows of the key table, 1 with keys that the table lacks" in scan.explain(table)
    with pytest.raises(KeyNotFoundError):
        scan.to_table(table)


def test_sql_takes_no_key_table(db: Marey) -> None:
    with pytest.raises(UnsupportedError, match="SQL takes no key table"):
        db.sql("SELECT 1 AS n").explain({"clip_id": [1]})
