"""The stored form of an index block: `docs/formats/stream-index.md` describes every byte."""

from __future__ import annotations

import struct
from dataclasses import replace

import numpy as np
import pyarrow as pa

from ...errors import FrameIndexError
from .columns import (
    ColumnReader,
    from_second_differences,
    pack_column,
    require,
    require_within,
    second_differences,
    unzigzag,
    zigzag,
)
from .frames import Int64s
from .stored_sets import pack_sets, unpack_sets
from .stream_block import Bools, IndexBlock, ResumePoint

MAGIC = b"MSIX"
VERSION = 1
_HEAD = struct.Struct("<4sBBHqqqIIIIIIHB")
_LEVEL = 3
_MOST_SAMPLES = 1 << 24
_MAX_RATIO = 1024
_FLOOR_BYTES = 1 << 20
_MOST_REFERENCES = 33 * _MOST_SAMPLES


def encode_block(block: IndexBlock) -> bytes:
    """The stored form of a block; `decode_block` is its inverse."""
    n, at = block.count, np.arange(block.first, block.end)
    base = block.parameter_sets[0].first_sample if block.parameter_sets else 0
    of = np.repeat(at, block.reference_counts)
    columns = [
        block.size,
        block.lead,
        block.flags,
        np.where(block.reach < 0, 0, at - block.reach + 1),
        at - block.last_idr,
        block.reference_counts,
        of - block.references,
        block.long_term,
        zigzag(second_differences(block.top_order_count)),
        zigzag(block.bottom_order_delta),
        zigzag(block.order_count - block.top_order_count),
        block.end - block.late_starts,
        block.end - block.pending_starts,
    ]
    body = b"".join(pack_column(column) for column in columns)
    for name, (times, valid) in block.times.items():
        said = name.encode()
        body += len(said).to_bytes(2, "little") + said
        body += pack_column(valid.astype(np.int64))
        body += pack_column(zigzag(second_differences(times[valid])))
    body += pack_sets(
        [replace(s, first_sample=s.first_sample - base) for s in block.parameter_sets]
    )
    waiting, lone = block.resume.fields
    head = _HEAD.pack(
        MAGIC,
        VERSION,
        block.nal_length_size,
        len(block.times),
        block.first,
        block.byte_start,
        block.resume.sample,
        n,
        len(block.references),
        len(block.late_starts),
        len(block.pending_starts),
        len(block.parameter_sets),
        len(body),
        min(waiting, 0xFFFF),
        lone,
    )
    head += (block.first - base).to_bytes(4, "little")
    return head + bytes(pa.Codec("zstd", compression_level=_LEVEL).compress(body, asbytes=True))


def decode_block(blob: bytes | memoryview) -> IndexBlock:
    """The block in its stored form.

    Raises:
        FrameIndexError: The bytes are no block, are damaged, or were written by a newer Marey.
    """
    data = memoryview(blob).cast("B")
    prefix = _HEAD.size + 4
    if len(data) < prefix or bytes(data[:4]) != MAGIC:
        raise FrameIndexError(
            f"not an index block: expected {MAGIC!r} and {prefix} bytes of header, got "
            f"{bytes(data[:4])!r} and {len(data)} bytes"
        )
    if data[4] > VERSION:
        raise FrameIndexError(
            f"the index block has version {data[4]}, this Marey reads up to {VERSION}: "
            "a newer Marey wrote it; upgrade to read it"
        )
    (
        _,
        _,
        nal_length_size,
        timelines,
        first,
        byte_start,
        resume,
        n,
        reference_total,
        late,
        pending,
        sets_count,
        body_bytes,
        waiting,
        lone,
    ) = _HEAD.unpack_from(data)
    back = int.from_bytes(data[_HEAD.size : prefix], "little")
    require(n <= _MOST_SAMPLES and reference_total <= _MOST_REFERENCES, f"{n} samples")
    require(nal_length_size in (0, 1, 2, 3, 4), f"NAL length size {nal_length_size}")
    require(0 <= resume <= first + n and first >= back and byte_start >= 0, f"sample {first}")
    body = ColumnReader(_unfold(data[prefix:], body_bytes))
    at, end = np.arange(first, first + n), first + n
    size, lead, flags = body.column(n), body.column(n), body.column(n)
    reach_back, idr_back, counts = body.column(n), body.column(n), body.column(n)
    require_within(size, 1 << 40, "sample size")
    require(bool((lead <= size).all()), "zero bytes beyond a sample")
    require_within(flags, 1 << 16, "flags")
    require_within(reach_back, end + 2, "reach")
    require_within(idr_back, end + 1, "IDR picture")
    require_within(counts, 256, "references")
    require(int(counts.sum()) == reference_total, "references miscounted")
    reach = np.where(reach_back == 0, -1, at - reach_back + 1)
    last_idr = at - idr_back
    references = np.repeat(at, counts) - body.column(reference_total)
    require_within(references, max(end, 1), "reference")
    long_term = require_within(body.column(reference_total), 33, "long-term index")
    top = from_second_differences(unzigzag(body.column(n)))
    bottom = unzigzag(body.column(n))
    order = top + unzigzag(body.column(n))
    require(bool((reach >= -1).all() and (last_idr >= 0).all()), "samples before the first")
    late_starts = require_within(end - body.column(late), max(end, 1), "start")
    pending_starts = require_within(end - body.column(pending), max(end, 1), "start")
    times = dict(_unpack_times(body, n) for _ in range(timelines))
    sets = unpack_sets(body, sets_count)
    body.finish()
    base = first - back
    return IndexBlock(
        first=first,
        byte_start=byte_start,
        size=size,
        lead=lead,
        flags=flags,
        reach=reach,
        last_idr=last_idr,
        reference_counts=counts,
        references=references,
        long_term=long_term,
        top_order_count=top,
        bottom_order_delta=bottom,
        order_count=order,
        times=times,
        late_starts=late_starts,
        pending_starts=pending_starts,
        parameter_sets=tuple(replace(s, first_sample=s.first_sample + base) for s in sets),
        nal_length_size=nal_length_size,
        resume=ResumePoint(resume, (waiting, bool(lone))),
    )


def _unpack_times(body: ColumnReader, n: int) -> tuple[str, tuple[Int64s, Bools]]:
    try:
        name = bytes(body.take(body.u(2))).decode()
    except UnicodeDecodeError as error:
        raise FrameIndexError(f"the index block is damaged: {error}") from error
    valid = require_within(body.column(n), 2, "validity") != 0
    times = np.zeros(n, np.int64)
    times[valid] = from_second_differences(unzigzag(body.column(int(valid.sum()))))
    return name, (times, valid)


def _unfold(compressed: memoryview, size: int) -> memoryview:
    require(
        size <= max(_FLOOR_BYTES, _MAX_RATIO * len(compressed)),
        f"{len(compressed)} bytes claim to unfold to {size}",
    )
    try:
        unfolded = pa.Codec("zstd").decompress(pa.py_buffer(compressed), decompressed_size=size)
    except (OSError, ValueError) as error:
        raise FrameIndexError(f"the index block is damaged: {error}") from error
    data = memoryview(unfolded)
    require(len(data) == size, f"{size} bytes expected, {len(data)} unfolded")
    return data
