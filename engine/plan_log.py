"""A line in the log for each clip that is read: what was asked for, and how it is planned.

The logger is `marey`, the level `DEBUG`. Nothing is put together while nobody listens.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable

from .context import QueryContext
from .media import ReadEstimate

_LOG = logging.getLogger("marey")


def log_reads(reads: Iterable[ReadEstimate], context: QueryContext) -> None:
    """Tell the log of reads that are about to be made; `reads` is left alone if nobody listens.

    >>> logging.getLogger("marey").isEnabledFor(logging.DEBUG)
    False
    """
    if not _LOG.isEnabledFor(logging.DEBUG):
        return
    for read in reads:
        table, row = read.clip
        column = context.column(table)
        _LOG.debug(
            "%s.%s row %d: %d of %d frames, %s, %d %s (%s), %d bytes of %d",
            column.label,
            column.column,
            row,
            read.frames,
            read.source_frames,
            " + ".join(_samples(read)) or "no samples",
            read.requests,
            "range" if read.requests == 1 else "ranges",
            read.fetch_shape,
            read.bytes_fetched,
            read.source_bytes,
        )


def _samples(read: ReadEstimate) -> Iterable[str]:
    """Samples by what is done to them, over all runs."""
    for strategy in dict.fromkeys(strategy for strategy, _ in read.runs):
        count = sum(samples for own, samples in read.runs if own == strategy)
        yield f"{count} samples {strategy}"
