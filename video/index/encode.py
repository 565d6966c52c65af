"""The stored form of a frame index: one compact, versioned binary a clip.

`docs/formats/frame-index.md` describes every byte. Columns are stored as differences from what
is usual (samples follow each other, frames are evenly spaced, a picture refers to the last few
references), split into byte planes (`columns`), and compressed together, so that the usual
costs next to nothing.
"""

from __future__ import annotations

import struct

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from ...errors import FrameIndexError, UnsupportedError
from ..timing import Timebase
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
from .frames import ContainerColour, Flags, FrameIndex, Int64s, SampleFlag
from .stored_display import pack_display, unpack_display
from .stored_sets import pack_sets, unpack_sets

MAGIC = b"MFIX"
VERSION = 2
_HEAD = struct.Struct("<4sBBBBIIIIIIqqqq")
_CONTAINERS = ("mp4", "annexb")
_LEVEL = 9
_FULL_RANGE = 128
_LAST_MATRIX = 14  # ITU-T H.273, table 4
# Decompressed bytes a compressed byte may claim, above a floor that any index may have: that
# of a million samples.
_MAX_RATIO = 1024
_FLOOR_BYTES = 16 << 20
_MOST_BODY_BYTES = (1 << 32) - 1


def encode_index(index: FrameIndex) -> bytes:
    """The binary form of a frame index; `decode_index` is its inverse.

    Returns:
        Bytes: at most 6 a frame on ordinary streams, header and parameter sets apart.

    Raises:
        UnsupportedError: There are more samples than an index can hold.
    """
    n, k = index.sample_count, index.frame_count
    usual = np.zeros(n, np.int64)
    if n:
        usual[1:] = index.offset[:-1] + index.size[:-1]
    jump = index.offset - usual
    jumps = np.flatnonzero(jump)
    gop = np.cumsum((index.flags & SampleFlag.START) != 0)
    columns = (
        index.size,
        index.flags,
        gop - gop[index.decode_from],
        jumps,
        zigzag(jump[jumps]),
        np.diff(index.reference_start),
        _to_ranks(index),
        index.long_term,
        zigzag(index.frame_sample - np.arange(k)),
        zigzag(second_differences(index.pts_ticks)),
        zigzag(
            second_differences(index.top_order_count[_display_order(index.frame_sample, n)])
        ),
        zigzag(index.bottom_order_delta),
    )
    body = b"".join(pack_column(column) for column in columns)
    body += pack_sets(index.parameter_sets) + pack_display(index.display)
    if len(body) > _MOST_BODY_BYTES:
        raise UnsupportedError(f"a frame index of {len(body)} bytes, before it is compressed")
    compressed = pa.Codec("zstd", compression_level=_LEVEL).compress(body, asbytes=True)
    head = _HEAD.pack(
        MAGIC,
        VERSION,
        _CONTAINERS.index(index.container),
        index.nal_length_size,
        _colour_code(index.colour),
        n,
        k,
        len(jumps),
        len(index.references),
        len(index.parameter_sets),
        len(body),
        index.source_bytes,
        index.last_duration_ticks,
        index.timebase.numerator,
        index.timebase.denominator,
    )
    return head + bytes(compressed)


def decode_index(blob: bytes | memoryview | pa.Buffer) -> FrameIndex:
    """The frame index in its binary form.

    Raises:
        FrameIndexError: The bytes are not an index, are damaged, or were written by a newer
            Marey.
    """
    data = memoryview(blob)
    if len(data) < _HEAD.size or bytes(data[:4]) != MAGIC:
        raise FrameIndexError(
            f"not a frame index: expected {MAGIC!r} and {_HEAD.size} bytes of header, "
            f"got {bytes(data[:4])!r} and {len(data)} bytes"
        )
    version = data[4]
    if version > VERSION:
        raise FrameIndexError(
            f"the frame index has version {version}, this Marey reads up to {VERSION}: "
            "a newer Marey wrote it; upgrade to read it"
        )
    (
        _,
        _,
        container,
        nal_length_size,
        colour,
        n,
        k,
        jump_count,
        reference_count,
        sets_count,
        body_bytes,
        source_bytes,
        last_duration,
        numerator,
        denominator,
    ) = _HEAD.unpack_from(data)
    body = ColumnReader(_decompress(data[_HEAD.size :], body_bytes))
    size = body.column(n)
    flags = require_within(body.column(n), 1 << 16, "flags").astype(np.uint16)
    back = body.column(n)
    jumps = body.column(jump_count)
    jump = unzigzag(body.column(jump_count))
    reference_counts = require_within(body.column(n), reference_count + 1, "references")
    ranks = body.column(reference_count)
    long_term = require_within(body.column(reference_count), 33, "long-term index").astype(
        np.uint8
    )
    displacement = unzigzag(body.column(k))
    pts = from_second_differences(unzigzag(body.column(k)))
    ordered_counts = from_second_differences(unzigzag(body.column(n)))
    bottom_delta = unzigzag(body.column(n))
    sets = unpack_sets(body, sets_count)
    display = unpack_display(body) if version > 1 else None
    body.finish()

    require(container < len(_CONTAINERS), f"unknown container {container}")
    require(nal_length_size in (0, 1, 2, 3, 4), f"NAL length size {nal_length_size}")
    require(numerator > 0 and denominator > 0, f"timebase {numerator}/{denominator}")
    require(bool(sets), "no parameter sets")
    frame_sample = require_within(displacement + np.arange(k), n, "frame's sample").astype(
        np.int32
    )
    unseen = np.flatnonzero(flags[frame_sample] & SampleFlag.NO_PICTURE)
    require(not len(unseen), f"frames of samples without a picture, {len(unseen)} in all")
    require(not (flags[:1] & SampleFlag.SECOND_FIELD).any(), "sample 0 is a second field")
    top_order_count = np.empty(n, np.int64)
    top_order_count[_display_order(frame_sample, n)] = ordered_counts
    return FrameIndex(
        offset=_offsets(size, jumps, jump, source_bytes),
        size=size,
        flags=flags,
        decode_from=_decode_from(flags, back),
        reference_start=_starts(reference_counts, reference_count),
        references=_from_ranks(flags, reference_counts, ranks),
        long_term=long_term,
        top_order_count=top_order_count,
        bottom_order_delta=bottom_delta,
        frame_sample=frame_sample,
        pts_ticks=pts,
        last_duration_ticks=last_duration,
        timebase=Timebase(numerator, denominator),
        parameter_sets=sets,
        container=_CONTAINERS[container],
        nal_length_size=nal_length_size,
        source_bytes=source_bytes,
        colour=_colour(colour),
        display=display,
    )


