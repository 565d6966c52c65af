"""A stored table: what can be done with one, over `read`, `blobs`, `write` and `optimize`."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import cast

import pyarrow as pa

from ..errors import MareyError, NotFoundError, QueryError, UnsupportedError
from . import blobs, read
from .addresses import Source
from .cache import Cache, Room
from .given import check_rows
from .handle import Handle, StorageOptions, translate_errors
from .keys import KeptKeys
from .objects import Objects
from .optimize import Optimized, optimize
from .places import Places, find_places, sources
from .read import RowIds
from .scattered import ScatteredWrite
from .schema import VideoValue
from .write import upsert

CACHE_BYTES = 64 << 20
"""What is kept of the tables of a catalog, unless it is set."""
_LANCE_SHARE = 8
"""Of the bytes for what is kept the part that Lance has for metadata: a megabyte or two of a
table with a million rows."""
_WEEK_SECONDS = 7 * 24 * 3600


@dataclass(frozen=True, slots=True)
class Version:
    """One version of a table."""

    number: int
    """Counts up from 1."""
    time: datetime
    """When it was committed, with its time zone."""


@dataclass(frozen=True, slots=True)
class Caches:
    """What is kept of the versions that were read, for all tables of a catalog."""

    key_maps: Cache[KeptKeys]
    """Key to row id."""
    places: Places
    """Where videos lie."""
    room: Room
    """Where both are, and what others keep of the rows."""
    lance_bytes: int
    """What Lance may keep of each table's metadata."""

    @classmethod
    def empty(cls, objects: Objects, max_bytes: int = CACHE_BYTES) -> Caches:
        """Nothing known yet, and never more than so many bytes."""
        lance_bytes = max_bytes // _LANCE_SHARE
        room = Room(max_bytes - lance_bytes)
        return cls(Cache(room), Places.empty(room, objects), room, lance_bytes)

    @property
    def held_bytes(self) -> int:
        """What is kept now, and what Lance may keep of one table."""
        return self.room.size + self.lance_bytes


