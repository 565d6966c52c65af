"""What a worker process opened for one job and needs for the next: sessions, table versions.

They pickle by what they are of. Opened again they would begin with empty caches, and read and
decode the same frame indexes in each epoch.
"""

from __future__ import annotations

import io
import pickle
from collections.abc import Sequence
from functools import partial
from typing import Any

import pyarrow as pa


class Opened:
    """Loads pickles; what they have in common with the one before is not made again."""

    def __init__(self) -> None:
        self._kept: dict[bytes, object] = {}

    def load(self, data: pa.Buffer, /, *, buffers: Sequence[pa.Buffer]) -> Any:
        """As `pickle.loads`."""
        unpickler = _Unpickler(data, buffers, self._kept)
        value = unpickler.load()
        self._kept = unpickler.used
        return value


class _Unpickler(pickle.Unpickler):
    def __init__(
        self, data: pa.Buffer, buffers: Sequence[pa.Buffer], known: dict[bytes, object]
    ) -> None:
        super().__init__(io.BytesIO(data), buffers=buffers)
        self._known = known
        self.used: dict[bytes, object] = {}
        """What was made or taken, by what it was made of."""

    def find_class(self, module: str, name: str) -> Any:
        """A class or function; those that open something, in a form that does it once."""
        # These modules import this one.
        from ...storage.dataset import open_snapshot
        from ..workspace import Workspace

        found = super().find_class(module, name)
        opens = found is Workspace or found is open_snapshot
        return partial(self._once, found) if opens else found

    def _once(self, make: Any, *arguments: Any) -> object:
        key = pickle.dumps((make, arguments))
        if key not in self.used:
            kept = self._known.get(key)
            self.used[key] = make(*arguments) if kept is None else kept
        return self.used[key]
