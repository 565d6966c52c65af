"""One entity's streams as a table of videos: a row a segment, decoded where they lie.

To the rest of the engine this is a snapshot of a table whose `video` column has bytes to be
read by range. Those of a stream are its samples one after the other, and a range of them is
read out of the rows that it touches.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from ...errors import CorruptVideoError, MareyError, UnsupportedError
from ...expressions.dtypes import END_TIME, START_TIME
from ...storage.addresses import Source, source_kind
from ...storage.files import PADDING_BYTES
from ...storage.recordings.schema import SEGMENT
from ...storage.recordings.store import SampleStore, StreamName
from ...storage.schema import FRAME_GRAPH, INDEX_FIELDS
from ...video.h264.sps import parse_sps
from ...video.index.frames import FrameIndex
from ...video.index.scalars import describe
from ...video.index.stream_block import BlockFlag
from ...video.timing import NANOSECONDS
from .codecs import H264
from .streams import Stream, StreamIndexes
from .times import NANOSECOND, timebase_of

VIDEO = "video"

_INDEX_FIELDS = pa.schema(
    [*INDEX_FIELDS, pa.field(START_TIME, NANOSECOND), pa.field(END_TIME, NANOSECOND)]
)
STREAM_VIDEO_TYPE = pa.struct(
    [("source", pa.large_binary()), ("index", pa.struct([*_INDEX_FIELDS, FRAME_GRAPH]))]
)
"""The type of a video that is a recorded stream."""

SEGMENTS_SCHEMA = pa.schema(
    [pa.field(SEGMENT, pa.string(), nullable=False), pa.field(VIDEO, STREAM_VIDEO_TYPE)]
)
"""The columns of `dataset.video(entity)`."""

_ROW_ID = "_rowid"
_READ_AT_ONCE = 256 << 20


class SegmentTable:
    """The segments that have an entity, at one version; stands for a `storage` dataset.

    Row ids count segments in the order in which they began, so they stay as a dataset grows,
    whether all of them are shown or only some.
    """

    def __init__(
        self,
        store: SampleStore,
        streams: StreamIndexes,
        entity: str,
        timeline: str,
        segments: frozenset[str] | None = None,
    ) -> None:
        self._store = store
        self._streams = streams
        self._entity = entity
        self._timeline = timeline
        self._segments = segments

    def __reduce__(self) -> tuple[object, ...]:
        kept = self._store, self._streams, self._entity, self._timeline, self._segments
        return type(self), kept

    @property
    def table_id(self) -> str:
        """What tells it from other entities, timelines and datasets."""
        return f"{self._store.dataset_id} {self._timeline} {self._entity}"

    @property
    def version(self) -> int:
        """Of the dataset."""
        return self._store.version

    @property
    def schema(self) -> pa.Schema:
        """`SEGMENTS_SCHEMA`."""
        return SEGMENTS_SCHEMA

    @property
    def key_schema(self) -> pa.Schema:
        """The segment's id."""
        return pa.schema([SEGMENTS_SCHEMA.field(SEGMENT)])

    @property
    def key_names(self) -> list[str]:
        """The name of that."""
        return [SEGMENT]

    @cached_property
    def names(self) -> list[StreamName]:
        """The streams, in the order of row ids."""
        names = self._streams.names(self._store)
        return [name for name in names if name.entity == self._entity]

    @cached_property
    def _rows(self) -> list[int]:
        """The row ids of the segments shown."""
        return [
            row
            for row, name in enumerate(self.names)
            if self._segments is None or name.segment in self._segments
        ]

    def stream(self, row: int) -> Stream:
        """The stream of a segment."""
        return self._streams.open(self._store, self.names[row])

    def count(self) -> int:
        """How many segments are shown."""
        return len(self._rows)

    def find_keys(self, keys: pa.Table) -> pa.Array:
        """The row of each segment id, null where there is none."""
        rows = {self.names[row].segment: row for row in self._rows}
        found = [rows.get(segment) for segment in keys[SEGMENT].to_pylist()]
        return pa.array(found, pa.uint64())

    def scan(
        self,
        columns: Sequence[str],
        *,
        filter: str | None = None,
        limit: int | None = None,
        batch_rows: int = 1024,
        with_row_id: bool = True,
    ) -> Iterator[pa.RecordBatch]:
        """All rows; a filter is left to whoever asks."""
        rows = np.array(self._rows, np.uint64)[:limit]
        for start in range(0, len(rows), batch_rows):
            part = rows[start : start + batch_rows]
            arrays = {name: self._column(name, part.tolist()) for name in columns}
            yield pa.RecordBatch.from_pydict({**arrays, _ROW_ID: pa.array(part)})

    def take(self, row_ids: Any, columns: Sequence[str]) -> pa.Table:
        """Some rows, in order."""
        rows = [int(row) for row in _plain(row_ids)]
        return pa.table({name: self._column(name, rows) for name in columns})

    def frame_graphs(
        self, row_ids: Sequence[int], column: str
    ) -> list[FrameIndex | MareyError | None]:
        """The frame index of each row, or why there is none."""
        graphs: list[FrameIndex | MareyError | None] = []
        for row in row_ids:
            try:
                graphs.append(self.frame_index(int(row)))
            except MareyError as error:
                graphs.append(error)
        return graphs

    def frame_index(self, row: int) -> FrameIndex:
        """The frame index of a segment.

        Raises:
            UnsupportedError: Its stream is of a codec that is not decoded.
        """
        stream = self.stream(row)
        if stream.codec != H264:
            raise UnsupportedError(
                f"{self._entity} of segment {stream.name.segment!r} is {stream.codec}: "
                f"streams of {H264} are decoded, others are stored and queried"
            )
        return stream.frame_index(
            self._timeline, timebase_of(self._store.timelines[self._timeline])
        )

    def sources(self, column: str, row_ids: Sequence[int]) -> list[Source]:
        """Where the samples lie: those of all rows in the dataset."""
        return [Source(source_kind(self._store.uri), own=True)] * len(row_ids)

    def start_ranges(
        self, column: str, requests: Sequence[tuple[int, int, int]]
    ) -> list[memoryview | MareyError]:
        """As `read_ranges`: nothing is left to wait for."""
        return self.read_ranges(column, requests)

    def read_ranges(
        self, column: str, requests: Sequence[tuple[int, int, int]]
    ) -> list[memoryview | MareyError]:
        """Bytes of streams: row, first byte, one past the last byte.

        Behind each, `PADDING_BYTES` more may be read.
        """
        results: list[memoryview | MareyError] = [memoryview(b"")] * len(requests)
        by_row: dict[int, list[int]] = {}
        for at, (row, _, _) in enumerate(requests):
            by_row.setdefault(row, []).append(at)
        for row, places in by_row.items():
            try:
                read = self._read_row(row, [requests[at][1:] for at in places])
            except MareyError as error:
                read = [error] * len(places)
            for at, result in zip(places, read, strict=True):
                results[at] = result
        return results

    def _read_row(
        self, row: int, ranges: Sequence[tuple[int, int]]
    ) -> list[memoryview | MareyError]:
        stream = self.stream(row)
        starts = stream.byte_starts
        for start, end in ranges:
            if not 0 <= start <= end <= int(starts[-1]):
                raise CorruptVideoError(
                    f"{self._entity} of {stream.name.segment!r}: bytes {start} to {end} "
                    f"were asked for, the stream has {int(starts[-1])}"
                )
        # The samples that each range touches.
        bounds = np.array(ranges, np.int64)
        first = np.searchsorted(starts, bounds[:, 0], side="right") - 1
        stop = np.searchsorted(starts, bounds[:, 1], side="left")
        spans = list(map(range, first.tolist(), stop.tolist()))
        held = self._samples(stream, spans)
        return [
            _cut_out(start, end, span, starts, held)
            for (start, end), span in zip(ranges, spans, strict=True)
        ]

    def _samples(self, stream: Stream, spans: Sequence[range]) -> Mapping[int, memoryview]:
        """The bytes of all samples in some spans."""
        numbers = np.array(sorted(set().union(*spans)), np.int64)
        held: dict[int, memoryview] = {}
        ends = np.cumsum(stream.whole.size[numbers])
        while len(held) < len(numbers):
            at = len(held)
            limit = _READ_AT_ONCE + (int(ends[at - 1]) if at else 0)
            part = numbers[at : max(at + 1, int(np.searchsorted(ends, limit, side="right")))]
            read = self._store.samples(stream.commits.rows_of(part), part)
            held |= dict(zip(part.tolist(), read, strict=True))
        return held

    def _column(self, name: str, rows: Sequence[int]) -> pa.Array:
        if name == SEGMENT:
            return pa.array([self.names[row].segment for row in rows], pa.string())
        within = name.split(".")[1:]
        scalars = [self._facts(row) for row in rows]
        if within[:1] == ["index"] and len(within) == 2:
            field = _INDEX_FIELDS.field(within[1])
            return pa.array([scalar.get(field.name) for scalar in scalars], field.type)
        index = pa.StructArray.from_arrays(
            [
                pa.array([scalar.get(field.name) for scalar in scalars], field.type)
                for field in INDEX_FIELDS
            ],
            fields=list(INDEX_FIELDS),
        )
        return pa.StructArray.from_arrays([index], names=["index"])

    def _facts(self, row: int) -> Mapping[str, object]:
        """What is known of a segment's video."""
        stream = self.stream(row)
        if self._timeline not in stream.facts:
            stream.facts[self._timeline] = self._find_facts(row, stream)
        return stream.facts[self._timeline]

    def _find_facts(self, row: int, stream: Stream) -> Mapping[str, object]:
        if stream.codec != H264:
            size = stream.whole.byte_end
            return {"codec": stream.codec, "frame_count": stream.end, "source_bytes": size}
        index = self.frame_index(row)
        sps = parse_sps(index.parameter_sets[0].sps[0])
        has_b = bool((stream.whole.flags & BlockFlag.IS_B).any())
        scalars = dict(describe(index, sps, None, has_b_slices=has_b))
        if index.timebase == NANOSECONDS and index.frame_count:
            scalars[START_TIME] = int(index.pts_ticks[0])
            scalars[END_TIME] = int(index.pts_ticks[-1])
        return scalars


def _cut_out(
    start: int,
    end: int,
    samples: range,
    starts: npt.NDArray[np.int64],
    held: Mapping[int, memoryview],
) -> memoryview:
    """A range of bytes out of the samples that it touches, padded for decoders."""
    pieces = []
    for sample in samples:
        at = int(starts[sample])
        piece = held[sample][max(0, start - at) : end - at]
        if len(piece):
            pieces.append(piece)
    return memoryview(b"".join([*pieces, bytes(PADDING_BYTES)]))[: end - start]


def _plain(row_ids: Any) -> Any:
    return row_ids.to_pylist() if isinstance(row_ids, pa.Array | pa.ChunkedArray) else row_ids
