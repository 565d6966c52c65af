"""Bad input, case by case: the error's class and words, and a table that is as it was."""

from __future__ import annotations

import os
import struct
import subprocess
import sys
from dataclasses import dataclass
from fractions import Fraction
from functools import cache
from io import BytesIO
from pathlib import Path
from typing import Any

import av
import numpy as np
import polars as pl
import pyarrow as pa
import pytest

import marey
from marey import Marey
from marey import expressions as se
from marey.engine.table import Table
from marey.errors import (
    BoxError,
    ColumnNotFoundError,
    ConfigError,
    CorruptVideoError,
    DuplicateKeyError,
    ExpressionError,
    FrameIndexError,
    FrameRangeError,
    InputError,
    KeyNotFoundError,
    MareyError,
    NotFoundError,
    QueryError,
    SourceNotFoundError,
    StorageError,
    TableExistsError,
    TableNotFoundError,
    UnboundAuxError,
    UnsupportedError,
)
from marey.storage.catalog import Catalog
from marey.storage.schema import VideoValue
from marey.video.clips import RECIPES, make_clip
from marey.video.index.encode import VERSION

FRAME_LIST = pa.list_(pa.uint32())


@dataclass(frozen=True, slots=True)
class Refused:
    """One thing that is wrong, and what is said about it."""

    name: str
    given: Any
    error: type[MareyError]
    says: str
    """A regular expression."""


def cases(*refused: tuple[str, Any, type[MareyError], str]) -> pytest.MarkDecorator:
    return pytest.mark.parametrize(
        "case", [Refused(*case) for case in refused], ids=lambda case: case.name
    )


@pytest.fixture(scope="module")
def db(tmp_path_factory: pytest.TempPathFactory) -> Marey:
    db = Marey(tmp_path_factory.mktemp("bad input"))
    table = db.project("p").create_table("t", key_schema={"k": pa.int64()})
    good = se.Video(se.Blob(sample("closed_gops")))
    table.write(
        {
            "k": [1, 2],
            "label": ["a", "b"],
            "n": pa.array([1, 2], pa.int32()),
            "video": [good, None],
        }
    )
    return db


@pytest.fixture(scope="module")
def table(db: Marey) -> Table:
    return db.project("p").table("t")


@pytest.fixture
def unchanged(db: Marey, table: Table) -> Any:
    """The table, held to have the same versions, columns, rows and files afterwards."""

    def seen() -> tuple[Any, ...]:
        rows = db.sql("SELECT * FROM p.t ORDER BY k").to_table()
        files = {path for path in Path(db.root).rglob("*") if path.is_file()}
        return [v.number for v in table.versions()], table.schema, rows, files

    before = seen()
    yield table
    assert seen() == before


@cache
def sample(name: str) -> bytes:
    return make_clip(RECIPES[name])


@cache
def encoded(codec: str, container: str = "mp4", **options: str) -> bytes:
    """A few frames in another codec or another container."""
    file = BytesIO()
    with av.open(file, "w", format=container) as output:
        stream = output.add_stream(codec, rate=Fraction(25), options=options)
        stream.width, stream.height, stream.pix_fmt = 64, 64, "yuv420p"
        for number in range(3):
            picture = np.full((64, 64, 3), number * 80, np.uint8)
            frame = av.VideoFrame.from_ndarray(picture, format="rgb24")
            frame.pts = number
            output.mux(stream.encode(frame))
        output.mux(stream.encode(None))
    return file.getvalue()


@cache
def sound_only() -> bytes:
    file = BytesIO()
    with av.open(file, "w", format="mov") as output:
        stream = output.add_stream("pcm_s16le", rate=8000, layout="mono")
        frame = av.AudioFrame.from_ndarray(
            np.zeros((1, 800), np.int16), format="s16", layout="mono"
        )
        frame.sample_rate = 8000
        output.mux(stream.encode(frame))
        output.mux(stream.encode(None))
    return file.getvalue()


