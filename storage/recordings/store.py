"""The samples of a dataset, read at one version.

Rows are never changed or deleted, and their ids count up as they are stored. So a snapshot is
its version, or any later one cut off behind its last row: where upkeep has removed the files of
a version that somebody still reads, the newest one serves as well.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from typing import TypeVar

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from lance import LanceFragment

from ...errors import QueryError, StorageError
from ..handle import Handle, translate_errors
from ..read import ROW_ID, quote
from .schema import (
    BLOCK_FIRST,
    CODEC,
    DECODE_INDEX,
    ENTITY,
    INDEX_BLOCK,
    SAMPLE,
    SEGMENT,
    timelines,
)

T = TypeVar("T")

LAYERS_KEY = "marey:layers"

_BATCH_BYTES = 32 << 20
_READAHEAD = 2


@dataclass(frozen=True, slots=True)
class StreamName:
    """One entity of one segment."""

    segment: str
    """The segment's id."""
    entity: str
    """The entity's path."""


@dataclass(frozen=True, slots=True)
class StoredBlock:
    """Where a block of a stream's index lies, and its commit's rows behind it."""

    row_id: int
    """Of the row that carries it; the other rows of its commit follow."""
    stream: StreamName
    """Whose it is."""
    first: int
    """The first sample that it speaks of."""
    decode_index: int
    """The first sample of its commit."""
    codec: str
    """The stream's codec."""


