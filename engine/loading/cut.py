"""Finished rows cut into the batches that were planned, whatever pieces they come in."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np
import pyarrow as pa


def cut_batches(
    pieces: Iterable[pa.RecordBatch], schema: pa.Schema, *, rows: int, size: int
) -> Iterator[pa.RecordBatch]:
    """One batch for each `size` rows that were asked for, of those of them that there are.

    Pieces that are whole batches are not copied.

    Args:
        pieces: Rows with their places, ascending, as a last column.
        schema: Of the batches.
        rows: How many places there are; those that do not come were left out.
        size: The first batch has the rows of places 0 to `size` - 1, and so on.
    """
    pending: list[pa.RecordBatch] = []
    number, last = 0, -(-rows // size)
    for piece in pieces:
        for place, part in _parts(piece, size):
            while number < place // size:
                yield _join(pending, schema)
                number += 1
            pending.append(part)
            del part
            if place + 1 == min((number + 1) * size, rows):
                yield _join(pending, schema)
                number += 1
        del piece
    while number < last:
        yield _join(pending, schema)
        number += 1


def _parts(piece: pa.RecordBatch, size: int) -> Iterator[tuple[int, pa.RecordBatch]]:
    """The rows of one batch after the other, and the place of the last of them."""
    places = piece.column(piece.num_columns - 1).to_numpy()
    values = piece.select(range(piece.num_columns - 1))
    begin = 0
    while begin < len(places):
        end = int(np.searchsorted(places, (places[begin] // size + 1) * size))
        # A slice would be pickled with all the rows that it was cut from.
        whole = end - begin == len(places)
        part = values if whole else values.take(pa.array(np.arange(begin, end)))
        yield int(places[end - 1]), part
        begin = end


def _join(pieces: list[pa.RecordBatch], schema: pa.Schema) -> pa.RecordBatch:
    """One batch of some pieces, which are let go."""
    taken = pieces[:]
    pieces.clear()
    match taken:
        case []:
            columns = [pa.array([], field.type) for field in schema]
            return pa.RecordBatch.from_arrays(columns, schema=schema)
        case [whole]:
            return whole
    return pa.concat_batches(taken)