def box(kind: bytes, *content: bytes) -> bytes:
    body = b"".join(content)
    return struct.pack(">I4s", 8 + len(body), kind) + body


@cache
def encrypted() -> bytes:
    """A clip that says it is encrypted: an `encv` entry with a `sinf` (ISO/IEC 23001-7)."""
    data = bytearray(sample("closed_gops"))
    at = data.index(b"avc1", data.index(b"stsd")) - 4
    size = int.from_bytes(data[at : at + 4])
    sinf = box(
        b"sinf",
        box(b"frma", b"avc1"),
        box(b"schm", bytes(4), b"cenc", b"\0\1\0\0"),
        box(b"schi", box(b"tenc", bytes(6), b"\1\x08", bytes(range(16)))),
    )
    data[at : at + size] = box(b"encv", bytes(data[at + 8 : at + size]), sinf)
    for parent in (b"stsd", b"stbl", b"minf", b"mdia", b"trak", b"moov"):
        start = data.index(parent) - 4
        grown = int.from_bytes(data[start : start + 4]) + len(sinf)
        data[start : start + 4] = struct.pack(">I", grown)
    return bytes(data)


@cases(
    ("nothing", lambda: b"", CorruptVideoError, "not a video: 0 bytes"),
    (
        "text",
        lambda: b"no video " * 99,
        CorruptVideoError,
        "begin with b'no video no.*expected",
    ),
    ("zeros", lambda: bytes(999), CorruptVideoError, "expected an MP4 box or an H.264 start"),
    ("an image", lambda: b"\x89PNG\r\n\x1a\n" + bytes(99), UnsupportedError, "a PNG image"),
    ("half", lambda: sample("closed_gops")[:7000], BoxError, r"no moov box .*mdat \(cut"),
    ("a cut moov", lambda: sample("closed_gops")[:-500], BoxError, r"expected \d+ .* left"),
    ("cut samples", lambda: sample("moov_first")[:-99], CorruptVideoError, "sample 47 of 48"),
    ("a cut fragment", lambda: sample("fragmented")[:-200], CorruptVideoError, "truncated"),
    ("only ftyp", lambda: sample("closed_gops")[:32], BoxError, "no moov box in 32 bytes"),
    ("sound", sound_only, UnsupportedError, "no video track: .* 'soun' only"),
    ("encrypted", encrypted, UnsupportedError, "track 1 is encrypted .*'cenc'"),
    ("mpeg4", lambda: encoded("mpeg4"), UnsupportedError, "holds mpeg4; expected H.264"),
    (
        "hevc",
        lambda: encoded("libx265", **{"x265-params": "log-level=none"}),
        UnsupportedError,
        "holds hevc; expected H.264",
    ),
    (
        "raw hevc",
        lambda: encoded("libx265", "hevc", **{"x265-params": "log-level=none"}),
        UnsupportedError,
        "an H.265 stream",
    ),
    ("vp9", lambda: encoded("libvpx-vp9"), UnsupportedError, "holds vp9; expected H.264"),
    ("matroska", lambda: encoded("mpeg4", "matroska"), UnsupportedError, "Matroska or WebM"),
    ("mpegts", lambda: encoded("mpeg2video", "mpegts"), UnsupportedError, "transport stream"),
    ("avi", lambda: encoded("mpeg4", "avi"), UnsupportedError, "AVI"),
)
def test_bytes_that_are_no_video_for_us(case: Refused, unchanged: Table) -> None:
    good = se.Video(se.Blob(sample("baseline")))
    bad = se.Video(se.Blob(case.given()))
    where = r"row 1 \(k=8\), column 'video': .*"
    with pytest.raises(MareyError, match=where + case.says) as caught:
        unchanged.write({"k": [7, 8], "video": [good, bad], "new": [0, 0]})
    assert isinstance(caught.value, case.error)
    assert len(str(caught.value)) < 300


