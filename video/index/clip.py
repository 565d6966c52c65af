"""The stored index of one clip, opened: what holds for the whole clip is known at once, blocks
are decoded as frames are asked for.

A part that has been decoded can be kept, by whoever holds many clips and knows what there is
room for (`Parts`).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Protocol

import numpy as np
import numpy.typing as npt

from ..timing import Timebase
from .block import BlockEntry, Columns, decode_block, decode_times, join_columns
from .directory import Directory, pack_directory
from .frames import (
    ContainerColour,
    Display,
    FrameIndex,
    Int64s,
    ParameterSets,
    PictureFormat,
    refuse_outside,
    sets_between,
)


@dataclass(frozen=True, slots=True)
class ClipHead:
    """What a stored index says of the whole clip; see `FrameIndex` for what each means."""

    sample_count: int
    frame_count: int
    source_bytes: int
    last_duration_ticks: int
    timebase: Timebase
    container: str
    nal_length_size: int
    colour: ContainerColour | None
    display: Display | None

    @staticmethod
    def of(index: FrameIndex) -> ClipHead:
        """What the index of a whole clip says of it."""
        return ClipHead(
            sample_count=index.sample_count,
            frame_count=index.frame_count,
            source_bytes=index.source_bytes,
            last_duration_ticks=index.last_duration_ticks,
            timebase=index.timebase,
            container=index.container,
            nal_length_size=index.nal_length_size,
            colour=index.colour,
            display=index.display,
        )


class Parts(Protocol):
    """Keeps decoded parts of one clip for a while."""

    def get(self, first_block: int, end_block: int) -> FrameIndex | None:
        """A part that was put, if it is still there."""
        ...

    def put(self, first_block: int, end_block: int, part: FrameIndex) -> None:
        """Keep a part, if there is room."""
        ...


class ClipIndex:
    """The frame index of one clip, block by block; safe from any thread.

    Args:
        head: Of the stored index.
        parameter_sets: All states, by their samples in the clip.
        directory: Of its blocks.
        blocks: The bytes of all of them.
        parts: Keeps what was decoded; nothing is kept by default.
    """

    def __init__(
        self,
        head: ClipHead,
        parameter_sets: tuple[ParameterSets, ...],
        directory: Directory,
        blocks: memoryview,
        parts: Parts | None = None,
    ) -> None:
        self.head = head
        """What holds for the whole clip."""
        self.parameter_sets = parameter_sets
        """As in a `FrameIndex` of the whole clip."""
        self.directory = directory
        """Which samples and frames are in which block."""
        self._blocks = blocks
        self._parts = parts

    @property
    def frame_count(self) -> int:
        """Presented frames."""
        return self.head.frame_count

    @property
    def source_bytes(self) -> int:
        """Bytes of the whole source."""
        return self.head.source_bytes

    @cached_property
    def _formats(self) -> list[PictureFormat]:
        return list(dict.fromkeys(state.format for state in self.parameter_sets))

    def formats(self, frames: npt.NDArray[np.integer]) -> list[PictureFormat]:
        """The forms that some frames have, each once; of no frame, that of the first sample.

        Raises:
            FrameIndexError: A block that must be looked at is damaged.
        """
        if len(self._formats) == 1 or not len(frames):
            return self._formats[:1]
        found: dict[PictureFormat, None] = {}
        for part, places in self.split(frames):
            found |= dict.fromkeys(part.formats(frames[places] - part.first_frame))
        return list(found)

    @property
    def stored_bytes(self) -> int:
        """Bytes of the blocks, which are held undecoded."""
        return len(self._blocks)

    def check_frames(self, frames: npt.NDArray[np.integer]) -> None:
        """Refuse frame numbers that the clip does not have.

        Raises:
            FrameRangeError: Naming the first one outside and the range there is.
        """
        refuse_outside(frames, self.frame_count)

    def split(self, frames: npt.NDArray[np.integer]) -> Iterator[tuple[FrameIndex, Int64s]]:
        """The parts of the index that planning a read of some frames needs.

        Args:
            frames: Frame numbers in any order, duplicates allowed; all of them are there.

        Yields:
            A part, and which of `frames` to plan with it: their places in the array. What the
            frames of one part need is nothing that those of another need.

        Raises:
            FrameIndexError: A block is damaged.
        """
        if len(self.directory) == 1:
            if len(frames):
                yield self.part(0, 1), np.arange(len(frames))
            return
        blocks = self.directory.blocks_of(frames)
        for first, end in self.directory.stretches(np.unique(blocks)):
            yield self.part(first, end), np.flatnonzero((blocks >= first) & (blocks < end))

    def part(self, first_block: int, end_block: int) -> FrameIndex:
        """The index of some consecutive blocks.

        Raises:
            FrameIndexError: One of them is damaged.
        """
        if self._parts is not None:
            kept = self._parts.get(first_block, end_block)
            if kept is not None:
                return kept
        part = self._part(first_block, end_block)
        if self._parts is not None:
            self._parts.put(first_block, end_block, part)
        return part

    def parts(self) -> Iterator[FrameIndex]:
        """Every block by itself, in order.

        Raises:
            FrameIndexError: One of them is damaged.
        """
        for block in range(len(self.directory)):
            yield self.part(block, block + 1)

    def whole(self) -> FrameIndex:
        """The index of the whole clip.

        Raises:
            FrameIndexError: A block is damaged.
        """
        return self.part(0, len(self.directory))

    def block_times(self, block: int) -> Int64s:
        """When the frames of a block are shown, in ticks.

        Raises:
            FrameIndexError: It is damaged.
        """
        directory = self.directory
        return decode_times(directory.entry(block), self._blocks[directory.place(block)])

    def _part(self, first_block: int, end_block: int) -> FrameIndex:
        head, directory = self.head, self.directory
        columns = join_columns([self._columns(b) for b in range(first_block, end_block)])
        first_sample = int(directory.first_sample[first_block])
        end_sample = int(directory.first_sample[end_block])
        return FrameIndex(
            offset=columns.offset,
            size=columns.size,
            flags=columns.flags,
            decode_from=columns.decode_from,
            reference_start=columns.reference_start,
            references=columns.references,
            long_term=columns.long_term,
            top_order_count=columns.top_order_count,
            bottom_order_delta=columns.bottom_order_delta,
            frame_sample=columns.frame_sample,
            pts_ticks=columns.pts_ticks,
            last_duration_ticks=self._last_duration(end_block, columns.pts_ticks),
            timebase=head.timebase,
            parameter_sets=sets_between(self.parameter_sets, first_sample, end_sample),
            container=head.container,
            nal_length_size=head.nal_length_size,
            source_bytes=head.source_bytes,
            colour=head.colour,
            display=head.display,
            first_sample=first_sample,
            first_frame=int(directory.first_frame[first_block]),
            ends_gop=directory.begins_gop(end_block),
        )

    def _columns(self, block: int) -> Columns:
        directory = self.directory
        data = self._blocks[directory.place(block)]
        return decode_block(directory.entry(block), data, self.head.source_bytes)

    def _last_duration(self, end_block: int, pts_ticks: Int64s) -> int:
        """How long the last frame before a block stands: until the next one."""
        if not len(pts_ticks):
            return 0
        directory = self.directory
        next_frame = int(directory.first_frame[end_block])
        if next_frame == self.frame_count:
            return self.head.last_duration_ticks
        block = int(directory.blocks_of(np.array([next_frame]))[0])
        return int((directory.times("first_pts")[block : block + 1] - pts_ticks[-1:])[0])


class DecodedIndex(ClipIndex):
    """The index of a clip that is decoded already: one block, never stored.

    Args:
        index: Of the whole clip.
    """

    def __init__(self, index: FrameIndex) -> None:
        entry = BlockEntry(
            samples=index.sample_count,
            frames=index.frame_count,
            jumps=0,
            references=len(index.references),
            body_bytes=0,
            stored_bytes=0,
            reach=0,
            begins_gop=1,
            offset=0,
            first_pts=int(index.pts_ticks[0]) if index.frame_count else 0,
            latest_pts=int(index.pts_ticks.max()) if index.frame_count else 0,
        )
        directory = Directory(pack_directory([entry]), stored_bytes=0)
        super().__init__(ClipHead.of(index), index.parameter_sets, directory, memoryview(b""))
        self._index = index

    def part(self, first_block: int, end_block: int) -> FrameIndex:
        """The whole index."""
        return self._index

    def block_times(self, block: int) -> Int64s:
        """When the frames are shown, in ticks."""
        return self._index.pts_ticks
