"""A run that is about to give its first batch."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass

import pyarrow as pa

from .context import QueryContext

Batches = Generator[pa.RecordBatch, None, None]


@dataclass(frozen=True, slots=True)
class Started:
    """A run, checked and ready."""

    schema: pa.Schema
    """Of the batches."""
    batches: Batches
    """The rows; closing it ends the run."""
    context: QueryContext
    """Counts and failures."""
    rows: int | None = None
    """The most rows that there will be, if that is known."""
