"""Parameter sets as a stored index holds them: each different NAL unit once, then the states.

A stream may change one small set thousands of times between large ones that stay: states name
their sets by number, so the index never grows beyond what the stream itself has of them.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence

from ..h264.nal import NAL_PPS, NAL_SEI, NAL_SPS
from .columns import ColumnReader, require
from .frames import ParameterSets, PictureFormat

_STATE = struct.Struct("<IIIBBBBHB")
_NUMBER_BYTES = 4
_LENGTH_BYTES = 2
# An avcC record repeats the first bytes of an SPS.
_LEAST_BYTES = {NAL_SPS: 4, NAL_PPS: 1, NAL_SEI: 1}
_BIT_DEPTHS = range(8, 15)
# What `build` finds at most: by id, and one message.
_MOST_STATES = 4096
_MOST_SETS = 32 + 256 + 1
_CHROMA_FORMATS = range(4)


def pack_sets(states: Sequence[ParameterSets]) -> bytes:
    """The table of NAL units, and the states."""
    numbers: dict[bytes, int] = {}
    packed = bytearray()
    for state in states:
        form = state.format
        packed += _STATE.pack(
            state.first_sample,
            form.width,
            form.height,
            form.bit_depth_luma,
            form.bit_depth_chroma,
            form.chroma_format_idc,
            len(state.sps),
            len(state.pps),
            len(state.sei),
        )
        for nal in (*state.sps, *state.pps, *state.sei):
            number = numbers.setdefault(nal, len(numbers))
            packed += number.to_bytes(_NUMBER_BYTES, "little")
    table = [len(numbers).to_bytes(_NUMBER_BYTES, "little")]
    for nal in numbers:
        table += (len(nal).to_bytes(_LENGTH_BYTES, "little"), nal)
    return b"".join(table) + bytes(packed)


def unpack_sets(body: ColumnReader, count: int) -> tuple[ParameterSets, ...]:
    """The inverse of `pack_sets`.

    Raises:
        FrameIndexError: A number out of its range.
    """
    require(count <= _MOST_STATES, f"{count} states of parameter sets")
    number = body.u(_NUMBER_BYTES)
    require(number <= _MOST_SETS * count, f"{number} parameter sets in {count} states")
    nals = [bytes(body.take(body.u(_LENGTH_BYTES))) for _ in range(number)]
    states: list[ParameterSets] = []
    for _ in range(count):
        state = _unpack_state(body, nals)
        expected = states[-1].first_sample if states else -1
        require(
            state.first_sample > expected and (bool(states) or not state.first_sample),
            f"parameter sets from sample {state.first_sample} after those from {expected}",
        )
        states.append(state)
    return tuple(states)


def _unpack_state(body: ColumnReader, nals: Sequence[bytes]) -> ParameterSets:
    head = _STATE.unpack(body.take(_STATE.size))
    first_sample, width, height, depth_luma, depth_chroma, chroma, *counts = head
    require(
        depth_luma in _BIT_DEPTHS
        and depth_chroma in _BIT_DEPTHS
        and chroma in _CHROMA_FORMATS
        and 0 < width * height < 1 << 28,
        f"pictures of {width}x{height}, {depth_luma} and {depth_chroma} bits, "
        f"chroma format {chroma}",
    )
    sps, pps, sei = (
        _named(body, count, nals, kind)
        for count, kind in zip(counts, (NAL_SPS, NAL_PPS, NAL_SEI), strict=True)
    )
    return ParameterSets(
        first_sample=first_sample,
        sps=sps,
        pps=pps,
        sei=sei,
        format=PictureFormat(width, height, depth_luma, depth_chroma, chroma),
    )


def _named(
    body: ColumnReader, count: int, nals: Sequence[bytes], kind: int
) -> tuple[bytes, ...]:
    """NAL units of one type, by their places in the table."""
    numbers = [body.u(_NUMBER_BYTES) for _ in range(count)]
    require(all(n < len(nals) for n in numbers), f"parameter sets {numbers} of {len(nals)}")
    named = tuple(nals[n] for n in numbers)
    require(
        all(len(nal) >= _LEAST_BYTES[kind] and nal[0] & 31 == kind for nal in named),
        f"{[nal[:4].hex() for nal in named]} are not NAL units of type {kind}",
    )
    return named
