"""The frames of one slot in a window: the clips they come from, the column that they make."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice

import numpy as np
import pyarrow as pa

from ..errors import MareyError
from ..expressions.dtypes import DataType
from ..video.decode.frame import OutputShape, PixelOutput
from .assemble import Moments, frame_offsets, frames_array
from .clip_read import ClipRead, Places
from .fault import Fault
from .frame_memory import LateBuffer
from .index_cache import index_bytes, part_bytes
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
        self._media = media
        self._offsets = frame_offsets(rows)
        self._moments = Moments(self.frame_count)
        self._unread: dict[int, Fault] = {}
        self._clips = [clip for group in _groups(rows) for clip in self._clip_reads(group)]
        self._pixels = LateBuffer(media.allocate, int(self._offsets[-1]))
        for clip in self._clips:
            clip.plan()
        self.cost_bytes = self._cost_bytes()
        """Bytes of the frames, of what is fetched for them, and of the indexes."""

    @property
    def seconds(self) -> float:
        """About how long one core takes to decode them."""
        return sum(clip.seconds for clip in self._clips)

    @property
    def longest_seconds(self) -> float:
        """About how long the longest of its tasks takes."""
        shares = self._shares
        return max((clip.longest_seconds(shares) for clip in self._clips), default=0.0)

    @property
    def frame_count(self) -> int:
        """Frames in all rows."""
        return len(self._offsets) - 1

    @property
    def faults(self) -> Mapping[int, Fault]:
        """By row, what went wrong; that of the first frame where there are several."""
        found = [*self._unread.items(), *(f for clip in self._clips for f in clip.found)]
        faults: dict[int, Fault] = {}
        for row, fault in sorted(found, key=lambda f: (f[1].frame is None, f[1].frame)):
            faults.setdefault(row, fault)
        return faults

    def estimates(self) -> Iterator[ReadEstimate]:
        """What the reads of all clips will take."""
        for clip in self._clips:
            yield from clip.estimates()

    def ranges(self) -> list[ClipRanges]:
        """What to fetch."""
        return [ranges for clip in self._clips for ranges in clip.ranges()]

    def tasks(self, fetched: Iterator[Fetched]) -> Iterator[Callable[[], None]]:
        """The work of decoding what is fetched, which comes in the order of `ranges`."""
        shares = self._shares
        for clip in self._clips:
            yield from clip.tasks(list(islice(fetched, len(clip.reads))), self._pixels, shares)

    def column(self, failed: Collection[int]) -> pa.Array:
        """The finished column; rows that failed are null."""
        return frames_array(
            self._rows,
            self._offsets,
            self._pixels.buffer(),
            moments=self._moments,
            failed=failed,
            dtype=self._dtype,
        )

    def _cost_bytes(self) -> int:
        fetched = sum(r.plan.bytes_fetched for clip in self._clips for r in clip.reads)
        parts = {id(clip.index): clip.index for clip in self._clips}
        clips = {id(clip.clip): clip.clip for clip in self._clips}
        held = sum(map(part_bytes, parts.values())) + sum(map(index_bytes, clips.values()))
        return int(self._offsets[-1]) + fetched + held

    @property
    def _shares(self) -> int:
        """How many threads each clip is shared out to, at most: there are other clips."""
        return -(-self._media.decode_threads // max(1, len(self._clips)))

    def _clip_reads(self, group: Group) -> Iterator[ClipRead]:
        """A read for each part of the clip that the group's frames need."""
        first = group[0].wanted
        size = first.shape.frame_bytes
        counts = [len(row.wanted.frames) for row in group]
        rows = np.repeat([row.number for row in group], counts)
        places = np.concatenate([row.places for row in group])
        frames = np.concatenate([row.wanted.frames for row in group])
        try:
            parts = list(first.index.split(frames))
        except MareyError as error:
            # A damaged block: perhaps not every row needs it.
            if len(group) == 1:
                self._unread[group[0].number] = Fault(error)
            else:
                for row in group:
                    yield from self._clip_reads([row])
            return
        source = self._media.source(first.table, first.row)
        for part, chosen in parts:
            local = frames[chosen] - part.first_frame
            here = places[chosen]
            self._moments.note(here, part, local)
            yield ClipRead(
                media=self._media,
                table=first.table,
                row=first.row,
                source=source,
                clip=first.index,
                index=part,
                output=first.output,
                frame_bytes=size,
                places=Places(rows[chosen], local, self._offsets[here]),
            )


@dataclass(frozen=True, slots=True)
class _Row:
    """A row of the window, and which of the slot's frames are its own."""

    number: int
    wanted: WantedFrames
    places: np.ndarray[tuple[int], np.dtype[np.int64]]


Group = list[_Row]
"""Rows that read one clip in one form."""


def _groups(rows: Sequence[WantedFrames | None]) -> Iterator[Group]:
    groups: dict[tuple[int, PixelOutput, OutputShape], Group] = {}
    at = 0
    for number, row in enumerate(rows):
        if row is None:
            continue
        # One index object stands for one clip; the row keeps it alive.
        key = (id(row.index), row.output, row.shape)
        end = at + len(row.frames)
        groups.setdefault(key, []).append(_Row(number, row, np.arange(at, end)))
        at = end
    yield from groups.values()
