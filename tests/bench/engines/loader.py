"""Marey: a data loader with two worker processes over a table written beforehand."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import marey

from . import table
from .registry import Frames, Size

WORKERS = 2

version = table.version


class Reader(table.Reader):
    """See `Engine`. The workers stay between calls, as in a job of many epochs."""

    def read(
        self, items: Iterable[tuple[str, list[int]]], size: Size | None
    ) -> Iterator[Frames]:
        items = list(items)
        loader = self.scan(size).to_data_loader(
            key_table=self.keys(items),
            shuffle=True,
            num_workers=WORKERS,
            persistent_workers=True,
        )
        for batch in loader:
            yield from marey.to_numpy(batch.column("frames"))
