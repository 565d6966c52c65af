"""Byte ranges of videos, wherever Lance keeps them, and errors that stay with their row."""

from __future__ import annotations

import os
import pickle
import subprocess
import sys
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from marey.errors import (
    ColumnNotFoundError,
    CorruptVideoError,
    InputError,
    MareyError,
    NotFoundError,
    SourceChangedError,
    SourceNotFoundError,
)
from marey.storage.catalog import Catalog
from marey.storage.dataset import Dataset
from marey.storage.files import PADDING_BYTES, file_tag
from marey.storage.places import InsidePlace, find_places
from marey.storage.schema import BlobReference, VideoValue

MakeVideo = Callable[..., VideoValue]

# Inline up to 64 KiB, packed up to 4 MiB, then a file of its own; and by reference.
SIZES = [1, 1000, 65_536, 65_537, 4_194_304, 4_194_305, 300_000, 300_000]
CONTENTS = [os.urandom(size) for size in SIZES]


@pytest.fixture(scope="module")
def stored(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    """Row n holds `CONTENTS[n]`; the last two by reference."""
    folder = tmp_path_factory.mktemp("blobs")
    catalog = Catalog(folder)
    table = catalog.create_table("p", "t", key_schema=pa.schema([("k", pa.int64())]))
    sources: list[bytes | BlobReference] = [*CONTENTS[:-2]]
    for n in (-2, -1):
        (outside := folder / f"outside{n}.mp4").write_bytes(CONTENTS[n])
        sources.append(BlobReference(outside.as_uri(), SIZES[n]))
    values = [VideoValue(source, {}, b"") for source in sources]
    table.write(pa.table({"k": range(len(SIZES))}), {"video": values})
    return table


ranges = st.integers(0, len(SIZES) - 1).flatmap(
    lambda row: st.tuples(
        st.just(row), st.integers(0, SIZES[row]), st.integers(0, SIZES[row])
    ).map(lambda r: (r[0], min(r[1:]), max(r[1:])))
)


@given(st.lists(ranges, max_size=12))
@settings(max_examples=60)
def test_ranges_come_in_the_order_asked_for(
    stored: Dataset, wanted: list[tuple[int, int, int]]
) -> None:
    read = stored.read_ranges("video", wanted)
    assert read == [CONTENTS[row][start:end] for row, start, end in wanted]


def test_threads_share_a_table(stored: Dataset) -> None:
    def read(n: int) -> bool:
        wanted = [(n % len(SIZES), 0, 1), (6, n, n + 100), (7, n, n + 100), (4, n, 2 * n)]
        found = stored.read_ranges("video", wanted)
        return found == [CONTENTS[row][start:end] for row, start, end in wanted]

    with ThreadPoolExecutor(8) as pool:
        assert all(pool.map(read, range(200)))


def test_a_few_ranges_read_little(clips: Dataset, video: MakeVideo) -> None:
    source = os.urandom(2_000_000)
    clips.write(pa.table({"clip_id": range(8)}), {"video": [video(source)] * 8})
    for rows in (1, 8):
        wanted = [(row, at, at + 1000) for row in range(rows) for at in (0, 1_000_000)]
        clips.frame_graphs(range(rows), "video")
        before = bytes_read()
        assert clips.read_ranges("video", wanted) == [source[a:b] for _, a, b in wanted]
        # Padding comes along, and what the kernel tells of itself.
        assert bytes_read() - before < (2000 + 2 * PADDING_BYTES) * rows + 200


def bytes_read() -> int:
    """Bytes that this process has read from files, by any thread."""
    return int(Path("/proc/self/io").read_text().split()[1])


@pytest.mark.parametrize("by_lance", [False, True])
def test_decoders_may_read_on_behind_a_range(stored: Dataset, by_lance: bool) -> None:
    table = pickle.loads(pickle.dumps(stored))
    if by_lance:
        for kind in range(3):
            table._caches.places.layouts.put((table.table_id, kind), False, size=1)
    wanted = [(row, size - 1, size) for row, size in enumerate(SIZES)]
    for (row, start, end), data in zip(wanted, table.read_ranges("video", wanted), strict=True):
        assert isinstance(data, memoryview)
        assert data == CONTENTS[row][start:end]
        assert len(memoryview(data.obj)) >= 1 + PADDING_BYTES


def test_places_are_those_of_lance_whatever_is_done_to_a_table(
    clips: Dataset, video: MakeVideo
) -> None:
    """The layout of blobs is Lance's own: here is every way in which it lays them down."""
    sizes = [1, 65_536, 65_537, 300_000, 4_194_305]
    sources = {row: os.urandom(size) for row, size in enumerate(sizes * 2)}
    for half in (range(5), range(5, 10)):
        clips.write(
            pa.table({"clip_id": half, "label": ["a"] * 5}),
            {"video": [video(sources[row]) for row in half]},
        )
    changes = [
        lambda: clips.write(pa.table({"clip_id": [1, 6], "label": ["b", "c"]})),
        lambda: clips.write(
            pa.table({"clip_id": [2]}), {"video": [video(sources.setdefault(2, b""))]}
        ),
        lambda: clips.write(pa.table({"clip_id": [3], "more": [1]})),
        lambda: clips.delete("clip_id IN (0, 9)"),
        lambda: clips.optimize(),
    ]
    keys = list(sources)
    for change in changes:
        change()
        row_ids = clips.find_keys(pa.table({"clip_id": keys})).to_pylist()
        keys = [key for key, row in zip(keys, row_ids, strict=True) if row is not None]
        rows = [row for row in row_ids if row is not None]
        wanted = [(row, 0, len(sources[key])) for row, key in zip(rows, keys, strict=True)]
        assert clips.read_ranges("video", wanted) == [sources[key] for key in keys]
        places = find_places(clips._handle, "video", rows, clips._caches.places)
        assert {type(place) for place in places.values()} == {InsidePlace}


def failures(read: Sequence[memoryview | MareyError]) -> dict[int, MareyError]:
    return {at: result for at, result in enumerate(read) if isinstance(result, MareyError)}


@pytest.mark.parametrize("rows", [3, 8])
def test_only_the_rows_at_fault_carry_an_error(
    clips: Dataset, video: MakeVideo, tmp_path: Path, rows: int
) -> None:
    outside = [tmp_path / f"{n}.mp4" for n in range(rows)]
    for path in outside:
        path.write_bytes(b"0123456789")
    values = [video(BlobReference(path.as_uri(), 10)) for path in outside]
    clips.write(pa.table({"clip_id": range(rows)}), {"video": values})
    outside[0].unlink()
    outside[1].write_bytes(b"0123")
    wanted = [(row, 2, 8) for row in range(rows)] + [(rows - 1, 9, 11), (rows - 1, 0, 1)]
    for _ in range(2):  # the second time from what is kept
        read = clips.read_ranges("video", wanted)
        errors = failures(read)
        assert sorted(errors) == [0, 1, rows]
        assert isinstance(errors[0], SourceNotFoundError)
        assert str(outside[0].as_uri()) in str(errors[0])
        assert isinstance(errors[1], SourceChangedError)
        assert "it had 10 bytes and has 4" in str(errors[1])
        assert isinstance(errors[rows], CorruptVideoError)
        assert "bytes 9 to 11 were asked for, the video has 10" in str(errors[rows])
        assert read[2] == b"234567"
        assert read[-1] == b"0"


def test_a_file_that_was_modified_is_another(
    clips: Dataset, video: MakeVideo, tmp_path: Path
) -> None:
    source = tmp_path / "source"
    source.write_bytes(b"0123456789")
    tag = file_tag(source.stat())
    clips.write(
        pa.table({"clip_id": [1, 2]}),
        {"video": [video(BlobReference(source.as_uri(), 10, t)) for t in (tag, None)]},
    )
    assert clips.read_ranges("video", [(0, 0, 2), (1, 0, 2)]) == [b"01", b"01"]
    os.utime(source, ns=(1, 1))
    changed, untold = clips.read_ranges("video", [(0, 0, 2), (1, 0, 2)])
    assert untold == b"01"
    assert isinstance(changed, SourceChangedError)
    assert "it was modified" in str(changed)


@pytest.mark.parametrize("rows", [1, 6])
def test_rows_without_a_video(clips: Dataset, video: MakeVideo, rows: int) -> None:
    clips.write(pa.table({"clip_id": range(rows)}), {"video": [video(b"abc")] * rows})
    clips.write(pa.table({"clip_id": [100]}), {"video": [None]})
    wanted = [(row, 0, 3) for row in range(rows)] + [(rows, 0, 0), (777, 0, 1)]
    read = clips.read_ranges("video", wanted)
    assert read[:rows] == [b"abc"] * rows
    assert [type(result) for result in read[rows:]] == [NotFoundError] * 2
    assert "the video is null" in str(read[rows])
    assert "there is no such row" in str(read[-1])


@pytest.mark.parametrize(("start", "end"), [(-1, 1), (2, 1), (0, 2**70), (4, 4)])
def test_a_range_that_cannot_be(clips: Dataset, video: MakeVideo, start: int, end: int) -> None:
    clips.write(pa.table({"clip_id": range(9)}), {"video": [video(b"abc")] * 9})
    wanted = [(row, 0, 3) for row in range(8)] + [(8, start, end)]
    read = clips.read_ranges("video", wanted)
    assert read[:8] == [b"abc"] * 8
    assert isinstance(read[8], CorruptVideoError)


def test_no_ranges_and_no_column(clips: Dataset) -> None:
    clips.write(pa.table({"clip_id": [1], "label": ["a"]}))
    for column in ("label", "nosuch"):
        with pytest.raises(ColumnNotFoundError, match="no video column"):
            clips.read_ranges(column, [(0, 0, 1)])


@pytest.mark.parametrize(("uri", "size"), [("", 1), ("file:///x", 0), ("file:///x", -1)])
def test_a_reference_says_where_and_how_large(uri: str, size: int) -> None:
    with pytest.raises(InputError, match="a blob reference needs"):
        BlobReference(uri, size)


FORK = """
import os, pickle, sys
from marey.errors import UnsupportedError
from marey.storage.dataset import open_dataset

table = pickle.loads(bytes.fromhex(sys.argv[1]))
wanted = [(row, 0, 1) for row in range(8)]
before = table.read_ranges("video", wanted)
child = os.fork()
if child == 0:
    refused = 0
    for call in (
        lambda: table.read_ranges("video", wanted),
        lambda: table.scan(["k"]),
        lambda: table.count(),
        lambda: table.refresh(),
        lambda: table.at(table.version),
        lambda: open_dataset(table.uri),
        lambda: pickle.loads(bytes.fromhex(sys.argv[1])),
    ):
        try:
            call()
        except UnsupportedError as error:
            refused += "'spawn'" in str(error)
    os._exit(refused)
assert os.WEXITSTATUS(os.waitpid(child, 0)[1]) == 7
assert table.read_ranges("video", wanted) == before
"""


def test_a_forked_process_is_refused(stored: Dataset) -> None:
    command = [sys.executable, "-W", "ignore", "-c", FORK, pickle.dumps(stored).hex()]
    subprocess.run(command, check=True, timeout=60)
