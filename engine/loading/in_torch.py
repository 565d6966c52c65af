"""What a loader knows of torch, where it is loaded: ranks, worker processes, data sets.

torch is never imported here. Who uses it has imported it already.
"""

from __future__ import annotations

import sys
from typing import Any


def torch_rank() -> tuple[int, int] | None:
    """Rank and world size of `torch.distributed`; None where it is not initialised."""
    distributed: Any = sys.modules.get("torch.distributed")
    if distributed is None or not distributed.is_available():
        return None
    if not distributed.is_initialized():
        return None
    return int(distributed.get_rank()), int(distributed.get_world_size())


def torch_worker() -> tuple[int, int] | None:
    """Number and count of the workers of a `torch.utils.data.DataLoader`; None in none."""
    data: Any = sys.modules.get("torch.utils.data")
    info = None if data is None else data.get_worker_info()
    return None if info is None else (int(info.id), int(info.num_workers))


def declare_iterable(kind: type) -> None:
    """Let torch take objects of a class for an `IterableDataset`, once torch is loaded."""
    data: Any = sys.modules.get("torch.utils.data")
    dataset: Any = getattr(data, "IterableDataset", None)
    if dataset is not None and not issubclass(kind, dataset):
        dataset.register(kind)
