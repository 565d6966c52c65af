"""A scan holds its budget and a row, whatever the table: nothing waits for the collector."""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterator
from pathlib import Path

import pyarrow as pa
import pytest

from marey import Marey
from marey import expressions as se
from marey.engine.config import EngineConfig

ROWS = 24
SIDE = 256
FRAMES = 16
ROW_BYTES = FRAMES * SIDE * SIDE * 3


@pytest.fixture
def no_collector() -> Iterator[None]:
    gc.collect()
    gc.disable()
    yield
    gc.enable()


@pytest.mark.usefixtures("no_collector")
@pytest.mark.parametrize("rows_in_budget", [1, 3, 10])
@pytest.mark.parametrize("way", ["reader", "loader"])
def test_a_scan_holds_its_budget_and_a_row(
    clip: Callable[[str], bytes], tmp_path: Path, rows_in_budget: int, way: str
) -> None:
    budget = rows_in_budget * ROW_BYTES
    db = Marey(tmp_path, config=EngineConfig(memory_budget_bytes=budget))
    clips = db.project("p").create_table("clips", key_schema={"k": pa.int64()})
    payload = clip("closed_gops")
    clips.write({"k": range(ROWS), "video": [se.Video(se.Blob(payload))] * ROWS})
    frames = se.video.range(clips["video"], 0, FRAMES)
    scan = db.scan({"f": se.video.read(clips["video"], frames, height=SIDE, width=SIDE)})
    before = pa.total_allocated_bytes()
    held, seen = 0, 0
    batches = scan.to_record_batches() if way == "reader" else scan.to_data_loader(batch_size=1)
    for batch in batches:
        held = max(held, pa.total_allocated_bytes() - before)
        seen += batch.num_rows
    assert seen == ROWS
    small = 64 << 10  # keys, requests, frame indexes
    # A budget of less than a row still makes one while the consumer has another.
    assert held <= max(budget, ROW_BYTES) + ROW_BYTES + small * ROWS
    db.close()