VIDEO = se.Video(se.Blob(b"never looked at"))


@cases(
    ("a key twice", {"k": [3, 4, 3]}, DuplicateKeyError, "k=3 in rows 0, 2"),
    ("a null key", {"k": [3, None]}, InputError, "key column 'k' is null in row 1"),
    ("no key", {"label": ["x"]}, InputError, "key column 'k' is missing"),
    ("nothing", {}, InputError, "key column 'k' is missing"),
    ("text keys", {"k": ["x"]}, InputError, "'k': expected int64, found string"),
    ("fractions as keys", {"k": [1.5]}, InputError, "'k': expected int64, found double"),
    ("a number as label", {"k": [3], "label": [5]}, InputError, "'label': expected string"),
    ("too wide", {"k": [3], "n": [2**40]}, InputError, "'n': expected int32.*1099511627776"),
    ("kinds mixed", {"k": [3, 4], "label": ["a", 5]}, InputError, "got a 'int'"),
    ("an object", {"k": [3], "z": [object()]}, InputError, "column 'z' of the data to write: "),
    ("a set", {"k": [3], "z": [{1, 2}]}, InputError, "'z' .*row 0: a set has no order"),
    ("a set in a list", {"k": [3], "z": [[[1], {2}]]}, InputError, "a set has no order"),
    (
        "a set in a struct",
        {"k": [3, 4], "z": [None, {"a": {2}}]},
        InputError,
        "'z' .*row 1: a set has no order",
    ),
    ("a set as a column", {"k": {3}}, InputError, "'k' .*: expected a list .* got set"),
    ("a dict as a column", {"k": {3: 4}}, InputError, "'k' .*: expected a list .* got dict"),
    (
        "a matrix",
        {"k": [3, 4], "z": np.zeros((2, 4))},
        InputError,
        r"column 'z' .*one dimension, got 2: list\(array\)",
    ),
    ("no dimension", {"k": np.array(3)}, InputError, "'k' .*one dimension, got 0"),
    (
        "too large a number",
        {"k": [3], "z": [2**64]},
        InputError,
        "column 'z' .*int too (big|large)",
    ),
    ("lengths", {"k": [3, 4], "label": ["a"]}, InputError, "differ in length.*'k': 2"),
    ("no column", {"k": 5}, InputError, "'k' .*: expected a list or an array, got int"),
    ("text as a column", {"k": "abc"}, InputError, "'k' .*: expected a list .* got str"),
    (
        "a path as video",
        {"k": [3], "video": ["/a.mp4"]},
        InputError,
        r"row 0, column 'video': .* str: for a path write se.Video\(se.Blob.from_uri",
    ),
    (
        "a Path as video",
        {"k": [3], "video": [Path("a.mp4")]},
        InputError,
        r"row 0, column 'video': .* PosixPath: for a path write se.Video\(se.Blob.from_uri",
    ),
    (
        "a video in a struct of polars",
        pl.DataFrame({"k": [3], "new": [VIDEO]}),
        InputError,
        "column 'new': polars made structs of its videos: .*polars.Object",
    ),
    ("a blob as video", {"k": [3], "video": [VIDEO.blob]}, InputError, r"write se.Video\(blob"),
    ("a video as label", {"k": [3], "label": [VIDEO]}, MareyError, "column 'label'"),
    ("a video as key", {"k": [VIDEO]}, MareyError, "'k'"),
    ("dots in a name", {"k": [3], "a.b": [1]}, InputError, "column 'a.b': a name has"),
    ("no name", {"k": [3], "": [1]}, InputError, "column '': a name has"),
    ("a name of ours", {"k": [3], "__marey_x": [1]}, InputError, "the name is reserved"),
    ("a name of Lance's", {"k": [3], "_rowid": [1]}, InputError, "the name is reserved"),
    ("no data", None, InputError, "expected an Arrow table.* got NoneType"),
    ("a number", 5, InputError, "expected an Arrow table.* got int"),
    ("numbers for rows", [1, 2], InputError, "row 0: expected a dict, got int"),
    ("ragged rows", [{"k": 3}, {"k": 4, "n": 1}], InputError, r"row 1 and row 0 .*\['n'\]"),
    (
        "a column twice",
        pa.Table.from_arrays([pa.array([3]), pa.array([4])], names=["k", "k"]),
        InputError,
        "column 'k' is there twice",
    ),
)
def test_data_that_does_not_fit_the_table(case: Refused, unchanged: Table) -> None:
    with pytest.raises(case.error, match=case.says):
        unchanged.write(case.given)


