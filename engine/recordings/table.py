"""What there is in each segment of a dataset, as a table of its own."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pyarrow as pa
from datafusion import DataFrame

from ...storage.recordings.schema import SEGMENT
from ..planning import new_session
from .streams import Stream

if TYPE_CHECKING:
    from .view import DatasetView


def segment_table(view: DatasetView) -> DataFrame:
    """A row a segment: entities, samples, bytes, and where each timeline begins and ends."""
    recordings = view.recordings
    store = recordings.newest(view.project, view.name)
    by_segment: dict[str, list[Stream]] = {segment: [] for segment in view.segment_ids()}
    for name in recordings.streams.names(store):
        if name.segment in by_segment and name.entity in view.entities():
            by_segment[name.segment].append(recordings.streams.open(store, name))
    columns = {
        SEGMENT: pa.array(list(by_segment), pa.string()),
        "entities": pa.array(
            [[s.name.entity for s in streams] for streams in by_segment.values()],
            pa.list_(pa.string()),
        ),
        "samples": pa.array(
            [sum(s.end for s in streams) for streams in by_segment.values()], pa.int64()
        ),
        "bytes": pa.array(
            [sum(s.whole.byte_end for s in streams) for streams in by_segment.values()],
            pa.int64(),
        ),
    }
    for timeline, dtype in store.timelines.items():
        spans = [_span(streams, timeline) for streams in by_segment.values()]
        for at, end in enumerate(("start", "end")):
            ticks = pa.array([span and span[at] for span in spans], pa.int64())
            columns[f"{timeline}:{end}"] = ticks.view(dtype)
    return new_session().from_arrow(pa.table(columns))


def _span(streams: list[Stream], timeline: str) -> tuple[int, int] | None:
    """The first and the last time in some streams; None where no sample has one."""
    found = []
    for stream in streams:
        if timeline in stream.whole.times:
            times, valid = stream.whole.times[timeline]
            if valid.any():
                found.append((int(times[valid].min()), int(times[valid].max())))
    if not found:
        return None
    return min(first for first, _ in found), max(last for _, last in found)