def _colour_code(colour: ContainerColour | None) -> int:
    if colour is None:
        return 0
    return colour.matrix_coefficients + 1 | _FULL_RANGE * colour.full_range


def _colour(code: int) -> ContainerColour | None:
    if not code:
        return None
    matrix_coefficients = (code & ~_FULL_RANGE) - 1
    require(0 <= matrix_coefficients <= _LAST_MATRIX, f"colour {code}")
    return ContainerColour(matrix_coefficients, code & _FULL_RANGE != 0)


def _decompress(compressed: memoryview, size: int) -> memoryview:
    require(
        size <= max(_FLOOR_BYTES, _MAX_RATIO * len(compressed)),
        f"{len(compressed)} bytes claim to unfold to {size}",
    )
    try:
        unfolded = pa.Codec("zstd").decompress(pa.py_buffer(compressed), decompressed_size=size)
    except (OSError, ValueError) as error:
        raise FrameIndexError(f"the frame index is damaged: {error}") from error
    data = memoryview(unfolded)
    require(len(data) == size, f"{size} bytes expected, {len(data)} unfolded")
    return data


def _display_order(frame_sample: npt.NDArray[np.int32], n: int) -> Int64s:
    """Samples as they are shown, the hidden ones last: picture order counts rise evenly
    along it.
    """
    shown, first = np.unique(frame_sample, return_index=True)
    hidden = np.ones(n, np.bool_)
    hidden[shown] = False
    order = (shown[np.argsort(first)], np.flatnonzero(hidden))
    return np.concatenate(order).astype(np.int64, copy=False)


def _offsets(size: Int64s, jumps: Int64s, jump: Int64s, source_bytes: int) -> Int64s:
    n = len(size)
    require_within(jumps, n, "offset jump")
    require_within(size, source_bytes + 1, "sample size")
    ahead = np.zeros(n, np.int64)
    ahead[1:] = size[:-1]
    np.add.at(ahead, jumps, jump)
    offset = np.cumsum(ahead)
    if n:
        # Sizes lie within the source, so the difference cannot leave 64 bits.
        outside = np.flatnonzero((offset < 0) | (offset > source_bytes - size))
        if len(outside):
            at = int(outside[0])
            require(False, f"sample {at} at {int(offset[at])}, {int(size[at])} bytes long")
    return offset


def _decode_from(flags: Flags, back: Int64s) -> npt.NDArray[np.int32]:
    starts = np.flatnonzero(flags & SampleFlag.START)
    require(not len(flags) or (len(starts) > 0 and starts[0] == 0), "sample 0 is not a start")
    require(not len(back) or int(back.min()) >= 0, "a start after its sample")
    gop = np.cumsum((flags & SampleFlag.START) != 0) - 1
    return starts[require_within(gop - back, max(len(starts), 1), "start")].astype(np.int32)


def _starts(counts: Int64s, total: int) -> Int64s:
    starts = np.zeros(len(counts) + 1, np.int64)
    np.cumsum(counts, out=starts[1:])
    require(int(starts[-1]) == total, f"{total} references expected, {int(starts[-1])} counted")
    return starts


# References are counted backwards among the reference samples before: 0 is the latest one.


def _to_ranks(index: FrameIndex) -> Int64s:
    before = _references_before(index.flags)
    of = np.repeat(np.arange(index.sample_count), np.diff(index.reference_start))
    return before[of] - 1 - before[index.references]


def _from_ranks(flags: Flags, counts: Int64s, ranks: Int64s) -> npt.NDArray[np.int32]:
    require(not len(ranks) or int(ranks.min()) >= 0, "a reference to a later sample")
    candidates = np.flatnonzero(flags & SampleFlag.REFERENCE)
    of = np.repeat(np.arange(len(flags)), counts)
    which = _references_before(flags)[of] - 1 - ranks
    return candidates[require_within(which, max(len(candidates), 1), "reference")].astype(
        np.int32
    )


def _references_before(flags: Flags) -> Int64s:
    is_reference = (flags & SampleFlag.REFERENCE) != 0
    before: Int64s = np.cumsum(is_reference, dtype=np.int64) - is_reference
    return before
