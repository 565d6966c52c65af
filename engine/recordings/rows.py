"""Samples as the rows that storage keeps."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import numpy as np
import pyarrow as pa

from ...errors import InputError
from ...storage.recordings.schema import SAMPLE_SCHEMA, timeline_fields
from ...storage.recordings.store import StreamName

_MOST_BATCH_BYTES = 1 << 30


def check_samples(samples: object) -> list[memoryview]:
    """The samples of a call as bytes.

    Raises:
        InputError: They are no list of bytes; the message names the first that is none.
    """
    if isinstance(samples, pa.ChunkedArray):
        samples = samples.combine_chunks()
    if isinstance(samples, str | bytes | bytearray | memoryview) or not isinstance(
        samples, Iterable
    ):
        raise InputError(
            f"samples: expected a list of bytes, one a sample, got {type(samples).__name__}"
        )
    return [check_sample(sample, f"sample {at}") for at, sample in enumerate(samples)]


def check_sample(sample: object, where: str) -> memoryview:
    """The bytes of one sample."""
    if isinstance(sample, pa.Scalar) and sample.is_valid and hasattr(sample, "as_buffer"):
        sample = sample.as_buffer()
    if not isinstance(sample, bytes | bytearray | memoryview | np.ndarray | pa.Buffer):
        raise InputError(f"{where}: expected bytes, got {type(sample).__name__}")
    view = memoryview(sample)  # type: ignore[arg-type]  # arrays and Arrow's buffers are ones
    if not view.contiguous or view.nbytes == 0:
        raise InputError(f"{where}: expected bytes that lie together, at least one")
    return view.cast("B")


def sample_rows(
    stream: StreamName,
    codec: str,
    *,
    first: int,
    samples: Sequence[memoryview],
    keyframes: Sequence[bool | None],
    times: Mapping[str, pa.Array],
    block: bytes,
    block_first: int,
) -> pa.Table:
    """The rows of one commit.

    Args:
        stream: Whose samples they are.
        codec: Its codec.
        first: Number of the first sample.
        samples: Their bytes.
        keyframes: Whether decoding can start at each.
        times: By timeline, one a sample.
        block: What the first row carries of the stream's index.
        block_first: The first sample that it speaks of.
    """
    n = len(samples)
    rest = [None] * (n - 1)
    columns = [
        pa.array([stream.segment] * n, pa.string()),
        pa.array([stream.entity] * n, pa.string()),
        pa.array(np.arange(first, first + n)),
        pa.array([codec] * n, pa.string()),
        pa.array(keyframes, pa.bool_()),
        _binary(samples),
        pa.array([block_first, *rest], pa.int64()),
        _one_list(block, n),
    ]
    types = {name: array.type for name, array in times.items()}
    schema = pa.schema([*SAMPLE_SCHEMA, *timeline_fields(types)])
    return pa.table([*columns, *times.values()], schema=schema)


def _one_list(block: bytes, count: int) -> pa.Array:
    """A list of bytes, and nulls behind it."""
    ends = np.full(count + 1, len(block), np.int32)
    ends[0] = 0
    null = np.arange(count) > 0
    return pa.ListArray.from_arrays(
        ends, np.frombuffer(block, np.uint8), mask=pa.array(null, pa.bool_())
    )


def _binary(samples: Sequence[memoryview]) -> pa.ChunkedArray:
    """The samples in pieces whose bytes 32-bit offsets can count."""
    pieces: list[list[memoryview]] = [[]]
    held = 0
    for sample in samples:
        if held + sample.nbytes > _MOST_BATCH_BYTES and pieces[-1]:
            pieces.append([])
            held = 0
        pieces[-1].append(sample)
        held += sample.nbytes
    return pa.chunked_array([pa.array(piece, pa.binary()) for piece in pieces], pa.binary())