@cases(
    ("gone", "{}/gone.mp4", SourceNotFoundError, "no such file: '.*/gone.mp4'"),
    ("a folder", "{}", StorageError, "cannot read .*Is a directory"),
    ("another place", "ftp://host/a.mp4", UnsupportedError, "ftp:// sources are not offered"),
    ("no key", "s3://bucket", InputError, "expected scheme://bucket/key"),
    ("a password", "s3://ann:hush@b/k", InputError, ".*into storage_options: s3://b/k"),
)
def test_references_that_lead_to_no_video(
    case: Refused, unchanged: Table, tmp_path: Path
) -> None:
    video = se.Video(se.Blob.from_uri(case.given.format(tmp_path)))
    with pytest.raises(case.error, match=r"row 0 \(k=3\), column 'video': " + case.says):
        unchanged.write({"k": [3], "video": [video]})


def test_a_url_in_an_error_keeps_its_secrets(unchanged: Table) -> None:
    blob = se.Blob.from_uri("http://ann:hush@127.0.0.1:1/a.mp4?signature=hush")
    with pytest.raises(
        StorageError, match=r"no answer, the connection was refused: http://127.0.0.1:1/a\.mp4"
    ) as caught:
        unchanged.write({"k": [3], "video": [se.Video(blob)]})
    assert "hush" not in str(caught.value)


def test_a_source_of_another_size_than_said(unchanged: Table, tmp_path: Path) -> None:
    path = tmp_path / "clip.mp4"
    path.write_bytes(sample("closed_gops"))
    video = se.Video(se.Blob.from_uri(path, size=5))
    with pytest.raises(InputError, match=r"has \d+ bytes, size=5 was given"):
        unchanged.write({"k": [3], "video": [video]})


@cases(
    ("negative", [-1], FrameRangeError, "holds -1 at position 0"),
    ("one too far", [0, 48], FrameRangeError, "frame 48 was asked for, .* frames 0 to 47"),
    ("above 32 bits", [2**40], FrameRangeError, "holds 1099511627776 at position 0"),
    ("the last number", [2**32 - 1], FrameRangeError, "frame 4294967295 .* 0 to 47"),
    (
        "above 64 bits",
        [2**70],
        ExpressionError,
        "video.read: frame_indices: .* at most 64 bits",
    ),
    ("a null", [0, None], FrameRangeError, "a null at position 1"),
    ("a fraction", [1.5], ExpressionError, "whole numbers, found 1.5"),
    ("text", ["a"], ExpressionError, 'whole numbers, found "a"'),
    ("a number alone", 3, ExpressionError, r"write \[...\]"),
    ("a set", {1, 2}, ExpressionError, "video.read: frame_indices: {1, 2} .set. cannot"),
    ("a slice", slice(0, 4), ExpressionError, "video.read: frame_indices: slice"),
)
def test_frame_numbers(case: Refused, db: Marey, unchanged: Table) -> None:
    with pytest.raises(case.error, match=case.says):
        db.scan(
            {"f": se.video.read(unchanged["video"], case.given)}, where=unchanged["k"] == 1
        ).to_table()


