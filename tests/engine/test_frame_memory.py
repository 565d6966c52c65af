"""Memory of frames is lent to one holder at a time, used again, and bounded."""

from __future__ import annotations

import gc
import threading
from collections.abc import Iterator

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from marey.engine.frame_memory import LEAST_BYTES, Block, FrameMemory, LateBuffer, rounded

LARGE = 4 << 20


@pytest.fixture
def memory() -> FrameMemory[Block]:
    return FrameMemory(Block, most_bytes=8 * LARGE)


def whole(buffer: pa.Buffer) -> range:
    return range(buffer.address, buffer.address + buffer.size)


@given(
    steps=st.lists(
        st.one_of(
            st.integers(LEAST_BYTES // 2, 3 * LEAST_BYTES),  # take so many bytes
            st.integers(-8, -1),  # let go of one of those held
        ),
        max_size=40,
    )
)
def test_nothing_that_is_held_is_lent_again(steps: list[int]) -> None:
    memory = FrameMemory(Block, most_bytes=4 * LEAST_BYTES)
    held: list[tuple[int, pa.Buffer]] = []
    for number, step in enumerate(steps):
        if step > 0:
            buffer = memory.allocate(step)
            assert buffer.size == step
            assert buffer.is_mutable
            np.frombuffer(buffer, np.uint8)[:] = number % 256
            held.append((number, buffer))
            del buffer
            if step >= LEAST_BYTES and any(block.is_free for block in memory.blocks):
                assert sum(block.size for block in memory.blocks) <= 4 * LEAST_BYTES
        elif held:
            del held[step % len(held)]
    for number, buffer in held:
        assert (np.frombuffer(buffer, np.uint8) == number % 256).all()


def test_what_was_let_go_is_used_again(memory: FrameMemory[Block]) -> None:
    first = memory.allocate(LARGE)
    place = whole(first)
    # Whatever is made of a buffer holds it.
    array = pa.Array.from_buffers(pa.uint8(), LARGE, [None, first])[100:200]
    pixels = np.frombuffer(array.buffers()[1], np.uint8)
    del first, array
    assert memory.allocate(LARGE).address not in place
    del pixels
    assert memory.allocate(LARGE - 1000).address == place.start


def test_a_block_is_not_taken_for_far_less_than_it_holds(memory: FrameMemory[Block]) -> None:
    large = memory.allocate(LARGE)
    place = whole(large)
    del large
    assert memory.allocate(LARGE // 4).address not in place


def test_free_blocks_beyond_the_bound_are_given_back() -> None:
    memory = FrameMemory(Block, most_bytes=2 * LARGE)
    held = [memory.allocate(LARGE) for _ in range(6)]
    assert len(memory.blocks) == 6
    held.clear()
    held.append(memory.allocate(LARGE))
    assert len(memory.blocks) == 2


def test_after_a_run_as_much_is_kept_as_the_bound_allows() -> None:
    memory = FrameMemory(Block, most_bytes=3 * LARGE)
    held = [memory.allocate(LARGE) for _ in range(6)]
    free = whole(held.pop(1)), whole(held.pop(2))
    memory.settle()
    # What nobody holds is sooner kept than what somebody does.
    assert sum(block.size for block in memory.blocks) <= 3 * LARGE
    assert {memory.allocate(LARGE).address for _ in range(2)} <= {place.start for place in free}
    # Whoever held the rest may let go of it when they will: it is kept no more.
    held.clear()
    assert sum(block.size for block in memory.blocks) <= 3 * LARGE
    memory.clear()
    assert not memory.blocks


def test_memory_does_without_blocks_where_there_can_be_none() -> None:
    def refuse(size: int) -> Block:
        raise OSError("too many open files")

    memory = FrameMemory(refuse, most_bytes=LARGE)
    assert memory.allocate(LARGE).size == LARGE
    assert not memory.blocks


def test_a_run_may_end_and_wait_for_its_threads_while_another_takes_memory() -> None:
    """The collector ends runs that nobody holds wherever something is allocated."""
    ended: list[int] = []

    def collect(size: int) -> Block:
        gc.collect()
        return Block(size)

    memory = FrameMemory(collect, most_bytes=8 * LARGE)

    def run(itself: list[Iterator[None]]) -> Iterator[None]:
        try:
            yield
        finally:
            last = threading.Thread(target=memory.allocate, args=(LARGE,), daemon=True)
            last.start()
            last.join()
            memory.settle()
            ended.append(len(itself))

    def take() -> None:
        itself: list[Iterator[None]] = []
        itself.append(run(itself))
        next(itself[0])
        del itself
        memory.allocate(LARGE)

    thread = threading.Thread(target=take, daemon=True)
    thread.start()
    thread.join(20)
    assert not thread.is_alive()
    assert ended == [1]


@given(st.integers(LEAST_BYTES, 1 << 40))
def test_a_block_is_at_most_an_eighth_larger_than_asked_for(size: int) -> None:
    assert size <= rounded(size) <= size + size // 8 + 8
    assert rounded(rounded(size)) == rounded(size)


def test_late_memory_is_taken_once_when_it_is_asked_for() -> None:
    taken: list[int] = []

    def allocate(size: int) -> pa.Buffer:
        taken.append(size)
        return pa.allocate_buffer(size)

    late = LateBuffer(allocate, 10)
    assert not taken
    late.view()[:] = b"0123456789"
    assert bytes(late.buffer()) == b"0123456789"
    assert taken == [10]
