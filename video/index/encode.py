"""The stored form of a frame index: one compact, versioned binary a clip.

`docs/formats/frame-index.md` describes every byte. Columns are stored as differences from what
is usual (samples follow each other, frames are evenly spaced, a picture refers to the last few
references), split into byte planes, and compressed together, so that the usual costs next to
nothing.
"""

from __future__ import annotations

import struct

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from ...errors import FrameIndexError
from ..timing import Timebase
from .frames import FrameIndex, Int64s, ParameterSets, PictureFormat, SampleFlag

MAGIC = b"MFIX"
VERSION = 1
_HEAD = struct.Struct("<4sBBBBIIIIIIqqqq")
_SETS = struct.Struct("<IIIBBBBHB")
_CONTAINERS = ("mp4", "annexb")
_LEVEL = 9
_WIDTHS = (1, 2, 4, 8)
# Decompressed bytes a compressed byte may claim, above a floor that any index may have.
_MAX_RATIO = 1024
_FLOOR_BYTES = 64 << 20


def encode_index(index: FrameIndex) -> bytes:
    """The binary form of a frame index; `decode_index` is its inverse.

    Returns:
        Bytes: at most 6 a frame on ordinary streams, header and parameter sets apart.
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
        _zigzag(jump[jumps]),
        np.diff(index.reference_start),
        _to_ranks(index),
        index.long_term,
        _zigzag(index.frame_sample - np.arange(k)),
        _zigzag(_second_differences(index.pts_ticks)),
        _zigzag(
            _second_differences(index.top_order_count[_display_order(index.frame_sample, n)])
        ),
        _zigzag(index.bottom_order_delta),
    )
    body = b"".join(_pack(column) for column in columns)
    body += b"".join(_pack_sets(sets) for sets in index.parameter_sets)
    compressed = pa.Codec("zstd", compression_level=_LEVEL).compress(body, asbytes=True)
    head = _HEAD.pack(
        MAGIC,
        VERSION,
        _CONTAINERS.index(index.container),
        index.nal_length_size,
        0,
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
        _,
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
    body = _Body(_decompress(data[_HEAD.size :], body_bytes))
    size = body.unpack(n)
    flags = body.unpack(n).astype(np.uint8)
    back = body.unpack(n)
    jumps = body.unpack(jump_count)
    jump = _unzigzag(body.unpack(jump_count))
    reference_counts = body.unpack(n)
    ranks = body.unpack(reference_count)
    long_term = body.unpack(reference_count).astype(np.uint8)
    displacement = _unzigzag(body.unpack(k))
    pts = _from_second_differences(_unzigzag(body.unpack(k)))
    ordered_counts = _from_second_differences(_unzigzag(body.unpack(n)))
    bottom_delta = _unzigzag(body.unpack(n))
    sets = tuple(body.unpack_sets() for _ in range(sets_count))
    body.finish()

    _require(container < len(_CONTAINERS), f"unknown container {container}")
    _require(nal_length_size in (0, 1, 2, 3, 4), f"NAL length size {nal_length_size}")
    _require(numerator > 0 and denominator > 0, f"timebase {numerator}/{denominator}")
    _require(bool(sets) and sets[0].first_sample == 0, "no parameter sets for sample 0")
    frame_sample = _within(displacement + np.arange(k), n, "frame's sample").astype(np.int32)
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
    )


def _require(holds: bool, found: str) -> None:
    if not holds:
        raise FrameIndexError(f"the frame index is damaged: {found}")


def _within(values: Int64s, limit: int, what: str) -> Int64s:
    if len(values):
        low, high = int(values.min()), int(values.max())
        if low < 0 or high >= limit:
            _require(False, f"{what} {low} to {high}, expected 0 to {limit - 1}")
    return values


# Columns: one byte of width, then one plane for each byte of the values, lowest first.


def _pack(values: npt.NDArray[np.integer]) -> bytes:
    top = int(values.max()) if len(values) else 0
    width = next(w for w in _WIDTHS if top < 1 << (8 * w))
    planes = values.astype(f"<u{width}").view(np.uint8).reshape(len(values), width).T
    return bytes([width]) + planes.tobytes()


class _Body:
    """The decompressed columns, taken one after the other."""

    def __init__(self, data: memoryview) -> None:
        self._data = data
        self._at = 0

    def take(self, length: int) -> memoryview:
        start, end = self._at, self._at + length
        if end > len(self._data):
            _require(False, f"{length} bytes expected at {start} of {len(self._data)}")
        self._at = end
        return self._data[start:end]

    def unpack(self, count: int) -> Int64s:
        width = self.take(1)[0]
        if width not in _WIDTHS:
            _require(False, f"column width {width}")
        planes = np.frombuffer(self.take(width * count), np.uint8)
        if width == 1:
            return planes.astype(np.int64)
        values = np.ascontiguousarray(planes.reshape(width, count).T).view(f"<u{width}")
        return values.ravel().astype(np.int64)

    def unpack_sets(self) -> ParameterSets:
        head = _SETS.unpack(self.take(_SETS.size))
        first_sample, width, height, depth_luma, depth_chroma, chroma, *counts = head
        sps_count, pps_count, sei_count = counts
        nals = [
            bytes(self.take(int.from_bytes(self.take(2), "little")))
            for _ in range(sps_count + pps_count + sei_count)
        ]
        return ParameterSets(
            first_sample=first_sample,
            sps=tuple(nals[:sps_count]),
            pps=tuple(nals[sps_count : sps_count + pps_count]),
            sei=tuple(nals[sps_count + pps_count :]),
            format=PictureFormat(width, height, depth_luma, depth_chroma, chroma),
        )

    def finish(self) -> None:
        _require(self._at == len(self._data), f"{len(self._data) - self._at} bytes too many")


def _pack_sets(sets: ParameterSets) -> bytes:
    form = sets.format
    head = _SETS.pack(
        sets.first_sample,
        form.width,
        form.height,
        form.bit_depth_luma,
        form.bit_depth_chroma,
        form.chroma_format_idc,
        len(sets.sps),
        len(sets.pps),
        len(sets.sei),
    )
    nals = (*sets.sps, *sets.pps, *sets.sei)
    return head + b"".join(len(nal).to_bytes(2, "little") + nal for nal in nals)


def _decompress(compressed: memoryview, size: int) -> memoryview:
    _require(
        size <= max(_FLOOR_BYTES, _MAX_RATIO * len(compressed)),
        f"{len(compressed)} bytes claim to unfold to {size}",
    )
    try:
        unfolded = pa.Codec("zstd").decompress(pa.py_buffer(compressed), decompressed_size=size)
    except (OSError, ValueError) as error:
        raise FrameIndexError(f"the frame index is damaged: {error}") from error
    data = memoryview(unfolded)
    _require(len(data) == size, f"{size} bytes expected, {len(data)} unfolded")
    return data


def _zigzag(values: npt.NDArray[np.integer]) -> npt.NDArray[np.integer]:
    wide = values.astype(np.int64)
    return ((wide << 1) ^ (wide >> 63)).view(np.uint64)


def _unzigzag(values: Int64s) -> Int64s:
    bits = values.view(np.uint64)
    return ((bits >> 1).view(np.int64)) ^ -((bits & 1).view(np.int64))


def _second_differences(values: Int64s) -> Int64s:
    return np.diff(np.diff(values, prepend=0), prepend=0)


def _from_second_differences(values: Int64s) -> Int64s:
    return np.cumsum(np.cumsum(values))


def _display_order(frame_sample: npt.NDArray[np.int32], n: int) -> Int64s:
    """Samples as they are shown, the hidden ones last: picture order counts rise evenly
    along it.
    """
    shown, first = np.unique(frame_sample, return_index=True)
    hidden = np.ones(n, np.bool_)
    hidden[shown] = False
    return np.concatenate((shown[np.argsort(first)], np.flatnonzero(hidden)))


def _offsets(size: Int64s, jumps: Int64s, jump: Int64s, source_bytes: int) -> Int64s:
    n = len(size)
    _within(jumps, n, "offset jump")
    _require(bool((size >= 0).all()), "a negative sample size")
    ahead = np.zeros(n, np.int64)
    ahead[1:] = size[:-1]
    np.add.at(ahead, jumps, jump)
    offset = np.cumsum(ahead)
    if n:
        low, high = int(offset.min()), int((offset + size).max())
        _require(low >= 0 and high <= source_bytes, f"samples at {low} to {high}")
    return offset


def _decode_from(flags: npt.NDArray[np.uint8], back: Int64s) -> npt.NDArray[np.int32]:
    starts = np.flatnonzero(flags & SampleFlag.START)
    _require(not len(flags) or (len(starts) > 0 and starts[0] == 0), "sample 0 is not a start")
    gop = np.cumsum((flags & SampleFlag.START) != 0) - 1
    return starts[_within(gop - back, max(len(starts), 1), "start")].astype(np.int32)


def _starts(counts: Int64s, total: int) -> Int64s:
    starts = np.zeros(len(counts) + 1, np.int64)
    np.cumsum(counts, out=starts[1:])
    _require(
        int(starts[-1]) == total, f"{total} references expected, {int(starts[-1])} counted"
    )
    return starts


# References are counted backwards among the reference samples before: 0 is the latest one.


def _to_ranks(index: FrameIndex) -> Int64s:
    before = _references_before(index.flags)
    of = np.repeat(np.arange(index.sample_count), np.diff(index.reference_start))
    return before[of] - 1 - before[index.references]


def _from_ranks(
    flags: npt.NDArray[np.uint8], counts: Int64s, ranks: Int64s
) -> npt.NDArray[np.int32]:
    _require(int(counts.sum()) == len(ranks), "reference counts")
    candidates = np.flatnonzero(flags & SampleFlag.REFERENCE)
    of = np.repeat(np.arange(len(flags)), counts)
    which = _references_before(flags)[of] - 1 - ranks
    return candidates[_within(which, max(len(candidates), 1), "reference")].astype(np.int32)


def _references_before(flags: npt.NDArray[np.uint8]) -> Int64s:
    is_reference = (flags & SampleFlag.REFERENCE) != 0
    before: Int64s = np.cumsum(is_reference, dtype=np.int64) - is_reference
    return before