@cases(
    ("no rows", {"height": 0}, ExpressionError, "height must be at least 1 .*, found 0"),
    ("no columns", {"width": 0}, ExpressionError, "width must be at least 1 .*, found 0"),
    ("negative", {"height": -1}, ExpressionError, "height must be at least 1 .*, found -1"),
    (
        "huge",
        {"height": 2**31 - 1, "width": 1},
        ExpressionError,
        "at most 16384, found 2147483647",
    ),
    ("above 32 bits", {"width": 2**40}, ExpressionError, "width: 1099511627776 is no int32"),
    ("a fraction", {"height": 1.5}, ExpressionError, "height must be a whole number"),
    ("pixels", {"pixel_format": "rgb"}, ExpressionError, "one of 'rgb24', .* found \"rgb\""),
    ("resized", {"pixel_format": "native", "height": 4}, UnsupportedError, "native gives .*"),
)
def test_sizes_and_formats(case: Refused, db: Marey, unchanged: Table) -> None:
    with pytest.raises(case.error, match=case.says):
        db.scan(
            {"f": se.video.read(unchanged["video"], [0], **case.given)},
            where=unchanged["k"] == 1,
        ).to_table()


@cases(
    ("unbound", None, UnboundAuxError, "aux 'picks' takes its values from a key table"),
    ("misspelt", {"k": [1], "pick": [[0]]}, UnboundAuxError, "'picks' .* did you mean 'pick'"),
    ("no key", {"picks": [[0]]}, InputError, "lacks key column 'k'"),
    ("a key of no row", {"k": [1, 7], "picks": [[0]] * 2}, KeyNotFoundError, "1 of 2 .*k=7"),
    ("a null key", {"k": [None], "picks": [[0]]}, InputError, "row 0 .*'k' is null"),
    ("text keys", {"k": ["x"], "picks": [[0]]}, InputError, "'k' .*expected int64, got string"),
    ("too much", {"k": [1], "picks": [[0]], "x": [1]}, InputError, "column 'x' .* neither"),
    ("negative", {"k": [1], "picks": [[-1]]}, InputError, "'picks' .*Integer value -1"),
    ("too far", {"k": [1], "picks": [[99]]}, FrameRangeError, r"\(k=1\).* frame 99 .* 0 to 47"),
    ("no table", 5, InputError, "the key table: expected an Arrow table"),
)
def test_key_tables(case: Refused, db: Marey, unchanged: Table) -> None:
    picks = se.aux("picks", FRAME_LIST)
    scan = db.scan({"f": se.video.read(unchanged["video"], picks, height=8)})
    with pytest.raises(case.error, match=case.says):
        scan.to_table(key_table=case.given)


