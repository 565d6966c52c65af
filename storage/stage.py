"""The data files of a write, laid down but not yet part of any version.

Three ways for a row to be written, chosen so that media are copied only when they must be:

- A new key: its columns go to a new fragment.
- A known key, and no video given: the columns given are rewritten in the fragment where the row
  lies (`update_columns`), one small file for each fragment. Media stay where they are.
- A known key with a video given, or in a table without videos: the whole row *moves* to a new
  fragment under its old row id, and is deleted where it lay.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from dataclasses import dataclass

import lance
import numpy as np
import numpy.typing as npt
import pyarrow as pa
from lance import LanceOperation
from lance.fragment import FragmentMetadata, LanceFragment, RowIdSequence, write_fragments

from ..errors import StorageError
from .blobs import null_videos, stored_bytes, stored_videos
from .given import GivenRows
from .handle import Handle
from .keys import UNKNOWN, Int64s
from .read import ROW_ID, take
from .schema import is_video, to_stored

_BATCH_BYTES = 32 << 20
_BATCH_ROWS = 1024


@dataclass(frozen=True, slots=True)
class Located:
    """Given rows, and where those with a known key lie."""

    given: GivenRows
    """The rows, in the types of the table."""
    row_ids: Int64s
    """Row id of each, `UNKNOWN` for a new key."""
    addresses: Int64s
    """Fragment (upper half) and row within it (lower half), likewise."""

    @property
    def known(self) -> Int64s:
        """The given rows whose key the table holds."""
        return np.flatnonzero(self.row_ids != UNKNOWN)

    @property
    def new(self) -> Int64s:
        """The others."""
        return np.flatnonzero(self.row_ids == UNKNOWN)


def widen(handle: Handle, fields: list[pa.Field]) -> lance.LanceDataset:
    """The dataset with columns added, as a version of its own that nobody else sees.

    Field ids of new columns depend on all the columns that there ever were, and Lance alone
    gives them out: it does so here in an empty dataset in memory that has the same schema.
    """
    dataset = handle.lance
    scratch = lance.LanceDataset.commit(
        f"memory://{uuid.uuid4().hex}", LanceOperation.Overwrite(dataset.lance_schema, [])
    )
    scratch.add_columns(to_stored(pa.schema(fields)))
    return lance.LanceDataset.commit(
        dataset,
        widening(handle, scratch),
        read_version=handle.version,
        storage_options=handle.storage_options or None,
        detached=True,
    )


def widening(handle: Handle, wide: lance.LanceDataset) -> LanceOperation.Merge:
    """The operation that gives a dataset the columns of a wider one, all null."""
    fragments = [fragment.metadata for fragment in handle.lance.get_fragments()]
    return LanceOperation.Merge(fragments, wide.lance_schema)


def stage(base: lance.LanceDataset, handle: Handle, rows: Located) -> LanceOperation.Update:
    """Write the data files, and say what of them becomes part of the next version.

    Args:
        base: The dataset with every column that is given.
        handle: The version that the rows were located in.
        rows: What to write.
    """
    given = rows.given
    if not len(rows.known):
        return LanceOperation.Update(new_fragments=_write_new(base, rows))
    if given.videos or not handle.video_columns:
        return _move(base, handle, rows)
    update = _update_columns(base, rows)
    if len(rows.new):
        update.new_fragments = _write_new(base, rows)
    return update


def _write_new(base: lance.LanceDataset, rows: Located) -> list[FragmentMetadata]:
    given = rows.given
    schema = pa.schema([_field(base, name) for name in given.names])
    batches = (
        _given_batch(given, part, schema) for part in _parts(rows.new, given.media_bytes())
    )
    return _write_fragments(base, pa.RecordBatchReader.from_batches(schema, batches))


def _update_columns(base: lance.LanceDataset, rows: Located) -> LanceOperation.Update:
    columns = rows.given.columns
    if not columns.num_columns:
        return LanceOperation.Update()
    updated: list[FragmentMetadata] = []
    offsets: dict[int, bytes] = {}
    modified: set[int] = set()
    fragments = rows.addresses[rows.known] >> 32
    for number in np.unique(fragments).tolist():
        at = rows.known[fragments == number]
        row_ids = pa.array(rows.row_ids[at].astype(np.uint64))
        fragment, fields, matched = _fragment(base, number).update_columns(
            columns.take(at).append_column(ROW_ID, row_ids), with_offsets=True
        )
        updated.append(fragment)
        modified.update(fields)
        offsets[number] = matched
    return LanceOperation.Update(
        updated_fragments=updated,
        fields_modified=sorted(modified),
        update_mode="rewrite_columns",
        updated_fragment_offsets=offsets,
    )


def _move(base: lance.LanceDataset, handle: Handle, rows: Located) -> LanceOperation.Update:
    schema = pa.schema([_field(base, name) for name in base.schema.names])
    batches = _moved_batches(handle, rows, schema)
    fragments = _write_fragments(base, pa.RecordBatchReader.from_batches(schema, batches))
    _keep_row_ids(fragments, rows.row_ids[rows.known])
    update = LanceOperation.Update(update_mode="rewrite_rows", new_fragments=fragments)
    addresses = rows.addresses[rows.known]
    for number in np.unique(addresses >> 32).tolist():
        offsets = addresses[addresses >> 32 == number] & 0xFFFF_FFFF
        left = _fragment(base, number).delete_rows(offsets.tolist())
        if left is None:
            update.removed_fragment_ids.append(number)
        else:
            update.updated_fragments.append(left)
    return update


def _moved_batches(
    handle: Handle, rows: Located, schema: pa.Schema
) -> Iterator[pa.RecordBatch]:
    """Known rows first, as their row ids are bound in that order; then the new ones."""
    given = rows.given
    kept = [field for field in handle.schema if field.name not in given.names]
    kept_videos = [field.name for field in kept if is_video(field)]
    kept_columns = [field.name for field in kept if not is_video(field)]
    media = given.media_bytes()
    known_ids = rows.row_ids[rows.known].astype(np.uint64)
    for name in kept_videos:
        media[rows.known] += stored_bytes(handle, name, known_ids)
    for part in _parts(rows.known, media):
        row_ids = rows.row_ids[part].astype(np.uint64)
        table = take(handle, row_ids, kept_columns).combine_chunks()
        old = {name: table[name].combine_chunks() for name in kept_columns}
        old |= {name: stored_videos(handle, name, row_ids) for name in kept_videos}
        yield _given_batch(given, part, schema, old)
    for part in _parts(rows.new, media):
        yield _given_batch(given, part, schema)


def _keep_row_ids(fragments: list[FragmentMetadata], row_ids: Int64s) -> None:
    for fragment in fragments:
        own, row_ids = row_ids[: fragment.physical_rows], row_ids[fragment.physical_rows :]
        if len(own):
            fragment.row_id_meta = RowIdSequence(
                pa.array(own, pa.uint64())
            ).to_inline_metadata()


def _write_fragments(
    base: lance.LanceDataset, reader: pa.RecordBatchReader
) -> list[FragmentMetadata]:
    fragments: list[FragmentMetadata] = write_fragments(
        reader,
        base,
        mode="append",
        # What is given as a file is copied in a stream; our references are none of Lance's.
        external_blob_mode="ingest",
    )
    return fragments


def _given_batch(
    given: GivenRows,
    rows: Int64s,
    schema: pa.Schema,
    old: dict[str, pa.Array] | None = None,
) -> pa.RecordBatch:
    arrays = []
    for field in schema:
        if field.name in given.videos:
            arrays.append(given.videos[field.name].take(rows))
        elif field.name in given.keys.column_names:
            arrays.append(given.keys[field.name].take(rows).combine_chunks())
        elif field.name in given.columns.column_names:
            arrays.append(given.columns[field.name].take(rows).combine_chunks())
        else:
            arrays.append((old or {}).get(field.name, _nulls(field, len(rows))))
    return pa.RecordBatch.from_arrays(arrays, schema=schema)


def _fragment(base: lance.LanceDataset, number: int) -> LanceFragment:
    fragment = base.get_fragment(number)
    if fragment is None:
        raise StorageError(f"{base.uri}: fragment {number} holds rows, but is not there")
    return fragment


def _field(base: lance.LanceDataset, name: str) -> pa.Field:
    return base.schema.field(name)


def _nulls(field: pa.Field, count: int) -> pa.Array:
    return null_videos(count) if is_video(field) else pa.nulls(count, field.type)


def _parts(rows: Int64s, media: npt.NDArray[np.int64]) -> Iterator[Int64s]:
    """The rows in pieces of bounded bytes, at least one row each."""
    start = 0
    while start < len(rows):
        sizes = np.cumsum(media[rows[start : start + _BATCH_ROWS]])
        end = start + max(1, int(np.searchsorted(sizes, _BATCH_BYTES, side="right")))
        yield rows[start:end]
        start = end
