"""A dataset of recordings as users hold it: logged to, queried, decoded in place."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow as pa
from datafusion import DataFrame

from ...errors import UnsupportedError, VideoError
from ...storage.optimize import Optimized
from ...storage.recordings.layers import add_layer, remove_layer, remove_stale_layers
from ...storage.recordings.schema import check_entity, check_segment
from ...storage.recordings.store import StreamName
from ...storage.recordings.upkeep import keep_up
from .export import Exported, export_mp4
from .interchange import Imported, import_rrd, to_rrd
from .layers import fit_layer, read_source
from .logger import StreamLogger
from .rows import check_samples
from .times import LOG_TIME, fit_times
from .videos import SegmentVideos
from .view import DatasetView

if TYPE_CHECKING:
    from ..workspace import Workspace


class RecordingDataset:
    """Segments of streams of encoded samples, appended while others read.

    An *entity* (`/camera/front`) is one stream in each *segment* (`episode_0`). Samples are
    stored as they come, in decode order, each with its times.
    """

    def __init__(self, workspace: Workspace, project: str, name: str) -> None:
        self._workspace = workspace
        self._recordings = workspace.recordings
        self._project = project
        self._name = name

    @property
    def name(self) -> str:
        """Its name within the project."""
        return self._name

    @property
    def project(self) -> str:
        """The name of its project."""
        return self._project

    @property
    def schema(self) -> pa.Schema:
        """The columns of `reader()`."""
        return self._view().schema

    def log(
        self,
        segment: str,
        entity: str,
        *,
        codec: str,
        index: Mapping[str, object],
        samples: Iterable[bytes],
        parameter_sets: bytes | None = None,
    ) -> int:
        """Append samples to a stream: all of them, in one version, or none.

        Args:
            segment: The recording; made with its first sample.
            entity: The stream's path, such as `/camera/front`; likewise.
            codec: `h264`, which is checked, indexed and can be decoded; samples of `hevc`,
                `av1`, `vp8`, `vp9` and `mjpeg` are stored and queried as they are, unchecked.
            index: Times by timeline, one a sample: timestamps, durations or whole numbers; null
                where a sample has none. The first timeline of a dataset says when frames are
                shown.
            samples: Access units in decode order, in Annex B or behind lengths of four bytes.
            parameter_sets: Those that are not in the samples: Annex B, or an `avcC` record.

        Returns:
            The number of the version that holds them.

        Raises:
            InputError: Something does not fit; the message says what and where.
            VideoError: A sample is no access unit of the codec; the message gives its position.
            UnsupportedError: It uses what Marey does not decode.
            ConflictError: Other writers were quicker each time.
        """
        stream = StreamName(check_segment(segment), check_entity(entity))
        data = check_samples(samples)
        with self._recordings.writing:
            writer = self._recordings.writer(self._project, self._name, stream, codec)
            times = fit_times(index, len(data), writer.store.timelines)
            size = sum(sample.nbytes for sample in data)
            try:
                if parameter_sets is not None:
                    writer.use_parameter_sets(parameter_sets)
                for at, sample in enumerate(data):
                    try:
                        writer.take(sample, call_bytes=size)
                    except (VideoError, UnsupportedError) as error:
                        raise type(error)(
                            f"sample {at} of {len(data)} for {entity} of segment {segment!r}: "
                            f"{error}"
                        ) from error
                version: int = writer.commit(times).version
            except BaseException:
                writer.discard()
                raise
            return version

    def logger(
        self,
        segment: str,
        entity: str,
        *,
        codec: str,
        index: str = LOG_TIME,
        parameter_sets: bytes | None = None,
        commit_bytes: int = 8 << 20,
        commit_seconds: float = 1.0,
    ) -> StreamLogger:
        """A logger for many single samples; see `StreamLogger`.

        Args:
            segment: The recording.
            entity: The stream's path.
            codec: As for `log`.
            index: The timeline of plain times; a sample may also come with a dict of several.
            parameter_sets: As for `log`.
            commit_bytes: Samples of so many bytes are committed at once.
            commit_seconds: No sample waits longer for its commit, give or take.
        """
        stream = StreamName(check_segment(segment), check_entity(entity))
        return StreamLogger(
            self._recordings,
            self._project,
            self._name,
            stream,
            codec=codec,
            index=index,
            parameter_sets=parameter_sets,
            commit_bytes=commit_bytes,
            commit_seconds=commit_seconds,
        )

    def segment_ids(self) -> list[str]:
        """The ids of its segments, in the order in which they began."""
        return self._view().segment_ids()

    def entities(self) -> list[str]:
        """The paths of its entities, in the order in which they began."""
        return self._view().entities()

    def segment_table(self) -> DataFrame:
        """What there is in each segment: a row a segment."""
        return self._view().segment_table()

    def filter_contents(self, contents: Sequence[str] | str) -> DatasetView:
        """A view of some entities; see `DatasetView.filter_contents`."""
        return self._view().filter_contents(contents)

    def filter_segments(self, segments: Iterable[str] | str) -> DatasetView:
        """A view of some segments; see `DatasetView.filter_segments`."""
        return self._view().filter_segments(segments)

    def reader(self, index: str | None = None) -> DataFrame:
        """All samples, one a row, with all layers; see `DatasetView.reader`."""
        return self._view().reader(index)

    def video(self, entity: str, *, index: str | None = None) -> SegmentVideos:
        """An entity's streams as videos: a row a segment, for scans and `se.video` functions.

        Args:
            entity: Its path.
            index: The timeline that says when frames are shown; the dataset's first if None.

        Raises:
            NotFoundError: There is no such entity or timeline; the message offers near ones.
            InputError: One is no name.
        """
        return self._view().video(entity, index=index)

    def register_layer(self, name: str, table: object, *, index: str | None = None) -> None:
        """Add columns, joined to the samples by segment and time; samples are not touched.

        Args:
            name: Of the layer; one of that name is replaced.
            table: Rows with `segment_id`, at least one of the dataset's timelines, and the
                columns to add: anything that makes an Arrow table, or the path or URI of a
                Parquet file or of a Lance dataset, or the path of a recording (`.rrd`).
            index: The timeline to join by; the first that both have if None.

        Raises:
            InputError: A key is missing or null, or a column cannot be one of a layer.
            SourceNotFoundError: Nothing is at the path.
        """
        store = self._recordings.newest(self._project, self._name)
        source = read_source(table, name, self._workspace.catalog)
        timeline, rows = fit_layer(source, store, name, index)
        add_layer(store, name, timeline, rows)

    def unregister_layer(self, name: str) -> None:
        """Take a layer away.

        Raises:
            NotFoundError: There is none of that name.
        """
        remove_layer(self._recordings.newest(self._project, self._name), name)

    def layers(self) -> list[str]:
        """The names of its layers, in the order in which they were registered."""
        return list(self._recordings.newest(self._project, self._name).layers)

    def optimize(self) -> Optimized:
        """Merge small files and remove old versions; samples stay as they are.

        In an object store nobody may log meanwhile: there is no lock to keep writers away.
        """
        store = self._recordings.newest(self._project, self._name)
        done = keep_up(store.handle)
        remove_stale_layers(store.newest())
        return done

    def export_mp4(
        self,
        segment: str,
        entity: str,
        path: str | os.PathLike[str],
        start: object = None,
        end: object = None,
        *,
        index: str | None = None,
    ) -> Exported:
        """Write a segment's stream, or a part of it, as a playable MP4, not encoded anew.

        Args:
            segment: The segment.
            entity: The stream's path.
            path: Of the file to be written.
            start: The first frame is the one on screen then; the first there is if None. The
                last frame is on screen for as long as the one before.
            end: Frames that begin then or later are left out.
            index: The timeline that says when frames are shown; the dataset's first if None.

        Raises:
            NotFoundError: There is no such segment, entity or timeline.
            InputError: One is no name, or `start` or `end` no time of the timeline.
            FrameRangeError: No frame lies within.
            UnsupportedError: No MP4 can present these frames.
        """
        store = self._recordings.newest(self._project, self._name)
        streams = self._recordings.streams_of(store, self._label, entity, index)
        table = self._recordings.segments(self._project, self._name, streams)
        return export_mp4(table, store.timelines[streams.timeline], segment, path, start, end)

    def import_rrd(self, path: str | os.PathLike[str]) -> Imported:
        """Log the video streams of a recording of Rerun: its id becomes the segment's.

        Needs the extra `rerun`.

        Raises:
            SourceNotFoundError: There is no such file.
            CorruptVideoError: It is no recording, or a sample is no access unit.
            InputError: A segment has samples of such an entity already.
            ConfigError: The SDK is not installed.
        """
        return import_rrd(self, path)

    def to_rrd(
        self, path: str | os.PathLike[str], segments: Sequence[str] | None = None
    ) -> list[Path]:
        """Write segments as recordings of Rerun; layers stay behind.

        Needs the extra `rerun`.

        Args:
            path: A file (`.rrd`) for one segment; a folder with a file for each otherwise.
            segments: Their ids; all if None.

        Raises:
            NotFoundError: There is no such segment.
            ConfigError: The SDK is not installed.
        """
        return to_rrd(self._recordings, self._project, self._name, path, segments)

    @property
    def _label(self) -> str:
        return f"{self._project}.{self._name}"

    def _view(self) -> DatasetView:
        return DatasetView(self._recordings, self._project, self._name)

    def __repr__(self) -> str:
        return f"RecordingDataset({self._label})"
