"""Scans that need no plan give what DataFusion gives for the same outputs."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import hypothesis.strategies as st
import pyarrow as pa
import pytest
from hypothesis import given, settings

from marey import Marey
from marey import expressions as se
from marey.engine.query import build_query
from marey.engine.scan import Scan
from marey.engine.table import Table
from marey.errors import MareyError
from marey.expressions.references import aux_used

I64S, U32S = pa.list_(pa.int64()), pa.list_(pa.uint32())
CLIPS = {1: "closed_gops", 2: "open_gop", 3: "variable_rate"}
NO_VIDEO, UNKNOWN = 4, 5


@pytest.fixture(scope="module")
def db(tmp_path_factory: pytest.TempPathFactory) -> Marey:
    return Marey(tmp_path_factory.mktemp("planless"))


@pytest.fixture(scope="module")
def clips(db: Marey, clip: Callable[[str], bytes]) -> Table:
    table = db.project("p").create_table("clips", key_schema={"clip_id": pa.int64()})
    videos = [se.Video(se.Blob(clip(name))) for name in CLIPS.values()]
    table.write(
        {
            "clip_id": [*CLIPS, NO_VIDEO],
            "label": ["a", None, "c", "d"],
            "info": [{"x": 1}, None, {"x": None}, {"x": 4}],
            "video": [*videos, None],
        }
    )
    return table


def outputs(clips: Table) -> dict[str, Any]:
    video = clips["video"]
    frames, times = se.aux("frames", I64S), se.aux("times", pa.list_(pa.float32()))
    n = se.aux("n", pa.int32())
    return {
        "clip_id": clips["clip_id"],
        "label": clips["label"],
        "info": clips["info"],
        "bare": video,
        "width": video["index"]["width"],
        "n": n,
        "one": se.lit(1),
        "both": se.struct({"label": clips["label"], "f": se.video.read(video, frames)}),
        "some": se.video.read(video, frames, height=24, pixel_format="gray8"),
        "held": se.video.read(video, se.aux("held", U32S), width=40),
        "spread": se.video.read(video, se.video.uniform(video, n), pixel_format="native"),
        "at": se.video.at(video, times, "nearest"),
        "every": se.video.every(video, 5),
        "file": se.video.remux(video, se.video.keyframes(video)),
    }


NEED_A_PLAN = {
    "sum": lambda clips: se.aux("n", pa.int32()) + 1,
    "field": lambda clips: clips["info"]["x"],
    "null": lambda clips: clips["label"].is_null(),
    "word": lambda clips: se.video.every(clips["video"], clips["label"].cast(pa.float64())),
}


@pytest.mark.parametrize("name", NEED_A_PLAN)
def test_what_needs_a_plan(clips: Table, name: str) -> None:
    made = NEED_A_PLAN[name](clips)
    assert build_query({"out": made, "key": clips["clip_id"]}).needs_plan


def test_the_outputs_of_the_next_test_need_none(clips: Table) -> None:
    made = outputs(clips)
    assert not build_query(made).needs_plan
    assert build_query(made, where=se.lit(True)).needs_plan


@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_both_ways_agree(data: st.DataObject, db: Marey, clips: Table) -> None:
    every = outputs(clips)
    names = data.draw(st.lists(st.sampled_from(sorted(every)), min_size=1, unique=True))
    chosen = {name: every[name] for name in names} | {"key": clips["clip_id"]}
    numbers = st.integers(-1, 50) | st.none()
    row = st.fixed_dictionaries(
        {
            "clip_id": st.sampled_from([*CLIPS, NO_VIDEO, UNKNOWN]),
            "frames": st.lists(st.integers(0, 47), max_size=4) | st.lists(numbers, max_size=4),
            "held": st.none() | st.lists(st.none() | st.integers(0, 60), max_size=3),
            "times": st.none() | st.lists(st.floats(0, 1.5, width=32), max_size=3),
            "n": st.none() | st.integers(-1, 5),
        }
    )
    rows = data.draw(st.lists(row, min_size=1, max_size=6))
    rows[0] = {**rows[0], "frames": data.draw(st.none() | st.just([1, 1, 0]))}
    used = build_query(chosen).aux
    keys = pa.Table.from_pylist(
        [{"clip_id": r["clip_id"], **{name: r[name] for name in used}} for r in rows],
        pa.schema([("clip_id", pa.int64()), *used.items()]),
    )
    limit = data.draw(st.none() | st.integers(0, 4))
    how = {
        "on_error": data.draw(st.sampled_from(["raise", "null", "skip"])),
        "on_missing": data.draw(st.sampled_from(["null", "skip"])),
    }
    alone = run(db.scan(chosen, limit=limit), keys, how)
    planned = run(db.scan(chosen, where=se.lit(True), limit=limit), keys, how)
    assert alone == planned


@settings(max_examples=20, deadline=None)
@given(data=st.data())
def test_both_ways_agree_without_keys(data: st.DataObject, db: Marey, clips: Table) -> None:
    every = {name: made for name, made in outputs(clips).items() if not needs_keys(made)}
    every["out"] = se.video.read(clips["video"], [0, 47, 3], pixel_format="native")
    every["beyond"] = se.video.read(clips["video"], [60])
    names = data.draw(st.lists(st.sampled_from(sorted(every)), min_size=1, unique=True))
    chosen = {name: every[name] for name in names} | {"key": clips["clip_id"]}
    limit = data.draw(st.none() | st.integers(0, 5))
    how = {"on_error": data.draw(st.sampled_from(["raise", "null", "skip"]))}
    alone = run(db.scan(chosen, limit=limit), None, how)
    planned = run(db.scan(chosen, where=se.lit(True), limit=limit), None, how)
    assert alone == planned


def needs_keys(made: Any) -> bool:
    """Whether an output needs a key table."""
    return isinstance(made, se.Expr) and bool(aux_used([made]))


def run(scan: Scan, keys: pa.Table | None, how: Any) -> object:
    try:
        table = scan.to_table(key_table=keys, **how)
    except MareyError as error:
        return type(error), str(error)
    return table.schema, table.to_pylist(), scan.errors().to_pylist(), scan.metrics.rows_skipped