@cases(
    ("a column", lambda db, t: t["labell"], ColumnNotFoundError, "did you mean 'label'"),
    (
        "a field",
        lambda db, t: t["video"]["index"]["widht"],
        ColumnNotFoundError,
        "did you mean 'width'",
    ),
    ("the bytes", lambda db, t: t["video"]["source"], UnsupportedError, "video.remux"),
    (
        "a table",
        lambda db, t: db.project("p").table("tt"),
        TableNotFoundError,
        "no table p.tt in .*near it: 't'",
    ),
    (
        "a project",
        lambda db, t: db.project("pp").table("t"),
        TableNotFoundError,
        "no table pp.t in .*near it: 'p'",
    ),
    (
        "a path for a project",
        lambda db, t: db.project("../p").table("t"),
        InputError,
        "letters, digits",
    ),
    (
        "a version",
        lambda db, t: t.snapshot(99),
        NotFoundError,
        "p.t: no version 99; there are 1 ",
    ),
    ("no version", lambda db, t: t.snapshot("x"), ConfigError, "its number or a datetime"),
    (
        "a table to drop",
        lambda db, t: db.project("p").drop_table("x"),
        TableNotFoundError,
        "no table p.x",
    ),
    (
        "a column to delete by",
        lambda db, t: t.delete("labell = 'a'"),
        ColumnNotFoundError,
        "did you mean 'label'",
    ),
    (
        "a column near none",
        lambda db, t: t.delete("zzz = 'a'"),
        ColumnNotFoundError,
        "there are 'k', .*(?<!__marey_place')$",
    ),
    ("half a condition", lambda db, t: t.delete("label ="), QueryError, "(?i)expected"),
    ("a number to delete", lambda db, t: t.delete(5), ExpressionError, "got int"),
    ("a surrogate column", lambda db, t: t["\ud800"], ColumnNotFoundError, r"'\\ud800'"),
    (
        "a surrogate output",
        lambda db, t: db.scan({"\ud800": t["k"]}),
        ExpressionError,
        r"must be Unicode, found '\\ud800'",
    ),
    ("a surrogate constant", lambda db, t: t["label"] == "\ud800", ExpressionError, r"\\ud800"),
    (
        "a surrogate path",
        lambda db, t: se.Blob.from_uri("/tmp/\ud800"),
        ExpressionError,
        "from_uri takes a path",
    ),
    (
        "kinds compared",
        lambda db, t: db.scan({"k": t["k"]}, where=t["label"] > 5),
        ExpressionError,
        r't\["label"\] > 5: .* string and int64',
    ),
    (
        "a condition that is none",
        lambda db, t: db.scan({"k": t["k"]}, where=t["k"]),
        ExpressionError,
        "a condition must be bool, found int64",
    ),
    (
        "python's and",
        lambda db, t: db.scan({"k": t["k"]}, where=t["k"] and t["n"]),
        ExpressionError,
        "use|combine conditions with &",
    ),
    (
        "a label read",
        lambda db, t: db.scan({"f": se.video.read(t["label"])}),
        ExpressionError,
        r"must be a video column, found string: .*first write is of se.Video\(se.Blob",
    ),
    (
        "a negative limit",
        lambda db, t: db.scan({"k": t["k"]}, limit=-1),
        ConfigError,
        "limit must be a whole number of at least 0, got -1",
    ),
    ("no outputs", lambda db, t: db.scan({}), ExpressionError, "at least one"),
    (
        "a choice",
        lambda db, t: db.scan({"k": t["k"]}).to_table(on_error="ignore"),
        ConfigError,
        "on_error must be 'raise', 'null' or 'skip', got 'ignore'",
    ),
    (
        "a table that is there",
        lambda db, t: db.project("p").create_table("t", key_schema={"k": pa.int64()}),
        TableExistsError,
        "p.t is there already",
    ),
)
def test_names_and_types(case: Refused, db: Marey, unchanged: Table) -> None:
    with pytest.raises(case.error, match=case.says):
        case.given(db, unchanged)


def test_an_index_of_a_newer_version(tmp_path: Path) -> None:
    db = Marey(tmp_path)
    table = db.project("p").create_table("t", key_schema={"k": pa.int64()})
    table.write({"k": [1], "video": [se.Video(se.Blob(sample("baseline")))]})
    stored = Catalog(tmp_path).open_table("p", "t")
    (graph,) = stored.frame_graphs(stored.find_keys(pa.table({"k": [1]})), "video")
    newer = bytearray(graph)
    newer[4] = VERSION + 1
    scalars = {"codec": "h264", "frame_count": 48, "width": 160, "height": 96}
    later = VideoValue(sample("baseline"), scalars, bytes(newer))
    stored.write(pa.table({"k": [2]}), {"video": [later]})
    scan = db.scan({"k": table["k"], "f": se.video.read(table["video"], [0], height=8)})
    with pytest.raises(FrameIndexError, match=rf"p.t \(k=2\).*{VERSION + 1}.*{VERSION}"):
        scan.to_table()
    assert [row["f"] is None for row in scan.to_table(on_error="null").to_pylist()] == [
        False,
        True,
    ]


