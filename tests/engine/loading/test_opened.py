"""What one job opened serves the next, if that is of the same session and version."""

from __future__ import annotations

import pickle
from typing import Any

import numpy as np
import pyarrow as pa

from marey import EngineConfig, Marey
from marey.engine.loading.opened import Opened
from marey.engine.table import Table


def load(opened: Opened, *values: object) -> Any:
    buffers: list[pickle.PickleBuffer] = []
    data = pickle.dumps(values, protocol=5, buffer_callback=buffers.append)
    return opened.load(pa.py_buffer(data), buffers=[pa.py_buffer(b) for b in buffers])


def test_sessions_and_versions_are_opened_once(db: Marey, table: Table) -> None:
    opened = Opened()
    scan = db.scan({"k": table["k"]})
    version = table.versions()[-1]
    snapshot = db._workspace.table("p", "t").at(version.number)
    again, held, array = load(opened, scan, snapshot, np.arange(100))
    assert again.to_table() == scan.to_table()
    assert array.tolist() == list(range(100))
    for _ in range(2):
        other, same = load(opened, db.scan({"kk": table["k"]}), snapshot)
        assert other.engine is again.engine
        assert same is held


def test_others_are_opened_anew(db: Marey, table: Table) -> None:
    opened = Opened()
    (scan,) = load(opened, db.scan({"k": table["k"]}))
    smaller = Marey(db.root, config=EngineConfig(memory_budget_bytes=1 << 20))
    (other,) = load(opened, smaller.scan({"k": smaller.project("p").table("t")["k"]}))
    assert other.engine is not scan.engine
    # What the latest job did not need is let go.
    (third,) = load(opened, db.scan({"k": table["k"]}))
    assert third.engine is not scan.engine


def test_the_newest_version_is_looked_for_each_time(db: Marey) -> None:
    table = db.project("p").create_table("newest", key_schema={"k": pa.int64()})
    table.write({"k": [1]})
    opened = Opened()
    scan = db.scan({"k": table["k"]})
    assert load(opened, scan)[0].to_table().num_rows == 1
    dataset = db._workspace.table("p", "newest")
    assert load(opened, dataset)[0].count() == 1
    table.write({"k": [2]})
    assert load(opened, scan)[0].to_table().num_rows == 2
    assert load(opened, dataset)[0].count() == 2
