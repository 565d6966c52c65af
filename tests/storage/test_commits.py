"""A table that others write to, or make again, is never taken for what it was."""

from __future__ import annotations

import os
from pathlib import Path

import pyarrow as pa
import pytest

from marey.errors import TableNotFoundError
from marey.storage.catalog import Catalog
from marey.storage.commits import CommitStamp

KEY = pa.schema([("id", pa.int64())])
LONG_AGO = 1_600_000_000


def settle(uri: str, seconds: int = LONG_AGO) -> None:
    """As if the last commit were long ago, but for the folder's own clock."""
    os.utime(f"{uri}/_versions", (seconds, seconds))


@pytest.fixture
def late(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is some seconds later than it is, so that nobody waits for folders to settle."""
    import time

    now = time.time_ns
    monkeypatch.setattr("marey.storage.commits.time.time_ns", lambda: now() + 10**10)


def test_a_folder_that_has_just_changed_tells_nothing(tmp_path: Path) -> None:
    dataset = Catalog(tmp_path).create_table("p", "t", key_schema=KEY)
    assert CommitStamp.of(dataset.uri) is None
    assert CommitStamp.of("s3://bucket/table") is None
    assert CommitStamp.of(str(tmp_path / "nothing")) is None


@pytest.mark.usefixtures("late")
def test_commits_of_others_are_seen(tmp_path: Path) -> None:
    created = Catalog(tmp_path).create_table("p", "t", key_schema=KEY)
    ours = Catalog(tmp_path).open_table("p", "t")
    for number in range(5):
        stamp = CommitStamp.of(ours.uri)
        assert stamp is not None
        ours.refresh()
        assert stamp == CommitStamp.of(ours.uri)
        created.write(pa.table({"id": [number]}))
        assert stamp != CommitStamp.of(ours.uri)
        ours.refresh()
        assert ours.version == created.version


@pytest.mark.usefixtures("late")
def test_a_table_that_was_made_again_is_seen(tmp_path: Path) -> None:
    catalog = Catalog(tmp_path)
    catalog.create_table("p", "t", key_schema=KEY)
    ours = Catalog(tmp_path).open_table("p", "t")
    catalog.drop_table("p", "t")
    with pytest.raises(TableNotFoundError):
        ours.refresh()
    again = catalog.create_table("p", "t", key_schema=KEY)
    settle(again.uri)
    ours.refresh()
    assert ours.table_id == again.table_id


@pytest.mark.usefixtures("late")
def test_nothing_is_opened_where_nothing_was_committed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    Catalog(tmp_path).create_table("p", "t", key_schema=KEY)
    ours = Catalog(tmp_path).open_table("p", "t")
    monkeypatch.setattr("marey.storage.handle.lance.dataset", None)
    ours.refresh()
    ours.refresh()
    monkeypatch.undo()
