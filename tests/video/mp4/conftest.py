"""What the MP4 tests share: round trips of boxes, FFmpeg's packets, files made to order."""

from collections.abc import Callable
from dataclasses import dataclass, fields, is_dataclass
from io import BytesIO
from typing import Any

import av
import numpy as np
import pytest

from marey.errors import BoxError
from marey.video.mp4.box import Box, build_box, parse_box
from marey.video.mp4.movie import Track, read_movie
from marey.video.mp4.write import TrackSpec, build_mp4
from marey.video.source import BytesReader

CONTAINERS = {"moov", "trak", "mdia", "minf", "stbl", "edts"}


def same(a: Any, b: Any) -> bool:
    """Equality that looks into arrays."""
    if isinstance(a, np.ndarray):
        return isinstance(b, np.ndarray) and a.dtype == b.dtype and np.array_equal(a, b)
    if is_dataclass(a):
        return type(a) is type(b) and all(
            same(getattr(a, f.name), getattr(b, f.name)) for f in fields(a)
        )
    return bool(a == b)


@pytest.fixture(scope="session")
def assert_round_trip() -> Callable[..., None]:
    """`assert_round_trip(value, build, parse)`: what is built parses to the same value, and a
    body that ends early is refused by the box's name."""

    def check(
        value: Any,
        build: Callable[[Any], bytes],
        parse: Callable[[Box], Any],
        *,
        refuses_cuts: bool = True,
    ) -> None:
        data = build(value)
        box = parse_box(data, start=1000)
        assert same(parse(box), value)
        if refuses_cuts:
            for end in {0, 1, len(box.body) // 2, len(box.body) - 1}:
                cut = Box(box.type, box.start, box.body_start, box.body[:end])
                with pytest.raises(BoxError, match=rf"^{box.type} at 1\d\d\d: expected"):
                    parse(cut)

    return check


@dataclass(frozen=True, slots=True)
class Packets:
    """The packets of a video stream as FFmpeg hands them out."""

    pos: list[int]
    size: list[int]
    pts: list[int]
    dts: list[int]
    discard: list[bool]
    start: int | None


def read_packets(data: bytes) -> Packets:
    """Decoding times are those of the demuxer's own index where it is whole: past it, FFmpeg
    guesses others for streams whose times go backwards."""
    with av.open(BytesIO(data)) as container:
        stream = container.streams.video[0]
        index = [entry.timestamp for entry in stream.index_entries]
        packets = [p for p in container.demux(stream) if p.pos is not None]
        dts = [p.dts for p in packets]
        return Packets(
            pos=[p.pos for p in packets],
            size=[p.size for p in packets],
            pts=[p.pts for p in packets],
            dts=index if len(index) == len(dts) else dts,
            discard=[p.is_discard for p in packets],
            start=stream.start_time,
        )


@pytest.fixture(scope="session")
def true_packets() -> Callable[[bytes], Packets]:
    """FFmpeg's packets of the first video stream of a file."""
    return read_packets


class Source:
    """A clip's track and the bytes of its samples: what new files are made of.

    No dataclass: hypothesis would print all of it.
    """

    def __init__(self, track: Track, payload: tuple[bytes, ...]) -> None:
        self.track = track
        self.payload = payload

    def build(self, spec: TrackSpec, timescale: int) -> bytes:
        layout = build_mp4([spec], timescale=timescale)
        return layout.head + layout.mdat_header + b"".join(self.payload)


@pytest.fixture(scope="session")
def source(clip: Callable[[str], bytes]) -> Source:
    """A clip with B-frames and several GOPs."""
    data = clip("closed_gops")
    track = read_movie(BytesReader(data)).tracks[0]
    places = zip(track.samples.offset.tolist(), track.samples.size.tolist(), strict=True)
    return Source(track, tuple(data[at : at + size] for at, size in places))


def rebuilt(box: Box, replacements: dict[str, Callable[[Box], bytes]]) -> bytes:
    if box.type in replacements:
        return replacements[box.type](box)
    if box.type in CONTAINERS:
        return build_box(box.type, *(rebuilt(child, replacements) for child in box.children()))
    return build_box(box.type, bytes(box.body))


@pytest.fixture(scope="session")
def with_boxes() -> Callable[[Box, dict[str, Callable[[Box], bytes]]], bytes]:
    """A box again, with boxes in it, by their type, made anew."""
    return rebuilt
