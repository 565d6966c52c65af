"""The rows that a scan's condition and limit have left, by their row ids and keys."""

from __future__ import annotations

import hashlib
from collections.abc import Generator
from dataclasses import replace
from typing import TYPE_CHECKING

import pyarrow as pa

from ..config import EngineConfig
from ..context import QueryContext
from ..run import Pace, finish_batches
from ..selection import Selection
from ..small import read_selected
from .chosen import ChosenRows, Lost, numbered
from .order import Int64s

if TYPE_CHECKING:
    from ..scan import Scan


class SelectedRows(ChosenRows):
    """A selection of stored rows, and what a scan gives of each."""

    def __init__(self, scan: Scan, selection: Selection, *, epoch: int, lost: Lost) -> None:
        super().__init__(scan, epoch=epoch, lost=lost)
        self._scan = scan
        self._selection = selection

    def __len__(self) -> int:
        return len(self._selection)

    def fingerprint(self) -> str:
        """Of the table and its row ids; what an `aux` says of a row is not looked at."""
        ids = self._selection.row_ids
        digest = hashlib.blake2b(ids.fill_null(0).to_numpy(), digest_size=8)
        digest.update(f"{self._selection.dataset.table_id} {ids.null_count}".encode())
        return digest.hexdigest()

    def take(self, places: Int64s) -> SelectedRows:
        """Some of them, in another order."""
        selection = self._selection.take(places)
        return SelectedRows(self._scan, selection, epoch=self.epoch, lost=self.lost)

    def within(self, config: EngineConfig) -> SelectedRows:
        """The same rows, made with other settings."""
        scan = self._scan.within(config)
        return SelectedRows(scan, self._selection, epoch=self.epoch, lost=self.lost)

    def run(self, context: QueryContext, pace: Pace) -> Generator[pa.RecordBatch, None, None]:
        """Make the rows in order, with their places."""
        query = replace(self._scan.query, where=None, limit=None)
        small = numbered(read_selected(query, self._selection, context))
        return finish_batches(small, self._scan.engine, context, pace)
