"""An empty catalog a test, and videos that are only bytes: storage looks into none."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pytest

from marey.storage.catalog import Catalog
from marey.storage.dataset import Dataset
from marey.storage.schema import BlobReference, VideoValue


@pytest.fixture
def catalog(tmp_path: Path) -> Catalog:
    return Catalog(tmp_path / "data")


@pytest.fixture
def clips(catalog: Catalog) -> Dataset:
    """An empty table with one integer key, `clip_id`."""
    key = pa.schema([("clip_id", pa.int64())])
    return catalog.create_table("training", "clips", key_schema=key)


@pytest.fixture
def video() -> Callable[..., VideoValue]:
    def make(source: bytes | BlobReference, **scalars: object) -> VideoValue:
        size = source.size if isinstance(source, BlobReference) else len(source)
        graph = b"graph of %d bytes" % size
        return VideoValue(source, {"codec": "h264", "source_bytes": size, **scalars}, graph)

    return make


@pytest.fixture
def folder_bytes(clips: Dataset) -> Callable[[], int]:
    """Bytes of all files of the table: what a write has written is the difference."""
    folder = Path(clips.uri)
    return lambda: sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
