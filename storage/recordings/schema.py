"""The rows of a recording: one sample each, in the order in which they were logged.

::

    segment_id entity  decode_index codec is_keyframe sample block_first index_block t:log_time
    episode_0  /camera      0       h264  true        ...    0           ...         12:00:00.0
    episode_0  /camera      1       h264  false       ...                            12:00:00.3
    episode_0  /camera      2       h264  false       ...                            12:00:00.1
    episode_0  /camera      3       h264  false       ...    0           ...         12:00:00.4

The rows of one commit follow each other, and the first of them carries a block of the stream's
index: rows and index become visible together. `block_first` is the first sample that the block
speaks of; blocks that a later one covers are passed over. Each timeline is a column of its own,
added when it is first used.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import pyarrow as pa
import pyarrow.types as pat

from ...errors import InputError
from ..schema import check_name

SEGMENT: Final = "segment_id"
ENTITY: Final = "entity"
DECODE_INDEX: Final = "decode_index"
CODEC: Final = "codec"
IS_KEYFRAME: Final = "is_keyframe"
SAMPLE: Final = "sample"
BLOCK_FIRST: Final = "block_first"
INDEX_BLOCK: Final = "index_block"

TIMELINE_PREFIX: Final = "t:"
"""Begins the names of timelines' columns: they cannot be mistaken for ours."""

_COMPRESSED = {"lance-encoding:compression": "zstd"}
# Of numbers that count up Lance packs the bits, all of which the first byte of a time needs.

SAMPLE_SCHEMA = pa.schema(
    [
        pa.field(SEGMENT, pa.string(), nullable=False),
        pa.field(ENTITY, pa.string(), nullable=False),
        pa.field(DECODE_INDEX, pa.int64(), nullable=False, metadata=_COMPRESSED),
        (CODEC, pa.string()),
        (IS_KEYFRAME, pa.bool_()),
        (SAMPLE, pa.binary()),
        (BLOCK_FIRST, pa.int64()),
        (INDEX_BLOCK, pa.list_(pa.uint8())),  # as bytes, each null would take five of them
    ]
)
"""The columns without timelines."""

TIMELINE_TYPES = (pa.timestamp("ns"), pa.duration("ns"), pa.int64())
"""What the values of a timeline can be."""

_TAKEN = frozenset({*SAMPLE_SCHEMA.names})
_MOST_BYTES = 4096


def timelines(stored: pa.Schema) -> dict[str, pa.DataType]:
    """The timelines of a stored schema: names and types, in the order in which they came."""
    return {
        field.name.removeprefix(TIMELINE_PREFIX): field.type
        for field in stored
        if field.name.startswith(TIMELINE_PREFIX)
    }


def timeline_fields(types: Mapping[str, pa.DataType]) -> list[pa.Field]:
    """The columns that hold timelines."""
    return [
        pa.field(TIMELINE_PREFIX + name, dtype, metadata=_COMPRESSED)
        for name, dtype in types.items()
    ]


def check_timeline(name: object) -> str:
    """Refuse what cannot be the name of a timeline.

    Raises:
        InputError: It is no name, or that of a column which is always there.
    """
    if not isinstance(name, str):
        raise InputError(f"a timeline has a name, found {name!r}")
    check_name(name)
    if name in _TAKEN or ":" in name or name.startswith("/"):
        raise InputError(f"timeline {name!r}: the name means something else in a dataset")
    return name


def check_segment(name: object) -> str:
    """Refuse what cannot be the id of a segment: any text that is not empty can."""
    return _check_text("segment", name)


def check_entity(path: object) -> str:
    """Refuse what cannot be an entity path, such as `/camera/front`.

    Raises:
        InputError: It does not begin with a slash, or has an empty part, a colon, a star, a dot
            at which Lance would split it, or a backtick.
    """
    text = _check_text("entity", path)
    parts = text.split("/")
    if parts[0] or not all(parts[1:]) or any(c in text for c in ":*`"):
        raise InputError(
            f"entity {text!r}: expected a path such as '/camera/front', without ':', '*' or '`'"
        )
    return text


def _check_text(what: str, text: object) -> str:
    if not isinstance(text, str) or not text or "\0" in text:
        raise InputError(f"{what} {text!r}: expected text")
    if len(text.encode("utf-8", "replace")) > _MOST_BYTES:
        raise InputError(f"{what} of {len(text)} characters: at most {_MOST_BYTES} bytes")
    return text


def is_timeline_type(dtype: pa.DataType) -> bool:
    """Whether values of a type can be those of a timeline once they are fitted to one."""
    return bool(pat.is_timestamp(dtype) or pat.is_duration(dtype) or pat.is_integer(dtype))
