"""What everything below one root shares: its tables as they were opened, settings, caches."""

from __future__ import annotations

import os
import threading
from collections.abc import Mapping
from typing import get_args

from ..errors import ExpressionError, TableNotFoundError
from ..expressions.columns import Relation
from ..storage.addresses import SourceKind
from ..storage.catalog import Catalog
from ..storage.dataset import Dataset
from ..video.decode.isolated import IsolatedDecoderPool
from ..video.decode.pool import DecoderPool
from .config import EngineConfig
from .context import QueryContext
from .failures import OnError
from .frame_memory import Block, FrameMemory
from .index_cache import IndexCache
from .loading.workers import IdleWorkers
from .recordings.opened import Recordings, StreamsOf
from .run import Engine
from .snapshot import Snapshot

_DECODERS_SHARE = 8
"""Of what is kept for later scans the part that decoders may hold beyond one a thread."""


class Workspace:
    """Tables and the means to read them: pickled by root and settings, shared by threads."""

    def __init__(
        self,
        root: str | os.PathLike[str],
        storage_options: Mapping[str, str] | None,
        config: EngineConfig,
    ) -> None:
        kinds: tuple[SourceKind, ...] = get_args(SourceKind)
        in_flight: dict[SourceKind, int] = {
            kind: config.cost(kind).parallel_requests for kind in kinds
        }
        spare_bytes = config.kept_bytes // _DECODERS_SHARE
        for_frames = config.memory_budget_bytes - config.kept_bytes
        self.catalog = Catalog(
            root,
            storage_options,
            in_flight=in_flight,
            cache_bytes=config.kept_bytes - spare_bytes,
        )
        self.config = config
        self._storage_options = dict(storage_options or {})
        self.engine = Engine(
            config=config,
            indexes=IndexCache(self.catalog.caches.room),
            decoders=_decoders(config, spare_bytes),
            caches=self.catalog.caches,
            memory=FrameMemory(Block, most_bytes=for_frames),
        )
        self.recordings = Recordings(self.catalog, self.catalog.caches.room)
        self.idle_workers = IdleWorkers()
        self._open: dict[tuple[str, str], Dataset] = {}
        self._lock = threading.Lock()

    def __reduce__(self) -> tuple[object, ...]:
        return Workspace, (self.catalog.root, self._storage_options, self.config)

    def table(self, project: str, name: str) -> Dataset:
        """A table as it was last seen; `refresh` or `newest` brings it up to date.

        Raises:
            TableNotFoundError: There is none of that name.
        """
        with self._lock:
            dataset = self._open.get((project, name))
        if dataset is None:
            dataset = self.catalog.open_table(project, name)
            with self._lock:
                self._open[project, name] = dataset
        return dataset

    def newest(self, project: str, name: str) -> Dataset:
        """A table at its newest version.

        Raises:
            TableNotFoundError: There is none of that name, or not any more.
        """
        dataset = self.table(project, name)
        try:
            dataset.refresh()
        except TableNotFoundError:
            self.forget(project, name)
            return self.table(project, name)
        return dataset

    def snapshot(self, relation: Relation) -> Snapshot:
        """The version of a table that a run reads: the newest now, or the one asked for."""
        match relation.token:
            case (self.catalog.root, StreamsOf() as streams):
                return self.recordings.segments(relation.project, relation.name, streams)
            case (self.catalog.root, int(version)):
                return self.table(relation.project, relation.name).at(version)
            case (self.catalog.root, None):
                newest = self.newest(relation.project, relation.name)
                return newest.at(newest.version)
        raise ExpressionError(
            f"the columns are of {relation.project}.{relation.name} of another Marey"
        )

    def relation(
        self, project: str, name: str, dataset: Dataset, version: int | None
    ) -> Relation:
        """A table as expressions see it."""
        return Relation(project, name, dataset.schema, (self.catalog.root, version))

    def forget(self, project: str, name: str) -> None:
        """Open the table anew the next time."""
        with self._lock:
            self._open.pop((project, name), None)

    def context(self, on_error: OnError = "raise", *, epoch: int = 0) -> QueryContext:
        """The state of a new run."""
        return QueryContext(self.engine.indexes, on_error=on_error, epoch=epoch)

    def within(self, config: EngineConfig) -> Workspace:
        """The same tables with other settings, and with caches of their own."""
        return Workspace(self.catalog.root, self._storage_options, config)

    def close(self) -> None:
        """Let go of open tables, of decoders and workers that wait, and of memory; a later use
        has others.
        """
        with self._lock:
            self._open.clear()
        self.recordings.close()
        self.engine.decoders.close()
        self.engine.memory.clear()
        self.idle_workers.close()


def _decoders(config: EngineConfig, spare_bytes: int) -> DecoderPool | IsolatedDecoderPool:
    if config.decode_isolation == "process":
        return IsolatedDecoderPool()
    return DecoderPool(lent=config.decode_threads, spare_bytes=spare_bytes)
