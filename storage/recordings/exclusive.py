"""One process at a time changes a dataset: what keeps an id a place.

Lance sorts fragments by their ids. A merged one gets its id when it is committed, behind those
that others have appended since the merge began, though its rows are older: from then on rows no
longer lie in the order of their ids, which all reading of samples relies on. Lance sees no
conflict in that. So appends and merges hold a lock of the operating system's, which goes with
its process; an object store has none.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from fcntl import LOCK_EX, flock

from ...errors import StorageError
from ..addresses import source_kind

_SUFFIX = ".lock"


def can_exclude(uri: str) -> bool:
    """Whether other processes can be kept away: not in an object store."""
    return source_kind(uri) == "file"


@contextmanager
def exclusive(uri: str) -> Iterator[None]:
    """Keep other writers of a dataset on this machine, and other threads, from changing it.

    Raises:
        StorageError: The lock cannot be had: the folder cannot be written to, say.
    """
    if not can_exclude(uri):
        yield
        return
    path = uri.removeprefix("file://") + _SUFFIX
    try:
        with open(path, "ab") as file:
            flock(file, LOCK_EX)
            yield
    except OSError as error:
        if error.filename != os.fspath(path):
            raise
        raise StorageError(f"lock of {uri}: {error.strerror}") from error
