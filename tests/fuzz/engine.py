"""A coverage-guided fuzz loop, small enough to read.

An input that reaches a line no other reached, in the modules watched, is kept and mutated on.
Lines are watched with `sys.monitoring`, which asks for each line once, or with `sys.settrace`
(Python 3.11), which slows everything: so functions that ran often are watched now and then.
"""

from __future__ import annotations

import sys
import time
import traceback
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from hashlib import blake2b
from pathlib import Path
from random import Random
from types import CodeType, FrameType
from typing import Any

from marey.errors import MareyError
from marey.video import bits

_WATCHED = str(Path(bits.__file__).resolve().parents[1])
_TOOL = 3
_WATCHED_CALLS = 300
_NOW_AND_THEN = 16

Target = Callable[[bytes], None]
"""Does everything with an input that is tried; raises what the product raises."""
Mutate = Callable[[Random, bytes], bytes]
"""Makes another input of one."""


def digest(data: bytes) -> str:
    """The name of an input: its content."""
    return blake2b(data, digest_size=8).hexdigest()


class Coverage:
    """Lines of the video package that ran, each counted once."""

    def __init__(self) -> None:
        self.lines: set[tuple[CodeType, int]] = set()
        self._is_watched: dict[CodeType, bool] = {}
        self._calls: dict[CodeType, int] = {}

    def _watches(self, code: CodeType) -> bool:
        found = self._is_watched.get(code)
        if found is None:
            found = _WATCHED in str(Path(code.co_filename).resolve())
            self._is_watched[code] = found
        return found

    def run(self, target: Target, data: bytes) -> int:
        """Run the target; how many lines are new."""
        before = len(self.lines)
        if sys.version_info >= (3, 12):
            self._monitored(target, data)
        else:
            sys.settrace(self._enter)
            try:
                target(data)
            finally:
                sys.settrace(None)
        return len(self.lines) - before

    def _enter(self, frame: FrameType, event: str, argument: Any) -> Any:
        code = frame.f_code
        if not self._watches(code):
            return None
        calls = self._calls[code] = self._calls.get(code, 0) + 1
        return self._line if calls < _WATCHED_CALLS or not calls % _NOW_AND_THEN else None

    def _line(self, frame: FrameType, event: str, argument: Any) -> Any:
        if event == "line":
            self.lines.add((frame.f_code, frame.f_lineno))
        return self._line

    def _monitored(self, target: Target, data: bytes) -> None:
        monitoring: Any = sys.monitoring  # type: ignore[attr-defined, unused-ignore]
        monitoring.use_tool_id(_TOOL, "marey fuzz")

        def line(code: CodeType, number: int) -> Any:
            if self._watches(code):
                self.lines.add((code, number))
            return monitoring.DISABLE

        monitoring.register_callback(_TOOL, monitoring.events.LINE, line)
        monitoring.set_events(_TOOL, monitoring.events.LINE)
        try:
            target(data)
        finally:
            monitoring.set_events(_TOOL, 0)
            monitoring.free_tool_id(_TOOL)


@dataclass(frozen=True, slots=True)
class Finding:
    """An input that broke a promise."""

    target: str
    data: bytes
    reason: str


@dataclass(slots=True)
class Fuzz:
    """One target, its inputs so far, and what it found."""

    name: str
    target: Target
    mutate: Mutate
    inputs: list[bytes]
    coverage: Coverage = field(default_factory=Coverage)
    findings: list[Finding] = field(default_factory=list)
    runs: int = 0
    guided: bool = True
    _known: set[str] = field(default_factory=set)

    def start(self) -> Iterator[None]:
        """Run what is there already, one a step, so that only news counts."""
        for data in list(self.inputs):
            self._try(data)
            yield

    def step(self, chance: Random) -> None:
        """Mutate one input and try it; late finds are taken more often."""
        at = max(chance.randrange(len(self.inputs)), chance.randrange(len(self.inputs)))
        data = self.inputs[at]
        for _ in range(chance.choice((1, 1, 2, 4, 8))):
            data = self.mutate(chance, data)
        if self._try(data):
            self.inputs.append(data)

    def _try(self, data: bytes) -> bool:
        self.runs += 1
        began = time.process_time()
        reason = ""
        new = 0
        before = len(self.coverage.lines)
        try:
            if self.guided:
                new = self.coverage.run(self.target, data)
            else:
                self.target(data)
        except MareyError:
            new = len(self.coverage.lines) - before
        except Exception as error:
            reason = _where(error)
        took = time.process_time() - began
        # Watching costs some ten times as much; this is for what does not end.
        if took > 20 + len(data) * 40e-6:
            reason = reason or f"took {took:.0f} s of CPU for {len(data)} bytes"
        if reason and reason.split(" | ")[0] not in self._known:
            self._known.add(reason.split(" | ")[0])
            self.findings.append(Finding(self.name, data, reason))
        return new > 0


def _where(error: Exception) -> str:
    """The error, and the line of the package that raised it."""
    frames: Sequence[traceback.FrameSummary] = traceback.extract_tb(error.__traceback__)
    place = frames[-1]
    return f"{type(error).__name__} in {Path(place.filename).name} {place.name} | {error}"
