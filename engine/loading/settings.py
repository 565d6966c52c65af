"""The settings of a data loader: one frozen object, checked when it is made."""

from __future__ import annotations

from dataclasses import dataclass, replace

import pyarrow as pa

from ...errors import ConfigError
from ..config import EngineConfig, whole_number
from ..failures import OnError
from ..run import Pace


@dataclass(frozen=True, slots=True, kw_only=True)
class LoaderSettings:
    """How a loader orders rows, shares them out, and cuts them into batches.

    Raises:
        ConfigError: A setting out of its range.
    """

    batch_size: int
    """Rows in a batch."""
    shuffle: bool
    """Whether rows come in an order drawn from `seed` and `epoch`."""
    seed: int
    """Another one, another order."""
    epoch: int
    """Likewise."""
    rank: int
    """Which share of the rows."""
    world_size: int
    """How many shares."""
    even: bool
    """Whether shares are of one length, and batches come even if nothing is left of them."""
    num_workers: int
    """Processes that make batches; 0: this one."""
    persistent_workers: bool
    """Whether these stay after a whole pass, for another one."""
    prefetch: int
    """Batches that each process makes ahead, within the memory budget."""
    drop_last: bool
    """Whether to leave out a last batch of fewer rows."""
    on_error: OnError
    """What becomes of a row with a value that cannot be made."""

    def __post_init__(self) -> None:
        least = {"batch_size": 1, "world_size": 1}
        for name in ("batch_size", "seed", "epoch", "world_size", "num_workers", "prefetch"):
            value = whole_number(name, getattr(self, name), least.get(name, 0))
            object.__setattr__(self, name, value)
        object.__setattr__(self, "rank", whole_number("rank", self.rank, 0))
        if self.rank >= self.world_size:
            raise ConfigError(
                f"rank counts from 0 and must be below world_size, got rank={self.rank} "
                f"of world_size={self.world_size}"
            )
        for name in ("shuffle", "drop_last", "even", "persistent_workers"):
            if type(getattr(self, name)) is not bool:
                raise ConfigError(f"{name} must be a bool, got {getattr(self, name)!r}")

    def keeps(self, batch: pa.RecordBatch) -> bool:
        """Whether the loop gets a batch: one of which no row is left keeps ranks in step."""
        return self.even or batch.num_rows > 0

    def pace(self, budget_bytes: int) -> Pace:
        """Batches in one piece: two are with the consumer for a moment, one is made, and a
        quarter of the budget is for what is kept for later scans.
        """
        return Pace(self.batch_size, max(1, budget_bytes // 4), self.prefetch)


def shared_config(config: EngineConfig, processes: int) -> EngineConfig:
    """What each of some processes may use, so that together they use what one may."""
    return replace(
        config,
        memory_budget_bytes=max(1, config.memory_budget_bytes // processes),
        cache_bytes=config.kept_bytes // processes,
        decode_threads=max(1, config.decode_threads // processes),
    )
