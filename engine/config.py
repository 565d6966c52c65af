"""The settings of an engine: one frozen object, checked when it is made and passed down."""

from __future__ import annotations

import operator
import os
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Literal, get_args

from ..errors import ConfigError
from ..storage.addresses import SourceKind
from ..video.plan import LOCAL, OBJECT_STORE, WEB, SourceCost

_MIB = 1 << 20

_USUAL_CACHE_SHARE = 4
"""The part of a memory budget that caches may have: two batches of a quarter, and one on its
way, fit beside them."""

USUAL_COSTS: Mapping[SourceKind, SourceCost] = {
    "file": LOCAL,
    "s3": OBJECT_STORE,
    "gs": OBJECT_STORE,
    "az": OBJECT_STORE,
    "http": WEB,
}
"""What reading costs unless it is set."""

DecodeIsolation = Literal["thread", "process"]
"""Where a decoder runs."""


def usable_cores() -> int:
    """Processor cores that this process may run on."""
    return len(os.sched_getaffinity(0))


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineConfig:
    """What a `Marey` may use, and how it fetches.

    >>> EngineConfig(memory_budget_bytes=64 << 20).memory_budget_bytes
    67108864
    >>> EngineConfig(decode_threads=0)
    Traceback (most recent call last):
    ...
    marey.errors.ConfigError: decode_threads must be a whole number of at least 1, got 0
    """

    memory_budget_bytes: int = 256 * _MIB
    """Frames, fetched bytes and indexes that a scan holds at one time, with what the session
    keeps for later ones; beside its largest row."""
    max_row_bytes: int = 4096 * _MIB
    """A row whose frames and fetched bytes need more than this is refused."""
    batch_rows: int = 1024
    """The most rows in one record batch; the budget makes batches of frames smaller."""
    decode_threads: int = field(default_factory=usable_cores)
    """Clips decoded at one time."""
    fetch_threads: int = 2
    """Batches whose bytes are fetched at one time, ahead of decoding."""
    cache_bytes: int | None = None
    """The part of the memory budget for what is kept for later scans: frame indexes, where
    videos lie, which row has which key, metadata, spare decoders. A quarter unless given."""
    decode_isolation: DecodeIsolation = "thread"
    """`process`: each decoder runs in a process of its own. If a hostile stream crashes it, the
    rows that it was decoding fail, and nothing else. It costs a copy of every sample and
    frame."""
    source_cost: SourceCost | Mapping[SourceKind, SourceCost] | None = field(
        default=None, hash=False
    )
    """What reading media costs: everywhere, or for each kind of source that is named (`file`,
    `s3`, `gs`, `az`, `http`). The rest is `USUAL_COSTS`."""
    progress: bool = True
    """Whether writes and `to_table` show a bar when they take long and standard error is a
    terminal."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "source_cost", _checked_cost(self.source_cost))
        if self.decode_isolation not in get_args(DecodeIsolation):
            raise ConfigError(
                f"decode_isolation must be 'thread' or 'process', got {self.decode_isolation!r}"
            )
        if not isinstance(self.progress, bool):
            raise ConfigError(f"progress must be True or False, got {self.progress!r}")
        for setting in fields(self):
            value = getattr(self, setting.name)
            unset = setting.name == "cache_bytes" and value is None
            if setting.name in ("source_cost", "decode_isolation", "progress") or unset:
                continue
            least = 0 if setting.name == "cache_bytes" else 1
            object.__setattr__(self, setting.name, whole_number(setting.name, value, least))
        if self.kept_bytes > self.memory_budget_bytes:
            raise ConfigError(
                f"cache_bytes is a part of memory_budget_bytes: expected at most "
                f"{self.memory_budget_bytes}, got {self.cache_bytes}"
            )

    @property
    def kept_bytes(self) -> int:
        """What may be kept for later scans.

        >>> EngineConfig(memory_budget_bytes=64 << 20).kept_bytes
        16777216
        """
        if self.cache_bytes is None:
            return self.memory_budget_bytes // _USUAL_CACHE_SHARE
        return self.cache_bytes

    def cost(self, kind: SourceKind) -> SourceCost:
        """What reading from a kind of source costs.

        >>> EngineConfig().cost("file").parallel_requests
        1
        """
        match self.source_cost:
            case None:
                return USUAL_COSTS[kind]
            case SourceCost():
                return self.source_cost
            case given:
                return given.get(kind, USUAL_COSTS[kind])


def _checked_cost(given: object) -> SourceCost | dict[SourceKind, SourceCost] | None:
    if given is None or isinstance(given, SourceCost):
        return given
    if not isinstance(given, Mapping):
        raise ConfigError(
            f"source_cost must be a SourceCost, or one for each kind of source, got {given!r}"
        )
    for kind, cost in given.items():
        if kind not in get_args(SourceKind) or not isinstance(cost, SourceCost):
            raise ConfigError(
                f"source_cost must have a SourceCost for each of {get_args(SourceKind)} that "
                f"it names, got {kind!r}: {cost!r}"
            )
    return dict(given)


def whole_number(name: str, value: object, least: int) -> int:
    """A setting that is a whole number, of Python or of numpy.

    >>> whole_number("limit", 3, 0)
    3

    Raises:
        ConfigError: It is none, or too small; the message names the setting.
    """
    try:
        # bool has an index too, and is no number of anything.
        number = None if isinstance(value, bool) else operator.index(value)  # type: ignore[arg-type]  # refused if not
    except TypeError:
        number = None
    if number is None or number < least:
        raise ConfigError(f"{name} must be a whole number of at least {least}, got {value!r}")
    return number
