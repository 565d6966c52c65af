"""The stored form of a frame index: one compact, versioned binary a clip.

`docs/formats/frame-index.md` describes every byte::

    head | zstd: directory of the blocks, parameter sets | block | block | ...

One frame of a long clip is found by decoding one block; a short clip has one. A block does not
change when others follow, so an index can also be put together as a stream grows: each block
once (`encode_block`), the whole when it is wanted (`pack_index`).
"""

from __future__ import annotations

import struct
from collections.abc import Sequence

import pyarrow as pa

from ...errors import FrameIndexError
from ..timing import Timebase
from .block import EncodedBlock, encode_block
from .clip import ClipHead, ClipIndex, Parts
from .columns import ColumnReader, compress, decompress, require, require_honest
from .cuts import BLOCK_SAMPLES, cut_parts
from .directory import RECORD_BYTES, Directory, pack_directory
from .frames import ContainerColour, FrameIndex, ParameterSets
from .stored_display import pack_display, unpack_display
from .stored_sets import pack_sets, unpack_sets

MAGIC = b"MFIX"
VERSION = 3
_HEAD = struct.Struct("<4sBBBBIIIIIIqqqq")
_CONTAINERS = ("mp4", "annexb")
_FULL_RANGE = 128
_LAST_MATRIX = 14  # ITU-T H.273, table 4


def encode_index(index: FrameIndex, *, block_samples: int = BLOCK_SAMPLES) -> bytes:
    """The binary form of a frame index; `decode_index` is its inverse.

    Args:
        index: Of a whole clip.
        block_samples: About how many samples a block shall have.

    Returns:
        Bytes: at most 6 a frame on ordinary streams, header and parameter sets apart.

    Raises:
        UnsupportedError: There are more samples than an index can hold.
    """
    blocks = [encode_block(part) for part in cut_parts(index, block_samples)]
    return pack_index(ClipHead.of(index), index.parameter_sets, blocks)


def pack_index(
    head: ClipHead, parameter_sets: Sequence[ParameterSets], blocks: Sequence[EncodedBlock]
) -> bytes:
    """The binary form of an index whose blocks are encoded already."""
    directory = pack_directory([block.entry for block in blocks])
    preface = directory + pack_sets(parameter_sets) + pack_display(head.display)
    compressed = compress(preface)
    packed = _HEAD.pack(
        MAGIC,
        VERSION,
        _CONTAINERS.index(head.container),
        head.nal_length_size,
        _colour_code(head.colour),
        head.sample_count,
        head.frame_count,
        len(blocks),
        len(parameter_sets),
        len(preface),
        len(compressed),
        head.source_bytes,
        head.last_duration_ticks,
        head.timebase.numerator,
        head.timebase.denominator,
    )
    return b"".join((packed, compressed, *(block.data for block in blocks)))


def decode_index(blob: bytes | memoryview | pa.Buffer) -> FrameIndex:
    """The frame index of a whole clip in its binary form.

    Raises:
        FrameIndexError: See `open_index`; or a block is damaged.
    """
    return open_index(blob).whole()


def open_index(
    blob: bytes | memoryview | pa.Buffer, *, parts: Parts | None = None
) -> ClipIndex:
    """The frame index in its binary form, to be decoded as frames are asked for.

    Args:
        blob: The bytes; they are held.
        parts: Keeps parts that were decoded.

    Raises:
        FrameIndexError: The bytes are not an index, are damaged, or were written by another
            version of Marey.
    """
    data = memoryview(blob)
    if len(data) < _HEAD.size or bytes(data[:4]) != MAGIC:
        raise FrameIndexError(
            f"not a frame index: expected {MAGIC!r} and {_HEAD.size} bytes of header, "
            f"got {bytes(data[:4])!r} and {len(data)} bytes"
        )
    _check_version(data[4])
    (
        _,
        _,
        container,
        nal_length_size,
        colour,
        n,
        k,
        block_count,
        sets_count,
        preface_bytes,
        compressed_bytes,
        source_bytes,
        last_duration,
        numerator,
        denominator,
    ) = _HEAD.unpack_from(data)
    require(container < len(_CONTAINERS), f"unknown container {container}")
    require(nal_length_size in (0, 1, 2, 3, 4), f"NAL length size {nal_length_size}")
    require(numerator > 0 and denominator > 0, f"timebase {numerator}/{denominator}")
    end = _HEAD.size + compressed_bytes
    require_honest(compressed_bytes, preface_bytes)
    preface = ColumnReader(decompress(data[_HEAD.size : end], preface_bytes))
    directory = Directory(preface.take(block_count * RECORD_BYTES), max(0, len(data) - end))
    sets = unpack_sets(preface, sets_count)
    display = unpack_display(preface)
    preface.finish()
    require(bool(sets), "no parameter sets")
    found = int(directory.first_sample[-1]), int(directory.first_frame[-1])
    require(found == (n, k), f"{found} samples and frames in blocks, expected {(n, k)}")
    head = ClipHead(
        sample_count=n,
        frame_count=k,
        source_bytes=source_bytes,
        last_duration_ticks=last_duration,
        timebase=Timebase(numerator, denominator),
        container=_CONTAINERS[container],
        nal_length_size=nal_length_size,
        colour=_colour(colour),
        display=display,
    )
    return ClipIndex(head, sets, directory, data[end:], parts)


def _check_version(version: int) -> None:
    if version > VERSION:
        raise FrameIndexError(
            f"the frame index has version {version}, this Marey reads version {VERSION}: "
            "a newer Marey wrote it; upgrade to read it"
        )
    if version < VERSION:
        raise FrameIndexError(
            f"the frame index has version {version}, this Marey reads version {VERSION}: "
            "it was written before the first release; write the clip again"
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
