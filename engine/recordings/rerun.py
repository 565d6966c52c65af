"""Recordings of Rerun (`.rrd` files), in and out, by way of its own SDK.

A recording becomes a segment of its id, an entity with video samples a stream of its path.
Rerun keeps samples in the order in which they were logged, which is decode order.

The SDK is large and wants a DataFusion of its own for more than files: it is imported here and
nowhere else, and only when it is asked for (`pip install "marey[rerun]"`).
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from importlib import import_module
from itertools import pairwise
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.types as pat

from ...errors import ConfigError, CorruptVideoError, SourceNotFoundError, UnsupportedError
from ...storage.recordings.schema import DECODE_INDEX, SEGMENT
from ...video.h264.nal import NAL_SLICE_IDR, NAL_SPS, split_annexb, split_length_prefixed
from ...video.index.frames import ParameterSets

CODECS = {
    0x61766331: "h264",
    0x68657631: "hevc",
    0x61763031: "av1",
    0x76703038: "vp8",
    0x76703039: "vp9",
}
"""Rerun's numbers of codecs, and our names."""

_SAMPLE, _CODEC = "VideoStream:sample", "VideoStream:codec"
_ROW_ID = "rerun.controls.RowId"
_INTERNAL = ("/__properties", "/__warnings")
_START_CODE = b"\x00\x00\x00\x01"


@dataclass(slots=True)
class RecordedStream:
    """The samples of one entity in one recording."""

    segment: str
    """The recording's id."""
    entity: str
    """The entity's path."""
    codec: int | None = None
    """Rerun's number."""
    samples: list[pa.Buffer] = field(default_factory=list)
    """In the order in which they were logged."""
    times: dict[str, pa.ChunkedArray] = field(default_factory=dict)
    """By timeline, one a sample."""


def require_rerun() -> ModuleType:
    """The SDK.

    Raises:
        ConfigError: It is not installed.
    """
    try:
        import_module("rerun.chunk")
    except ImportError as error:
        raise ConfigError(
            'recordings of Rerun need its SDK: pip install "marey[rerun]"'
        ) from error
    return import_module("rerun")


def read_streams(path: str | os.PathLike[str]) -> Iterator[RecordedStream]:
    """The video streams of all recordings in a file.

    Raises:
        SourceNotFoundError: There is no such file.
        CorruptVideoError: It is no recording.
    """
    for segment, batches in _recordings(path):
        found: dict[str, list[pa.Table]] = {}
        codecs: dict[str, int] = {}
        for entity, batch in batches:
            if _CODEC in batch.schema.names:
                known = [c for row in batch.column(_CODEC).to_pylist() for c in row or ()]
                codecs |= {entity: known[0]} if known else {}
            if _SAMPLE in batch.schema.names:
                keep = [_ROW_ID, *_timelines(batch.schema), _SAMPLE]
                found.setdefault(entity, []).append(pa.Table.from_batches([batch.select(keep)]))
        for entity, tables in found.items():
            rows = pa.concat_tables(tables, promote_options="default")
            order = np.argsort(np.array([bytes(i) for i in rows[_ROW_ID].to_pylist()], "S16"))
            rows = rows.take(pa.array(order)).filter(rows[_SAMPLE].is_valid().take(order))
            names = [n for n in rows.column_names if n not in (_ROW_ID, _SAMPLE, DECODE_INDEX)]
            yield RecordedStream(
                segment,
                entity,
                codecs.get(entity),
                [sample for chunk in rows[_SAMPLE].chunks for sample in _bytes_of(chunk)],
                {name: rows[name] for name in names},
            )


def read_recording(path: str | os.PathLike[str]) -> pa.Table:
    """What a file holds beside video and static facts, as rows of a layer."""
    tables = []
    for segment, batches in _recordings(path):
        for entity, batch in batches:
            timelines = _timelines(batch.schema)
            parts = [n for n in batch.schema.names if ":" in n and n not in (_SAMPLE, _CODEC)]
            parts = [n for n in parts if not n.startswith("VideoStream:")]
            if not timelines or not parts:
                continue
            columns = {SEGMENT: pa.array([segment] * batch.num_rows, pa.string())}
            columns |= {name: batch.column(name) for name in timelines}
            columns |= {f"{entity}:{name}": _alone(batch.column(name)) for name in parts}
            tables.append(pa.table(columns))
    if not tables:
        return pa.table({SEGMENT: pa.array([], pa.string())})
    return pa.concat_tables(tables, promote_options="permissive")


