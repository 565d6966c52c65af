"""Media bytes by range, and decoders to put them through: what a run of a query reads with."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from time import perf_counter
from typing import TypeVar

import pyarrow as pa

from ..errors import MareyError
from ..storage.addresses import Source, SourceKind
from ..storage.blobs import Sent
from ..video.decode.frame import PixelOutput
from ..video.decode.run import Decoders, RunCost, decode_into
from ..video.index.frames import FrameIndex
from ..video.plan import (
    DecodeRun,
    FetchEstimate,
    FetchShape,
    ReadPlan,
    SourceCost,
    Strategy,
    packets,
)
from ..video.source import ByteRange
from .context import QueryContext

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class ClipRanges:
    """Byte ranges of one clip."""

    table: int
    """Number of the video column."""
    row: int
    """The handle's row."""
    ranges: Sequence[ByteRange]
    """What to read."""


@dataclass(frozen=True, slots=True)
class ReadEstimate:
    """What a plan will fetch and decode of one clip."""

    clip: tuple[int, int]
    """Number of the video column, and the stored row: they tell clips apart."""
    frames: int
    """Different frames that it is for."""
    fetch_shape: FetchShape
    """The outcome of its byte-range plan."""
    bytes_fetched: int
    """Bytes in all ranges."""
    requests: int
    """Ranges."""
    runs: tuple[tuple[Strategy, int], ...]
    """For each run what is done to its samples, and how many there are."""
    kind: SourceKind
    """Where it lies."""
    options: tuple[FetchEstimate, ...]
    """Every way of fetching what is needed, with what it would cost."""
    source_bytes: int
    """Bytes of the whole clip."""
    source_frames: int
    """Its presented frames."""
    source_samples: int
    """Its samples."""


Fetched = Sequence[memoryview] | MareyError
"""The bytes of each range of a clip, or what is wrong with it."""


class ClipReader:
    """The bytes of one clip; a `Reader` of `marey.video`."""

    def __init__(self, media: Media, table: int, row: int, size: int) -> None:
        self._media = media
        self._table = table
        self._row = row
        self._size = size

    @property
    def size(self) -> int:
        """Bytes in the whole clip."""
        return self._size

    def read(self, ranges: Sequence[ByteRange]) -> list[memoryview]:
        """The bytes of each range."""
        (fetched,) = self._media.fetch([ClipRanges(self._table, self._row, ranges)])
        if isinstance(fetched, MareyError):
            raise fetched
        return list(fetched)


class Media:
    """Fetches and decodes, and counts what it does; used by all threads of a run."""

    def __init__(
        self,
        context: QueryContext,
        decoders: Decoders,
        *,
        cost_of: Callable[[SourceKind], SourceCost],
        decode_threads: int,
        allocate: Callable[[int], pa.Buffer],
    ) -> None:
        self._context = context
        self._decoders = decoders
        self._cost_of = cost_of
        self.allocate = allocate
        """Gives memory for so many bytes of frames."""
        self.decode_threads = decode_threads
        """How many threads will decode."""

    @property
    def reports_frames(self) -> bool:
        """Whether somebody will read which frame was at fault."""
        return self._context.on_error != "raise"

    def source(self, table: int, row: int) -> Source:
        """Where a clip lies: in a table on this machine there may be clips that do not."""
        column = self._context.column(table)
        (source,) = column.dataset.sources(column.column, [column.row_id(row)])
        return source

    def cost(self, source: Source) -> SourceCost:
        """What reading from a source costs, for planning."""
        return self._cost_of(source.kind)

    def fetch(self, clips: Sequence[ClipRanges]) -> list[Fetched]:
        """The bytes of many clips, all of them waited for."""
        return list(self.fetch_each(clips))

    def fetch_each(self, clips: Sequence[ClipRanges]) -> Iterator[Fetched]:
        """The bytes of many clips, one after the other as they come.

        What is to come from object stores is sent for at once, for all clips.
        """
        begin = perf_counter()
        by_table: dict[int, list[int]] = {}
        for i, clip in enumerate(clips):
            by_table.setdefault(clip.table, []).append(i)
        started: list[list[memoryview | MareyError | Sent]] = [[]] * len(clips)
        for table, places in by_table.items():
            column = self._context.column(table)
            wanted = [
                (column.row_id(clips[i].row), r.start, r.end)
                for i in places
                for r in clips[i].ranges
            ]
            found = column.dataset.start_ranges(column.column, wanted) if wanted else []
            reading = iter(found)
            for i in places:
                started[i] = [next(reading) for _ in clips[i].ranges]
        for i in range(len(clips)):
            # Let go of what was given: it is held by who decodes it.
            ranges, started[i] = started[i], []
            read = [r.result() if isinstance(r, Sent) else r for r in ranges]
            # What could not be read is not counted.
            there = [len(result) for result in read if not isinstance(result, MareyError)]
            self._context.metrics.add(
                range_requests=len(there),
                bytes_fetched=sum(there),
                fetch_seconds=perf_counter() - begin,
            )
            yield _all_or_error(read)
            begin = perf_counter()

    def clip(self, table: int, row: int) -> tuple[int, int]:
        """What tells a clip from others, whichever handle leads to it."""
        return table, self._context.column(table).row_id(row)

    def reader(self, table: int, row: int, *, size: int) -> ClipReader:
        """Random access to one clip."""
        return ClipReader(self, table, row, size)

    def decode(
        self,
        plan: ReadPlan,
        index: FrameIndex,
        output: PixelOutput,
        buffers: Sequence[memoryview],
        destinations: dict[int, memoryview],
        *,
        own: bool,
    ) -> None:
        """Decode a plan, each sample's picture into its destination.

        Args:
            plan: What to decode.
            index: The clip, or its part, that the plan is for.
            output: The form of the pixels.
            buffers: The bytes of the plan's ranges.
            destinations: By sample.
            own: Whether the bytes are a table's own, and so those that were indexed.

        Raises:
            DecodeError: A picture is not exact, or did not come out.
        """
        stop = self._context.stop
        rewritten = _Stopwatch()

        def stoppable(run: DecodeRun) -> Iterator[tuple[int, memoryview]]:
            made = packets(run, buffers, check=not own)
            for packet in rewritten.timed(made) if run.strategy == "rewritten" else made:
                stop.check()
                yield packet

        cost = RunCost()
        try:
            decode_into(
                plan,
                index,
                output,
                packets_of=stoppable,
                decoders=self._decoders,
                destination=destinations.__getitem__,
                cost=cost,
            )
        finally:
            # A run that fails has decoded, too.
            self._context.metrics.add(
                decode_seconds=max(0.0, cost.decode_seconds - rewritten.seconds),
                convert_seconds=cost.convert_seconds,
                samples_decoded=cost.samples,
                samples_rewritten=rewritten.count,
                rewrite_seconds=rewritten.seconds,
            )


class _Stopwatch:
    """How long it takes to make packets, and how many were made."""

    def __init__(self) -> None:
        self.seconds = 0.0
        self.count = 0

    def timed(self, made: Iterator[T]) -> Iterator[T]:
        while True:
            begin = perf_counter()
            packet = next(made, None)
            self.seconds += perf_counter() - begin
            if packet is None:
                return
            self.count += 1
            yield packet


def _all_or_error(read: list[memoryview | MareyError]) -> Fetched:
    for result in read:
        if isinstance(result, MareyError):
            return result
    return read  # type: ignore[return-value]  # no error is among them
