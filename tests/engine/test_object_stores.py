"""Tables and sources in object stores and on web servers: real ones, on loopback."""

from __future__ import annotations

import pickle
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from marey import EngineConfig, Marey
from marey import expressions as se
from marey.engine.table import Table
from marey.errors import (
    InputError,
    MareyError,
    SourceChangedError,
    SourceNotFoundError,
    StorageError,
    UnsupportedError,
)
from marey.tests.support.s3_server import OPTIONS, S3, s3_server
from marey.tests.support.web_server import Web, web_server
from marey.video.plan import EXACT

KEY = {"k": pa.int64()}
FRAMES = pa.list_(pa.uint32())


@pytest.fixture(scope="module")
def s3() -> Iterator[S3]:
    with s3_server() as server:
        server.client().create_bucket(Bucket="media")
        yield server


@pytest.fixture
def web() -> Iterator[Web]:
    with web_server() as server:
        yield server


def write(table: Table, sources: dict[int, Any]) -> None:
    videos = [
        se.Video(se.Blob.from_uri(source) if isinstance(source, str) else se.Blob(source))
        for source in sources.values()
    ]
    table.write({"k": list(sources), "video": videos})


def read(
    db: Marey, table: Table, keys: Sequence[int], frames: Sequence[int], **options: Any
) -> tuple[list[Any], Any]:
    """The planes of some frames of some rows, and what it took."""
    scan = db.scan(
        {"f": se.video.read(table["video"], se.aux("n", FRAMES), pixel_format="native")}
    )
    wanted = pa.table({"k": keys, "n": pa.array([frames] * len(keys), FRAMES)})
    rows = scan.to_table(wanted, **options)["f"].to_pylist()
    planes = [row and [frame["data"] for frame in row["frames"]] for row in rows]
    return planes, scan.metrics


def chain(error: BaseException | None) -> Iterator[str]:
    """The messages of an error and of those behind it, as a traceback prints them."""
    while error is not None:
        yield str(error)
        error = error.__cause__ or (None if error.__suppress_context__ else error.__context__)


def test_frames_are_the_same_wherever_the_bytes_lie(
    s3: S3, web: Web, tmp_path: Path, clip: Callable[[str], bytes], truth: Any
) -> None:
    content = clip("default")
    odd = "raw/ä b%20#1.mp4"  # a key is taken as it stands
    s3.client().put_object(Bucket="media", Key=odd, Body=content)
    web.files["/a b.mp4"] = content
    (tmp_path / "a b.mp4").write_bytes(content)
    sources = {
        0: content,
        1: f"s3://media/{odd}",
        2: f"{web.address}/a%20b.mp4",
        3: str(tmp_path / "a b.mp4"),
    }
    expected = [truth("default")[n].planes for n in (7, 0, 30)]
    for root in (str(tmp_path / "data"), "s3://media/same"):
        db = Marey(root, storage_options=s3.options)
        table = db.project("p").create_table("t", key_schema=KEY)
        write(table, sources)
        assert read(db, table, list(sources), [7, 0, 30])[0] == [expected] * 4
        # The place decides on the plan, row by row; and a copy of the session knows as much.
        text = db.scan({"f": se.video.read(table["video"], [0, 30])}).explain()
        own = "file: 2 clips; http: 1 clip; s3: 1 clip"
        other = "file: 1 clip; http: 1 clip; s3: 2 clips"
        assert (other if "://" in root else own) in text
        assert read(pickle.loads(pickle.dumps(db)), table, [1, 2], [0])[0][0] == [expected[1]]


def test_a_sparse_read_sends_for_what_it_needs(s3: S3, clip: Callable[[str], bytes]) -> None:
    for n in range(4):
        s3.client().put_object(Bucket="media", Key=f"few/{n}.mp4", Body=clip("default"))
    config = EngineConfig(source_cost=EXACT)
    db = Marey("s3://media/few", storage_options=s3.options, config=config)
    table = db.project("p").create_table("t", key_schema=KEY)
    write(table, {n: f"s3://media/few/{n}.mp4" for n in range(4)})
    write(table, {n: clip("default") for n in range(4, 8)})
    for keys in (range(4), range(4, 8)):
        read(db, table, keys, [1])
        s3.log()
        s3.delay(20)
        planes, metrics = read(db, table, keys, [0, 20, 40])
        s3.delay(0)
        log = s3.log()
        media = [r for r in log if r["path"].endswith((".blob", ".mp4")) or "data" in r["path"]]
        assert all(planes)
        assert not [r for r in log if r["method"] == "HEAD"]
        assert len(media) == metrics.range_requests
        assert sum(r["bytes"] for r in media) == metrics.bytes_fetched
        # Nothing but a look for a newer version: all the rest is known.
        assert len(log) - len(media) == 1
        at_once = max(sum(o["begin"] <= r["begin"] < o["end"] for o in media) for r in media)
        assert at_once >= 4


