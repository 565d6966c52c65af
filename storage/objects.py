"""Byte ranges of objects, each a request of its own, many under way at one time.

Nothing is merged here: what to merge is the planner's choice. Each answer tells the object's
size and entity tag (RFC 9110, 8.8.3), and these are held against the ones that were recorded:
a change is noticed with no request of its own, also where a server ignores `If-Match`.

Messages are never those of the library below: they hold addresses with their signatures.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, Protocol

import obstore
from obstore import exceptions

from ..errors import (
    CorruptVideoError,
    InputError,
    MareyError,
    SourceChangedError,
    SourceNotFoundError,
    StorageError,
    UnsupportedError,
)
from .addresses import SourceKind, shown_uri, source_kind
from .answers import reason, status_of
from .files import PADDING_BYTES
from .stores import Stores

IN_FLIGHT: Mapping[SourceKind, int] = {"s3": 32, "gs": 32, "az": 32, "http": 16}
"""Requests to one kind of store that are under way at one time, unless it is set."""


class Span(Protocol):
    """A range of bytes, as whoever asks has it."""

    @property
    def start(self) -> int:
        """First byte."""
        ...

    @property
    def end(self) -> int:
        """One past the last byte."""
        ...


@dataclass(frozen=True, slots=True)
class ObjectRange:
    """Bytes of one object."""

    uri: str
    """Where it is."""
    start: int
    """First byte."""
    end: int
    """One past the last byte."""
    size: int | None = None
    """Bytes of the whole object as recorded; not looked at if None."""
    tag: str | None = None
    """Its entity tag as recorded; not looked at if None."""


class Objects:
    """Reads objects with the storage options of a catalog; shared by all its threads."""

    def __init__(
        self, options: Mapping[str, str], in_flight: Mapping[SourceKind, int] | None = None
    ) -> None:
        self._stores = Stores(options)
        self._in_flight = {**IN_FLIGHT, **(in_flight or {})}
        self._pools: dict[SourceKind, ThreadPoolExecutor] = {}
        self._lock = threading.Lock()

    def read(self, ranges: Sequence[ObjectRange]) -> list[memoryview | MareyError]:
        """The bytes of each range, padded, or what is wrong with its object."""
        return [future.result() for future in self.start(ranges)]

    def start(self, ranges: Sequence[ObjectRange]) -> list[Future[memoryview | MareyError]]:
        """Send for ranges: results to come, in the order asked for."""
        failed: dict[str, MareyError] = {}
        return [self._pool(r.uri).submit(self._read, r, failed) for r in ranges]

    def open(self, uri: str) -> ObjectReader:
        """An object as it is now: one request, for its size and its tag.

        Raises:
            SourceNotFoundError: There is none.
            InputError: It is empty, or the URI is not one of an object.
            StorageError: It cannot be read.
            UnsupportedError: Its server gives no ranges.
        """
        try:
            # Not HEAD: signed addresses allow GET only, and this shows that ranges are served.
            meta = self._get(uri, 0, 1)[0]
        except Exception as error:
            raise object_failure(error, uri) from None
        return ObjectReader(self, uri, int(meta["size"]), entity_tag(meta))

    def _pool(self, uri: str) -> ThreadPoolExecutor:
        kind = source_kind(uri)
        with self._lock:
            if kind not in self._pools:
                self._pools[kind] = ThreadPoolExecutor(
                    self._in_flight[kind], thread_name_prefix=f"marey-{kind}"
                )
            return self._pools[kind]

    def _read(self, r: ObjectRange, failed: dict[str, MareyError]) -> memoryview | MareyError:
        if r.uri in failed:
            return failed[r.uri]
        if r.start == r.end:
            return memoryview(b"")
        try:
            meta, data = self._get(r.uri, r.start, r.end)
        except Exception as error:
            failure = object_failure(error, r.uri)
        else:
            change = _change(r, meta)
            if change is None and len(data) == r.end - r.start:
                padded = bytearray(len(data) + PADDING_BYTES)
                padded[: len(data)] = data
                return memoryview(padded)[: len(data)].toreadonly()
            failure = SourceChangedError(
                f"{change or 'it is shorter than it was'}: {shown_uri(r.uri)}"
            )
        failed[r.uri] = failure
        return failure

    def _get(self, uri: str, start: int, end: int) -> tuple[Mapping[str, Any], memoryview]:
        store, path = self._stores.find(uri)
        got = obstore.get(store, path, options={"range": (start, end)})
        return got.meta, memoryview(got.bytes())


class ObjectReader:
    """One object at the state in which it was opened; a `Reader` of `marey.video`."""

    def __init__(self, objects: Objects, uri: str, size: int, tag: str) -> None:
        self._objects = objects
        self._uri = uri
        self._size = size
        self._tag = tag

    @property
    def size(self) -> int:
        """Bytes in the object."""
        return self._size

    @property
    def tag(self) -> str:
        """Its entity tag."""
        return self._tag

    def read(self, ranges: Sequence[Span]) -> list[memoryview]:
        """The bytes of each range.

        Raises:
            CorruptVideoError: A range ends past the object.
            SourceChangedError: The object is another than the one that was opened.
            SourceNotFoundError: It is gone.
            StorageError: It cannot be read.
        """
        for r in ranges:
            if not 0 <= r.start <= r.end <= self._size:
                raise CorruptVideoError(
                    f"bytes {r.start} to {r.end} were asked for, the source has {self._size}"
                )
        wanted = [ObjectRange(self._uri, r.start, r.end, self._size, self._tag) for r in ranges]
        read: list[memoryview] = []
        for result in self._objects.read(wanted):
            if isinstance(result, MareyError):
                raise result
            read.append(result)
        return read


def entity_tag(meta: Mapping[str, Any]) -> str:
    """What tells one state of an object from another: its entity tag, or else its time."""
    return str(meta["e_tag"] or f"modified {meta['last_modified'].isoformat()}")


def _change(r: ObjectRange, meta: Mapping[str, Any]) -> str | None:
    """How an object differs from what was recorded of it."""
    if r.size is not None and meta["size"] != r.size:
        return f"it had {r.size:,} bytes and has {meta['size']:,}"
    if r.tag is not None and entity_tag(meta) != r.tag:
        return f"its entity tag was {r.tag} and is {entity_tag(meta)}"
    return None


def object_failure(error: Exception, uri: str) -> MareyError:
    """An error of the library below, in words that hold no secret."""
    shown = shown_uri(uri)
    text = str(error)
    match error:
        case MareyError():
            return error
        case FileNotFoundError():
            return SourceNotFoundError(f"no such object: {shown}")
        case exceptions.NotSupportedError():
            return UnsupportedError(f"its server gives no byte ranges: {shown}")
        case ValueError():
            return InputError(f"a key that has empty or relative parts: {shown}")
    if status_of(text) == 416:
        return SourceChangedError(f"it is shorter than it was, or empty: {shown}")
    return StorageError(f"{reason(text) or 'no whole answer'}: {shown}")
