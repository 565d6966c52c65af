"""Requests are found wherever they stand, and their values put back in the same place."""

from __future__ import annotations

import pyarrow as pa
import pytest

from marey.engine.requests import (
    NULL_FRAME,
    VIDEO,
    ReadRequest,
    RemuxRequest,
    fill,
    find_slots,
    finished_schema,
    read_requests,
)
from marey.errors import UnsupportedError
from marey.expressions.dtypes import FRAMES, READ_REQUEST, REMUX_REQUEST

HANDLE = {"__marey_table": 2, "__marey_row": 40}


def read(**fields: object) -> dict[str, object]:
    return {
        "__marey_read": HANDLE,
        "frame_indices": [3, 1],
        "every_frame": False,
        "height": None,
        "width": 48,
        "pixel_format": "gray8",
        **fields,
    }


REMUX = {
    "__marey_remux": HANDLE,
    "frame_indices": None,
    "every_frame": True,
    "audio": True,
}


def batch() -> pa.RecordBatch:
    nested = pa.struct([("label", pa.string()), ("clip", READ_REQUEST)])
    return pa.record_batch(
        {
            "id": pa.array([1, 2, 3, 4]),
            "f": pa.array(
                [read(), None, read(frame_indices=None), read(__marey_read=None)], READ_REQUEST
            ),
            "n": pa.array(
                [
                    {"label": "a", "clip": read(frame_indices=[0, None])},
                    None,
                    {"label": "c", "clip": None},
                    {"label": "d", "clip": read(frame_indices=None, every_frame=True)},
                ],
                nested,
            ),
            "m": pa.array([REMUX, None, None, REMUX], REMUX_REQUEST),
        }
    )


def test_every_slot_is_found_in_order() -> None:
    slots = find_slots(batch().schema)
    assert [slot.name for slot in slots] == ["f", "n.clip", "m"]
    assert [slot.is_read for slot in slots] == [True, True, False]


def test_a_slot_lists_what_each_row_asks_for() -> None:
    f, clip, m = (read_requests(batch(), slot) for slot in find_slots(batch().schema))
    first = f[0]
    assert isinstance(first, ReadRequest)
    assert (first.table, first.row, first.height, first.width) == (2, 40, None, 48)
    assert first.pixel_format == "gray8"
    assert first.frames is not None
    assert first.frames.tolist() == [3, 1]
    assert f[1:] == [None, None, None]
    assert clip[0] is not None
    assert clip[0].frames is not None
    assert clip[0].frames.tolist() == [0, NULL_FRAME]
    assert clip[1:3] == [None, None]
    assert clip[3] is not None
    assert clip[3].frames is None
    assert m[0] == RemuxRequest(table=2, row=40, frames=None, audio=True)


def test_a_slice_of_a_batch_asks_for_its_own_rows() -> None:
    slot = find_slots(batch().schema)[1]
    whole, part = read_requests(batch(), slot), read_requests(batch().slice(2), slot)
    assert part[0] is None
    assert part[1] is not None
    assert whole[3] is not None
    assert part[1].frames is whole[3].frames is None


def test_values_go_where_their_requests_were() -> None:
    schema = finished_schema(batch().schema)
    assert schema.field("n").type.field("clip").type == FRAMES
    value = {"frames": [], "frame_shape": [1, 2, 3]}
    done = fill(
        batch(),
        schema,
        {
            ("f",): pa.array([value, None, None, None], FRAMES),
            ("n", "clip"): pa.array([value] * 4, FRAMES),
            ("m",): pa.array([b"mp4", None, None, b""], pa.large_binary()),
        },
        lambda handles: pa.nulls(len(handles), VIDEO),
    )
    assert done.schema == schema
    assert done.to_pylist()[0] == {
        "id": 1,
        "f": value,
        "n": {"label": "a", "clip": value},
        "m": b"mp4",
    }
    assert done["n"].to_pylist()[1] is None


def test_a_request_in_a_list_is_refused() -> None:
    with pytest.raises(UnsupportedError, match="cannot stand inside an array"):
        finished_schema(pa.schema([("f", pa.list_(READ_REQUEST))]))