def test_what_others_commit_is_seen_and_what_they_left_is_not_read_again(s3: S3) -> None:
    ours = Marey("s3://media/two", storage_options=s3.options)
    table = ours.project("p").create_table("t", key_schema=KEY)
    table.write({"k": range(3), "n": [0, 1, 2]})
    scan = ours.scan({"k": table["k"], "n": table["n"]})
    keys = pa.table({"k": [2, 0, 1]})
    assert scan.to_table(keys)["n"].to_pylist() == [2, 0, 1]
    theirs = Marey("s3://media/two", storage_options=s3.options).project("p")
    theirs.table("t").write({"k": [3], "n": [3]})
    s3.log()
    assert scan.to_table()["n"].to_pylist() == [0, 1, 2, 3]
    # The list of versions and the new one; of three files of data one is new.
    new = [request["path"] for request in s3.log()]
    assert len([path for path in new if "/data/" not in path]) == 2
    s3.log()
    scan.to_table()
    known = [request["path"] for request in s3.log()]
    assert len(new) - len(known) == 2
    # Another table with as many versions, whose files and rows have the same numbers.
    theirs.drop_table("t")
    again = theirs.create_table("t", key_schema=KEY)
    again.write({"k": range(3), "n": [10, 11, 12]})
    again.write({"k": [3], "n": [13]})
    assert again.versions()[-1].number == 4
    assert scan.to_table(keys)["n"].to_pylist() == [12, 10, 11]
    assert scan.to_table()["n"].to_pylist() == [10, 11, 12, 13]


def test_what_becomes_of_a_source_is_said_of_its_row_only(
    s3: S3, web: Web, tmp_path: Path, clip: Callable[[str], bytes]
) -> None:
    names = ["kept", "gone", "changed", "shorter"]
    client = s3.client()
    for name in names:
        client.put_object(Bucket="media", Key=f"row/{name}.mp4", Body=clip("default"))
        web.files[f"/{name}.mp4"] = clip("default")
    db = Marey(tmp_path / "data", storage_options=s3.options)
    table = db.project("p").create_table("t", key_schema=KEY)
    write(table, {n: f"s3://media/row/{name}.mp4" for n, name in enumerate(names)})
    write(table, {10 + n: f"{web.address}/{name}.mp4" for n, name in enumerate(names)})
    # The same length and the same samples, but for one byte of a slice.
    other = bytearray(clip("default"))
    other[-10] ^= 1
    client.delete_object(Bucket="media", Key="row/gone.mp4")
    client.put_object(Bucket="media", Key="row/changed.mp4", Body=bytes(other))
    client.put_object(Bucket="media", Key="row/shorter.mp4", Body=clip("default")[:3000])
    del web.files["/gone.mp4"]
    web.changes["/changed.mp4"] = 1
    web.files["/shorter.mp4"] = clip("default")[:3000]
    for base in (0, 10):
        keys = range(base, base + 4)
        planes, _ = read(db, table, keys, [0], on_error="null")
        assert [row is not None for row in planes] == [True, False, False, False]
        for key, error in ((1, SourceNotFoundError), (2, SourceChangedError)):
            with pytest.raises(error, match=rf"{names[key]}\.mp4$"):
                read(db, table, [base + key], [0])
        with pytest.raises(SourceChangedError):
            read(db, table, [base + 3], [40])


def test_a_change_shows_without_entity_tags(
    web: Web, tmp_path: Path, clip: Callable[[str], bytes]
) -> None:
    web.tags = False
    web.files["/a.mp4"] = clip("default")
    db = Marey(tmp_path)
    table = db.project("p").create_table("t", key_schema=KEY)
    write(table, {0: f"{web.address}/a.mp4"})
    assert read(db, table, [0], [0])[0][0]
    web.changes["/a.mp4"] = 1
    with pytest.raises(SourceChangedError, match="entity tag was modified"):
        read(db, table, [0], [0])


def test_a_server_without_ranges_is_refused_by_name(
    web: Web, tmp_path: Path, clip: Callable[[str], bytes]
) -> None:
    web.files["/a.mp4"] = clip("default")
    db = Marey(tmp_path)
    table = db.project("p").create_table("t", key_schema=KEY)
    write(table, {0: f"{web.address}/a.mp4"})
    web.ranges = False
    with pytest.raises(UnsupportedError, match="its server gives no byte ranges"):
        write(table, {1: f"{web.address}/a.mp4"})
    with pytest.raises(UnsupportedError, match="its server gives no byte ranges"):
        read(db, table, [0], [0])


