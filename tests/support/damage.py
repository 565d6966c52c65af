"""MP4 files with one broken picture, every byte elsewhere as it was."""

from __future__ import annotations

import numpy as np

from marey.video.index.build import build_frame_index
from marey.video.index.frames import FrameIndex
from marey.video.source import BytesReader

_FILLER = 12


def index_of(data: bytes) -> FrameIndex:
    return build_frame_index(BytesReader(data)).index


def with_broken_sample(data: bytes, sample: int) -> bytes:
    """The file with half of a sample's last slice lost; filler data (7.3.2.7) takes its room.

    The sample's NAL units have lengths of four bytes before them.
    """
    index = index_of(data)
    start, size = int(index.offset[sample]), int(index.size[sample])
    at = start
    while True:
        length = int.from_bytes(data[at : at + 4], "big")
        if at + 4 + length >= start + size:
            break
        at += 4 + length
    kept = length // 2
    room = length - kept - 4
    assert room >= 2, "the slice is too short to be cut"
    filler = bytes([_FILLER]) + b"\xff" * (room - 2) + b"\x80"
    unit = data[at + 4 : at + 4 + kept]
    changed = kept.to_bytes(4, "big") + unit + room.to_bytes(4, "big") + filler
    return data[:at] + changed + data[at + 4 + length :]


def needed_samples(index: FrameIndex, frame: int) -> set[int]:
    """The samples that a frame's picture depends on, itself included: the obvious way."""
    needed: set[int] = set()
    waiting = [int(index.frame_sample[frame])]
    while waiting:
        sample = waiting.pop()
        if sample not in needed:
            needed.add(sample)
            waiting += np.asarray(index.references_of(sample)).tolist()
    return needed
