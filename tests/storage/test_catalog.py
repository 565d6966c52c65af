"""Projects and tables: made whole or not at all, found by name, gone when dropped."""

from __future__ import annotations

import os
import pickle
from collections.abc import Callable
from pathlib import Path

import lance
import pyarrow as pa
import pytest

from marey.errors import (
    InputError,
    NotFoundError,
    StorageError,
    TableExistsError,
    TableNotFoundError,
    UnsupportedError,
)
from marey.storage.catalog import Catalog
from marey.storage.handle import FORMAT_KEY

KEY = pa.schema([("clip_id", pa.int64())])


def test_an_empty_root_has_nothing(catalog: Catalog) -> None:
    assert catalog.projects() == []
    assert catalog.tables("training") == []


def test_tables_are_listed_and_reopened(catalog: Catalog) -> None:
    for project, name in [("b", "one"), ("a", "two"), ("a", "one-2_x")]:
        catalog.create_table(project, name, key_schema=KEY)
    again = Catalog(catalog.root)
    assert again.projects() == ["a", "b"]
    assert again.tables("a") == ["one-2_x", "two"]
    table = again.open_table("a", "two")
    assert (table.count(), table.version, table.key_names) == (0, 1, ["clip_id"])
    assert table.key_schema == pa.schema([pa.field("clip_id", pa.int64(), nullable=False)])


def test_a_tilde_is_the_home_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    catalog = Catalog("~/data")
    assert catalog.root == str(tmp_path / "data")
    assert Catalog("s3://~/data").root == "s3://~/data"


