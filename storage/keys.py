"""Which row has which key: the keys of a table compared with those of another, exactly.

Two ways, both without a word of SQL, so that no key can be misquoted:

- `KeyCodes` numbers the keys that are wanted and then numbers a stored batch alike; a scan of
  the key columns through it finds any number of keys in bounded memory.
- `KeyMap` holds all keys of one version, sorted by hash; a lookup takes microseconds.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.types as pat

Int64s = npt.NDArray[np.int64]

UNKNOWN = -1
"""Where a key was not found."""


class KeyCodes:
    """A number for each distinct key of a table; equal keys, equal numbers.

    >>> codes = KeyCodes(pa.table({"a": ["x", "y", "x"], "b": [1, 1, 1]}))
    >>> codes.own.tolist(), codes.count
    ([0, 1, 0], 2)
    >>> codes.encode([pa.array(["y", "y"]), pa.array([1, 2])]).tolist()
    [1, -1]
    """

    def __init__(self, keys: pa.Table) -> None:
        self._values: list[pa.Array] = []
        # Pairs (code of the columns before, code of this one) that occur, sorted.
        self._pairs: list[Int64s] = []
        codes = np.zeros(keys.num_rows, np.int64)
        for column in keys.columns:
            values = column.combine_chunks().unique()
            pairs = codes * len(values) + _index_in(column, values)
            distinct, codes = np.unique(pairs, return_inverse=True)
            self._values.append(values)
            self._pairs.append(distinct)
        self.own: Int64s = codes
        self.count = len(self._pairs[-1])

    def encode(self, columns: Sequence[pa.Array | pa.ChunkedArray]) -> Int64s:
        """The numbers of other keys, `UNKNOWN` where the key is not among ours."""
        codes = np.zeros(len(columns[0]), np.int64)
        for column, values, pairs in zip(columns, self._values, self._pairs, strict=True):
            found = _index_in(column, values)
            known = (codes != UNKNOWN) & (found != UNKNOWN)
            wanted = codes * len(values) + found
            at = np.minimum(np.searchsorted(pairs, wanted), max(len(pairs) - 1, 0))
            known[known] = pairs[at[known]] == wanted[known]
            codes = np.where(known, at, UNKNOWN)
        return codes


def _index_in(column: pa.Array | pa.ChunkedArray, values: pa.Array) -> Int64s:
    found = pc.fill_null(
        pc.call_function("index_in", [column], pc.SetLookupOptions(values)), UNKNOWN
    )
    return np.asarray(found.to_numpy(), np.int64)


class KeyMap:
    """All keys of one version of a table, for lookups that read nothing.

    Hashes are Python's own: seeded for strings and bytes, so no file can be made whose keys all
    collide. A hash only proposes rows; the keys themselves are compared.

    >>> table = pa.table({"k": ["a", "b"]})
    >>> KeyMap(table, np.array([10, 11], np.uint64)).find(pa.table({"k": ["b", "z"]})).tolist()
    [11, -1]
    """

    def __init__(self, keys: pa.Table, row_ids: npt.NDArray[np.uint64]) -> None:
        hashes = _hashes(keys)
        self._order = np.argsort(hashes, kind="stable")
        self._hashes = hashes[self._order]
        self._keys = keys.combine_chunks()
        self._row_ids = row_ids

    @property
    def size(self) -> int:
        """Bytes that the map takes."""
        arrays = self._order.nbytes + self._hashes.nbytes + self._row_ids.nbytes
        return int(arrays + self._keys.nbytes)

    def find(self, keys: pa.Table) -> Int64s:
        """The row id of each key, `UNKNOWN` where the table does not hold it."""
        hashes = _hashes(keys)
        at = np.searchsorted(self._hashes, hashes)
        found = np.full(len(hashes), UNKNOWN, np.int64)
        pending = np.arange(len(hashes))
        while len(pending):
            pending = pending[at[pending] < len(self._hashes)]
            pending = pending[self._hashes[at[pending]] == hashes[pending]]
            rows = self._order[at[pending]]
            same = _equal(self._keys.take(rows), keys.take(pending))
            found[pending[same]] = self._row_ids[rows[same]]
            pending = pending[~same]
            at[pending] += 1
        return found


def _equal(left: pa.Table, right: pa.Table) -> npt.NDArray[np.bool_]:
    same = np.ones(left.num_rows, np.bool_)
    for ours, theirs in zip(left.columns, right.columns, strict=True):
        same &= (
            pc.fill_null(pc.call_function("equal", [ours, theirs]), False)
            .to_numpy()
            .astype(np.bool_)
        )
    return same


def _hashes(keys: pa.Table) -> Int64s:
    columns = [_hashable(column) for column in keys.columns]
    values: Iterable[object] = columns[0] if len(columns) == 1 else zip(*columns, strict=True)
    return np.fromiter(map(hash, values), np.int64, keys.num_rows)


def _hashable(column: pa.ChunkedArray) -> list[object]:
    # Nanoseconds do not fit Python's datetime: times and dates are hashed as the integers they
    # are.
    if pat.is_date32(column.type):
        column = column.cast(pa.int32())
    elif pat.is_timestamp(column.type):
        column = column.cast(pa.int64())
    values: list[object] = column.to_pylist()
    return values
