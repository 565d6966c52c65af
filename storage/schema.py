"""The columns of a table: keys, videos and the rest, as users see them and as Lance keeps them.

A video is `source`, its bytes or a reference to them, and `index`: scalars that SQL can filter
on, and the frame graph. Users and the engine see the *logical* schema, Lance keeps the *stored*
one:

::

    logical   video: struct<source: large_binary,  index: struct<codec, ..., frame_graph>>
    stored    video: struct<source: lance.blob.v2, index: struct<codec, ...>, frame_graph,
                            reference>

Lance stores a blob beside the table and reads it by range. The frame graph stands beside the
index because Lance prunes one level of a struct: within it, every filter on a width would read
it. A reference is a line of JSON (`BlobReference`), and the blob beside it is empty. Lance has
blobs by reference of its own, but not to web servers, nor with an entity tag.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches

import pyarrow as pa
import pyarrow.types as pat
from lance import blob_field

from ..errors import ColumnNotFoundError, InputError, StorageError, UnsupportedError

SOURCE = "source"
INDEX = "index"
FRAME_GRAPH = pa.field("frame_graph", pa.large_binary())
REFERENCE = pa.field("reference", pa.string())

INDEX_FIELDS = pa.schema(
    [
        ("codec", pa.string()),
        ("profile", pa.string()),
        ("level", pa.int32()),
        ("width", pa.int32()),
        ("height", pa.int32()),
        ("frame_count", pa.int64()),
        ("duration_seconds", pa.float64()),
        ("average_fps", pa.float64()),
        ("gop_count", pa.int32()),
        ("cadences", pa.list_(pa.float64())),
        ("has_b_frames", pa.bool_()),
        ("bit_depth", pa.int32()),
        ("chroma_format", pa.string()),
        ("color_primaries", pa.int32()),
        ("color_transfer", pa.int32()),
        ("color_matrix", pa.int32()),
        ("color_full_range", pa.bool_()),
        ("container", pa.string()),
        ("source_bytes", pa.int64()),
    ]
)
"""The scalar fields of a stored video's index; the frame graph follows them."""

INDEX_TYPE = pa.struct([*INDEX_FIELDS, FRAME_GRAPH])
"""The `index` of a video as users see it."""

LOGICAL_VIDEO_TYPE = pa.struct([(SOURCE, pa.large_binary()), (INDEX, INDEX_TYPE)])
"""A video column as users see it."""

VIDEO_TYPE = pa.struct(
    [blob_field(SOURCE), (INDEX, pa.struct(list(INDEX_FIELDS))), FRAME_GRAPH, REFERENCE]
)
"""A video column as Lance stores it."""

_LANCE_COLUMNS = frozenset(
    {
        "_rowid",
        "_rowaddr",
        "_rowoffset",
        "_row_created_at_version",
        "_row_last_updated_at_version",
    }
)
_KEY_TYPES = "integer, string, binary, bool, date or timestamp"


@dataclass(frozen=True, slots=True)
class BlobReference:
    """Bytes that stay where they are."""

    uri: str
    """`file:///…`, or the URI of an object as `addresses.stored_uri` leaves it."""
    size: int
    """How many bytes there are: known, so that no read has to ask first."""
    tag: str | None = None
    """What tells this state of the file or object from another; not looked at if None."""

    def to_json(self) -> str:
        """As it is stored.

        >>> BlobReference("s3://bucket/7.mp4", 4096, "5d41").to_json()
        '{"uri": "s3://bucket/7.mp4", "size": 4096, "tag": "5d41"}'
        """
        return json.dumps({"uri": self.uri, "size": self.size, "tag": self.tag})

    @classmethod
    def from_json(cls, text: str) -> BlobReference:
        """As it was stored.

        Raises:
            StorageError: It is damaged.
        """
        try:
            stored = json.loads(text)
            return cls(stored["uri"], stored["size"], stored["tag"])
        except (ValueError, KeyError, TypeError) as error:
            raise StorageError(f"a damaged reference to a video: {text!r}") from error

    def __post_init__(self) -> None:
        if not self.uri:
            raise InputError("a blob reference needs a URI, got ''")
        if type(self.size) is not int or self.size < 1:
            raise InputError(f"a blob reference needs a size of at least 1, got {self.size!r}")


@dataclass(frozen=True, slots=True)
class FileCopy:
    """The bytes of a local file, to be copied into the table."""

    path: str
    """Absolute."""
    size: int
    """How many bytes there are."""
    tag: str
    """What tells its state, as `files.file_tag` has it."""


@dataclass(frozen=True, slots=True)
class VideoValue:
    """One video to be written: where its bytes are, and the index made of them."""

    source: bytes | BlobReference | FileCopy = field(repr=False)
    """The file, where it is to be had, or a reference to it."""
    scalars: Mapping[str, object]
    """Values of `INDEX_FIELDS` by name; one that is missing is null."""
    frame_graph: bytes = field(repr=False)
    """The frame index in its binary form, which storage does not look into."""


def is_video(field: pa.Field) -> bool:
    """Whether a field, logical or stored, is a video column.

    >>> is_video(pa.field("clip", LOGICAL_VIDEO_TYPE)), is_video(pa.field("n", pa.int64()))
    (True, False)
    """
    dtype = field.type
    if not pat.is_struct(dtype):
        return False
    names = [f.name for f in dtype]
    if names == [SOURCE, INDEX, FRAME_GRAPH.name, REFERENCE.name]:
        return True
    if names != [SOURCE, INDEX] or not pat.is_struct(dtype.field(INDEX).type):
        return False
    return bool(dtype.field(INDEX).type.get_field_index(FRAME_GRAPH.name) >= 0)