@pytest.mark.parametrize("secret", ["?signature=hush-hush", "user:hush-hush@"])
def test_credentials_are_not_stored_and_not_said(
    secret: str,
    web: Web,
    tmp_path: Path,
    clip: Callable[[str], bytes],
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(0)
    web.files["/a.mp4"] = clip("default")
    host = web.address.removeprefix("http://")

    def address(name: str) -> str:
        if "@" in secret:
            return f"http://{secret}{host}/{name}"
        return f"http://{host}/{name}{secret}"

    db = Marey(tmp_path)
    table = db.project("p").create_table("t", key_schema=KEY)
    # Readable without the secret: it is left out.
    write(table, {0: address("a.mp4")})
    assert read(db, table, [0], [0])[0][0]
    said = [repr(se.Blob.from_uri(address("a.mp4")))]
    failing: list[Callable[[], object]] = [lambda: write(table, {1: address("gone.mp4")})]
    if "?" in secret:
        web.secret = "signature=hush-hush"
        failing += [
            lambda: write(table, {1: address("a.mp4")}),
            lambda: read(db, table, [0], [0]),
            lambda: write(table, {1: "http://127.0.0.1:1/a.mp4?signature=hush-hush"}),
        ]
    for use in failing:
        with pytest.raises(MareyError) as caught:
            use()
        assert isinstance(caught.value, InputError | StorageError | SourceNotFoundError)
        said += chain(caught.value)
    assert "hush" not in "".join([*said, caplog.text])
    stored = [path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()]
    assert stored
    assert not any(b"hush" in data for data in stored)


def test_wrong_options_and_stores_that_are_not_there(
    s3: S3, tmp_path: Path, clip: Callable[[str], bytes]
) -> None:
    nowhere = {**s3.options, "aws_endpoint": "http://127.0.0.1:1", "client_max_retries": "0"}
    for root, options, says in (
        (str(tmp_path / "a"), nowhere, "no answer, the connection was refused"),
        (str(tmp_path / "b"), s3.options, "no such object: s3://nobucket/a.mp4"),
    ):
        db = Marey(root, storage_options=options)
        table = db.project("p").create_table("t", key_schema=KEY)
        with pytest.raises(MareyError, match=says) as caught:
            write(table, {0: "s3://nobucket/a.mp4"})
        assert "hush" not in "".join(chain(caught.value))


def test_tables_in_a_store_that_does_not_answer(s3: S3) -> None:
    nowhere = {**s3.options, "aws_endpoint": "http://127.0.0.1:1", "client_max_retries": "0"}
    project = Marey("s3://bucket/lake", storage_options=nowhere).project("p")
    for use in (project.list_tables, lambda: project.create_table("t", key_schema=KEY)):
        with pytest.raises(
            StorageError, match=r"no answer, .*s3://bucket/lake|lake.*no answer, "
        ):
            use()


def test_a_bucket_that_is_not_there_is_said_so(s3: S3) -> None:
    project = Marey("s3://nobucket/lake", storage_options=s3.options).project("p")
    for use in (project.list_tables, lambda: project.create_table("t", key_schema=KEY)):
        with pytest.raises(StorageError, match="there is no such bucket") as caught:
            use()
        assert "<" not in str(caught.value)


def test_what_a_store_denies_is_said_without_its_answer(s3: S3, tmp_path: Path) -> None:
    local = Marey(tmp_path, storage_options=s3.options).project("p")
    table = local.create_table("t", key_schema=KEY)
    there = Marey("s3://media/lake", storage_options=s3.options).project("p")
    with s3.denying():
        for use in (
            lambda: there.table("t"),
            lambda: there.create_table("t", key_schema=KEY),
            there.list_tables,
            lambda: write(table, {0: "s3://media/a.mp4"}),
        ):
            with pytest.raises(
                StorageError, match=r"access is denied, .* \(status 403"
            ) as caught:
                use()
            said = "".join(chain(caught.value))
            assert "<" not in said
            assert OPTIONS["aws_access_key_id"] not in said


def test_a_store_without_encryption_has_to_be_allowed(s3: S3) -> None:
    options = {name: value for name, value in s3.options.items() if name != "allow_http"}
    project = Marey("s3://media/lake", storage_options=options).project("p")
    for use in (project.list_tables, lambda: project.table("t")):
        with pytest.raises(StorageError, match='"allow_http": "true"'):
            use()
