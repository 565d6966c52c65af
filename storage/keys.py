"""Which row has which key: the keys of a table compared with those of another, exactly.

Two ways, both without a word of SQL, so that no key can be misquoted:

- `KeyCodes` numbers the keys that are wanted and then finds them in stored batches; a scan of
  the key columns through it finds any number of keys in bounded memory.
- `KeyMap` holds all keys of one version, and sorts more of them by hash at each lookup.
"""

from __future__ import annotations

import threading
from bisect import bisect_left
from collections.abc import Iterable, Sequence
from enum import Enum, auto
from typing import TypeAlias

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.types as pat

Int64s = npt.NDArray[np.int64]

UNKNOWN = -1
"""Where a key was not found."""

_PART_ROWS = 1 << 16
_TABLE_ENTRIES = 1 << 22


_FEW_ROWS = 16


class KeyCodes:
    """A number for each distinct key of a table; equal keys, equal numbers.

    >>> codes = KeyCodes(pa.table({"a": ["x", "y", "x"], "b": [1, 1, 1]}))
    >>> codes.own.tolist(), codes.count
    ([0, 1, 0], 2)
    >>> rows, numbers = codes.find([pa.array(["y", "y"]), pa.array([1, 2])])
    >>> rows.tolist(), numbers.tolist()
    ([0], [1])
    """

    def __init__(self, keys: pa.Table) -> None:
        self._values: list[pa.Array] = []
        self._pairs: list[_Pairs] = []
        codes = np.zeros(keys.num_rows, np.int64)
        for column in keys.columns:
            values = column.combine_chunks().unique()
            pairs = codes * len(values) + _index_in(column, values).astype(np.int64)
            distinct, codes = np.unique(pairs, return_inverse=True)
            before = self._pairs[-1].count if self._pairs else 1
            self._values.append(values)
            self._pairs.append(_Pairs(distinct, before * len(values)))
        self.own: Int64s = codes
        self.count = self._pairs[-1].count

    def find(self, columns: Sequence[pa.Array | pa.ChunkedArray]) -> tuple[Int64s, Int64s]:
        """Where other keys are among ours: their places, rising, and our numbers for them."""
        rows: Int64s | None = None
        codes: Int64s = np.zeros(1, np.int64)
        for column, values, pairs in zip(columns, self._values, self._pairs, strict=True):
            # Most stored keys are not wanted: later columns are looked at where the first fit.
            found = _index_in(column if rows is None else column.take(pa.array(rows)), values)
            known = np.flatnonzero(found != UNKNOWN)
            before = codes if rows is None else codes[known]
            codes = pairs.find(before * len(values) + found[known])
            rows = known if rows is None else rows[known]
            rows, codes = rows[codes != UNKNOWN], codes[codes != UNKNOWN]
        assert rows is not None
        return rows, codes


class _Pairs:
    """The pairs (code of the columns before, code of this one) that occur, as one number."""

    def __init__(self, distinct: Int64s, possible: int) -> None:
        self.count = len(distinct)
        self._distinct = distinct
        self._table: Int64s | None = None
        if possible <= _TABLE_ENTRIES:
            self._table = np.full(possible, UNKNOWN, np.int64)
            self._table[distinct] = np.arange(len(distinct))

    def find(self, wanted: Int64s) -> Int64s:
        """The place of each among the pairs."""
        if self._table is not None:
            return self._table[wanted]
        at = np.minimum(np.searchsorted(self._distinct, wanted), max(self.count - 1, 0))
        return np.where(self._distinct[at] == wanted, at, UNKNOWN)


def _index_in(column: pa.Array | pa.ChunkedArray, values: pa.Array) -> npt.NDArray[np.int32]:
    found = pc.fill_null(
        pc.call_function("index_in", [column], pc.SetLookupOptions(values)), UNKNOWN
    )
    return np.asarray(found.to_numpy(), np.int32)


