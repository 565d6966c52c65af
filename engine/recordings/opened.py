"""The datasets below one root as they were opened: versions, indexes, writers."""

from __future__ import annotations

import threading
from dataclasses import dataclass

from ...errors import InputError, NotFoundError, TableNotFoundError
from ...expressions.near import near_names
from ...storage.cache import Room
from ...storage.catalog import Catalog
from ...storage.recordings.catalog import open_samples
from ...storage.recordings.store import SampleStore, StreamName
from .codecs import to_codec
from .segments import SegmentTable
from .streams import StreamIndexes
from .writer import StreamWriter


@dataclass(frozen=True, slots=True)
class StreamsOf:
    """Which streams of a dataset a relation stands for."""

    entity: str
    """The entity."""
    timeline: str
    """What presentation times are taken from."""
    segments: frozenset[str] | None = None
    """Of which segments; None: of all."""


class Recordings:
    """Datasets and the means to read and write them: shared by threads."""

    def __init__(self, catalog: Catalog, room: Room) -> None:
        self.catalog = catalog
        self.streams = StreamIndexes(room)
        self._open: dict[tuple[str, str], SampleStore] = {}
        self._writers: dict[tuple[str, str, StreamName], StreamWriter] = {}
        self._lock = threading.Lock()
        self.writing = threading.RLock()
        """Held while a stream is written to: one call of this process after the other."""

    def newest(self, project: str, name: str) -> SampleStore:
        """A dataset's samples at their newest version.

        Raises:
            TableNotFoundError: There is no such dataset.
        """
        with self._lock:
            known = self._open.get((project, name))
        if known is not None and known.handle.is_newest:
            return known
        store = None
        if known is not None:
            try:
                store = known.newest()
            except TableNotFoundError:
                self.forget(project, name)
        if store is None:
            store = open_samples(self.catalog, project, name)
        if known is not None and (known.dataset_id, known.version) == (
            store.dataset_id,
            store.version,
        ):
            known.handle.seen_again(store.handle)
            store = known  # with what it has read already
        with self._lock:
            self._open[project, name] = store
        return store

    def segments(self, project: str, name: str, streams: StreamsOf) -> SegmentTable:
        """The segments of an entity, at the newest version."""
        store = self.newest(project, name)
        return SegmentTable(
            store, self.streams, streams.entity, streams.timeline, streams.segments
        )

    def streams_of(
        self, store: SampleStore, label: str, entity: str, timeline: str | None
    ) -> StreamsOf:
        """An entity's streams by one of the dataset's timelines, the first if none is named.

        Raises:
            NotFoundError: There is no such entity or timeline; the message offers near ones.
            InputError: One is no name.
        """
        if not isinstance(entity, str):
            raise InputError(f"entity: expected a path such as '/camera', got {entity!r}")
        entities = list(dict.fromkeys(name.entity for name in self.streams.names(store)))
        if entity not in entities:
            raise NotFoundError(
                f"no entity {entity!r} in {label}{near_names(entity, entities)}"
            )
        if timeline is None:
            return StreamsOf(entity, next(iter(store.timelines)))
        return StreamsOf(entity, check_index(store, label, timeline))

    def writer(
        self, project: str, name: str, stream: StreamName, codec: object
    ) -> StreamWriter:
        """The writer of a stream; `writing` must be held while it is used."""
        known = to_codec(codec)
        key = (project, name, stream)
        writer = self._writers.get(key)
        if writer is None or writer.codec != known:
            writer = StreamWriter(self.newest(project, name), self.streams, stream, known)
            self._writers[key] = writer
        return writer

    def forget(self, project: str, name: str) -> None:
        """Open a dataset anew the next time."""
        with self._lock:
            self._open.pop((project, name), None)
            for key in [key for key in self._writers if key[:2] == (project, name)]:
                del self._writers[key]

    def close(self) -> None:
        """Let go of everything; a later use opens it again."""
        with self._lock:
            self._open.clear()
            self._writers.clear()


def check_index(store: SampleStore, label: str, timeline: object) -> str:
    """The name of one of a dataset's timelines, as it was given.

    Raises:
        NotFoundError: There is no such timeline; the message offers near ones.
        InputError: It is no name.
    """
    known = list(store.timelines)
    if not isinstance(timeline, str):
        raise InputError(f"index: expected one of {label}'s {known}, got {timeline!r}")
    if timeline not in known:
        raise NotFoundError(f"no index {timeline!r} in {label}{near_names(timeline, known)}")
    return timeline
