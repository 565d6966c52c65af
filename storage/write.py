"""Upserts: rows become part of the table in one commit, or not at all.

Data files are laid down first (`stage`), against the newest version; then one commit makes them
part of the next. Lance lets most commits through that were prepared against an older version,
and two inserts of one key do not conflict for it. So each write also claims `_CLAIM`, a
fragment that never exists: of two writes prepared against the same version the second is
refused, and starts over from what the first has left. Files with new rows alone are kept for
that: nothing in them depends on what is stored, as long as their keys are still new.
"""

from __future__ import annotations

import random
import time
from dataclasses import dataclass, replace

import lance
from lance import LanceOperation

from ..errors import ConflictError
from .given import GivenRows
from .handle import Handle, translate_errors
from .read import locate_keys
from .stage import Located, stage, widen, widening

ATTEMPTS = 40
"""Conflicts in a row after which a write gives up."""

_CLAIM = 0xFFFF_FFFF
"""Fragment ids count up from 0 and have 32 bits in a row address: this one is never reached."""

_LONGEST_PAUSE_SECONDS = 0.2


@dataclass(frozen=True, slots=True)
class _Staged:
    """Data files that wait to be committed."""

    update: LanceOperation.Update
    """What they are to the next version."""
    field_ids: dict[str, int]
    """Lance's ids of the columns at the time."""
    reusable: bool
    """Whether only new keys are in it."""

    def fits(self, rows: Located, dataset: lance.LanceDataset) -> bool:
        if not self.reusable or len(rows.known):
            return False
        now = field_ids(dataset)
        return all(now.get(name) == self.field_ids[name] for name in rows.given.names)


def upsert(handle: Handle, given: GivenRows) -> Handle:
    """Write rows: new keys are inserted, known ones updated in the columns given.

    Returns:
        The version that holds them: the newest there is, if nothing had to be written.

    Raises:
        ConflictError: Other writers were quicker each time.
    """
    staged: _Staged | None = None
    for attempt in range(ATTEMPTS):
        handle = handle.newest()
        fitted = given.fit(handle.schema)
        if not given.keys.num_rows:
            return handle
        rows = Located(fitted, *locate_keys(handle, fitted.codes))
        if len(rows.given.names) == len(handle.key_schema) and not len(rows.new):
            return handle
        with translate_errors(f"write to {handle.uri}"):
            wide = None
            try:
                if staged is None or not staged.fits(rows, handle.lance):
                    new_fields = fitted.new_fields(handle.schema)
                    wide = widen(handle, new_fields) if new_fields else None
                    base = handle.lance if wide is None else wide
                    update = stage(base, handle, rows)
                    given.check_files()
                    staged = _Staged(update, field_ids(base), reusable=not len(rows.known))
                version = commit_update(handle, staged.update, wide)
            except lance.commit.CommitConflictError:
                pause(attempt)
                continue
        return handle.at(version)
    raise ConflictError(
        f"write to {handle.uri}: other writers were quicker {ATTEMPTS} times in a row"
    )


def commit_update(
    handle: Handle, update: LanceOperation.Update, wide: lance.LanceDataset | None
) -> int:
    """Make staged files part of the next version, after the columns of a wider dataset.

    Raises:
        CommitConflictError: Another writer was quicker (Lance's own, for who starts over).
    """
    base = handle.lance
    if wide is not None:
        # The schema changes in a commit of its own, which holds no rows: nothing but a crash
        # between the two leaves it alone, and then the new columns are there, all null.
        base = _commit_operation(handle, base, widening(handle, wide))
    claims = [*update.removed_fragment_ids, _CLAIM]
    claimed = replace(update, removed_fragment_ids=claims)
    version: int = _commit_operation(handle, base, claimed).version
    return version


def _commit_operation(
    handle: Handle, base: lance.LanceDataset, operation: LanceOperation.BaseOperation
) -> lance.LanceDataset:
    return lance.LanceDataset.commit(
        base,
        operation,
        read_version=base.version,
        storage_options=handle.storage_options or None,
    )


def field_ids(dataset: lance.LanceDataset) -> dict[str, int]:
    """Lance's number of each column, under which data files hold its values."""
    return {field.name(): field.id() for field in dataset.lance_schema.fields()}


def pause(attempt: int) -> None:
    """Wait a little before the next attempt, longer after each."""
    longest = min(_LONGEST_PAUSE_SECONDS, 0.002 * 2**attempt)
    time.sleep(random.uniform(0, longest))