def blob_path(column: str) -> str:
    """The stored path of a video column's bytes.

    >>> blob_path("video")
    'video.source'
    """
    return f"{column}.{SOURCE}"


def to_logical(stored: pa.Schema) -> pa.Schema:
    """The schema that users see of a stored one; Lance's own metadata is left out."""
    return _with_videos(stored, LOGICAL_VIDEO_TYPE)


def to_stored(logical: pa.Schema) -> pa.Schema:
    """The schema that Lance is given for a logical one."""
    return _with_videos(logical, VIDEO_TYPE)


def _with_videos(schema: pa.Schema, video: pa.DataType) -> pa.Schema:
    return pa.schema(
        [
            pa.field(f.name, video if is_video(f) else f.type, nullable=f.nullable)
            for f in schema
        ]
    )


def check_name(name: str) -> str:
    """Refuse a column name that storage could not address.

    Raises:
        InputError: It is empty, holds a dot, a backtick or a zero, or is reserved.
    """
    if not name or any(character in name for character in ".`\0"):
        raise InputError(
            f"column {name!r}: a name has at least one character, no '.', no '`' and no zero"
        )
    if name.startswith("__marey") or name in _LANCE_COLUMNS:
        raise InputError(f"column {name!r}: the name is reserved")
    return name


def check_names(names: Iterable[str]) -> None:
    """Refuse names that `check_name` refuses, and a name that stands twice."""
    seen: set[str] = set()
    for name in names:
        if check_name(name) in seen:
            raise InputError(f"column {name!r} is there twice")
        seen.add(name)


def to_key_schema(given: pa.Schema) -> pa.Schema:
    """The key columns of a table to be made: not null, each of a type whose values are exact.

    Raises:
        InputError: There are none, or one cannot be a key.

    >>> to_key_schema(pa.schema([("clip_id", pa.large_string())])).field(0)
    pyarrow.Field<clip_id: string not null>
    """
    if not len(given):
        raise InputError("a table needs at least one key column, got none")
    check_names(given.names)
    return pa.schema([pa.field(f.name, _key_type(f), nullable=False) for f in given])


def _key_type(field: pa.Field) -> pa.DataType:
    dtype = field.type.value_type if pat.is_dictionary(field.type) else field.type
    if pat.is_integer(dtype) or pat.is_boolean(dtype) or pat.is_timestamp(dtype):
        return dtype
    if pat.is_string(dtype) or pat.is_large_string(dtype) or pat.is_string_view(dtype):
        return pa.string()
    if pat.is_binary(dtype) or pat.is_large_binary(dtype) or pat.is_binary_view(dtype):
        return pa.binary()
    if pat.is_date(dtype):
        return pa.date32()
    raise InputError(f"key column {field.name!r}: expected {_KEY_TYPES}, found {field.type}")


def to_column_type(name: str, dtype: pa.DataType) -> pa.DataType:
    """The type in which a new column is stored: views and dictionaries become plain values.

    Raises:
        InputError: The column has no type, because all its values are null.
        UnsupportedError: Lance cannot keep values of this type.
    """
    if pat.is_null(dtype):
        raise InputError(
            f"column {name!r} is new and all null: give it a type, or leave it out"
        )
    if is_video(pa.field(name, dtype)):
        raise InputError(f"column {name!r}: videos are written as such, not as a struct")
    return _plain(name, dtype)


def _plain(name: str, dtype: pa.DataType) -> pa.DataType:
    if pat.is_dictionary(dtype):
        return _plain(name, dtype.value_type)
    if pat.is_string_view(dtype):
        return pa.string()
    if pat.is_binary_view(dtype):
        return pa.binary()
    if pat.is_list(dtype) or pat.is_list_view(dtype):
        return pa.list_(_plain(name, dtype.value_type))
    if pat.is_large_list(dtype) or pat.is_large_list_view(dtype):
        return pa.large_list(_plain(name, dtype.value_type))
    if pat.is_map(dtype):
        return pa.map_(_plain(name, dtype.key_type), _plain(name, dtype.item_type))
    if pat.is_fixed_size_list(dtype) and pat.is_primitive(dtype.value_type):
        return pa.list_(dtype.value_type, dtype.list_size)
    if pat.is_struct(dtype) and dtype.num_fields:
        check_names(f.name for f in dtype)
        return pa.struct([(f.name, _plain(name, f.type)) for f in dtype])
    if pat.is_nested(dtype) or not _is_plain(dtype):
        raise UnsupportedError(f"column {name!r}: values of type {dtype} cannot be stored")
    return dtype


def _is_plain(dtype: pa.DataType) -> bool:
    if isinstance(dtype, pa.BaseExtensionType) or pat.is_interval(dtype):
        return False
    return bool(
        pat.is_primitive(dtype)
        or pat.is_decimal(dtype)
        or pat.is_string(dtype)
        or pat.is_large_string(dtype)
        or pat.is_binary(dtype)
        or pat.is_large_binary(dtype)
        or pat.is_fixed_size_binary(dtype)
    )


def no_column(name: str, names: Iterable[str]) -> ColumnNotFoundError:
    """The error for a name that is not there; it offers near ones."""
    known = list(names)
    near = get_close_matches(name, known, n=3) or known[:12]
    offer = f"; near it are {', '.join(map(repr, near))}" if near else ""
    return ColumnNotFoundError(f"no column {name!r}{offer}")