class SampleStore:
    """One version of a dataset's samples.

    Args:
        handle: Of the Lance dataset that holds them.
    """

    def __init__(self, handle: Handle) -> None:
        self.uri = handle.uri
        self.handle = handle

    def __reduce__(self) -> tuple[object, ...]:
        return SampleStore, (self.handle,)

    def newest(self) -> SampleStore:
        """The same dataset at its newest version.

        Raises:
            TableNotFoundError: It is not there any more.
        """
        return SampleStore(self.handle.newest())

    @property
    def version(self) -> int:
        """The version that is seen."""
        return self.handle.version

    @property
    def dataset_id(self) -> str:
        """What tells this dataset from one that was dropped and made again under its name."""
        return self.handle.table_id

    @cached_property
    def timelines(self) -> Mapping[str, pa.DataType]:
        """The timelines, in the order in which they came."""
        return timelines(self.handle.stored_schema)

    @cached_property
    def row_count(self) -> int:
        """How many samples there are; row ids are below it."""
        with translate_errors(f"count of {self.uri}"):
            count: int = self.handle.lance.count_rows()
        return count

    @property
    def layers(self) -> Mapping[str, Mapping[str, str]]:
        """What is registered of each layer, by name."""
        with translate_errors(f"layers of {self.uri}"):
            said = self.handle.lance.config().get(LAYERS_KEY, "{}")
        layers: Mapping[str, Mapping[str, str]] = json.loads(said)
        return layers

    def blocks(self, *, after: int = -1) -> list[StoredBlock]:
        """The blocks of indexes, in stored order.

        Args:
            after: Only those in rows behind this id: what is stored before is not looked at.
        """
        return self._retried(lambda store: store._blocks(after, self.row_count))

    def read_blocks(self, blocks: Sequence[StoredBlock]) -> list[bytes]:
        """The bytes of some blocks.

        Raises:
            StorageError: One is not there.
        """
        return self._retried(lambda store: store._read_blocks(blocks))

    def samples(
        self, row_ids: npt.NDArray[np.int64], decode_index: npt.NDArray[np.int64]
    ) -> list[memoryview]:
        """The bytes of some samples.

        Args:
            row_ids: Ascending, each once.
            decode_index: What the rows must hold: the number of each sample in its stream.

        Raises:
            StorageError: A row is not there, or holds another sample.
        """
        return self._retried(lambda store: store._samples(row_ids, decode_index))

    def scan(
        self,
        columns: Sequence[str],
        *,
        filter: str | None = None,
        batch_rows: int = 1024,
    ) -> Iterator[pa.RecordBatch]:
        """Rows in stored order, with their ids last, as `_rowid`.

        Raises:
            QueryError: Lance does not take the filter.
        """
        seen, store = -1, self
        limit = self.row_count
        while True:
            condition = filter
            if store is not self:
                bound = f"{ROW_ID} >= {seen + 1} AND {ROW_ID} < {limit}"
                condition = bound if filter is None else f"({filter}) AND {bound}"
            try:
                for batch in store._scan(columns, condition, batch_rows):
                    if batch.num_rows:
                        seen = batch.column(ROW_ID)[-1].as_py()
                    yield batch
            except StorageError:
                newer = self.newest()
                if newer.version == store.version:
                    raise
                store = newer  # upkeep has removed the files of the version that was read
            else:
                return

    def _retried(self, read: Callable[[SampleStore], T]) -> T:
        try:
            return read(self)
        except StorageError:
            newer = self.newest()
            if newer.version == self.version:
                raise
            return read(newer)

    def _scan(
        self,
        columns: Sequence[str],
        filter: str | None,
        batch_rows: int,
        fragments: Sequence[LanceFragment] | None = None,
    ) -> Iterator[pa.RecordBatch]:
        doing = f"scan of {self.uri}"
        with translate_errors(doing, bad_input=QueryError):
            scanner = self.handle.lance.scanner(
                columns={name: quote(name) for name in columns},
                filter=filter,
                batch_size=batch_rows,
                batch_size_bytes=_BATCH_BYTES,
                batch_readahead=_READAHEAD,
                fragment_readahead=_READAHEAD,
                with_row_id=True,
                fragments=fragments,
            )
            batches = iter(scanner.to_reader())
        while True:
            with translate_errors(doing, bad_input=QueryError):
                batch = next(batches, None)
            if batch is None:
                return
            yield batch

    def _blocks(self, after: int, end: int) -> list[StoredBlock]:
        fragments, begins = self._fragments
        names = [SEGMENT, ENTITY, BLOCK_FIRST, DECODE_INDEX, CODEC]
        found: list[StoredBlock] = []
        new = fragments[max(0, int(np.searchsorted(begins, after + 1, side="right")) - 1) :]
        if after + 1 >= end or not new:
            return found
        bounds = f"{ROW_ID} >= {after + 1} AND {ROW_ID} < {end}"
        condition = f"{BLOCK_FIRST} IS NOT NULL AND {bounds}"
        for batch in self._scan(names, condition, 1 << 14, fragments=new):
            columns = [batch.column(name).to_pylist() for name in (ROW_ID, *names)]
            for row, segment, entity, first, at, codec in zip(*columns, strict=True):
                found.append(StoredBlock(row, StreamName(segment, entity), first, at, codec))
        return found

    def _read_blocks(self, blocks: Sequence[StoredBlock]) -> list[bytes]:
        rows = np.array([block.row_id for block in blocks], np.int64)
        if not len(rows):
            return []
        order, found = np.argsort(rows), [b""] * len(rows)
        with translate_errors(f"read of index blocks of {self.uri}"):
            taken = self._take_places(rows[order], [INDEX_BLOCK])[INDEX_BLOCK].combine_chunks()
        numbers = taken.values.to_numpy()
        for at, (start, end) in zip(
            order.tolist(), pairwise(taken.offsets.to_pylist()), strict=True
        ):
            found[at] = numbers[start:end].tobytes()
        if not all(found):
            raise StorageError(f"{self.uri}: rows that had an index block have none")
        return found

    def _take_places(self, row_ids: npt.NDArray[np.int64], columns: Sequence[str]) -> pa.Table:
        """Some columns of some rows, whose ids ascend.

        Rows lie in the order of their ids and none is ever deleted: an id is a place.
        """
        fragments, begins = self._fragments
        first, last = np.searchsorted(begins, row_ids[[0, -1]], side="right") - 1
        if first == last and last < len(fragments):
            # Half the work of asking the dataset, which would find the fragment anew.
            return fragments[first].take((row_ids - begins[first]).tolist(), list(columns))
        return self.handle.lance.take(row_ids.tolist(), columns=list(columns))

    @cached_property
    def _fragments(self) -> tuple[list[LanceFragment], npt.NDArray[np.int64]]:
        """The fragments, and where in the dataset each begins; then where the last ends."""
        fragments = self.handle.lance.get_fragments()
        rows = [fragment.metadata.num_rows for fragment in fragments]
        return fragments, np.cumsum([0, *rows])

    def _samples(
        self, row_ids: npt.NDArray[np.int64], decode_index: npt.NDArray[np.int64]
    ) -> list[memoryview]:
        if not len(row_ids):
            return []
        doing = f"read of samples of {self.uri}"
        with translate_errors(doing):
            table = self._take_places(row_ids, [DECODE_INDEX, SAMPLE])
        if not np.array_equal(table[DECODE_INDEX].to_numpy(), decode_index):
            raise StorageError(f"{doing}: rows are not where they were stored")
        samples = []
        for chunk in table[SAMPLE].chunks:
            _, offsets, data = chunk.buffers()
            at = np.frombuffer(offsets, np.int32)[chunk.offset : chunk.offset + len(chunk) + 1]
            view = memoryview(data).cast("B") if data is not None else memoryview(b"")
            ends = at.tolist()
            samples += [view[a:b] for a, b in pairwise(ends)]
        return samples


def literal(text: str) -> str:
    """Text as a filter of Lance has it.

    >>> literal("it's")
    "'it''s'"
    """
    return "'" + text.replace("'", "''") + "'"
