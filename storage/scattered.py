"""One write laid down by many processes: each writes data files, and one commits them all.

::

    plan       which columns the rows have, and are to be added     (one process)
    lay_down   rows become data files that belong to no version     (many, anywhere)
    commit     keys are checked, then one commit for all            (one process)

Only new keys can be written so: nothing in their files depends on what is stored. What a failed
write leaves behind is removed by `optimize`, when it is a week old.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace

import lance
import numpy as np
import pyarrow as pa
from lance import LanceOperation
from lance.fragment import FragmentMetadata

from ..errors import ConflictError, InputError
from .columns import check_keys, describe_key
from .given import check_rows
from .handle import Handle, StorageOptions, translate_errors
from .keys import UNKNOWN, KeyCodes
from .read import locate_keys
from .schema import VideoValue
from .stage import Located, stage, widen
from .write import ATTEMPTS, commit_update, field_ids, pause


@dataclass(frozen=True, slots=True)
class Piece:
    """Rows of a write that are laid down."""

    keys: pa.Table
    """Their keys."""
    fragments: tuple[str, ...]
    """Their fragments, as JSON."""


@dataclass(frozen=True, slots=True)
class ScatteredWrite:
    """A write of new rows; it pickles."""

    uri: str
    """The table."""
    storage_options: StorageOptions
    """How to reach it."""
    key_schema: pa.Schema
    """Its key columns."""
    version: int | None = None
    """The version that files are laid down against, once the write is planned: with the new
    columns, and if there are any a detached one, which nobody else sees."""

    def plan(self, columns: pa.Schema, videos: Collection[str]) -> ScatteredWrite:
        """The write with its columns settled.

        Args:
            columns: The ordinary columns of the rows to come, those of the key among them.
            videos: Their video columns.

        Raises:
            InputError: A key column is not there, or a column does not fit the one stored.
        """
        handle = self._open(None)
        nothing: dict[str, list[VideoValue | None]] = {name: [] for name in videos}
        given = check_rows(columns.empty_table(), nothing, self.key_schema)
        fields = given.fit(handle.schema).new_fields(handle.schema)
        with translate_errors(f"write to {self.uri}"):
            base = widen(handle, fields) if fields else handle.lance
            return replace(self, version=base.version)

    def lay_down(
        self, table: pa.Table, videos: Mapping[str, Sequence[VideoValue | None]]
    ) -> Piece:
        """Store some rows, part of no version yet; arguments as for `Dataset.write`.

        Raises:
            InputError: A column does not fit the one stored, or was not planned.
        """
        handle = self._open(self.version)
        given = check_rows(table, videos, self.key_schema)
        unplanned = [field.name for field in given.new_fields(handle.schema)]
        if unplanned:
            raise InputError(f"column {unplanned[0]!r}: the first rows do not have it")
        nowhere = np.full(given.keys.num_rows, UNKNOWN, np.int64)
        rows = Located(given.fit(handle.schema), nowhere, nowhere)
        with translate_errors(f"write to {self.uri}"):
            staged = stage(handle.lance, handle, rows)
        fragments = tuple(json.dumps(fragment.to_json()) for fragment in staged.new_fragments)
        return Piece(given.keys, fragments)

    def commit(self, pieces: Sequence[Piece]) -> int:
        """Make all pieces part of the table's next version, and say which that is.

        Raises:
            DuplicateKeyError: A key stands in two pieces.
            InputError: The table has a key already.
            ConflictError: Columns were added to the table meanwhile, or other writers were
                quicker each time.
        """
        fragments = [FragmentMetadata.from_json(text) for p in pieces for text in p.fragments]
        keys = pa.concat_tables([piece.keys for piece in pieces])
        check_keys(keys)
        codes = KeyCodes(keys)
        update = LanceOperation.Update(new_fragments=fragments)
        planned = self._open(self.version)
        for attempt in range(ATTEMPTS):
            handle = self._open(None)
            _require_new(handle, keys, codes)
            wide = _wider(handle, planned)
            with translate_errors(f"write to {self.uri}"):
                try:
                    return commit_update(handle, update, wide)
                except lance.commit.CommitConflictError:
                    pause(attempt)
        raise ConflictError(
            f"write to {self.uri}: other writers were quicker {ATTEMPTS} times in a row"
        )

    def _open(self, version: int | None) -> Handle:
        return Handle(self.uri, version=version, storage_options=self.storage_options)


def _require_new(handle: Handle, keys: pa.Table, codes: KeyCodes) -> None:
    row_ids, _ = locate_keys(handle, codes)
    known = np.flatnonzero(row_ids != UNKNOWN)
    if len(known):
        raise InputError(
            f"{len(known)} of {keys.num_rows} keys are in the table already, the first: "
            f"{describe_key(keys, int(known[0]))}: rows with videos are "
            "added this way and not updated (`Table.write` does that)"
        )


def _wider(handle: Handle, planned: Handle) -> lance.LanceDataset | None:
    """The dataset with the planned columns, where the table has not got them yet."""
    numbers, now = field_ids(planned.lance), field_ids(handle.lance)
    for name, number in now.items():
        known = name in numbers and handle.schema.field(name) == planned.schema.field(name)
        if not known or numbers[name] != number:
            raise ConflictError(
                f"write to {handle.uri}: another writer added column {name!r} since it began"
            )
    return None if numbers == now else planned.lance
