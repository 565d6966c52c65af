"""The pictures of any video that FFmpeg reads: decoded, cut, filtered, in display order.

They can be read again and again, from the start, and are the same each time: once to be
counted, once to be encoded, once to be compared.
"""

from __future__ import annotations

import os
from collections.abc import Generator, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from fractions import Fraction
from io import BytesIO
from itertools import islice
from pathlib import Path

import av
from av.container import InputContainer
from av.error import FFmpegError
from av.video.stream import VideoStream

from ...errors import CorruptVideoError, SourceNotFoundError, UnsupportedError
from .arguments import Filter, SourceOptions
from .filters import FilterChain, upright

Source = str | os.PathLike[str] | bytes
"""A file's path, another address that FFmpeg opens, or the bytes themselves."""

_SECOND = 1_000_000  # AV_TIME_BASE
EVERYTHING = SourceOptions()
"""All of a source, as it is."""


@dataclass(frozen=True, slots=True)
class PictureSource:
    """A source, and what is wanted of it."""

    source: Source
    """Where it is."""
    options: SourceOptions = EVERYTHING
    """What is read of it, and which filters are applied."""
    size: tuple[int, int] | None = None
    """Width and height wanted; None: as they are."""
    constant_rate: Fraction | None = None
    """Frames are repeated or dropped to make this rate."""
    pixel_formats: Sequence[str] = ("yuv420p",)
    """What the encoder takes: the one that loses least is chosen."""

    @property
    def name(self) -> str:
        """What to call it in a message."""
        if isinstance(self.source, bytes):
            return f"{len(self.source)} bytes"
        return repr(os.fspath(self.source))

    def open(self) -> InputContainer:
        """A demuxer at the start of the source.

        Raises:
            SourceNotFoundError: There is no such file.
            CorruptVideoError: FFmpeg cannot open it.
        """
        source = self.source
        file = BytesIO(source) if isinstance(source, bytes) else os.fspath(source)
        try:
            container = av.open(
                file, "r", format=self.options.format, options=dict(self.options.demuxer)
            )
        except FileNotFoundError as error:
            raise SourceNotFoundError(f"no such file: {self.name}") from error
        except (FFmpegError, ValueError) as error:
            what = getattr(error, "strerror", None) or str(error)
            raise CorruptVideoError(f"{self.name}: FFmpeg cannot open it: {what}") from error
        assert isinstance(container, InputContainer)  # it was opened to be read
        return container

    def stream_of(self, container: InputContainer) -> VideoStream:
        """The video that FFmpeg thinks best.

        Raises:
            UnsupportedError: There is none.
        """
        stream = container.streams.best("video")
        if not isinstance(stream, VideoStream):
            raise UnsupportedError(f"{self.name}: FFmpeg finds no video in it")
        return stream

    def stated_count(self) -> int | None:
        """How many pictures there are by what the source says of itself, if it says."""
        with self.open() as container:
            count = self.stream_of(container).frames
        return count if count and self.options == EVERYTHING else None

    def frames(self) -> Iterator[av.VideoFrame]:
        """The pictures; times are as the filters left them.

        Raises:
            CorruptVideoError: A part of the source cannot be decoded.
            UnsupportedError: A filter cannot be applied, or the picture size changes.
        """
        if isinstance(self.source, str | os.PathLike) and Path(self.source).is_fifo():
            raise UnsupportedError(f"{self.name}: a pipe cannot be read more than once")
        with closing(self._filtered()) as frames:
            yield from islice(frames, self.options.most_frames)

    def _filtered(self) -> Generator[av.VideoFrame]:
        chain: FilterChain | None = None
        for frame in self._cut():
            chain = chain or FilterChain(frame, self._filters(frame), name=self.name)
            yield from chain.take(frame)
        if chain is not None:
            yield from chain.take(None)

    def _filters(self, first: av.VideoFrame) -> list[Filter]:
        filters = [*upright(first), *self.options.filters]
        if self.constant_rate is not None:
            filters.append(Filter("fps", f"fps={self.constant_rate}:round=near"))
        if self.size is not None:
            width, height = self.size
            filters.append(Filter("scale", f"{width}:{height}:flags=bicubic"))
        filters.append(Filter("format", "|".join(self.pixel_formats)))
        return filters

    def _cut(self) -> Iterator[av.VideoFrame]:
        """The pictures between the times that are asked for."""
        start, seconds = self.options.start, self.options.seconds
        with self.open() as container:
            origin = Fraction(container.start_time or 0, _SECOND)
            for frame in self._decoded(container, origin):
                time = seconds_of(frame) - origin
                if time < start:
                    continue
                if seconds is not None and time >= start + seconds:
                    return
                yield frame

    def _decoded(self, container: InputContainer, origin: Fraction) -> Iterator[av.VideoFrame]:
        stream = self.stream_of(container)
        stream.thread_type = "AUTO"
        if stream.codec_context.name == "h264":
            # Else frames are lost where a stream does not say how far it is reordered.
            stream.codec_context.options = {"strict": "1"}
        self._seek(container, origin)
        tick = 1 / Fraction(stream.average_rate or stream.guessed_rate or 25)
        try:
            for number, frame in enumerate(container.decode(stream)):
                if frame.pts is None:
                    # A raw stream has no times: its pictures are as far apart as it says.
                    frame.time_base, frame.pts = tick, number
                yield frame
        except FFmpegError as error:
            raise CorruptVideoError(
                f"{self.name}: it cannot be decoded: {error.strerror}"
            ) from error

    def _seek(self, container: InputContainer, origin: Fraction) -> None:
        """Go near to the start that is wanted, if that is sure not to lie behind it."""
        if not self.options.start:
            return
        place = int((self.options.start + origin) * _SECOND)
        try:
            container.seek(place)
            first = next(iter(container.decode(self.stream_of(container))), None)
            early = (
                first is not None
                and first.pts is not None
                and seconds_of(first) * _SECOND <= place
            )
            container.seek(place if early else int(origin * _SECOND))
        except FFmpegError:
            container.seek(int(origin * _SECOND))


def seconds_of(frame: av.VideoFrame) -> Fraction:
    """When a frame is shown; it must have a time."""
    assert frame.pts is not None
    assert frame.time_base is not None
    return frame.pts * Fraction(frame.time_base)
