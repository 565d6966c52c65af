"""A scan as a data set of Ray: rows are chosen on the driver, and made on Ray's workers.

A read task holds the query and what tells its rows apart (row ids, keys, frame lists). Each
worker opens the table for itself, at the version that the driver saw.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from functools import partial
from typing import Any

import numpy as np
import pyarrow as pa
import ray  # pyright: ignore[reportMissingImports]  # an extra
from ray.data import Datasource, ReadTask  # pyright: ignore[reportMissingImports]
from ray.data.block import BlockMetadata  # pyright: ignore[reportMissingImports]

from .config import usable_cores
from .failures import OnError
from .loading.chosen import ChosenRows
from .loading.cut import cut_batches
from .loading.settings import shared_config
from .run import Pace


def to_dataset(
    rows: ChosenRows, *, batch_size: int, on_error: OnError, blocks: int | None
) -> Any:
    """A `ray.data.Dataset` of chosen rows, in blocks of at most `batch_size` of them."""
    source = _Rows(rows, batch_size=batch_size, on_error=on_error)
    return ray.data.read_datasource(source, override_num_blocks=blocks)


class _Rows(Datasource):  # type: ignore[misc, unused-ignore]  # ray may be absent
    """Chosen rows, in tasks of consecutive ones."""

    def __init__(self, rows: ChosenRows, *, batch_size: int, on_error: OnError) -> None:
        super().__init__()  # type: ignore[no-untyped-call, unused-ignore]  # likewise
        self._rows = rows
        self._batch_size = batch_size
        self._on_error: OnError = on_error

    def get_name(self) -> str:
        return "Marey"

    def estimate_inmemory_data_size(self) -> int | None:
        return None  # known when frame indexes are read, on the workers

    def get_read_tasks(self, parallelism: int, *_: Any, **__: Any) -> list[Any]:
        parts = min(max(1, parallelism), max(1, len(self._rows)))
        return [
            ReadTask(
                partial(_make, self._rows.take(places), self._batch_size, self._on_error),
                BlockMetadata(
                    num_rows=None if self._on_error == "skip" else len(places),
                    size_bytes=None,
                    input_files=None,
                    exec_stats=None,
                ),
                schema=self._rows.query.schema,
            )
            for places in np.array_split(np.arange(len(self._rows)), parts)
        ]


def _make(rows: ChosenRows, batch_size: int, on_error: OnError) -> Iterator[pa.Table]:
    """The rows of one task, on a worker. Ray runs as many tasks at once as there are cores."""
    config = shared_config(rows.query.config, usable_cores())
    rows = rows.within(config)
    schema = rows.query.schema
    pace = Pace(batch_size, max(1, config.memory_budget_bytes // 3), ahead=1)
    given = False
    with closing(rows.run(rows.context(on_error), pace)) as pieces:
        for batch in cut_batches(pieces, schema, rows=len(rows), size=batch_size):
            if batch.num_rows:
                given = True
                yield pa.Table.from_batches([batch])
            del batch
    if not given:
        yield schema.empty_table()
