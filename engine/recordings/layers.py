"""Columns that are added to a dataset later, joined by segment and time.

The samples are not touched: a layer is a table beside them.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pyarrow.types as pat

from ...errors import InputError, SourceNotFoundError, UnsupportedError
from ...expressions.near import near_names
from ...storage.addresses import shown_uri, source_kind
from ...storage.catalog import Catalog
from ...storage.folders import is_remote
from ...storage.recordings.layers import Layer, open_lance_table
from ...storage.recordings.schema import SAMPLE_SCHEMA, SEGMENT
from ...storage.recordings.store import SampleStore, literal
from ...storage.schema import check_names, to_column_type
from ...video.source import ByteRange
from .. import pushdown
from ..tabular import to_arrow
from .columns import VIDEO_STREAM
from .rerun import read_recording
from .times import fit_column

_BATCH_ROWS = 8192
_PARQUET, _RECORDING = ".parquet", ".rrd"


@dataclass(frozen=True, slots=True)
class LayerColumns:
    """Some columns of a layer, and its keys under names of their own."""

    layer: Layer
    """The layer."""
    columns: Sequence[str]
    """Which of its columns."""
    segments: Sequence[str] | None
    """Of which segments; None: of all."""
    key_prefix: str
    """Begins the names of the keys."""

    @property
    def schema(self) -> pa.Schema:
        """The keys, then the columns."""
        stored = self.layer.schema
        keys = [stored.field(name) for name in (SEGMENT, self.layer.timeline)]
        fields = [pa.field(self.key_prefix + key.name, key.type) for key in keys]
        return pa.schema([*fields, *(pa.field(n, stored.field(n).type) for n in self.columns)])

    def read(
        self, names: Sequence[str], tree: pushdown.Node | None
    ) -> Iterator[pa.RecordBatch]:
        """Some of them, of the rows that may pass a filter."""
        if self.segments is not None and not self.segments:
            return
        stored = {name: name.removeprefix(self.key_prefix) for name in self.schema.names}
        parts = []
        if self.segments is not None:
            parts.append(f"{SEGMENT} IN ({', '.join(map(literal, self.segments))})")
        if tree is not None:
            paths = {name: (column,) for name, column in stored.items()}
            pushed = pushdown.to_lance_filter(tree, paths)
            parts += [pushed] if pushed else []
        wanted = [stored[name] for name in names]
        schema = pa.schema([self.schema.field(name) for name in names])
        for batch in self.layer.scan(wanted, " AND ".join(parts) or None):
            if not names:
                yield batch.select([])
                continue
            columns = [batch.column(name) for name in wanted]
            yield pa.RecordBatch.from_arrays(columns, schema=schema)


def read_source(source: object, name: str, catalog: Catalog) -> pa.RecordBatchReader:
    """The rows of a layer, from a table or from what a path or URI leads to.

    Raises:
        InputError: It is neither a table nor the place of a Parquet file or a Lance dataset.
        SourceNotFoundError: Nothing is there.
    """
    if not isinstance(source, str | os.PathLike):
        return to_arrow(source, what=f"layer {name!r}").to_reader()
    if is_remote(text := os.fspath(source)) and source_kind(text) != "file":
        return _read_object(text, name, catalog)
    path = Path(unquote(urlsplit(text).path) if is_remote(text) else text)
    if not path.exists():
        raise SourceNotFoundError(f"layer {name!r}: nothing is at {str(path)!r}")
    if path.is_dir():
        return open_lance_table(str(path))
    if path.suffix == _RECORDING:
        return read_recording(path).to_reader()
    return _read_parquet(path, name, str(path))


def _read_object(uri: str, name: str, catalog: Catalog) -> pa.RecordBatchReader:
    """The rows of a layer out of an object store: what ends in `.parquet` is one object."""
    if uri.endswith(_RECORDING):
        raise UnsupportedError(
            f"layer {name!r}: recordings of Rerun are read from files of this machine: "
            f"{shown_uri(uri)}"
        )
    if not uri.endswith(_PARQUET):
        return open_lance_table(uri, catalog.storage_options)
    file = catalog.objects.open(uri)
    (data,) = file.read([ByteRange(0, file.size)])
    return _read_parquet(pa.BufferReader(data), name, shown_uri(uri))


def _read_parquet(source: object, name: str, shown: str) -> pa.RecordBatchReader:
    try:
        file = pq.ParquetFile(source)
    except (pa.ArrowException, OSError) as error:
        raise InputError(
            f"layer {name!r}: {shown!r} is no Parquet file, dataset or recording: {error}"
        ) from error
    return pa.RecordBatchReader.from_batches(
        file.schema_arrow, file.iter_batches(batch_size=_BATCH_ROWS)
    )


def fit_layer(
    source: pa.RecordBatchReader, store: SampleStore, name: str, index: str | None
) -> tuple[str, pa.RecordBatchReader]:
    """The rows of a layer as they are stored, and the timeline that they are joined by.

    Args:
        source: Rows with `segment_id` and at least one timeline of the dataset.
        store: The dataset.
        name: The layer's name, for messages.
        index: The timeline to join by; the first that the rows have if None.

    Raises:
        InputError: A key is missing or null, or a column cannot be one of a layer.
    """
    names = source.schema.names
    where = f"layer {name!r}"
    check_names(names)
    if SEGMENT not in names:
        raise InputError(f"{where}: no column {SEGMENT!r}{near_names(SEGMENT, names)}")
    found = source.schema.field(SEGMENT).type
    if not _is_text(found):
        raise InputError(f"{where}: {SEGMENT}: expected text, found {found}")
    shared = [timeline for timeline in store.timelines if timeline in names]
    timeline = index if index is not None else next(iter(shared), None)
    if timeline is None or timeline not in shared:
        raise InputError(
            f"{where}: expected a column of one of the dataset's indexes "
            f"{list(store.timelines)}, found {names}"
            + ("" if index is None else f": there is no {index!r} in both")
        )
    values = [n for n in names if n != SEGMENT and n not in shared]
    for column in values:
        if column in SAMPLE_SCHEMA.names or f":{VIDEO_STREAM}:" in column:
            raise InputError(f"{where}: column {column!r} is one of the dataset's own")
    if not values:
        raise InputError(f"{where}: no column beside {SEGMENT!r} and {timeline!r}")
    dtype = store.timelines[timeline]
    fields = [pa.field(SEGMENT, pa.string(), nullable=False), pa.field(timeline, dtype)]
    fields += [pa.field(n, to_column_type(n, source.schema.field(n).type)) for n in values]
    schema = pa.schema(fields)

    def batches() -> Iterator[pa.RecordBatch]:
        row = 0
        for batch in source:
            keys = [batch.column(SEGMENT), batch.column(timeline)]
            for key, of in zip(keys, (SEGMENT, timeline), strict=True):
                if key.null_count:
                    at = row + pc.index(key.is_null(), True).as_py()
                    raise InputError(f"{where}, row {at}: {of} is null")
            columns = [
                keys[0].cast(pa.string()),
                fit_column(timeline, keys[1], batch.num_rows, dtype),
                *(batch.column(n).cast(schema.field(n).type) for n in values),
            ]
            row += batch.num_rows
            yield pa.RecordBatch.from_arrays(columns, schema=schema)

    return timeline, pa.RecordBatchReader.from_batches(schema, batches())


def _is_text(dtype: pa.DataType) -> bool:
    inner = dtype.value_type if pat.is_dictionary(dtype) else dtype
    kinds = (pat.is_string, pat.is_large_string, pat.is_string_view, pat.is_null)
    return any(is_kind(inner) for is_kind in kinds)
