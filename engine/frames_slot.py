"""The frames of one slot in a window: the clips they come from, the column that they make."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence

import numpy as np
import pyarrow as pa

from ..expressions.dtypes import DataType
from ..video.decode.frame import OutputShape, PixelOutput
from .assemble import frame_offsets, frames_array
from .clip_read import ClipRead, Places
from .fault import Fault
from .media import ClipRanges, Fetched, Media, ReadEstimate
from .wanted import WantedFrames


class FramesSlot:
    """`video_read` in each row of a window."""

    def __init__(
        self, rows: Sequence[WantedFrames | None], media: Media, dtype: DataType
    ) -> None:
        """Group the rows by clip and form, and plan each group.

        Args:
            rows: What is wanted.
            media: Fetches and decodes.
            dtype: What the column is to be: `FRAMES` or `TIMED_FRAMES`.
        """
        self._rows = rows
        self._dtype = dtype
        self._offsets = frame_offsets(rows)
        self._clips = [_clip_read(group, media) for group in _groups(rows, self._offsets)]
        self._pixels = pa.py_buffer(b"")
        self._decode_threads = media.decode_threads
        for clip in self._clips:
            clip.plan()

    @property
    def cost_bytes(self) -> int:
        """Bytes of the frames, and of what is fetched for them."""
        fetched = sum(r.plan.bytes_fetched for clip in self._clips for r in clip.reads)
        return int(self._offsets[-1]) + fetched

    @property
    def seconds(self) -> float:
        """About how long one core takes to decode them."""
        return sum(read.plan.seconds for clip in self._clips for read in clip.reads)

    @property
    def frame_count(self) -> int:
        """Frames in all rows."""
        return len(self._offsets) - 1

    @property
    def faults(self) -> Mapping[int, Fault]:
        """By row, what went wrong."""
        return {row: fault for clip in self._clips for row, fault in clip.faults.items()}

    def estimates(self) -> Iterator[ReadEstimate]:
        """What the reads of all clips will take."""
        for clip in self._clips:
            yield from clip.estimates()

    def ranges(self) -> list[ClipRanges]:
        """What to fetch."""
        return [ranges for clip in self._clips for ranges in clip.ranges()]

    def tasks(self, fetched: Sequence[Fetched]) -> Iterator[Callable[[], None]]:
        """The work of decoding what was fetched, in the order of `ranges`."""
        self._pixels = pa.allocate_buffer(int(self._offsets[-1]))
        pixels = memoryview(self._pixels)
        at = 0
        parts = -(-self._decode_threads // max(1, len(self._clips)))
        for clip in self._clips:
            yield from clip.tasks(fetched[at : at + len(clip.reads)], pixels, parts)
            at += len(clip.reads)

    def column(self, failed: Collection[int]) -> pa.Array:
        """The finished column; rows that failed are null."""
        return frames_array(
            self._rows, self._offsets, self._pixels, failed=failed, dtype=self._dtype
        )


Group = list[tuple[int, int, WantedFrames]]
"""Rows, and where their frames begin, that read one clip in one form."""


def _groups(rows: Sequence[WantedFrames | None], offsets: np.ndarray) -> Iterator[Group]:
    groups: dict[tuple[int, PixelOutput, OutputShape], Group] = {}
    at = 0
    for i, row in enumerate(rows):
        if row is None:
            continue
        # One index object stands for one clip; the row keeps it alive.
        key = (id(row.index), row.output, row.shape)
        groups.setdefault(key, []).append((i, int(offsets[at]), row))
        at += len(row.frames)
    yield from groups.values()


def _clip_read(group: Group, media: Media) -> ClipRead:
    first = group[0][2]
    size = first.shape.frame_bytes
    counts = [len(row.frames) for _, _, row in group]
    places = Places(
        row=np.repeat(np.array([i for i, _, _ in group], np.int64), counts),
        frame=np.concatenate([row.frames for _, _, row in group]),
        offset=np.concatenate(
            [start + size * np.arange(len(r.frames)) for _, start, r in group]
        ),
    )
    return ClipRead(
        media=media,
        table=first.table,
        row=first.row,
        index=first.index,
        output=first.output,
        frame_bytes=size,
        places=places,
    )
