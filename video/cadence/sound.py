"""The sound of a source, as AAC beside the pictures: cut as they are, and beginning with them.

It is decoded and encoded again: so it can be cut anywhere, and any codec can come in.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from fractions import Fraction
from pathlib import Path

import av
from av.audio.stream import AudioStream
from av.container import OutputContainer
from av.error import BlockingIOError as NothingYetError
from av.error import EOFError as NothingLeftError
from av.error import FFmpegError
from av.filter import Graph

from ...errors import CorruptVideoError, UnsupportedError
from ..mp4.movie import read_movie
from ..mp4.write import TrackSpec
from ..source import FileReader
from .layout import Sound
from .pictures import PictureSource
from .survey import Survey

_CODEC = "aac"
_BITS_A_SECOND = 160_000
_MOVES_TIME = frozenset(("setpts", "reverse", "loop", "settb", "minterpolate", "shuffleframes"))
_MOST_RATE = 48_000
_LAYOUTS = frozenset(("mono", "stereo", "3.0", "4.0", "5.0", "5.1"))  # of FFmpeg's AAC encoder
_RATES = (8000, 11025, 12000, 16000, 22050, 24000, 32000, 44100, 48000)


def has_sound(source: PictureSource) -> bool:
    """Whether there is any sound in a source."""
    with source.open() as container:
        return bool(container.streams.audio)


def encode_sound(source: PictureSource, survey: Survey, path: Path) -> None:
    """Write the first sound of a source to an MP4 file of its own.

    Raises:
        UnsupportedError: Filters move pictures in time, so the sound would not belong to them.
        CorruptVideoError: It cannot be decoded.
    """
    for filter in source.options.filters:
        if filter.name in _MOVES_TIME:
            raise UnsupportedError(
                f"sound beside the filter {filter.name!r}: it moves pictures in time"
            )
    try:
        with source.open() as container, av.open(str(path), "w", format="mp4") as output:
            stream = container.streams.audio[0]
            _encode(_cut(container.decode(stream), stream, survey), stream, output)
    except FFmpegError as error:
        raise CorruptVideoError(
            f"{source.name}: its sound cannot be carried over: {error.strerror}"
        ) from error


def _encode(
    frames: Iterator[av.AudioFrame], stream: AudioStream, output: OutputContainer
) -> None:
    encoder = output.add_stream(_CODEC, rate=_sample_rate(stream), layout=_layout(stream))
    assert isinstance(encoder, AudioStream)  # of an audio codec
    encoder.bit_rate = _BITS_A_SECOND
    for frame in frames:
        output.mux(encoder.encode(frame))
    output.mux(encoder.encode(None))


def _sample_rate(stream: AudioStream) -> int:
    return min(_RATES, key=lambda rate: abs(rate - min(stream.rate, _MOST_RATE)))


def _is_known(layout: av.AudioLayout) -> bool:
    """Some files say how many channels there are, and not which."""
    return not layout.name.endswith("channels")


def _layout(stream: AudioStream) -> str:
    name = stream.layout.name.partition("(")[0]
    if name in _LAYOUTS:
        return name
    return "mono" if stream.layout.nb_channels == 1 else "stereo"


def _cut(
    frames: Iterator[av.AudioFrame], stream: AudioStream, survey: Survey
) -> Iterator[av.AudioFrame]:
    """What is heard while the pictures are shown; silence where there is nothing."""
    start, seconds = survey.start_seconds, Fraction(survey.count) / survey.rate
    graph: Graph | None = None
    for frame in frames:
        if graph is None:
            graph = Graph()
            last = graph.add_abuffer(
                sample_rate=frame.sample_rate,
                format=frame.format.name,
                layout=frame.layout.name if _is_known(frame.layout) else None,
                channels=frame.layout.nb_channels,
                time_base=frame.time_base,
            )
            for name, arguments in (
                ("atrim", f"start={float(start)!r}:duration={float(seconds)!r}"),
                ("asetpts", f"PTS-({float(start)!r})/TB"),
                ("aresample", f"{_sample_rate(stream)}:async=1:first_pts=0"),
                ("aformat", f"sample_fmts=fltp:channel_layouts={_layout(stream)}"),
                ("asetnsamples", "1024:p=0"),
            ):
                added = graph.add(name, arguments)
                last.link_to(added)
                last = added
            last.link_to(graph.add("abuffersink"))
            graph.configure()
        try:
            graph.push(frame)
        except NothingLeftError:  # the end that is wanted lies before the end of the sound
            break
        yield from _pulled(graph)
    if graph is not None:
        with suppress(NothingLeftError):
            graph.push(None)
        yield from _pulled(graph)


def _pulled(graph: Graph) -> Iterator[av.AudioFrame]:
    while True:
        try:
            frame = graph.pull()
        except (NothingYetError, NothingLeftError):
            return
        assert isinstance(frame, av.AudioFrame)  # the graph has no other sink
        yield frame


def read_sound(path: Path) -> Sound | None:
    """The sound of a file that `encode_sound` wrote; None where there was nothing to hear."""
    reader = FileReader(path)
    for track in read_movie(reader).tracks:
        if track.handler == "soun" and len(track.samples.size):
            spec = TrackSpec(
                descriptions=tuple(d.entry for d in track.descriptions),
                timescale=track.timescale,
                sizes=track.samples.size,
                durations_ticks=track.samples.duration_ticks,
                handler="soun",
                language=track.language,
            )
            primed = max((edit.media_time_ticks for edit in track.edits), default=0)
            return Sound(spec, reader, track.samples.offset, max(primed, 0))
    return None