@pytest.mark.parametrize(
    ("root", "says"),
    [
        ("file", r"root '.*file': expected a folder, found a file"),
        ("file/below", r"root '.*below': Not a directory"),
        ("nu\0l", "root .*: embedded null"),
    ],
)
def test_a_root_that_is_no_folder_is_named(root: str, says: str, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    catalog = Catalog(tmp_path / root)
    for use in (
        catalog.projects,
        lambda: catalog.tables("p"),
        lambda: catalog.open_table("p", "t"),
        lambda: catalog.create_table("p", "t", key_schema=KEY),
    ):
        with pytest.raises(StorageError, match=says):
            use()


@pytest.mark.skipif(
    not Path("/proc/self").exists(), reason="needs a place that takes no folder"
)
def test_a_root_that_cannot_be_made_is_named() -> None:
    catalog = Catalog("/proc/none")
    with pytest.raises(StorageError, match="cannot make folder '/proc/none/p': No such file"):
        catalog.create_table("p", "t", key_schema=KEY)
    assert catalog.projects() == []


@pytest.mark.skipif(os.geteuid() == 0, reason="the superuser may write anywhere")
def test_a_root_that_cannot_be_written_to_is_named(tmp_path: Path) -> None:
    (tmp_path / "p").mkdir(mode=0o555)
    with pytest.raises(StorageError, match=r"cannot write to folder '.*/p': permission denied"):
        Catalog(tmp_path).create_table("p", "t", key_schema=KEY)


def test_the_key_is_kept_in_its_order(catalog: Catalog) -> None:
    key = pa.schema([("time", pa.timestamp("ns", "UTC")), ("camera", pa.large_string())])
    catalog.create_table("p", "t", key_schema=key)
    found = catalog.open_table("p", "t").key_schema
    assert found.names == ["time", "camera"]
    assert found.types == [pa.timestamp("ns", "UTC"), pa.string()]
    assert catalog.create_table("p", "t", key_schema=key, exist_ok=True).version == 1


def test_a_table_that_is_there_is_not_made_again(catalog: Catalog) -> None:
    catalog.create_table("p", "t", key_schema=KEY).write(pa.table({"clip_id": [1]}))
    with pytest.raises(TableExistsError, match=r"p\.t .*exist_ok=True.*drop_table"):
        catalog.create_table("p", "t", key_schema=KEY)
    assert catalog.create_table("p", "t", key_schema=KEY, exist_ok=True).count() == 1
    other = pa.schema([("clip_id", pa.string())])
    message = "with the key clip_id: int64, not clip_id: string"
    with pytest.raises(InputError, match=message):
        catalog.create_table("p", "t", key_schema=other, exist_ok=True)


@pytest.mark.parametrize(
    "field",
    [
        pa.field("k", pa.float64()),
        pa.field("k", pa.list_(pa.int64())),
        pa.field("k", pa.decimal128(4)),
        pa.field("k", pa.null()),
        pa.field("a.b", pa.int64()),
        pa.field("_rowid", pa.int64()),
    ],
    ids=str,
)
def test_what_cannot_be_a_key_is_refused(catalog: Catalog, field: pa.Field) -> None:
    with pytest.raises(InputError, match="column "):
        catalog.create_table("p", "t", key_schema=pa.schema([field]))
    assert catalog.projects() == []


def test_a_key_needs_columns_of_different_names(catalog: Catalog) -> None:
    with pytest.raises(InputError, match="at least one key column"):
        catalog.create_table("p", "t", key_schema=pa.schema([]))
    twice = pa.schema([("k", pa.int64()), ("k", pa.int64())])
    with pytest.raises(InputError, match="twice"):
        catalog.create_table("p", "t", key_schema=twice)


@pytest.mark.parametrize(
    "name", ["", ".", "..", "a/b", "../x", "a.lance", "ä", "a b", "x" * 201]
)
def test_a_name_that_could_leave_the_root_is_refused(catalog: Catalog, name: str) -> None:
    calls: list[Callable[[], object]] = [
        lambda: catalog.create_table(name, "t", key_schema=KEY),
        lambda: catalog.create_table("p", name, key_schema=KEY),
        lambda: catalog.open_table("p", name),
        lambda: catalog.drop_table(name, "t"),
        lambda: catalog.tables(name),
    ]
    for call in calls:
        with pytest.raises(InputError, match="a name is made of"):
            call()
    assert not Path(catalog.root).exists()


def test_a_missing_table_offers_near_names(catalog: Catalog) -> None:
    with pytest.raises(TableNotFoundError, match="there is no project"):
        catalog.open_table("training", "clips")
    catalog.create_table("training", "clips", key_schema=KEY)
    with pytest.raises(TableNotFoundError, match=r"no table training\.clip in .*'clips'"):
        catalog.open_table("training", "clip")
    with pytest.raises(TableNotFoundError, match=r"no table trainin\.clips in .*'training'"):
        catalog.drop_table("trainin", "clips")


def test_a_dropped_table_is_gone_and_its_name_free(catalog: Catalog) -> None:
    catalog.create_table("p", "t", key_schema=KEY).write(pa.table({"clip_id": [1]}))
    catalog.drop_table("p", "t")
    assert catalog.projects() == []
    assert list(Path(catalog.root).rglob("*.lance")) == []
    with pytest.raises(TableNotFoundError):
        catalog.open_table("p", "t")
    assert catalog.create_table("p", "t", key_schema=KEY).count() == 0


def test_what_a_crash_in_create_leaves_is_no_table(catalog: Catalog) -> None:
    table = catalog.create_table("p", "t", key_schema=KEY)
    for manifest in (Path(table.uri) / "_versions").iterdir():
        manifest.unlink()
    assert catalog.tables("p") == []
    with pytest.raises(TableNotFoundError):
        catalog.open_table("p", "t")
    again = catalog.create_table("p", "t", key_schema=KEY)
    again.write(pa.table({"clip_id": [1]}))
    assert catalog.open_table("p", "t").count() == 1


def test_a_dataset_that_is_not_ours_is_no_table(catalog: Catalog) -> None:
    lance.write_dataset(pa.table({"x": [1]}), f"{catalog.root}/p/foreign.lance")
    assert catalog.tables("p") == []
    with pytest.raises(TableNotFoundError):
        catalog.open_table("p", "foreign")


def test_a_newer_table_format_is_refused_by_number(catalog: Catalog) -> None:
    table = catalog.create_table("p", "t", key_schema=KEY)
    lance.dataset(table.uri).update_schema_metadata({FORMAT_KEY: "7"})
    with pytest.raises(UnsupportedError, match="table format 7, this Marey reads format 2"):
        catalog.open_table("p", "t")
    with pytest.raises(UnsupportedError):
        catalog.create_table("p", "t", key_schema=KEY)
    assert catalog.tables("p") == ["t"]


def test_a_damaged_manifest_is_a_storage_error(catalog: Catalog) -> None:
    table = catalog.create_table("p", "t", key_schema=KEY)
    for manifest in (Path(table.uri) / "_versions").glob("*.manifest"):
        manifest.write_bytes(b"damaged" * 10)
    with pytest.raises(StorageError) as caught:
        catalog.open_table("p", "t")
    assert not isinstance(caught.value, NotFoundError)
    assert catalog.tables("p") == ["t"], "it is listed: it is not gone"


def test_a_file_in_the_place_of_a_folder_is_a_storage_error(catalog: Catalog) -> None:
    Path(catalog.root).write_text("a file")
    with pytest.raises(StorageError):
        catalog.projects()
    with pytest.raises(StorageError):
        catalog.create_table("p", "t", key_schema=KEY)


def test_a_catalog_pickles(catalog: Catalog) -> None:
    catalog.create_table("p", "t", key_schema=KEY)
    assert pickle.loads(pickle.dumps(catalog)).projects() == ["p"]


def test_a_store_of_another_kind_is_refused_by_name() -> None:
    remote = Catalog("memory://bucket/prefix")
    with pytest.raises(UnsupportedError, match="memory:// sources are not offered"):
        remote.projects()
    with pytest.raises(TableNotFoundError, match=r"no table p\.t in memory://bucket/prefix"):
        remote.open_table("p", "t")
