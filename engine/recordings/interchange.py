"""Datasets to and from the recordings of Rerun."""

from __future__ import annotations

import os
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from operator import attrgetter
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote

import pyarrow as pa

from ...errors import InputError, NotFoundError, StorageError, UnsupportedError
from ...expressions.near import near_names
from ...storage.recordings.schema import DECODE_INDEX
from ...storage.recordings.store import SampleStore
from .codecs import H264
from .columns import SampleColumns, component
from .opened import Recordings
from .rerun import CODECS, RecordedStream, read_streams, to_annexb, write_recording
from .streams import Stream

if TYPE_CHECKING:
    from .dataset import RecordingDataset

_CALL_BYTES = 64 << 20
_first_sample = attrgetter("first_sample")


@dataclass(frozen=True, slots=True)
class Imported:
    """What came out of a recording."""

    segments: tuple[str, ...]
    """Ids of its recordings."""
    samples: int
    """Samples in all streams."""


def import_rrd(dataset: RecordingDataset, path: str | os.PathLike[str]) -> Imported:
    """Log the video streams of a recording; see `RecordingDataset.import_rrd`."""
    streams = list(read_streams(path))
    for stream in streams:
        if stream.codec not in CODECS:
            raise UnsupportedError(f"{stream.entity} of {str(path)!r} has no known codec")
        view = dataset.filter_segments([stream.segment]).filter_contents([stream.entity])
        if view.segment_ids():
            raise InputError(
                f"segment {stream.segment!r} has samples of {stream.entity} already"
            )
    samples = 0
    for stream in streams:
        for start, end in _calls(stream):
            dataset.log(
                stream.segment,
                stream.entity,
                codec=CODECS[stream.codec or 0],
                index={n: t.slice(start, end - start) for n, t in stream.times.items()},
                samples=stream.samples[start:end],
            )
            samples += end - start
    return Imported(tuple(dict.fromkeys(stream.segment for stream in streams)), samples)


def to_rrd(
    recordings: Recordings,
    project: str,
    name: str,
    path: str | os.PathLike[str],
    segments: Sequence[str] | None,
) -> list[Path]:
    """Write segments as recordings; see `RecordingDataset.to_rrd`."""
    store = recordings.newest(project, name)
    names = recordings.streams.names(store)
    known = list(dict.fromkeys(stream.segment for stream in names))
    chosen = known if segments is None else list(segments)
    for segment in chosen:
        if segment not in known:
            raise NotFoundError(f"no segment {segment!r}{near_names(segment, known)}")
    target = Path(path)
    single = len(chosen) == 1 and target.suffix == ".rrd"
    written = []
    for segment in chosen:
        streams = {
            stream.entity: recordings.streams.open(store, stream)
            for stream in names
            if stream.segment == segment
        }
        void = recordings.streams.void_rows(store)
        data = write_recording(
            segment,
            {e: (s.codec, _rows(store, s, void)) for e, s in streams.items()},
            f"{project}.{name}",
        )
        file = target if single else target / f"{quote(segment, safe=' ')}.rrd"
        try:
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(data)
        except OSError as error:
            raise StorageError(f"cannot write {str(file)!r}: {error.strerror}") from error
        written.append(file)
    return written


def _calls(stream: RecordedStream) -> Iterator[tuple[int, int]]:
    """The samples in stretches of bounded bytes."""
    start = size = 0
    for at, sample in enumerate(stream.samples):
        if size + sample.size > _CALL_BYTES and at > start:
            yield start, at
            start, size = at, 0
        size += sample.size
    if len(stream.samples) > start:
        yield start, len(stream.samples)


def _rows(
    store: SampleStore, stream: Stream, void: Sequence[tuple[int, int]]
) -> Iterator[pa.Table]:
    """The samples of a stream as Rerun wants them, in decode order."""
    name = stream.name
    columns = SampleColumns(store, [name.entity], [name.segment], None, void)
    sample, keyframe = (component(name.entity, n) for n in ("sample", "is_keyframe"))
    wanted = [DECODE_INDEX, *store.timelines, sample, keyframe]
    for batch in columns.read(wanted, None):
        table = pa.Table.from_batches([batch])
        numbers = table[DECODE_INDEX].to_pylist()
        values = table[sample].combine_chunks()
        data = [memoryview(value.as_buffer()) for value in values]
        if stream.codec == H264:
            states = stream.whole.parameter_sets
            sets = [states[bisect_right(states, n, key=_first_sample) - 1] for n in numbers]
            length_size = stream.whole.nal_length_size
            data = [
                memoryview(to_annexb(d.cast("B"), length_size, s))
                for d, s in zip(data, sets, strict=True)
            ]
        yield pa.table(
            {
                **{n: table[n] for n in (DECODE_INDEX, *store.timelines)},
                "sample": pa.array(data, pa.binary()),
                "is_keyframe": table[keyframe],
            }
        )
