"""Orders, shares and batches: arithmetic that must never lose a row."""

from __future__ import annotations

from itertools import chain

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from marey.engine.loading.order import Batches, row_order, share

COUNTS = st.integers(0, 60)
SEEDS = st.integers(0, 2**70)


@given(count=COUNTS, seed=SEEDS, epoch=SEEDS)
def test_an_order_has_every_row_once(count: int, seed: int, epoch: int) -> None:
    order = row_order(count, seed=seed, epoch=epoch)
    assert sorted(order.tolist()) == list(range(count))
    assert order.tolist() == row_order(count, seed=seed, epoch=epoch).tolist()


def test_the_order_is_the_one_that_was_always_drawn() -> None:
    # States of jobs that were stopped years ago depend on it.
    assert row_order(8, seed=3, epoch=5).tolist() == [5, 0, 6, 3, 4, 1, 2, 7]


@given(count=COUNTS, world_size=st.integers(1, 9), seed=SEEDS)
def test_shares_partition_the_rows(count: int, world_size: int, seed: int) -> None:
    order = row_order(count, seed=seed, epoch=0)
    shares = [
        share(order, rank=rank, world_size=world_size, even=False).tolist()
        for rank in range(world_size)
    ]
    assert sorted(chain(*shares)) == list(range(count))
    assert max(map(len, shares)) - min(map(len, shares)) <= 1


@given(count=COUNTS, world_size=st.integers(1, 9))
def test_even_shares_have_one_length_and_leave_out_the_last_rows(
    count: int, world_size: int
) -> None:
    order = np.arange(count)
    shares = [
        share(order, rank=rank, world_size=world_size, even=True).tolist()
        for rank in range(world_size)
    ]
    assert {len(own) for own in shares} == {count // world_size}
    assert sorted(chain(*shares)) == list(range(count - count % world_size))


@given(
    start=COUNTS,
    count=COUNTS,
    size=st.integers(1, 12),
    drop_last=st.booleans(),
    workers=st.integers(1, 5),
)
def test_workers_in_turn_give_the_batches_of_one(
    start: int, count: int, size: int, drop_last: bool, workers: int
) -> None:
    whole = Batches(start, start + count, size, drop_last)
    rows = list(range(start, start + count))
    expected = [rows[at : at + size] for at in range(0, count, size)]
    if drop_last and expected and len(expected[-1]) < size:
        expected.pop()
    assert whole.all == len(whole) == len(expected)
    assert whole.rows().tolist() == list(chain(*expected))
    for worker in range(workers):
        own = whole.of_worker(worker, workers)
        assert len(own) == len(expected[worker::workers])
        for after in range(len(own) + 1):
            left = expected[worker::workers][after:]
            assert own.rows(after).tolist() == list(chain(*left))


@given(start=COUNTS, count=COUNTS, size=st.integers(1, 12))
def test_the_row_behind_a_batch_begins_what_is_left(start: int, count: int, size: int) -> None:
    batches = Batches(start, start + count, size)
    for given_batches in range(batches.all + 1):
        rest = Batches(batches.row_after(given_batches), batches.stop, size)
        assert rest.rows().tolist() == batches.rows(given_batches).tolist()
