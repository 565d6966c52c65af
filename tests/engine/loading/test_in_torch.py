"""Loaders in torch's own: split by worker, in order, resumed, and refused after a fork."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from typing import Any

import pytest

from marey import Marey
from marey import expressions as se
from marey.engine.loading.in_torch import torch_rank
from marey.engine.result import Readable
from marey.engine.table import Table
from marey.errors import UnsupportedError

torch = pytest.importorskip("torch")

from torch.utils.data import DataLoader, IterableDataset  # noqa: E402

ROWS = 13


@pytest.fixture(scope="module")
def read(db: Marey, table: Table) -> Readable:
    video = table["video"]
    return db.scan({"k": table["k"], "f": se.video.read(video, [3, 1], height=8, width=8)})


def test_a_loader_is_an_iterable_dataset(read: Readable) -> None:
    assert isinstance(read.to_data_loader(), IterableDataset)


def test_workers_of_torch_share_the_batches_in_order(read: Readable) -> None:
    loader = read.to_data_loader(batch_size=2, shuffle=True, drop_last=True)
    torch_loader = DataLoader(
        loader, batch_size=None, num_workers=2, multiprocessing_context="spawn"
    )
    assert len(torch_loader) == 6
    assert list(torch_loader) == list(loader)


# torch and Python both warn of forking a process with threads, and rightly so.
@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::RuntimeWarning")
def test_forked_workers_of_torch_are_refused(read: Readable) -> None:
    torch_loader = DataLoader(
        read.to_data_loader(batch_size=2),
        batch_size=None,
        num_workers=1,
        multiprocessing_context="fork",
        timeout=60,
    )
    with pytest.raises(UnsupportedError, match='multiprocessing_context="spawn"'):
        list(torch_loader)


@pytest.mark.filterwarnings("ignore:'set_vital' is deprecated")  # torchdata calls it
@pytest.mark.parametrize("num_workers", [0, 2])
def test_a_stateful_loader_resumes(num_workers: int, read: Readable) -> None:
    stateful = pytest.importorskip("torchdata.stateful_dataloader").StatefulDataLoader
    options: dict[str, Any] = {"batch_size": None, "num_workers": num_workers}
    if num_workers:
        options["multiprocessing_context"] = "spawn"
    expected = list(read.to_data_loader(batch_size=2, shuffle=True))
    first = stateful(read.to_data_loader(batch_size=2, shuffle=True), **options)
    passing = iter(first)
    seen = list(islice(passing, 3))
    state = first.state_dict()
    del passing
    again = stateful(read.to_data_loader(batch_size=2, shuffle=True), **options)
    again.load_state_dict(state)
    assert seen + list(again) == expected


@pytest.fixture
def second_of_three() -> Iterator[None]:
    from torch.testing._internal.distributed.fake_pg import FakeStore

    torch.distributed.init_process_group("fake", rank=1, world_size=3, store=FakeStore())
    yield
    torch.distributed.destroy_process_group()


def test_the_share_is_that_of_torch_distributed(second_of_three: None, read: Readable) -> None:
    assert torch_rank() == (1, 3)
    found = [key for batch in read.to_data_loader() for key in batch["k"].to_pylist()]
    assert found == list(range(1, ROWS, 3))
    found = [
        key
        for batch in read.to_data_loader(rank=0, world_size=2)
        for key in batch["k"].to_pylist()
    ]
    assert found == list(range(0, ROWS, 2))


def test_without_distributed_there_is_one_share(read: Readable) -> None:
    assert torch_rank() is None
    assert len(read.to_data_loader(batch_size=1)) == ROWS
