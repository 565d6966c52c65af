"""One clip's part of a window: all rows that read it in one form share one decode of it.

The runs of a plan are independent, and are shared out between the decode threads. A run is
exact or fails as a whole, and how far it reaches depends on the frames that are asked for
together. So where one fails that serves several rows, each row is tried again alone: whether a
frame comes out does not depend on what was asked for beside it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import partial

import numpy as np

from ..errors import MareyError, VideoError
from ..video.decode.frame import PixelOutput
from ..video.index.frames import FrameIndex, Int64s
from ..video.plan import DecodeRun, ReadPlan, plan_read
from .media import ClipRanges, Fetched, Media


@dataclass(frozen=True, slots=True)
class Places:
    """Where frames go: three arrays of one length."""

    row: Int64s
    """The window's row that wants the frame."""
    frame: Int64s
    """The frame."""
    offset: Int64s
    """Where its pixels begin in the slot's buffer."""

    def where(self, chosen: np.ndarray[tuple[int], np.dtype[np.bool_]]) -> Places:
        """Some of them."""
        return Places(self.row[chosen], self.frame[chosen], self.offset[chosen])


@dataclass(frozen=True, slots=True)
class PlannedRead:
    """A plan and the places that it fills."""

    plan: ReadPlan
    """What to fetch and decode."""
    places: Places
    """Every frame in it is in the plan."""


@dataclass(slots=True)
class ClipRead:
    """Frames of one clip, each decoded once and put wherever a row wants it."""

    media: Media
    """Fetches and decodes."""
    table: int
    """Number of the video column."""
    row: int
    """A handle's row that leads to the clip."""
    index: FrameIndex
    """Of the clip."""
    output: PixelOutput
    """What the pixels are to be."""
    frame_bytes: int
    """Bytes of one frame."""
    places: Places
    """Who wants which frame."""
    reads: list[PlannedRead] = field(default_factory=list)
    """One for all rows, or one a row where there can be none for all."""
    errors: dict[int, MareyError] = field(default_factory=dict)
    """By row, what went wrong."""

    def plan(self) -> None:
        """Decide what to read."""
        try:
            self.reads.append(self._plan(self.places))
        except VideoError:
            for own in self._by_row(self.places):
                try:
                    self.reads.append(self._plan(own))
                except VideoError as error:
                    self._fail(own, error)

    def ranges(self) -> list[ClipRanges]:
        """What to fetch, for each of `reads`."""
        return [ClipRanges(self.table, self.row, read.plan.ranges) for read in self.reads]

    def tasks(
        self, fetched: Sequence[Fetched], pixels: memoryview
    ) -> Iterator[Callable[[], None]]:
        """The work of decoding.

        Args:
            fetched: For each of `reads` its bytes.
            pixels: The slot's buffer.
        """
        for read, buffers in zip(self.reads, fetched, strict=True):
            if isinstance(buffers, MareyError):
                self._fail(read.places, buffers)
                continue
            for runs in _shares(read.plan.runs, self.media.decode_threads):
                part = PlannedRead(replace(read.plan, runs=runs), read.places)
                yield partial(self._decode, part, buffers, pixels)

    def _plan(self, places: Places) -> PlannedRead:
        return PlannedRead(plan_read(self.index, places.frame, cost=self.media.cost), places)

    def _decode(
        self, read: PlannedRead, buffers: Sequence[memoryview], pixels: memoryview
    ) -> None:
        """Decode some runs of a plan into their places."""
        samples = self.index.frame_sample[read.places.frame]
        targets = np.concatenate([run.targets for run in read.plan.runs])
        served = read.places.where(np.isin(samples, targets))
        try:
            self._deliver(PlannedRead(read.plan, served), buffers, pixels)
        except VideoError as error:
            alone = self._by_row(served)
            if len(alone) == 1:
                self._fail(served, error)
                return
            for own in alone:
                self._decode_alone(own, pixels)

    def _decode_alone(self, places: Places, pixels: memoryview) -> None:
        try:
            read = self._plan(places)
            (buffers,) = self.media.fetch([ClipRanges(self.table, self.row, read.plan.ranges)])
            if isinstance(buffers, MareyError):
                raise buffers
            self._deliver(read, buffers, pixels)
        except MareyError as error:
            self._fail(places, error)

    def _deliver(
        self, read: PlannedRead, buffers: Sequence[memoryview], pixels: memoryview
    ) -> None:
        """Decode each picture into the first place that wants it, and copy it to the others."""
        samples = self.index.frame_sample[read.places.frame]
        carriers, firsts, inverse = np.unique(samples, return_index=True, return_inverse=True)
        offsets = read.places.offset
        decoded = {
            sample: pixels[offset : offset + self.frame_bytes]
            for sample, offset in zip(carriers.tolist(), offsets[firsts].tolist(), strict=True)
        }
        self.media.decode(read.plan, self.index, self.output, buffers, decoded)
        again = np.flatnonzero(firsts[inverse] != np.arange(len(samples)))
        for sample, offset in zip(
            samples[again].tolist(), offsets[again].tolist(), strict=True
        ):
            pixels[offset : offset + self.frame_bytes] = decoded[sample]

    def _by_row(self, places: Places) -> list[Places]:
        return [places.where(places.row == row) for row in np.unique(places.row)]

    def _fail(self, places: Places, error: MareyError) -> None:
        for row in np.unique(places.row).tolist():
            self.errors.setdefault(row, error)


def _shares(runs: Sequence[DecodeRun], count: int) -> Iterator[tuple[DecodeRun, ...]]:
    """The runs in at most `count` parts of consecutive ones, about equal in samples."""
    total = sum(len(run.samples) for run in runs)
    share: list[DecodeRun] = []
    done = parts = 0
    for run in runs:
        share.append(run)
        done += len(run.samples)
        if done * count >= total * (parts + 1):
            yield tuple(share)
            share, parts = [], parts + 1