class Dataset:
    """A table, seen at one version until `refresh` or a write of its own moves it.

    Reads may run in any number of threads. A dataset pickles by its URI, a snapshot by URI and
    version. A forked process is refused: Lance does not survive a fork.
    """

    def __init__(
        self, handle: Handle, *, caches: Caches | None = None, snapshot: bool = False
    ) -> None:
        self._held = handle
        self._caches = caches or Caches.empty(Objects(handle.storage_options))
        self._snapshot = snapshot
        self._lock = threading.Lock()

    @property
    def _handle(self) -> Handle:
        self._held.check_process()
        return self._held

    def __reduce__(self) -> tuple[object, ...]:
        handle = self._held
        if self._snapshot:
            return open_snapshot, (handle.uri, handle.version, handle.storage_options)
        return _open_newest, (handle.uri, handle.storage_options)

    def __repr__(self) -> str:
        return f"Dataset({self.uri!r}, version {self.version})"

    @property
    def uri(self) -> str:
        """Where the table is."""
        return self._held.uri

    @property
    def table_id(self) -> str:
        """What tells this table from one that was dropped and made again under its name."""
        return self._handle.table_id

    @property
    def version(self) -> int:
        """The version that is seen."""
        return self._held.version

    @property
    def schema(self) -> pa.Schema:
        """The logical schema: a video is a struct of `source` and `index`."""
        return self._handle.schema

    @property
    def key_schema(self) -> pa.Schema:
        """The key columns."""
        return self._handle.key_schema

    @property
    def key_names(self) -> list[str]:
        """The names of the key columns."""
        names: list[str] = self.key_schema.names
        return names

    def versions(self) -> list[Version]:
        """The versions that there still are, oldest first."""
        with translate_errors(f"versions of {self.uri}"):
            listed = self._handle.lance.versions()
        # Lance gives the local time without saying so.
        times = [cast(datetime, listing["timestamp"]).astimezone() for listing in listed]
        return [Version(v["version"], time) for v, time in zip(listed, times, strict=True)]

    def at(self, version: int | datetime) -> Dataset:
        """The table as it was: a snapshot, which cannot be written to.

        Args:
            version: A number, or a time: then the newest version committed by it.

        Raises:
            NotFoundError: There is no such version, or not any more.
        """
        handle = self._handle
        number = self._version_by(version) if isinstance(version, datetime) else version
        if number != handle.version:
            handle = handle.at(number)
        return Dataset(handle, caches=self._caches, snapshot=True)

    def _version_by(self, latest: datetime) -> int:
        versions = self.versions()
        # A time without a zone is local; the first and the last of all have no other zone.
        local = latest.tzinfo is None
        past = [
            v.number
            for v in versions
            if (v.time.replace(tzinfo=None) if local else v.time) <= latest
        ]
        if not past:
            raise NotFoundError(
                f"no version of {self.uri} by {latest.isoformat()}, "
                f"the oldest is of {versions[0].time.isoformat()}"
            )
        return max(past)

    def refresh(self) -> None:
        """See the newest version. A snapshot stays what it is."""
        if not (self._snapshot or self._handle.is_newest):
            self._advance(self._handle.newest())

    def count(self, filter: str | None = None) -> int:
        """How many rows there are, or pass a filter."""
        doing = f"count of {self.uri}"
        with translate_errors(doing, bad_input=QueryError):
            rows: int = self._handle.lance.count_rows(filter)
            return rows

    def scan(
        self,
        columns: Sequence[str],
        *,
        filter: str | None = None,
        limit: int | None = None,
        batch_rows: int = 1024,
        with_row_id: bool = True,
    ) -> Iterator[pa.RecordBatch]:
        """Rows in stored order, in batches of bounded size.

        Args:
            columns: Names or dotted paths; each comes back as a column of that very name. A
                video column gives its index scalars, never its bytes.
            filter: SQL of Lance, with names in backticks.
            limit: The most rows.
            batch_rows: The most rows in one batch; a batch of large values has fewer.
            with_row_id: Whether the row id comes along, last, as `_rowid`.

        Raises:
            ColumnNotFoundError: A column or field is not there.
            QueryError: Lance does not take the filter.
        """
        return read.scan(
            self._handle,
            columns,
            filter=filter,
            limit=limit,
            batch_rows=batch_rows,
            with_row_id=with_row_id,
        )

    def find_keys(self, keys: pa.Table) -> pa.Array:
        """The row id of each key, in the order of the keys, null where there is no such row.

        Args:
            keys: At least the key columns; a key may stand there any number of times.
        """
        return read.find_keys(self._handle, keys, self._caches.key_maps)

    def take(self, row_ids: RowIds, columns: Sequence[str]) -> pa.Table:
        """Rows in the order of the ids, as often as each stands there.

        Raises:
            NotFoundError: A row is not there, or not any more.
        """
        return read.take(self._handle, row_ids, columns)

    def frame_graphs(self, row_ids: RowIds, column: str) -> list[memoryview | None]:
        """The frame graph of each row's video, None where there is no video."""
        return blobs.frame_graphs(self._handle, row_ids, column, self._caches.places)

    def read_ranges(
        self, column: str, requests: Sequence[blobs.Request]
    ) -> list[memoryview | MareyError]:
        """Bytes of videos, exactly those asked for.

        Args:
            column: The video column.
            requests: Row id, first byte, one past the last byte.

        Returns:
            For each request the bytes, behind which `files.PADDING_BYTES` more may be read, or
            the error of that row: `SourceNotFoundError` where
            the object behind a reference is gone, `CorruptVideoError` for a range beyond the
            video, `NotFoundError` for a row or a video that is not there.
        """
        return blobs.read_ranges(self._handle, column, requests, self._caches.places)

    def start_ranges(
        self, column: str, requests: Sequence[blobs.Request]
    ) -> list[memoryview | MareyError | blobs.Sent]:
        """As `read_ranges`, but what lies in object stores is sent for and not waited for.

        All requests go out at once; `Sent.result` waits for one.
        """
        return blobs.start_ranges(self._handle, column, requests, self._caches.places)

    def sources(self, column: str, row_ids: Sequence[int]) -> list[Source]:
        """For each row what is known of where its video lies."""
        found = find_places(self._handle, column, row_ids, self._caches.places)
        return sources((found[row] for row in row_ids), self.uri)

    def write(
        self,
        table: pa.Table,
        videos: Mapping[str, Sequence[VideoValue | None]] | None = None,
    ) -> int:
        """Insert rows with new keys, and update those with known ones in the columns given.

        Args:
            table: The key columns and any ordinary ones, known or new.
            videos: Video columns by name, one value a row; None is null.

        Returns:
            The number of the version that holds the rows.

        Raises:
            InputError: A key is missing or null, or a column does not fit the one stored.
            DuplicateKeyError: A key stands twice.
            ConflictError: Other writers were quicker each time.
        """
        self._check_writable()
        given = check_rows(table, videos or {}, self.key_schema)
        written = upsert(self._handle, given)
        self._advance(written)
        return written.version

    def scattered_write(self) -> ScatteredWrite:
        """A write of new rows that many processes lay down, and one commits."""
        self._check_writable()
        return ScatteredWrite(self.uri, self._handle.storage_options, self.key_schema)

    def delete(self, filter: str) -> int:
        """Delete the rows that pass a filter, and say how many those were.

        Raises:
            QueryError: Lance does not take the filter.
        """
        self._check_writable()
        newest = self._handle.newest()
        with translate_errors(f"delete from {self.uri}", bad_input=QueryError):
            dataset = newest.reopen()
            deleted: int = dataset.delete(filter)["num_deleted_rows"]
        self.refresh()
        return deleted

    def optimize(
        self, *, keep_versions_seconds: float = _WEEK_SECONDS, only_writer: bool = False
    ) -> Optimized:
        """Merge small fragments and remove old versions; rows and row ids stay.

        Args:
            keep_versions_seconds: Younger versions stay; snapshots of removed ones fail.
            only_writer: Nobody else writes now, so that what unfinished writes have left may
                go too; otherwise it goes when it is a week old.
        """
        self._check_writable()
        newest = self._handle.newest()
        done = optimize(
            newest, keep_versions_seconds=keep_versions_seconds, only_writer=only_writer
        )
        self.refresh()
        return done

    def _check_writable(self) -> None:
        if self._snapshot:
            raise UnsupportedError(
                f"version {self.version} of {self.uri} is a snapshot: read-only"
            )

    def _advance(self, handle: Handle) -> None:
        with self._lock:
            replaced = handle.table_id != self._held.table_id
            if replaced or handle.version > self._held.version:
                self._held = handle
            elif handle.version == self._held.version:
                self._held.seen_again(handle)


def open_dataset(
    uri: str,
    *,
    version: int | None = None,
    storage_options: StorageOptions | None = None,
    caches: Caches | None = None,
) -> Dataset:
    """Open a table by its URI; with a version, as a snapshot of that.

    Raises:
        TableNotFoundError: There is none.
        NotFoundError: It has no such version.
    """
    caches = caches or Caches.empty(Objects(storage_options or {}))
    handle = Handle(
        uri,
        version=version,
        storage_options=storage_options,
        cache_bytes=caches.lance_bytes,
    )
    return Dataset(handle, caches=caches, snapshot=version is not None)


def open_snapshot(uri: str, version: int, storage_options: StorageOptions) -> Dataset:
    """One version of a table, as a snapshot of it pickles."""
    return open_dataset(uri, version=version, storage_options=storage_options)


def _open_newest(uri: str, storage_options: StorageOptions) -> Dataset:
    return open_dataset(uri, storage_options=storage_options)
