"""Marey: a table of clips written beforehand, and one scan for all items of a call."""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from importlib.metadata import version as installed
from pathlib import Path

import numpy as np
import pyarrow as pa

import marey
from marey import Marey
from marey import expressions as se
from marey.engine.scan import Scan

from .registry import Frames, Size

_FRAME_LIST = pa.list_(pa.uint32())


class Reader:
    """See `Engine`. The session stays open between calls, as that of a training job does."""

    def __init__(self) -> None:
        self._root = tempfile.TemporaryDirectory(prefix="marey-bench-")
        self._db = Marey(self._root.name)
        self._clips = self._db.project("bench").create_table(
            "clips", key_schema={"clip_id": pa.int64()}
        )
        self._ids: dict[str, int] = {}
        self._notes: dict[str, float] = {}

    def prepare(self, paths: Sequence[str]) -> None:
        new = [path for path in paths if path not in self._ids]
        if not new:
            return
        ids = [len(self._ids) + i for i in range(len(new))]
        self._ids.update(zip(new, ids, strict=True))
        videos = [se.Video(se.Blob(Path(path).read_bytes())) for path in new]
        self._clips.write({"clip_id": ids, "video": videos})

    def read(
        self, items: Iterable[tuple[str, list[int]]], size: Size | None
    ) -> Iterator[Frames]:
        scan = self.scan(size)
        for batch in scan.to_record_batches(key_table=self.keys(list(items))):
            column = batch.column("frames")
            for row in range(len(column)):
                yield np.asarray(marey.to_numpy(column[row]))
        metrics = scan.metrics
        self._notes = {
            "media_bytes": metrics.bytes_fetched,
            "samples": metrics.samples_decoded,
            "requests": metrics.range_requests,
        }

    def scan(self, size: Size | None) -> Scan:
        """Frames by number."""
        scaled = {} if size is None else {"width": size[0], "height": size[1]}
        frames = se.video.read(self._clips["video"], se.aux("frames", _FRAME_LIST), **scaled)
        return self._db.scan({"frames": frames})

    def keys(self, items: Sequence[tuple[str, list[int]]]) -> pa.Table:
        """Which clips, and which of their frames."""
        return pa.table(
            {
                "clip_id": pa.array([self._ids[path] for path, _ in items], pa.int64()),
                "frames": pa.array([wanted for _, wanted in items], _FRAME_LIST),
            }
        )

    def notes(self) -> Mapping[str, float]:
        return self._notes


def version() -> str:
    return (
        f"Marey {marey.__version__}, Lance {installed('pylance')}, PyAV {installed('av')}, "
        f"DataFusion {installed('datafusion')}"
    )
