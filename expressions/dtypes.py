"""The Arrow types that expressions speak: videos, handles, requests, and what requests become.

DataFusion sees small data only. A video column goes in as a *handle*, which says where the
video lies; `video_read` and `video_remux` give *requests*, which say what to make of it. The
engine turns requests into values after the plan has run. A request is known by the name of its
first child, a name that no type of a user has: metadata of fields would not do, which
DataFusion drops in CASE and coalesce.
"""

from __future__ import annotations

from typing import Any

import pyarrow as pa
import pyarrow.types as pat

from ..errors import UnsupportedError
from ..storage.columns import is_list

DataType = Any
"""A `pyarrow.DataType`: pyarrow ships no types."""

RESERVED_PREFIX = "__marey_"
"""Names that begin so are ours, inside DataFusion and nowhere else."""

START_TIME = "start_time"
END_TIME = "end_time"
"""Scalars that the index of a recorded stream has and that of a file has not."""

_READ = RESERVED_PREFIX + "read"
_READ_TIMED = RESERVED_PREFIX + "read_timed"
_REMUX = RESERVED_PREFIX + "remux"

HANDLE = pa.struct(
    [(RESERVED_PREFIX + "table", pa.uint32()), (RESERVED_PREFIX + "row", pa.uint64())]
)
"""Where a video lies: the number of its table in this query, and the row id."""

FRAME_LIST = pa.list_(pa.uint32())
"""Frame numbers, in display order of the clip but listed in any order."""

_FRAME = (
    ("data", pa.large_binary()),
    ("frame_index", pa.uint32()),
    ("pts_seconds", pa.float64()),
    ("duration_seconds", pa.float64()),
)


def _frames(*fields: tuple[str, DataType]) -> DataType:
    shape = ("frame_shape", pa.list_(pa.int32()))
    return pa.struct([("frames", pa.list_(pa.struct(list(fields)))), shape])


FRAMES = _frames(*_FRAME)
"""What `video_read` gives in the end."""

TIMED_FRAMES = _frames(*_FRAME, ("time", pa.timestamp("ns")))
"""Likewise of a recorded stream."""


def _read_request(first: str) -> DataType:
    return pa.struct(
        [
            (first, HANDLE),
            ("frame_indices", FRAME_LIST),
            ("every_frame", pa.bool_()),
            ("height", pa.int32()),
            ("width", pa.int32()),
            ("pixel_format", pa.string()),
        ]
    )


READ_REQUEST = _read_request(_READ)
"""A promise of `FRAMES`; a null height or width follows from the other, or from the clip."""

TIMED_READ_REQUEST = _read_request(_READ_TIMED)
"""A promise of `TIMED_FRAMES`."""

REMUX_REQUEST = pa.struct(
    [
        (_REMUX, HANDLE),
        ("frame_indices", FRAME_LIST),
        ("every_frame", pa.bool_()),
        ("audio", pa.bool_()),
    ]
)
"""A promise of a playable MP4."""

_MATERIALISED = {_READ: FRAMES, _READ_TIMED: TIMED_FRAMES, _REMUX: pa.large_binary()}


def is_video(dtype: DataType) -> bool:
    """Whether this is the logical type of a video column: its source beside its frame index."""
    if not pat.is_struct(dtype) or [f.name for f in dtype] != ["source", "index"]:
        return False
    index = dtype.field("index").type
    return bool(pat.is_struct(index) and index.get_field_index("frame_graph") >= 0)


def is_stream(dtype: DataType) -> bool:
    """Whether this is a video that is a recorded stream: it has times of a clock."""
    return is_video(dtype) and dtype.field("index").type.get_field_index(START_TIME) >= 0


def is_request(dtype: DataType) -> bool:
    """Whether values of this type are promises that the engine has yet to keep."""
    return bool(pat.is_struct(dtype) and len(dtype) and dtype[0].name in _MATERIALISED)


def contains_request(dtype: DataType) -> bool:
    """Whether a request lies anywhere within the type.

    >>> contains_request(pa.struct([("clip", READ_REQUEST)]))
    True
    """
    return is_request(dtype) or any(
        contains_request(dtype.field(i).type) for i in range(dtype.num_fields)
    )


def materialised(dtype: DataType) -> DataType:
    """The type that a value has once the requests in it are kept.

    >>> materialised(REMUX_REQUEST)
    DataType(large_binary)

    Raises:
        UnsupportedError: A request lies in a list or a map, where the engine does not look.
    """
    if is_request(dtype):
        return _MATERIALISED[dtype[0].name]
    if not contains_request(dtype):
        return dtype
    if pat.is_struct(dtype):
        return pa.struct([field.with_type(materialised(field.type)) for field in dtype])
    raise UnsupportedError(
        "video_read and video_remux cannot stand inside an array, a map or an aggregate: "
        "make each a column of its own, or put them in a struct"
    )


def name_of(dtype: DataType) -> str:
    """The type as people know it: `video`, `frames`, and Arrow's own names for the rest.

    >>> name_of(READ_REQUEST), name_of(FRAME_LIST)
    ('frames', 'list<uint32>')
    """
    if is_video(dtype) or dtype == HANDLE:
        return "video"
    if is_request(dtype):
        return "remuxed video" if dtype[0].name == _REMUX else "frames"
    if is_list(dtype):
        return f"list<{name_of(dtype.value_type)}>"
    if pat.is_struct(dtype):
        return "struct<" + ", ".join(f"{f.name}: {name_of(f.type)}" for f in dtype) + ">"
    return str(dtype)
