"""A view of a dataset: some of its entities and segments, as a DataFusion data frame."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import pyarrow as pa
from datafusion import DataFrame, SessionContext
from datafusion import functions as f
from datafusion.catalog import Table as PlanTable

from ...errors import InputError, NotFoundError
from ...expressions.columns import Relation
from ...storage.recordings.layers import Layer, open_layers
from ...storage.recordings.schema import SEGMENT, check_segment
from ...storage.recordings.store import SampleStore
from ..planning import new_session
from ..query import named
from .columns import SampleColumns, entity_of
from .contents import Contents, read_contents
from .layers import LayerColumns
from .opened import Recordings, check_index
from .scanned import ScannedTable
from .segments import SEGMENTS_SCHEMA
from .table import segment_table
from .videos import SegmentVideos

_KEY = "__marey_key_"
_Join = Literal["full", "right"]


@dataclass(frozen=True, slots=True)
class DatasetView:
    """What filters have left of a dataset; it shows the newest version whenever it is read.

    Filters add up: of two, rows that pass both are shown.
    """

    recordings: Recordings
    """The datasets below the root."""
    project: str
    """The project."""
    name: str
    """The dataset."""
    contents: tuple[Contents, ...] = ()
    """An entity is shown that all of them show."""
    segments: frozenset[str] | None = None
    """The segments shown; None: all."""

    def filter_contents(self, contents: Sequence[str] | str) -> DatasetView:
        """Only some entities, by their paths.

        Args:
            contents: Paths such as `/camera/front`; `*` stands for part of one step, `**` for
                any number of steps. A path behind a minus sign is left out. An empty list
                shows none.

        Raises:
            InputError: A path does not begin with a slash.
        """
        return replace(self, contents=(*self.contents, read_contents(contents)))

    def filter_segments(self, segments: Iterable[str] | str) -> DatasetView:
        """Only some segments, by their ids; ids that there are not show nothing."""
        listed = [segments] if isinstance(segments, str) else segments
        try:
            chosen = frozenset(check_segment(segment) for segment in listed)
        except TypeError as error:
            raise InputError(f"segments: expected a list of ids, got {segments!r}") from error
        return replace(
            self, segments=chosen if self.segments is None else self.segments & chosen
        )

    @property
    def label(self) -> str:
        """The dataset's name, for people."""
        return f"{self.project}.{self.name}"

    @property
    def schema(self) -> pa.Schema:
        """The columns of `reader()`."""
        schema: pa.Schema = self.reader().schema()
        return schema

    def segment_ids(self) -> list[str]:
        """The ids of the segments shown, in the order in which they began."""
        store = self._store()
        names = [
            n.segment for n in self.recordings.streams.names(store) if self._shows(n.entity)
        ]
        return [s for s in dict.fromkeys(names) if self.segments is None or s in self.segments]

    def entities(self) -> list[str]:
        """The paths of the entities shown, in the order in which they began."""
        return self._entities(self._store())

    def video(self, entity: str, *, index: str | None = None) -> SegmentVideos:
        """An entity's streams in the segments shown; see `RecordingDataset.video`.

        Raises:
            NotFoundError: There is no such entity or timeline; the message offers near ones.
                Or the view does not show the entity.
            InputError: One is no name.
        """
        store = self._store()
        streams = self.recordings.streams_of(store, self.label, entity, index)
        if not self._shows(entity):
            raise NotFoundError(f"{self!r} does not show entity {entity!r}")
        shown = replace(streams, segments=self.segments)
        token = (self.recordings.catalog.root, shown)
        return SegmentVideos(Relation(self.project, self.name, SEGMENTS_SCHEMA, token), entity)

    def segment_table(self) -> DataFrame:
        """What there is in each segment shown, of the entities shown: a row a segment."""
        return segment_table(self)

    def reader(self, index: str | None = None) -> DataFrame:
        """The samples shown, one a row, and the layers joined to them.

        Rows come in no order: sort by the index, or by `segment_id` and `decode_index`.

        Args:
            index: A timeline: rows without a time on it are left out, and rows of layers that
                have times which no sample has are there as well. None: every sample.

        Raises:
            NotFoundError: There is no such timeline; the message offers near ones.
            InputError: It is no name.
        """
        store = self._store()
        if index is not None:
            check_index(store, self.label, index)
        segments = None if self.segments is None else sorted(self.segments)
        void = self.recordings.streams.void_rows(store)
        samples = SampleColumns(store, self._entities(store), segments, index, void)
        session = new_session()
        frame = _table(session, "samples", ScannedTable(samples.schema, samples.read))
        for number, layer in enumerate(open_layers(store)):
            columns = [name for name in layer.columns if self._shows(entity_of(name))]
            if columns:
                # Rows that another timeline alone has have no time on the index.
                how: _Join = "full" if index in (None, layer.timeline) else "right"
                frame = self._join(session, frame, layer, columns, f"layer {number}", how)
        return frame

    def _join(
        self,
        session: SessionContext,
        frame: DataFrame,
        layer: Layer,
        columns: Sequence[str],
        name: str,
        how: _Join,
    ) -> DataFrame:
        """A frame with the columns of a layer: all rows of both, or those of the frame.

        The layer is on the left: that side of a join is held in memory, and samples are large.
        """
        segments = None if self.segments is None else sorted(self.segments)
        wanted = LayerColumns(layer, columns, segments, _KEY)
        right = list(frame.schema().names)
        left = _table(session, name, ScannedTable(wanted.schema, wanted.read))
        joined = left.join(
            frame,
            left_on=[_KEY + SEGMENT, _KEY + layer.timeline],
            right_on=[SEGMENT, layer.timeline],
            how=how,
            coalesce_duplicate_keys=False,
        )
        outputs = [
            f.coalesce(named(column), named(_KEY + column)).alias(column)
            if column in (SEGMENT, layer.timeline)
            else named(column)
            for column in right
        ]
        return joined.select(*outputs, *map(named, columns))

    def _store(self) -> SampleStore:
        return self.recordings.newest(self.project, self.name)

    def _entities(self, store: SampleStore) -> list[str]:
        names = self.recordings.streams.names(store)
        entities = dict.fromkeys(name.entity for name in names)
        return [entity for entity in entities if self._shows(entity)]

    def _shows(self, entity: str | None) -> bool:
        return entity is None or all(contents.shows(entity) for contents in self.contents)

    def __repr__(self) -> str:
        said = [f"contents {list(c.patterns)}" for c in self.contents]
        said += [] if self.segments is None else [f"segments {sorted(self.segments)}"]
        return f"DatasetView({', '.join([self.label, *said])})"


def _table(session: SessionContext, name: str, table: ScannedTable) -> DataFrame:
    session.register_table(name, PlanTable(table))
    return session.table(f'"{name}"')