def write_recording(
    segment: str,
    streams: Mapping[str, tuple[str, Iterator[pa.Table]]],
    application: str,
) -> bytes:
    """A recording as Rerun keeps it.

    Args:
        segment: Its id.
        streams: By entity the codec, and its rows in decode order: `sample`, `is_keyframe`,
            `decode_index` and the timelines.
        application: Whose recording it is.

    Raises:
        UnsupportedError: Rerun has no such codec.
    """
    rerun = require_rerun()
    recording = rerun.RecordingStream(application, recording_id=segment)
    memory = recording.memory_recording()
    for entity, (codec, tables) in streams.items():
        numbers = [number for number, name in CODECS.items() if name == codec]
        if not numbers:
            raise UnsupportedError(f"{entity} is {codec}, of which Rerun keeps no streams")
        recording.log(
            entity, rerun.VideoStream(codec=rerun.VideoCodec(numbers[0])), static=True
        )
        for table in tables:
            for rows in _alike(table):
                _send(rerun, recording, entity, rows)
    recording.flush()
    data: bytes = memory.drain_as_bytes()
    return data


def to_annexb(data: memoryview, length_size: int, sets: ParameterSets | None) -> bytes:
    """A sample as Rerun wants it: behind start codes, and entries with their parameter sets."""
    spans = split_length_prefixed(data, length_size) if length_size else split_annexb(data)
    nals = [bytes(data[start:end]) for start, end in spans]
    kinds = {nal[0] & 31 for nal in nals}
    if sets is not None and NAL_SLICE_IDR in kinds and NAL_SPS not in kinds:
        nals = [*sets.sps, *sets.pps, *nals]
    elif not length_size:
        return bytes(data)
    return b"".join(_START_CODE + nal for nal in nals)


def _recordings(
    path: str | os.PathLike[str],
) -> Iterator[tuple[str, Iterator[tuple[str, pa.RecordBatch]]]]:
    """For each recording its id, and its chunks with their entities."""
    require_rerun()
    read = import_module("rerun.chunk").RrdReader
    if not Path(path).is_file():
        raise SourceNotFoundError(f"no such file: {str(path)!r}")
    try:
        reader = read(path)
        stores = reader.recordings()
    except Exception as error:  # the SDK has no errors of its own
        raise CorruptVideoError(f"{str(path)!r} is no recording of Rerun: {error}") from error
    if not stores:
        raise CorruptVideoError(f"{str(path)!r} holds no recording of Rerun")
    for store in stores:
        yield store.recording_id, _chunks(reader.stream(store=store), path)


def _chunks(chunks: Any, path: object) -> Iterator[tuple[str, pa.RecordBatch]]:
    try:
        for chunk in chunks:
            if not chunk.entity_path.startswith(_INTERNAL):
                yield chunk.entity_path, chunk.to_record_batch()
    except RuntimeError as error:
        raise CorruptVideoError(f"{str(path)!r} is damaged: {error}") from error


def _timelines(schema: pa.Schema) -> list[str]:
    kinds = {f.name: (f.metadata or {}).get(b"rerun:kind") for f in schema}
    return [name for name, kind in kinds.items() if kind == b"index"]


def _bytes_of(column: pa.ListArray) -> Iterator[pa.Buffer]:
    """The one sample of each row: lists of lists of bytes, or of binary values."""
    for row in column:
        for sample in row:
            if pat.is_list(sample.type):
                yield pa.py_buffer(sample.values.to_numpy())
            else:
                yield sample.as_buffer()
            break


def _alone(column: pa.Array) -> pa.Array:
    """A column of lists of one value each as those values."""
    if not pat.is_list(column.type):
        return column
    lengths = column.value_lengths().fill_null(0).to_numpy(zero_copy_only=False)
    if (lengths > 1).any():
        return column
    place = np.where(lengths == 1, column.offsets.to_numpy()[:-1], 0)
    at = pa.array(place - column.offsets[0].as_py() * (lengths == 1), mask=lengths == 0)
    return column.flatten().take(at)


def _alike(table: pa.Table) -> Iterator[pa.Table]:
    """The rows in runs that have times on the same timelines."""
    timelines = _timeline_names(table.column_names)
    valid = np.array([table[name].is_valid().to_numpy() for name in timelines]).T
    edges = np.flatnonzero((valid[1:] != valid[:-1]).any(axis=1)) + 1
    starts = [0, *edges.tolist(), table.num_rows]
    for start, end in pairwise(starts):
        if end > start:
            yield table.slice(start, end - start)


def _timeline_names(columns: Sequence[str]) -> list[str]:
    return [name for name in columns if name not in ("sample", "is_keyframe")]


def _send(rerun: Any, recording: Any, entity: str, rows: pa.Table) -> None:
    indexes = []
    for name in _timeline_names(rows.column_names):
        column = rows[name]
        if column.null_count:
            continue  # of all rows or of none
        values = column.to_numpy()
        if pat.is_timestamp(column.type):
            indexes.append(rerun.TimeColumn(name, timestamp=values))
        elif pat.is_duration(column.type):
            indexes.append(rerun.TimeColumn(name, duration=values))
        else:
            indexes.append(rerun.TimeColumn(name, sequence=values))
    parts = {"sample": rows["sample"].to_pylist()}
    if not rows["is_keyframe"].null_count:
        parts["is_keyframe"] = rows["is_keyframe"].to_pylist()
    recording.send_columns(entity, indexes=indexes, columns=rerun.VideoStream.columns(**parts))
