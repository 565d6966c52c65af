"""The other side of an engine's process."""

from __future__ import annotations

import json
import select
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .registry import ENGINES, Size

_ROOT = Path(__file__).parents[3]
_START_SECONDS = 180
"""PyTorch takes long to import, on a busy machine very long."""

Item = tuple[str, list[int]]
"""A path, and frame numbers in rising order."""


@dataclass(frozen=True, slots=True)
class Spent:
    """What one call cost."""

    cpu: float
    """Seconds, of all threads, and of worker processes that are still there."""
    wall: float
    """Seconds."""
    read: int
    """Bytes that the process read from files."""
    peak: int
    """Bytes of memory above those before the first clip: what is cached counts."""
    notes: Mapping[str, float]
    """What the engine counted."""


class EngineFailed(Exception):
    """The engine raised, died or took too long."""


class EngineProcess:
    """One engine, started."""

    def __init__(self, name: str) -> None:
        """Start it.

        Raises:
            EngineFailed: It is not installed.
        """
        self.name = name
        self._process = subprocess.Popen(
            [python_of(name), "-m", "marey.tests.bench.engines", name],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        try:
            self.version: str = self._answer(_START_SECONDS)["version"]
        except EngineFailed:
            self.close()
            raise

    def prepare(self, paths: Sequence[str]) -> None:
        """Make files known."""
        self._ask({"do": "prepare", "paths": list(paths)}, 600)

    def read(self, items: Sequence[Item], size: Size | None) -> Spent:
        """Read all items and say what it cost."""
        self.begin(items, size)
        return self.spent()

    def begin(self, items: Sequence[Item], size: Size | None) -> None:
        """Begin to read all items."""
        self._send({"do": "read", "items": items, "size": size, "keep": ""})

    def spent(self) -> Spent:
        """Wait until all is read, and say what it cost."""
        return Spent(**self._answer(300))

    def keep(self, item: Item, path: str) -> None:
        """Write an item's frames to a file of numpy's."""
        self._ask({"do": "read", "items": [item], "size": None, "keep": path}, 60)

    def close(self) -> None:
        """End the process."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        assert self._process.stdout is not None
        self._process.stdout.close()

    def _ask(self, request: dict[str, Any], seconds: float) -> dict[str, Any]:
        self._send(request)
        return self._answer(seconds)

    def _send(self, request: dict[str, Any]) -> None:
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(json.dumps(request) + "\n")
            self._process.stdin.flush()
        except OSError as error:
            raise EngineFailed(f"{self.name} is gone") from error

    def _answer(self, seconds: float) -> dict[str, Any]:
        stdout = self._process.stdout
        assert stdout is not None
        if not select.select([stdout], [], [], seconds)[0]:
            self._process.kill()
            raise EngineFailed(f"{self.name}: no answer in {seconds:.0f} s")
        line = stdout.readline()
        if not line:
            raise EngineFailed(f"{self.name} died")
        said: dict[str, Any] = json.loads(line)
        if "error" in said:
            raise EngineFailed(f"{self.name}: {said['error']}")
        return said


def python_of(name: str) -> str:
    """The interpreter that an engine runs in."""
    peers = peers_python()
    return str(peers) if ENGINES[name].is_peer and peers.exists() else sys.executable


def peers_python() -> Path:
    """The interpreter of the environment that `make bench-peers` makes."""
    return _ROOT / ".venv-peers" / "bin" / "python"
