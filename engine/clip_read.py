"""What a window reads of one clip: all rows that read it in one form share one decode of it.

The runs of a plan are independent, and are shared out between the decode threads. A run is
exact or fails as a whole, and how far it reaches depends on the frames that are asked for
together. So where one fails, each of its rows is tried again alone, at last with the fewest
samples that its frames need: whether they come out does not depend on what was asked for
beside them, nor on which plan was cheaper.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import partial

import numpy as np

from ..errors import MareyError, NotFoundError, SourceChangedError, VideoError
from ..storage.addresses import Source
from ..video.decode.frame import PixelOutput
from ..video.index.clip import ClipIndex
from ..video.index.frames import FrameIndex, Int64s
from ..video.plan import (
    DecodeRun,
    ReadPlan,
    SourceCost,
    Strategy,
    estimate_fetches,
    plan_read,
)
from .fault import Fault, first_bad_frame
from .frame_memory import LateBuffer
from .media import ClipRanges, Fetched, Media, ReadEstimate

_WORTH_A_THREAD_SECONDS = 0.1
"""Decoding that pays for a thread and a decoder of its own."""

_WORTH_SHARING_SECONDS = 0.2
"""What sharing a clip out has to save. PyAV alone, its packets shared out to two threads, was
measured to take 4 to 5 % more CPU than in one for 640x480, and 0 to 3 % for 1280x720."""


@dataclass(frozen=True, slots=True)
class Places:
    """Where frames go: three arrays of one length."""

    row: Int64s
    """The window's row that wants the frame."""
    frame: Int64s
    """The frame, as its index counts."""
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
    """Frames of one part of a clip, each decoded once and put wherever a row wants it."""

    media: Media
    """Fetches and decodes."""
    table: int
    """Number of the video column."""
    row: int
    """A handle's row that leads to the clip."""
    source: Source
    """Where its bytes lie."""
    clip: ClipIndex
    """The clip."""
    index: FrameIndex
    """Of the part of it that its frames need: places and plans go by the part's numbers."""
    output: PixelOutput
    """What the pixels are to be."""
    frame_bytes: int
    """Bytes of one frame."""
    places: Places
    """Who wants which frame."""
    reads: list[PlannedRead] = field(default_factory=list)
    """One for all rows, or one a row where there can be none for all."""
    found: list[tuple[int, Fault]] = field(default_factory=list)
    """Rows and what went wrong with them, from any thread."""

    def plan(self) -> None:
        """Decide what to read."""
        try:
            self.reads.append(self._plan(self.places))
        except VideoError:
            for own in self._by_row(self.places):
                try:
                    self.reads.append(self._plan(own))
                except VideoError as error:
                    frame = first_bad_frame(np.unique(own.frame), self._cannot_plan)
                    self._fail(own, error, frame)

    def ranges(self) -> list[ClipRanges]:
        """What to fetch, for each of `reads`."""
        return [ClipRanges(self.table, self.row, read.plan.ranges) for read in self.reads]

    def estimates(self) -> Iterator[ReadEstimate]:
        """What each of `reads` will take."""
        for read in self.reads:
            plan = read.plan
            yield ReadEstimate(
                clip=self.media.clip(self.table, self.row),
                frames=len(plan.frames),
                fetch_shape=plan.fetch_shape,
                bytes_fetched=plan.bytes_fetched,
                requests=len(plan.ranges),
                runs=tuple((run.strategy, len(run.samples)) for run in plan.runs),
                kind=self.source.kind,
                options=estimate_fetches(self.index, _samples(plan), self._cost),
                source_bytes=self.clip.source_bytes,
                source_frames=self.clip.frame_count,
                source_samples=self.clip.head.sample_count,
            )

    def tasks(
        self, fetched: Sequence[Fetched], pixels: LateBuffer, shares: int
    ) -> Iterator[Callable[[], None]]:
        """The work of decoding.

        Args:
            fetched: For each of `reads` its bytes.
            pixels: The slot's buffer.
            shares: How many threads to share each read out to, at most.
        """
        for read, buffers in zip(self.reads, fetched, strict=True):
            if isinstance(buffers, NotFoundError | SourceChangedError):
                for own in self._by_row(read.places):
                    self._fail(own, buffers, None)
                continue
            if isinstance(buffers, MareyError):
                # One range that cannot be read: perhaps not every row needs it.
                for own in self._by_row(read.places):
                    yield partial(self._decode_alone, own, pixels)
                continue
            for runs in _shares(read.plan.runs, _worth(read.plan, shares)):
                part = read if len(runs) == len(read.plan.runs) else self._part(read, runs)
                yield partial(self._decode, part, buffers, pixels)

    @property
    def seconds(self) -> float:
        """About how long one core takes to decode it."""
        return sum(read.plan.seconds for read in self.reads)

    def longest_seconds(self, shares: int) -> float:
        """About how long the longest of its tasks takes, shared out to so many threads."""
        return max((r.plan.seconds / _worth(r.plan, shares) for r in self.reads), default=0.0)

    @property
    def _cost(self) -> SourceCost:
        return self.media.cost(self.source)

    def _plan(self, places: Places, force: Strategy | None = None) -> PlannedRead:
        plan = plan_read(self.index, places.frame, cost=self._cost, force=force)
        return PlannedRead(plan, places)

    def _cannot_plan(self, frames: Int64s) -> bool:
        try:
            plan_read(self.index, frames, cost=self._cost)
        except VideoError:
            return True
        return False

    def _decode(
        self, read: PlannedRead, buffers: Sequence[memoryview], pixels: LateBuffer
    ) -> None:
        """Decode a plan into its places."""
        try:
            self._deliver(read, buffers, pixels)
        except MareyError:
            for own in self._by_row(read.places):
                self._decode_alone(own, pixels)

    def _decode_alone(self, places: Places, pixels: LateBuffer) -> None:
        """Decode what one row wants, and note it if that cannot be done."""
        try:
            self._try_alone(places, pixels)
        except VideoError as error:
            self._fail(places, error, self._bad_frame(places, pixels))
        except MareyError as error:
            self._fail(places, error, None)

    def _try_alone(self, places: Places, pixels: LateBuffer) -> None:
        """By the cheapest plan, then by the one with the fewest samples."""
        read = self._plan(places)
        try:
            self._fetch_and_deliver(read, pixels)
        except VideoError:
            least = self._plan(places, "rewritten")
            if least.plan.samples_decoded >= read.plan.samples_decoded:
                raise
            self._fetch_and_deliver(least, pixels)

    def _bad_frame(self, places: Places, pixels: LateBuffer) -> int | None:
        """The first frame that one row cannot have; its places are written over."""
        if not self.media.reports_frames:
            return None

        def fails(frames: Int64s) -> bool:
            try:
                self._try_alone(places.where(np.isin(places.frame, frames)), pixels)
            except VideoError:
                return True
            return False

        return first_bad_frame(np.unique(places.frame), fails)

    def _fetch_and_deliver(self, read: PlannedRead, pixels: LateBuffer) -> None:
        (buffers,) = self.media.fetch([ClipRanges(self.table, self.row, read.plan.ranges)])
        if isinstance(buffers, MareyError):
            raise buffers
        self._deliver(read, buffers, pixels)

    def _part(self, read: PlannedRead, runs: tuple[DecodeRun, ...]) -> PlannedRead:
        """Some runs of a plan, and the places that they fill."""
        samples = self.index.frame_sample[read.places.frame]
        targets = np.concatenate([run.targets for run in runs])
        places = read.places.where(np.isin(samples, targets))
        return PlannedRead(replace(read.plan, runs=runs), places)

    def _deliver(
        self, read: PlannedRead, buffers: Sequence[memoryview], pixels: LateBuffer
    ) -> None:
        """Decode each picture into the first place that wants it, and copy it to the others."""
        samples = self.index.frame_sample[read.places.frame].tolist()
        view = pixels.view()
        decoded: dict[int, memoryview] = {}
        copies: list[tuple[int, memoryview]] = []
        for sample, offset in zip(samples, read.places.offset.tolist(), strict=True):
            place = view[offset : offset + self.frame_bytes]
            if decoded.setdefault(sample, place) is not place:
                copies.append((sample, place))
        self.media.decode(
            read.plan, self.index, self.output, buffers, decoded, own=self.source.own
        )
        for sample, place in copies:
            place[:] = decoded[sample]

    def _by_row(self, places: Places) -> list[Places]:
        return [places.where(places.row == row) for row in np.unique(places.row)]

    def _fail(self, places: Places, error: MareyError, frame: int | None) -> None:
        clip_frame = None if frame is None else self.index.first_frame + frame
        for row in np.unique(places.row).tolist():
            self.found.append((row, Fault(error, clip_frame)))


def _samples(plan: ReadPlan) -> Int64s:
    """What a plan decodes, each sample once."""
    own = [run.samples for run in plan.runs]
    return np.unique(np.concatenate(own)) if own else np.empty(0, np.int64)


def _worth(plan: ReadPlan, shares: int) -> int:
    """How many of the threads that there are a plan is worth."""
    count = max(1, min(shares, len(plan.runs), int(plan.seconds / _WORTH_A_THREAD_SECONDS)))
    saved = plan.seconds * (count - 1) / count
    return count if saved >= _WORTH_SHARING_SECONDS else 1


def _shares(runs: Sequence[DecodeRun], count: int) -> Iterator[tuple[DecodeRun, ...]]:
    """The runs in at most `count` parts of consecutive ones, about equal in time."""
    total = sum(run.seconds for run in runs)
    share: list[DecodeRun] = []
    done, parts = 0.0, 0
    for run in runs:
        share.append(run)
        done += run.seconds
        if run is runs[-1] or done * count >= total * (parts + 1):
            yield tuple(share)
            share, parts = [], parts + 1
