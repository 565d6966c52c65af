"""Objects go through a channel whole, their buffers without a copy in the pickle."""

from __future__ import annotations

import gc
import os
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from marey.engine.frame_memory import LEAST_BYTES, FrameMemory
from marey.engine.loading.channel import Channel, Gone, socket_pair
from marey.engine.loading.shared import SharedBlock

LARGE = 2 * LEAST_BYTES


class Pair:
    """A channel that lends blocks, and the one at the other end."""

    def __init__(self, *, shared: bool) -> None:
        self.memory = FrameMemory(SharedBlock, most_bytes=4 * LARGE) if shared else None
        ours, theirs = socket_pair()
        self.here, self.there = Channel(ours, self.memory), Channel(theirs)

    def through(self, value: object) -> Any:
        sending = threading.Thread(target=self.here.send, args=(value,))
        sending.start()
        try:
            return self.there.receive()
        finally:
            sending.join()


@pytest.fixture(params=[False, True], ids=["sent", "shared"])
def pair(request: pytest.FixtureRequest) -> Iterator[Pair]:
    pair = Pair(shared=request.param)
    yield pair
    pair.here.close()
    pair.there.close()


@pytest.fixture
def sharing() -> Iterator[Pair]:
    pair = Pair(shared=True)
    yield pair
    pair.here.close()
    pair.there.close()


def filled(memory: FrameMemory[SharedBlock], value: int, size: int = LARGE) -> pa.Buffer:
    buffer = memory.allocate(size)
    np.frombuffer(buffer, np.uint8)[:] = value
    return buffer


def free_blocks(memory: FrameMemory[SharedBlock]) -> list[bool]:
    return [block.is_free for block in memory.blocks]


def descriptors() -> set[str]:
    return {entry.name for entry in Path("/proc/self/fd").iterdir()}


def test_batches_arrays_and_other_things_arrive_as_they_were(pair: Pair) -> None:
    batch = pa.record_batch({"k": [1, None, 3], "s": ["a", "", None], "l": [[1], [], [2, 3]]})
    large = np.arange(3_000_000, dtype=np.int64).reshape(3, -1)
    for _ in range(3):
        found = pair.through(
            {"batch": batch, "array": large, "text": "x", "nothing": b"", "again": large[1:]}
        )
        assert found["batch"] == batch
        assert (found["array"] == large).all()
        assert (found["again"] == large[1:]).all()
        assert (found["text"], found["nothing"]) == ("x", b"")


def test_what_arrives_can_be_written_to(pair: Pair) -> None:
    for size in (1000, LARGE):
        found = pair.through(np.zeros(size, np.uint8))
        found[0] = 1
        frames = pair.through(pa.array([bytes(size)], pa.large_binary()))
        assert frames.buffers()[2].is_mutable


def test_frames_in_a_block_are_handed_over_in_place(sharing: Pair) -> None:
    memory = sharing.memory
    assert memory is not None
    made = filled(memory, 7)
    found = sharing.through(pa.Array.from_buffers(pa.uint8(), LARGE, [None, made]))
    np.frombuffer(made, np.uint8)[5] = 9
    assert found[4].as_py() == 7
    assert found[5].as_py() == 9


def test_a_block_is_free_when_both_have_let_go(sharing: Pair) -> None:
    memory = sharing.memory
    assert memory is not None
    made = filled(memory, 1)
    found = sharing.through({"all": np.frombuffer(made, np.uint8)})
    part = found["all"][10:20]
    del found
    assert free_blocks(memory) == [False]
    del made
    assert free_blocks(memory) == [False]
    other = filled(memory, 2)
    assert (part == 1).all()
    del part
    assert free_blocks(memory) == [True, False]
    del other
    # Used again without a new file.
    before = descriptors()
    for value in range(20):
        assert (sharing.through(np.frombuffer(filled(memory, value), np.uint8)) == value).all()
    assert free_blocks(memory) == [True, True]
    assert descriptors() == before


def test_arrays_whose_axes_were_moved_are_not_copied(sharing: Pair) -> None:
    memory = sharing.memory
    assert memory is not None
    pixels = np.frombuffer(filled(memory, 3), np.uint8).reshape(4, 8, -1, 128, 2)
    moved = np.moveaxis(pixels, -1, -3)
    found, gaps, back = sharing.through([moved, pixels[:, ::2], pixels[::-1]])
    assert found.shape == moved.shape
    assert found.strides == moved.strides
    assert gaps.shape == pixels[:, ::2].shape
    assert back.shape == pixels.shape
    moved[1, 2, 1] = 4
    assert (found == moved).all()


def test_what_is_sent_twice_does_not_change_under_who_has_it(sharing: Pair) -> None:
    memory = sharing.memory
    assert memory is not None
    made = np.frombuffer(filled(memory, 1), np.uint8)
    first = sharing.through(made)
    second = sharing.through(made)
    first[:] = 5
    assert (second == 1).all()
    del first, second
    assert (made == 5).all()  # it was handed over


def test_large_things_that_lie_elsewhere_share_a_block(sharing: Pair) -> None:
    memory = sharing.memory
    assert memory is not None
    parts = [np.full(LEAST_BYTES // 2 + 7 * at, at, np.uint8) for at in range(4)]
    found = sharing.through(parts)
    assert all((own == at).all() for at, own in enumerate(found))
    assert len(memory.blocks) == 1


def test_blocks_that_are_given_back_are_forgotten(sharing: Pair) -> None:
    memory = sharing.memory
    assert memory is not None
    sizes = [LARGE, 5 * LARGE, LARGE, 5 * LARGE, LARGE]
    for value, size in enumerate(sizes):
        assert (sharing.through(np.full(size, value, np.uint8)) == value).all()
        assert sum(block.size for block in memory.blocks) <= 5 * LARGE
    sharing.through("who is gone is told with the next object")
    maps = Path("/proc/self/maps").read_text().count("memfd:marey-frames")
    assert maps <= 2 * len(memory.blocks)


def test_a_forked_child_does_not_let_go_of_what_its_parent_holds(sharing: Pair) -> None:
    memory = sharing.memory
    assert memory is not None
    found = sharing.through(np.frombuffer(filled(memory, 1), np.uint8))
    child = os.fork()
    if not child:
        del found
        gc.collect()
        os._exit(0)
    os.waitpid(child, 0)
    assert free_blocks(memory) == [False]
    assert (found == 1).all()


def test_an_end_that_is_gone_is_told(pair: Pair) -> None:
    pair.there.close()
    with pytest.raises(Gone):
        pair.here.receive()
    with pytest.raises(Gone):
        pair.here.send(bytes(1 << 20))
    with pytest.raises(Gone):
        pair.here.wait()


def test_a_sender_waits_until_its_object_is_taken(pair: Pair) -> None:
    taken: list[object] = []

    def take() -> None:
        taken.append(pair.there.receive())
        pair.there.confirm()

    receiving = threading.Thread(target=take)
    pair.here.send("first")
    receiving.start()
    pair.here.wait()
    assert taken == ["first"]
    receiving.join()


def test_an_end_that_goes_in_the_middle_of_an_object_is_told() -> None:
    for start in (b"x", bytes([100, *bytes(31), *b"not all"])):
        ours, theirs = socket_pair()
        theirs.sendall(start)
        theirs.close()
        with pytest.raises(Gone):
            Channel(ours).receive()
        ours.close()
