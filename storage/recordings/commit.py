"""What changes a dataset: its first version, samples behind all others, the list of layers.

Lance lets two appends through that were prepared side by side. Of two to one stream the second
would begin with a number that the first has taken, so each claims a fragment that never exists:
two claims of one conflict. Writers of different streams do not meet.
"""

from __future__ import annotations

import json
import uuid
import zlib
from collections.abc import Callable

import lance
import pyarrow as pa
from lance import LanceOperation
from lance.commit import CommitConflictError
from lance.fragment import write_fragments

from ...errors import ConflictError, NotFoundError
from ..catalog import STORAGE_VERSION
from ..handle import (
    FORMAT,
    FORMAT_KEY,
    KEY_COLUMNS_KEY,
    TABLE_ID_KEY,
    Handle,
    StorageOptions,
    translate_errors,
)
from .exclusive import exclusive
from .schema import SAMPLE_SCHEMA
from .store import LAYERS_KEY, SampleStore, StreamName

_ATTEMPTS = 40
_BATCH_ROWS = 1 << 14
_CLAIMS = 1 << 16
_LAST_CLAIM = 0xFFFF_FFFE
"""Fragment ids count up from 0 and have 32 bits: the last are never reached."""


def create_store(uri: str, storage_options: StorageOptions | None = None) -> bool:
    """Commit the first version of a dataset without samples; False if there is one already."""
    metadata = {
        FORMAT_KEY: str(FORMAT),
        TABLE_ID_KEY: uuid.uuid4().hex,
        KEY_COLUMNS_KEY: json.dumps([]),
    }
    with translate_errors(f"create of {uri}"):
        try:
            lance.write_dataset(
                SAMPLE_SCHEMA.with_metadata(metadata).empty_table(),
                uri,
                mode="create",
                data_storage_version=STORAGE_VERSION,
                enable_stable_row_ids=True,
                storage_options=dict(storage_options or {}) or None,
            )
        except OSError as error:
            if "already exists" in str(error):
                return False
            raise
    return True


def append(store: SampleStore, rows: pa.Table, stream: StreamName) -> SampleStore:
    """Add rows of one stream behind all others, in one commit.

    Args:
        store: The version that the rows were made for.
        rows: Columns of `SAMPLE_SCHEMA` and of timelines; those that are new are added to the
            dataset first, which nobody sees but by their names.
        stream: Whose rows they are.

    Returns:
        The version that holds them.

    Raises:
        ConflictError: Somebody has written since that version what may be of the same stream:
            nothing was committed. Where upkeep has taken the versions since away, that is not
            found out here: whose rows count, the order of the rows tells.
    """
    base = store.handle
    doing = f"append to {store.uri}"
    with exclusive(store.uri), translate_errors(doing):
        new = [field for field in rows.schema if field.name not in base.stored_schema.names]
        if new:
            try:
                base = _widened(base, new)
            except NotFoundError as error:
                raise ConflictError(f"{doing}: version {base.version} is gone") from error
        schema = pa.schema([base.stored_schema.field(name) for name in rows.column_names])
        batches = rows.cast(schema).to_batches(max_chunksize=_BATCH_ROWS)
        reader = pa.RecordBatchReader.from_batches(schema, batches)
        operation = LanceOperation.Update(
            new_fragments=write_fragments(reader, base.lance, mode="append"),
            removed_fragment_ids=[_LAST_CLAIM - zlib.crc32(repr(stream).encode()) % _CLAIMS],
        )
        try:
            done = lance.LanceDataset.commit(
                base.lance,
                operation,
                read_version=base.version,
                storage_options=base.storage_options or None,
            )
        except CommitConflictError as error:
            raise ConflictError(f"{doing}: another writer was quicker") from error
        except OSError as error:
            if "not found" not in str(error).lower():
                raise
            # Upkeep took away the versions since, with what they say of other writers.
            raise ConflictError(f"{doing}: version {base.version} is gone") from error
        # Before others may remove the version.
        return SampleStore(base.at(done.version))


def change_layers(
    store: SampleStore, change: Callable[[dict[str, dict[str, str]]], None]
) -> SampleStore:
    """Change the list of layers, on top of what others did to it meanwhile.

    Returns:
        The newest version.

    Raises:
        ConflictError: Other writers were quicker each time.
    """
    for _ in range(_ATTEMPTS):
        with exclusive(store.uri):
            newest = store.newest()
            layers = {name: dict(said) for name, said in newest.layers.items()}
            change(layers)
            try:
                with translate_errors(f"layers of {store.uri}"):
                    newest.handle.reopen().update_config({LAYERS_KEY: json.dumps(layers)})
            except ConflictError:
                continue
            return store.newest()
    raise ConflictError(f"layers of {store.uri}: other writers were quicker each time")


def _widened(base: Handle, fields: list[pa.Field]) -> Handle:
    dataset = base.reopen()
    dataset.add_columns(pa.schema(fields))
    return base.at(dataset.version)
