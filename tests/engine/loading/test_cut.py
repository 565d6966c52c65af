"""Batches come as they were planned, whatever pieces their rows come in and which are gone."""

from __future__ import annotations

import pickle

import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from marey.engine.flat import PLACE
from marey.engine.loading.cut import cut_batches

SCHEMA = pa.schema([pa.field("k", pa.int64())])


def piece(places: list[int]) -> pa.RecordBatch:
    values = pa.array([1000 + place for place in places], pa.int64())
    return pa.record_batch({"k": values, PLACE: pa.array(places, pa.int64())})


@given(data=st.data(), rows=st.integers(0, 40), size=st.integers(1, 9))
def test_each_batch_has_those_of_its_rows_that_there_are(
    data: st.DataObject, rows: int, size: int
) -> None:
    there = sorted(data.draw(st.sets(st.integers(0, rows - 1)))) if rows else []
    pieces, at = [], 0
    while at < len(there):
        length = data.draw(st.integers(0, 12))
        pieces.append(piece(there[at : at + length]))
        at += length
    cut = list(cut_batches(pieces, SCHEMA, rows=rows, size=size))
    assert [batch["k"].to_pylist() for batch in cut] == [
        [1000 + place for place in there if begin <= place < begin + size]
        for begin in range(0, rows, size)
    ]
    assert all(batch.schema == SCHEMA for batch in cut)


def test_a_batch_is_given_as_soon_as_its_last_row_is_there() -> None:
    taken = []

    def pieces() -> object:
        for places in ([0, 1], [2], [3, 4]):
            taken.append(places)
            yield piece(places)

    cut = cut_batches(pieces(), SCHEMA, rows=5, size=3)
    assert next(cut).num_rows == 3
    assert taken == [[0, 1], [2]]


def test_a_batch_out_of_many_rows_pickles_as_itself() -> None:
    for batch in cut_batches([piece(list(range(4096)))], SCHEMA, rows=4096, size=2):
        assert len(pickle.dumps(batch)) < 1000


def test_whole_pieces_are_not_copied() -> None:
    given = piece([0, 1, 2])
    (batch,) = cut_batches([given], SCHEMA, rows=3, size=3)
    assert batch["k"].buffers()[1].address == given["k"].buffers()[1].address