@pytest.mark.parametrize("change", ["gone", "cut", "overwritten"])
def test_a_source_that_has_changed_since(change: str, tmp_path: Path) -> None:
    db = Marey(tmp_path / "data")
    table = db.project("p").create_table("t", key_schema={"k": pa.int64()})
    path = tmp_path / "clip.mp4"
    path.write_bytes(sample("baseline"))
    table.write({"k": [1], "video": [se.Video(se.Blob.from_uri(path))]})
    match change:
        case "gone":
            path.unlink()
        case "cut":
            path.write_bytes(sample("baseline")[:3000])
        case "overwritten":
            path.write_bytes(b"\xff" * len(sample("baseline")))
    scan = db.scan({"f": se.video.read(table["video"], [40], height=8)})
    with pytest.raises(MareyError, match=r"p.t \(k=1\), column 'f': ") as caught:
        scan.to_table()
    if change != "overwritten":
        assert str(path.as_uri()) in str(caught.value)
    expected = {"gone": SourceNotFoundError, "cut": CorruptVideoError}
    assert isinstance(caught.value, expected.get(change, MareyError))


FULL_DISK = """
import resource, sys
from pathlib import Path
from marey import Marey, expressions as se
from marey.errors import StorageError
root, clip = sys.argv[1:]
table = Marey(root).project("p").table("t")
free = (3_000_000).to_bytes(4, "big") + b"free" + bytes(2_999_992)
video = se.Video(se.Blob(Path(clip).read_bytes() + free))
resource.setrlimit(resource.RLIMIT_FSIZE, (1_000_000, 1_000_000))
try:
    table.write({"k": [1, 7], "label": ["z", "z"], "video": [video] * 2})
except StorageError as error:
    print(error)
"""


def test_a_full_disk(db: Marey, table: Table, tmp_path: Path) -> None:
    before = table.versions(), db.sql("SELECT * FROM p.t ORDER BY k").to_table()
    clip = tmp_path / "clip.mp4"
    clip.write_bytes(sample("baseline"))
    process = subprocess.run(
        [sys.executable, "-c", FULL_DISK, db.root, str(clip)],
        env=os.environ | {"PYTHONPATH": str(Path(marey.__file__).parent.parent)},
        capture_output=True,
        text=True,
    )
    assert process.stdout.startswith("write to "), process.stderr
    assert (table.versions(), db.sql("SELECT * FROM p.t ORDER BY k").to_table()) == before
    table.write({"k": [1], "label": ["a"]})


@cases(
    ("missing", None, InputError, "key_schema: expected names and Arrow types, got None"),
    ("empty", {}, InputError, "at least one key column"),
    ("no type", {"k": "nonsense"}, InputError, "No type alias for nonsense"),
    ("floats", {"k": pa.float64()}, InputError, "key column 'k': expected .* found double"),
    ("lists", {"k": pa.list_(pa.int8())}, InputError, "key column 'k': expected .* found list"),
    ("twice", [("k", pa.int8()), ("k", pa.int8())], InputError, "column 'k' is there twice"),
    ("dots", {"a.b": pa.int64()}, InputError, "column 'a.b': a name has"),
)
def test_key_schemas(case: Refused, db: Marey, unchanged: Table) -> None:
    with pytest.raises(case.error, match=case.says):
        db.project("p").create_table("new", key_schema=case.given)


@pytest.mark.parametrize("name", ["", "a b", "a.b", "../x", "a/b", "é", "x" * 201, None, 5])
def test_names_that_no_table_can_have(name: Any, db: Marey, unchanged: Table) -> None:
    with pytest.raises(InputError, match="a name is made of letters, digits, '_' and '-'"):
        db.project("p").create_table(name, key_schema={"k": pa.int64()})
    with pytest.raises(InputError, match=r"project .*: a name is made of letters"):
        db.project(name).create_table("new", key_schema={"k": pa.int64()})


def test_no_root(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MAREY_ROOT", raising=False)
    with pytest.raises(ConfigError, match=r"no root: .*MAREY_ROOT"):
        Marey()
