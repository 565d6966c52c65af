"""A small table of videos in DataFusion: handles, index scalars, ordinary and `aux` columns."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import datafusion
import numpy as np
import pyarrow as pa
import pytest

from marey.errors import MareyError
from marey.expressions.check import resolve_outputs
from marey.expressions.columns import Column, Relation, column
from marey.expressions.compile import to_datafusion
from marey.expressions.dtypes import HANDLE
from marey.expressions.sql_text import rewrite_sql
from marey.expressions.udf import VideoFunctions
from marey.video.index.clip import ClipIndex
from marey.video.index.encode import encode_index, open_index
from marey.video.index.frames import FrameIndex, ParameterSets, PictureFormat, SampleFlag
from marey.video.timing import Timebase

TWENTY_FIVE = Timebase(1, 25)

VIDEO = pa.struct(
    [
        ("source", pa.large_binary()),
        (
            "index",
            pa.struct(
                [
                    ("width", pa.int32()),
                    ("frame_count", pa.int64()),
                    ("frame_graph", pa.large_binary()),
                ]
            ),
        ),
    ]
)
META = pa.struct([("Weight", pa.int32()), ("note", pa.string())])
SCHEMA = pa.schema(
    [
        ("clip_id", pa.int64()),
        ("label", pa.string()),
        ("video", VIDEO),
        ("Meta.1", META),
        ("small", pa.uint8()),
        ("score", pa.float32()),
        ("times", pa.list_(pa.float64())),
        ("taken", pa.timestamp("us")),
        ("price", pa.decimal128(9, 2)),
        ("seen", pa.bool_()),
    ]
)

# What DataFusion sees of it: three rows, the second without a video.
FLAT = pa.table(
    {
        "clip_id": pa.array([1, 2, 3], pa.int64()),
        "label": ["kitchen", None, "hall"],
        "video": pa.array(
            [
                {"__marey_table": 0, "__marey_row": 5},
                None,
                {"__marey_table": 1, "__marey_row": 6},
            ],
            HANDLE,
        ),
        "video.index.width": pa.array([640, None, 320], pa.int32()),
        "video.index.frame_count": pa.array([10, None, 4], pa.int64()),
        # Values lie under the null: DataFusion shows them if it is asked carelessly.
        "Meta.1": pa.StructArray.from_arrays(
            [pa.array([1, 2, 3], pa.int32()), pa.array(["x", "y", "z"])],
            fields=list(META),
            mask=pa.array([False, True, False]),
        ),
        "small": pa.array([1, 200, None], pa.uint8()),
        "score": pa.array([0.1, 0.5, None], pa.float32()),
        "times": pa.array([[0.0, 0.1], [0.2], [0.15]], pa.list_(pa.float64())),
        "seen": [True, None, False],
        "__marey_aux.frame_indices": pa.array([[0, 3, 3], [1], None], pa.list_(pa.int64())),
        "__marey_aux.wrong": pa.array([[0, 3], [-1], [5, -2]], pa.list_(pa.int64())),
        "__marey_aux.n": pa.array([2, 3, 0], pa.int64()),
    }
)


def frame_index(
    pts: Sequence[int],
    timebase: Timebase = TWENTY_FIVE,
    *,
    last_duration: int = 1,
    starts: Sequence[int] = (0,),
    frame_sample: Sequence[int] | None = None,
) -> ClipIndex:
    """An index of several blocks, with what selections look at."""
    samples = range(len(pts)) if frame_sample is None else frame_sample
    count = max(samples, default=-1) + 1
    flags = np.zeros(count, np.uint16)
    flags[[s for s in starts if s < count]] = SampleFlag.START
    none = np.zeros(count, np.int64)
    sets = ParameterSets(0, (), (), (), PictureFormat(64, 48, 8, 8, 1))
    index = FrameIndex(
        offset=none,
        size=none,
        flags=flags,
        decode_from=none.astype(np.int32),
        reference_start=np.zeros(count + 1, np.int64),
        references=np.empty(0, np.int32),
        long_term=np.empty(0, np.uint8),
        top_order_count=none,
        bottom_order_delta=none,
        frame_sample=np.array(samples, np.int32),
        pts_ticks=np.array(pts, np.int64),
        last_duration_ticks=last_duration,
        timebase=timebase,
        parameter_sets=(sets,),
        container="mp4",
        nal_length_size=4,
        source_bytes=0,
        colour=None,
    )
    return open_index(encode_index(index, block_samples=4))


class Indexes:
    """Frame indexes by row; errors are raised, or noted."""

    def __init__(self, indexes: Mapping[int, ClipIndex], *, note_errors: bool = False) -> None:
        self.raised: BaseException | None = None
        self.failures: list[tuple[int, int, MareyError]] = []
        self.asked: list[int] = []
        self.epoch = 0
        self._indexes = indexes
        self._note_errors = note_errors

    def frame_indexes(self, handles: Any) -> list[ClipIndex | None]:
        rows = [h["__marey_row"].as_py() if h.is_valid else None for h in handles]
        self.asked += [row for row in rows if row is not None]
        return [None if row is None else self._indexes[row] for row in rows]

    def stored_row(self, table: int, row: int) -> tuple[int, int]:
        return self.epoch, row

    def fail(self, table: int, row: int, error: MareyError) -> None:
        if not self._note_errors:
            raise error
        self.failures.append((table, row, error))


class Query:
    """One query over the table, in Python or in SQL."""

    def __init__(self, *, note_errors: bool = False, table: pa.Table = FLAT) -> None:
        indexes = {5: frame_index(range(10), starts=(0, 5)), 6: frame_index([0, 3, 4, 9])}
        self.source = Indexes(indexes, note_errors=note_errors)
        self.functions = VideoFunctions(self.source)
        self.session = datafusion.SessionContext()
        self.functions.register(self.session)
        self.session.register_record_batches("clips", [table.to_batches()])

    def scan(self, **outputs: object) -> pa.Table:
        resolved = resolve_outputs(outputs)
        plans = [to_datafusion(e, self.functions).alias(n) for n, e in resolved.items()]
        return self._run(self.session.table("clips").select(*plans).to_arrow_table)

    def value(self, expr: object) -> list[Any]:
        return self.scan(value=expr)["value"].to_pylist()

    def sql(self, text: str) -> pa.Table:
        rewritten = rewrite_sql(text, {"video"}).text
        return self._run(lambda: self.session.sql(rewritten).to_arrow_table())

    def _run(self, run: Callable[[], pa.Table]) -> pa.Table:
        try:
            return run()
        except Exception:
            if self.source.raised is not None:
                raise self.source.raised from None
            raise


@pytest.fixture
def relation() -> Relation:
    return Relation("training", "clips", SCHEMA, token=1)


@pytest.fixture
def clips(relation: Relation) -> Callable[[str], Column]:
    return lambda name: column(relation, name)


@pytest.fixture
def query() -> Query:
    return Query()


@pytest.fixture(scope="session")
def make_query() -> type[Query]:
    return Query


@pytest.fixture(scope="session")
def make_indexes() -> type[Indexes]:
    return Indexes


@pytest.fixture(scope="session")
def make_index() -> Callable[..., ClipIndex]:
    return frame_index
