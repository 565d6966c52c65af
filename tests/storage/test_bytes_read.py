"""A filter on small columns reads those: no media, no frame graph. Upkeep copies no more."""

from __future__ import annotations

import os

import pyarrow as pa
import pytest

from marey.storage.dataset import Dataset, open_dataset
from marey.storage.schema import VideoValue
from marey.tests.support.file_reads import counted_reads

ROWS = 200
GRAPH_BYTES = 40_000
SOURCE_BYTES = {"inline": 20_000, "packed": 90_000}
SMALL_BYTES = 100_000
"""What the small columns, the footers and the manifest come to, and some."""


@pytest.fixture(params=SOURCE_BYTES)
def stored(clips: Dataset, request: pytest.FixtureRequest) -> Dataset:
    """A table of media and graphs, opened anew: nothing of it is cached."""
    videos = [
        VideoValue(
            os.urandom(SOURCE_BYTES[request.param]),
            {"codec": "h264", "width": 100 + row, "source_bytes": 1},
            os.urandom(GRAPH_BYTES),
        )
        for row in range(ROWS)
    ]
    labels = [f"label {row % 10}" for row in range(ROWS)]
    clips.write(pa.table({"clip_id": range(ROWS), "label": labels}), {"video": videos})
    return open_dataset(clips.uri)


@pytest.mark.parametrize(
    ("condition", "rows"),
    [
        ("label = 'label 3'", 20),
        ("video.index.width >= 200", 100),
        ("label = 'label 3' AND video.index.width < 150", 5),
        (None, ROWS),
    ],
)
def test_a_filter_reads_no_media_and_no_graph(
    stored: Dataset, condition: str | None, rows: int
) -> None:
    with counted_reads() as counted:
        batches = list(stored.scan(["clip_id", "label"], filter=condition))
    assert sum(batch.num_rows for batch in batches) == rows
    assert 0 < counted.bytes < SMALL_BYTES


def test_the_scalars_of_an_index_are_read_without_its_graph(stored: Dataset) -> None:
    with counted_reads() as counted:
        batches = list(stored.scan(["video"]))
    assert sum(batch.num_rows for batch in batches) == ROWS
    assert 0 < counted.bytes < SMALL_BYTES


def test_graphs_are_counted_when_they_are_read(stored: Dataset) -> None:
    """The bar above means something: what it excludes would show."""
    with counted_reads() as counted:
        stored.frame_graphs(stored.find_keys(pa.table({"clip_id": range(ROWS)})), "video")
    assert counted.bytes > ROWS * GRAPH_BYTES


def test_keys_are_looked_up_without_media_and_graphs(stored: Dataset) -> None:
    with counted_reads() as counted:
        for _ in range(3):
            found = stored.find_keys(pa.table({"clip_id": [3, 7, ROWS]}))
    assert found.is_valid().to_pylist() == [True, True, False]
    assert 0 < counted.bytes < SMALL_BYTES


def test_an_update_of_a_small_column_reads_no_media_and_no_graph(stored: Dataset) -> None:
    with counted_reads() as counted:
        stored.write(pa.table({"clip_id": [3, 7], "label": ["new", "new"]}))
    assert counted.bytes < 2 * SMALL_BYTES
    assert stored.count("label = 'new'") == 2
