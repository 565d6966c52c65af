"""Samples in storage: whole commits, one writer a stream, snapshots that upkeep cannot take."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from marey.errors import ConflictError, InputError, StorageError, TableNotFoundError
from marey.storage.handle import Handle
from marey.storage.recordings.commit import append, change_layers, create_store
from marey.storage.recordings.schema import (
    ENTITY,
    SAMPLE_SCHEMA,
    SEGMENT,
    check_entity,
    check_segment,
    check_timeline,
    timeline_fields,
)
from marey.storage.recordings.store import SampleStore, StreamName, literal
from marey.storage.recordings.upkeep import SMALL_FRAGMENTS, is_due, keep_up

ONE, OTHER = StreamName("e0", "/a"), StreamName("e1", "/a")


@pytest.fixture
def store(tmp_path: Path) -> SampleStore:
    uri = str(tmp_path / "x.dataset" / "samples.lance")
    Path(uri).parent.mkdir()
    assert create_store(uri)
    assert not create_store(uri)
    return SampleStore(Handle(uri))


def payload(stream: StreamName, at: int) -> bytes:
    return f"{stream.segment} {at}".encode() * 3


def rows(stream: StreamName, first: int, count: int, timeline: str = "log_time") -> pa.Table:
    at = range(first, first + count)
    rest = [None] * (count - 1)
    times = {timeline: pa.timestamp("ns")}
    return pa.table(
        [
            [stream.segment] * count,
            [stream.entity] * count,
            list(at),
            ["h264"] * count,
            [None] * count,
            [payload(stream, i) for i in at],
            [first, *rest],
            [list(b"block"), *rest],
            pa.array(at, pa.int64()).cast(pa.timestamp("ns")),
        ],
        schema=pa.schema([*SAMPLE_SCHEMA, *timeline_fields(times)]),
    )


def read(store: SampleStore) -> list[tuple[str, int]]:
    found = []
    for batch in store.scan(["segment_id", "decode_index"], batch_rows=7):
        found += zip(*(batch.column(i).to_pylist() for i in (0, 1)), strict=True)
    return found


def test_commits_follow_each_other(store: SampleStore) -> None:
    store = append(store, rows(ONE, 0, 3), ONE)
    store = append(store, rows(OTHER, 0, 2), OTHER)
    store = append(store, rows(ONE, 3, 2), ONE)
    one, other = [("e0", i) for i in range(5)], [("e1", 0), ("e1", 1)]
    assert read(store) == [*one[:3], *other, *one[3:]]
    blocks = [block for block in store.blocks() if block.stream == ONE]
    assert [(b.row_id, b.first, b.decode_index, b.codec) for b in blocks] == [
        (0, 0, 0, "h264"),
        (5, 3, 3, "h264"),
    ]
    assert [b.row_id for b in store.blocks(after=2)] == [3, 5]
    assert store.read_blocks(blocks) == [b"block"] * 2


def test_of_two_writers_of_one_stream_the_second_is_refused(store: SampleStore) -> None:
    third = StreamName("e2", "/a")
    append(store, rows(third, 0, 1), third)  # the timeline is there
    first, second = SampleStore(Handle(store.uri)), SampleStore(Handle(store.uri))
    first = append(first, rows(ONE, 0, 3), ONE)
    with pytest.raises(ConflictError):
        append(second, rows(ONE, 0, 3), ONE)
    second = append(second, rows(OTHER, 0, 3), OTHER)
    assert len(read(second)) == 7
    with pytest.raises(ConflictError):
        append(store, rows(ONE, 0, 1), ONE)


def test_samples_come_by_their_rows_and_are_held_against_their_numbers(
    store: SampleStore,
) -> None:
    for start in range(0, 30, 3):
        store = append(store, rows(ONE, start, 3), ONE)
    at = np.array([2, 3, 17, 29])
    assert [bytes(s) for s in store.samples(at, at)] == [payload(ONE, i) for i in at.tolist()]
    with pytest.raises(StorageError, match="not where they were stored"):
        store.samples(at, at + 1)


def test_files_stay_few_and_snapshots_whole(store: SampleStore) -> None:
    snapshots = []
    for at in range(2 * SMALL_FRAGMENTS):
        store = append(store, rows(ONE, at, 1), ONE)
        if at % 10 == 5:
            snapshots.append((store, at + 1))
        if is_due(store.handle):
            done = keep_up(store.handle)
            assert done.fragments_after < done.fragments_before
            store = store.newest()
    assert len(store.handle.lance.versions()) < SMALL_FRAGMENTS + 2
    for snapshot, count in snapshots:
        assert read(snapshot) == [("e0", i) for i in range(count)]
        at = np.arange(count)
        assert len(snapshot.samples(at, at)) == count


def test_upkeep_while_a_scan_goes_on(store: SampleStore) -> None:
    for at in range(0, 40, 4):
        store = append(store, rows(ONE, at, 4), ONE)
    scan = store.scan(["decode_index"], batch_rows=4)
    found = next(scan).column(0).to_pylist()
    newer = append(store, rows(ONE, 40, 4), ONE)
    keep_up(newer.handle)
    for batch in scan:
        found += batch.column(0).to_pylist()
    assert found == list(range(40))


def test_timelines_are_added_when_they_come(store: SampleStore) -> None:
    store = append(store, rows(ONE, 0, 1), ONE)
    store = append(store, rows(ONE, 1, 1, "frame"), ONE)
    assert list(store.timelines) == ["log_time", "frame"]
    table = pa.Table.from_batches(list(store.scan(["t:log_time", "t:frame"])))
    assert [c.null_count for c in table.columns[:2]] == [1, 1]


def test_the_list_of_layers_is_changed_on_top_of_others(store: SampleStore) -> None:
    change_layers(store, lambda layers: layers.update(a={"place": "p"}))
    newest = change_layers(store, lambda layers: layers.update(b={"place": "q"}))
    assert list(newest.layers) == ["a", "b"]
    assert list(append(newest, rows(ONE, 0, 1), ONE).layers) == ["a", "b"]


def test_no_dataset_is_no_dataset(tmp_path: Path) -> None:
    with pytest.raises(TableNotFoundError):
        SampleStore(Handle(str(tmp_path / "nothing")))


@pytest.mark.parametrize("name", ["", "a", "/", "/a/", "/a:b", "/a*", "/a\0", 3])
def test_no_entity(name: object) -> None:
    with pytest.raises(InputError, match="entity"):
        check_entity(name)


def test_names_that_can_be() -> None:
    assert check_entity("/camera/front left/1.5") == "/camera/front left/1.5"
    assert check_segment("it's 'one'; --") == "it's 'one'; --"
    assert check_timeline("frame") == "frame"


def test_filters_hold_any_name(store: SampleStore) -> None:
    odd = StreamName("it's 'one' OR 1=1", '/a.b"c')
    store = append(store, rows(odd, 0, 2), odd)
    store = append(store, rows(ONE, 0, 1), ONE)
    for name, count in ((odd, 2), (ONE, 1)):
        own = f"{SEGMENT} = {literal(name.segment)} AND {ENTITY} = {literal(name.entity)}"
        assert sum(batch.num_rows for batch in store.scan(["segment_id"], filter=own)) == count
    assert [block.stream for block in store.blocks()] == [odd, ONE]


def test_only_new_rows_are_looked_at_for_blocks(store: SampleStore) -> None:
    for at in range(12):
        store = append(store, rows(ONE, 2 * at, 2), ONE)
        if at == 7:
            keep_up(store.handle)
            store = store.newest()
        for after in (-1, 0, 1, 2 * at - 1, 2 * at, 2 * at + 1):
            found = [block.row_id for block in store.blocks(after=after)]
            assert found == [row for row in range(0, 2 * at + 2, 2) if row > after]
