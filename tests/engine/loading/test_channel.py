"""Objects go through a channel whole, their buffers without a copy in the pickle."""

from __future__ import annotations

import threading

import numpy as np
import pyarrow as pa
import pytest

from marey.engine.loading.channel import Channel, Gone, socket_pair


def through(value: object) -> object:
    here, there = (Channel(end) for end in socket_pair())
    sending = threading.Thread(target=here.send, args=(value,))
    sending.start()
    try:
        return there.receive()
    finally:
        sending.join()
        here.close()
        there.close()


def test_batches_arrays_and_other_things_arrive_as_they_were() -> None:
    batch = pa.record_batch({"k": [1, None, 3], "s": ["a", "", None], "l": [[1], [], [2, 3]]})
    large = np.arange(3_000_000, dtype=np.int64).reshape(3, -1)
    found = through({"batch": batch, "array": large, "text": "x", "nothing": b""})
    assert found["batch"] == batch
    assert (found["array"] == large).all()
    assert (found["text"], found["nothing"]) == ("x", b"")


def test_what_arrives_can_be_written_to() -> None:
    found = through(np.zeros(1000, np.uint8))
    found[0] = 1
    frames = through(pa.array([bytes(1000)], pa.large_binary()))
    assert frames.buffers()[2].is_mutable


def test_an_end_that_is_gone_is_told() -> None:
    here, there = (Channel(end) for end in socket_pair())
    there.close()
    with pytest.raises(Gone):
        here.receive()
    with pytest.raises(Gone):
        here.send(bytes(1 << 20))


def test_an_end_that_goes_in_the_middle_of_an_object_is_told() -> None:
    ours, theirs = socket_pair()
    theirs.sendall(bytes([100, *bytes(15), *b"not all"]))
    theirs.close()
    with pytest.raises(Gone):
        Channel(ours).receive()
    ours.close()
