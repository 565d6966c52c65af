"""A table against a dict: whatever is done to both, in any order, they hold the same rows."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path
from typing import Any

import pyarrow as pa
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
)

from marey.storage.catalog import Catalog
from marey.storage.dataset import Dataset
from marey.storage.schema import BlobReference, VideoValue

COLUMNS = {"label": pa.string(), "score": pa.float64()}
VIDEOS = ["video", "thumbnail"]
Row = dict[str, Any]

keys = st.lists(st.integers(0, 12), min_size=1, max_size=6, unique=True)
ordinary = {
    "label": st.none() | st.text(max_size=3),
    "score": st.none() | st.floats(allow_nan=False),
}
# Inline, packed, by reference (the number is where its bytes start), null.
sources = st.one_of(
    st.none(),
    st.binary(max_size=20),
    st.binary(min_size=1, max_size=1).map(lambda b: b * 70_000),
    st.integers(0, 50),
)


class Table(RuleBasedStateMachine):
    """Rows by key in `rows`; the row id of each in `row_ids`, once it is known."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp())
        self.outside = self.folder / "outside"
        self.outside.mkdir()
        for size in range(1, 101):
            (self.outside / f"{size}").write_bytes(bytes(range(size)))
        self.rows: dict[int, Row] = {}
        self.row_ids: dict[int, int] = {}
        self.snapshots: list[tuple[Dataset, dict[int, Row]]] = []

    def teardown(self) -> None:
        shutil.rmtree(self.folder)

    @initialize()
    def create(self) -> None:
        self.catalog = Catalog(self.folder / "data")
        key = pa.schema([("id", pa.int64())])
        self.table = self.catalog.create_table("p", "t", key_schema=key)

    @rule(ids=keys, columns=st.sets(st.sampled_from([*COLUMNS])), data=st.data())
    def write_columns(self, ids: list[int], columns: set[str], data: st.DataObject) -> None:
        self._write(ids, columns, set(), data)

    @rule(
        ids=keys,
        columns=st.sets(st.sampled_from([*COLUMNS])),
        videos=st.sets(st.sampled_from(VIDEOS), min_size=1),
        data=st.data(),
    )
    def write_videos(
        self, ids: list[int], columns: set[str], videos: set[str], data: st.DataObject
    ) -> None:
        self._write(ids, columns, videos, data)

    def _write(
        self, ids: list[int], columns: set[str], videos: set[str], data: st.DataObject
    ) -> None:
        values: dict[str, list[Any]] = {
            name: data.draw(st.lists(ordinary[name], min_size=len(ids), max_size=len(ids)))
            for name in sorted(columns)
        }
        drawn = {
            name: data.draw(st.lists(sources, min_size=len(ids), max_size=len(ids)))
            for name in sorted(videos)
        }
        table = {"id": pa.array(ids, pa.int64())}
        table |= {name: pa.array(v, COLUMNS[name]) for name, v in values.items()}
        before = self.table.version
        after = self.table.write(
            pa.table(table), {n: [self._video(s) for s in v] for n, v in drawn.items()}
        )
        assert after == self.table.version >= before
        for at, key in enumerate(ids):
            row = self.rows.setdefault(key, dict.fromkeys([*COLUMNS, *VIDEOS]))
            row.update({name: v[at] for name, v in values.items()})
            row.update({name: self._bytes(v[at]) for name, v in drawn.items()})

    def _video(self, source: bytes | int | None) -> VideoValue | None:
        if source is None:
            return None
        reference = isinstance(source, int)
        stored = (
            BlobReference((self.outside / f"{100 - source}").as_uri(), 100 - source)
            if reference
            else source
        )
        content = self._bytes(source)
        assert content is not None
        return VideoValue(stored, {"width": len(content)}, b"graph" + content[:3])

    def _bytes(self, source: bytes | int | None) -> bytes | None:
        return bytes(range(100))[: 100 - source] if isinstance(source, int) else source

    @rule(key=st.integers(0, 12))
    def delete_up_to(self, key: int) -> None:
        gone = [k for k in self.rows if k <= key]
        assert self.table.delete(f"id <= {key}") == len(gone)
        for k in gone:
            del self.rows[k]
            self.row_ids.pop(k, None)

    @rule()
    def reopen(self) -> None:
        self.table = self.catalog.open_table("p", "t")

    @rule()
    def optimize(self) -> None:
        self.table.optimize()

    @precondition(lambda self: len(self.snapshots) < 3)
    @rule()
    def snapshot(self) -> None:
        seen = {key: dict(row) for key, row in self.rows.items()}
        self.snapshots.append((self.table.at(self.table.version), seen))

    @rule()
    def look_at_snapshots(self) -> None:
        for table, rows in self.snapshots:
            self._check(table, rows)

    @invariant()
    def holds_the_rows(self) -> None:
        row_ids = self._check(self.table, self.rows)
        for key, row_id in self.row_ids.items():
            assert row_ids[key] == row_id
        self.row_ids.update(row_ids)

    def _check(self, table: Dataset, rows: dict[int, Row]) -> dict[int, int]:
        assert table.count() == len(rows)
        asked = pa.table({"id": pa.array([*range(13), 5], pa.int64())})
        found = table.find_keys(asked).to_pylist()
        assert found[5] == found[13]
        row_ids = {k: r for k, r in enumerate(found[:13]) if r is not None}
        assert row_ids.keys() == rows.keys()
        assert len(set(row_ids.values())) == len(rows)
        there = [name for name in [*COLUMNS, *VIDEOS] if name in table.schema.names]
        for name in there:
            if name in VIDEOS:
                self._check_videos(table, name, rows, row_ids)
            else:
                values = table.take([row_ids[k] for k in rows], [name])[name].to_pylist()
                assert values == [row[name] for row in rows.values()]
        for name in {*COLUMNS, *VIDEOS} - {*there}:
            assert all(row[name] is None for row in rows.values())
        return row_ids

    def _check_videos(
        self, table: Dataset, name: str, rows: dict[int, Row], row_ids: dict[int, int]
    ) -> None:
        ids = [row_ids[key] for key in rows]
        contents = [row[name] for row in rows.values()]
        widths = table.take(ids, [f"{name}.index.width"]).column(0).to_pylist()
        assert widths == [None if c is None else len(c) for c in contents]
        graphs = table.frame_graphs(ids, name)
        assert [g if g is None else bytes(g) for g in graphs] == [
            None if c is None else b"graph" + c[:3] for c in contents
        ]
        there = [(i, c) for i, c in zip(ids, contents, strict=True) if c is not None]
        read = table.read_ranges(name, [(i, 0, len(c)) for i, c in there])
        assert all(isinstance(r, memoryview) for r in read), read
        assert read == [c for _, c in there]


Table.TestCase.settings = settings(max_examples=8, stateful_step_count=14, deadline=None)
TestTable = Table.TestCase
