"""What a query needs of the rows that it reads: one version of a table, whatever it is made of.

A stored table fits this (`storage.dataset.Dataset`), and so do the segments of a recording, of
which no row is stored as such (`recordings.segments`).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Protocol

import pyarrow as pa

from ..errors import MareyError
from ..storage.addresses import Source
from ..storage.blobs import Sent
from ..video.index.frames import FrameIndex

FrameGraph = bytes | memoryview | FrameIndex | MareyError | None
"""A frame index, stored or made already; why there is none; None where there is no video."""


class Snapshot(Protocol):
    """Rows at one version: keys, small columns, and videos whose bytes are read by range."""

    @property
    def table_id(self) -> str:
        """What tells the table from every other, of the same name too."""
        ...

    @property
    def version(self) -> int:
        """Which version it is."""
        ...

    @property
    def schema(self) -> pa.Schema:
        """The logical schema."""
        ...

    @property
    def key_schema(self) -> pa.Schema:
        """The key columns."""
        ...

    @property
    def key_names(self) -> list[str]:
        """Their names."""
        ...

    def count(self) -> int:
        """How many rows there are."""
        ...

    def scan(
        self,
        columns: Sequence[str],
        *,
        filter: str | None = None,
        batch_rows: int = 1024,
        with_row_id: bool = True,
    ) -> Iterator[pa.RecordBatch]:
        """All rows, with their ids last; a filter may be left to whoever asks."""
        ...

    def find_keys(self, keys: pa.Table) -> pa.Array:
        """The row id of each key, null where there is none."""
        ...

    def take(self, row_ids: Any, columns: Sequence[str]) -> pa.Table:
        """Rows by their ids, in order."""
        ...

    def frame_graphs(self, row_ids: Any, column: str) -> Sequence[FrameGraph]:
        """The frame index of each row's video."""
        ...

    def sources(self, column: str, row_ids: Sequence[int]) -> list[Source]:
        """For each row what is known of where its video lies."""
        ...

    def start_ranges(
        self, column: str, requests: Sequence[tuple[int, int, int]]
    ) -> Sequence[memoryview | MareyError | Sent]:
        """Bytes of videos: row id, first byte, one past the last byte.

        Behind each, `storage.files.PADDING_BYTES` more may be read. What comes from an object
        store is sent for, and `Sent.result` waits for it.
        """
        ...
