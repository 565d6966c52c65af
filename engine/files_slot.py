"""The MP4s of one slot in a window: each row's frames, remuxed."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from functools import partial

import numpy as np
import pyarrow as pa

from ..errors import MareyError
from ..video.remux import plan_remux, remux_frames
from .media import ClipRanges, Fetched, Media
from .wanted import WantedFile


class FilesSlot:
    """`video_remux` in each row of a window; it reads as it goes, not ahead."""

    def __init__(self, rows: Sequence[WantedFile | None], media: Media) -> None:
        """Find out what each file will hold."""
        self._rows = rows
        self._media = media
        self._files: list[bytes | None] = [None] * len(rows)
        self._errors: dict[int, MareyError] = {}
        # The samples of a file are held twice: as they are fetched and as they are written.
        self.cost_bytes = 2 * sum(self._sample_bytes(i, row) for i, row in enumerate(rows))
        """Bytes of the files, and of what is fetched for them."""

    @property
    def frame_count(self) -> int:
        """Frames in all files."""
        return sum(len(np.unique(row.frames)) for row in self._rows if row is not None)

    @property
    def errors(self) -> Mapping[int, MareyError]:
        """By row, what went wrong."""
        return self._errors

    def ranges(self) -> list[ClipRanges]:
        """What to fetch ahead: nothing."""
        return []

    def tasks(self, fetched: Sequence[Fetched]) -> Iterator[Callable[[], None]]:
        """The work of writing files."""
        for i, row in enumerate(self._rows):
            if row is not None and i not in self._errors:
                yield partial(self._write, i, row)

    def column(self, failed: Collection[int]) -> pa.Array:
        """The finished column; rows that failed are null."""
        files = [None if i in failed else file for i, file in enumerate(self._files)]
        return pa.array(files, pa.large_binary())

    def _sample_bytes(self, i: int, row: WantedFile | None) -> int:
        if row is None:
            return 0
        try:
            plan = plan_remux(row.index, np.unique(row.frames))
        except MareyError as error:
            self._errors[i] = error
            return 0
        return sum(int(row.index.size[run.samples].sum()) for run in plan.runs)

    def _write(self, i: int, row: WantedFile) -> None:
        media = self._media
        reader = media.reader(row.table, row.row, size=row.index.source_bytes)
        try:
            self._files[i] = remux_frames(
                row.index, row.frames, reader, audio=row.audio, cost=media.cost
            )
        except MareyError as error:
            self._errors[i] = error
