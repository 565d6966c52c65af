"""Whether anything was committed to a table since it was opened, at the price of one `stat`.

Opening a table to see that it is still the same takes a quarter of a millisecond, at each scan.
Every commit puts a file into the folder of versions, so a local folder's time tells. Times move
in ticks of some milliseconds: a folder that has changed a moment ago may change again within
its tick, so for a second it is not believed.
"""

from __future__ import annotations

import os
import time
from dataclasses import dataclass
from typing import Self

_VERSIONS = "_versions"
_SETTLED_NS = 1_000_000_000


@dataclass(frozen=True, slots=True)
class CommitStamp:
    """The state of a table's folder of versions."""

    inode: int
    """Of the folder: another one after a table was dropped and made again."""
    modified_ns: int
    """When an entry was last added or removed."""
    changed_ns: int
    """When the folder itself was last touched, by the system's clock alone."""

    @classmethod
    def of(cls, uri: str) -> Self | None:
        """The state of a local table, to be taken before it is opened; None where it tells
        nothing: on an object store, and just after a commit.
        """
        if "://" in uri:
            return None
        try:
            found = os.stat(f"{uri}/{_VERSIONS}")
        except OSError:
            return None
        latest = max(found.st_mtime_ns, found.st_ctime_ns)
        if not 0 <= latest <= time.time_ns() - _SETTLED_NS:
            return None
        return cls(found.st_ino, found.st_mtime_ns, found.st_ctime_ns)