class KeyMap:
    """All keys of one version of a table, for lookups that read nothing.

    A first lookup goes through all keys. Each further one sorts some more of them by hash, and
    goes through those that are left: no lookup waits for a million keys to be hashed, and in
    the end one takes microseconds.

    Hashes are Python's own: seeded for strings and bytes, so no file can be made whose keys all
    collide. A hash only proposes rows; the keys themselves are compared. Lookups may run in any
    number of threads.

    >>> table = pa.table({"k": ["a", "b"]})
    >>> KeyMap(table, np.array([10, 11], np.uint64)).find(pa.table({"k": ["b", "z"]})).tolist()
    [11, -1]
    """

    def __init__(self, keys: pa.Table, row_ids: npt.NDArray[np.uint64]) -> None:
        self._keys = keys
        self._row_ids = row_ids.astype(np.int64)
        self._parts: list[_Part] = []
        self._looked_up = False
        self._sorting = threading.Lock()

    @property
    def size(self) -> int:
        """Bytes that the map takes once all is sorted: hash, place and row id of each key."""
        return int(self._keys.nbytes + 3 * 8 * self._keys.num_rows)

    def find(self, keys: pa.Table) -> Int64s:
        """The row id of each key, `UNKNOWN` where the table does not hold it."""
        if self._looked_up:
            self._sort_more()
        self._looked_up = True
        parts = list(self._parts)
        rows = np.full(keys.num_rows, UNKNOWN, np.int64)
        if parts:
            hashes = _hashes(keys)
            for part in parts:
                part.find(keys, hashes, rows)
        start = len(parts) * _PART_ROWS
        if start < self._keys.num_rows:
            codes = KeyCodes(keys)
            places, numbers = codes.find(self._keys.slice(start).columns)
            by_number = np.full(codes.count, UNKNOWN, np.int64)
            by_number[numbers] = places + start
            rows = np.maximum(rows, by_number[codes.own])
        held = rows != UNKNOWN
        rows[held] = self._row_ids[rows[held]]
        return rows

    def _sort_more(self) -> None:
        """Sort the next part, unless there is none or another lookup is at it."""
        start = len(self._parts) * _PART_ROWS
        if start >= self._keys.num_rows or not self._sorting.acquire(blocking=False):
            return
        try:
            start = len(self._parts) * _PART_ROWS
            if start < self._keys.num_rows:
                self._parts.append(
                    _Part(self._keys.slice(start, _PART_ROWS).combine_chunks(), start)
                )
        finally:
            self._sorting.release()


class _Part:
    """Some keys of a map, sorted by hash."""

    def __init__(self, keys: pa.Table, start: int) -> None:
        hashes = _hashes(keys)
        order = np.argsort(hashes, kind="stable")
        self._hashes = hashes[order]
        self._rows: Int64s = order + start
        self._keys = keys
        self._start = start

    def find(self, keys: pa.Table, hashes: Int64s, rows: Int64s) -> None:
        """Put into `rows` where the keys are that this part holds."""
        if len(rows) <= _FEW_ROWS:
            self._find_few(keys, hashes, rows)
            return
        at = np.searchsorted(self._hashes, hashes)
        pending = np.flatnonzero(rows == UNKNOWN)
        while True:
            pending = pending[at[pending] < len(self._hashes)]
            pending = pending[self._hashes[at[pending]] == hashes[pending]]
            if not len(pending):
                return
            proposed = self._rows[at[pending]]
            same = _same_rows(self._keys, proposed - self._start, keys, pending)
            rows[pending[same]] = proposed[same]
            pending = pending[~same]
            at[pending] += 1

    def _find_few(self, keys: pa.Table, hashes: Int64s, rows: Int64s) -> None:
        # Kernels of Arrow and numpy take longer to call than a few values take to compare.
        columns = list(zip(self._keys.columns, keys.columns, strict=True))
        for i in range(len(rows)):
            at = bisect_left(self._hashes, hashes[i])
            while (
                rows[i] == UNKNOWN and at < len(self._hashes) and self._hashes[at] == hashes[i]
            ):
                row = int(self._rows[at])
                if all(ours[row - self._start] == theirs[i] for ours, theirs in columns):
                    rows[i] = row
                at += 1


def _same_rows(
    left: pa.Table, left_rows: Int64s, right: pa.Table, right_rows: Int64s
) -> npt.NDArray[np.bool_]:
    """Which rows of one table equal those of another."""
    same = np.ones(len(left_rows), np.bool_)
    for ours, theirs in zip(left.columns, right.columns, strict=True):
        equal = pc.call_function("equal", [ours.take(left_rows), theirs.take(right_rows)])
        same &= pc.fill_null(equal, False).to_numpy().astype(np.bool_)
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


class Unkept(Enum):
    """Why the keys of a version are not kept."""

    SEEN_ONCE = auto()
    """There was one lookup so far."""
    TOO_MANY = auto()
    """They would not fit."""


KeptKeys: TypeAlias = KeyMap | Unkept
"""What is known of the keys of a version."""
