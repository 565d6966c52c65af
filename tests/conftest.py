"""What every test shares: sample clips, their samples, and the truth about their frames.

The truth is FFmpeg's: a full, sequential, one-thread decode of the whole file as PyAV presents
it. Everything is made once a session and never written to.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from io import BytesIO
from pathlib import Path

import av
import hypothesis
import numpy as np
import pyarrow as pa
import pytest

from marey.engine.frame_memory import Block
from marey.video.clips import RECIPES, make_clip

# Machines that run tests are loaded: only a hang is too slow. CI must not fail by luck.
_LOADED = hypothesis.settings(
    deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow]
)
hypothesis.settings.register_profile("marey", _LOADED)
hypothesis.settings.register_profile("ci", _LOADED, derandomize=True)
hypothesis.settings.load_profile("ci" if os.environ.get("CI") else "marey")

GOLDEN = Path(__file__).parent / "golden"


@dataclass(frozen=True, slots=True)
class TrueFrame:
    """One presented frame: its time on the stream's clock (None in raw streams) and its planes,
    packed without padding, little endian above 8 bits."""

    pts: int | None
    planes: bytes
    width: int
    height: int
    pixel_format: str
    interlaced: bool


@dataclass(frozen=True, slots=True)
class Samples:
    """The coded samples of a clip in decode order, hidden ones included."""

    extradata: bytes
    packets: tuple[bytes, ...]
    keys: tuple[bool, ...]
    pts: tuple[int | None, ...]


def packed_planes(frame: av.VideoFrame) -> bytes:
    wide = 2 if frame.format.components[0].bits > 8 else 1
    planes = []
    for plane in frame.planes:
        rows = np.frombuffer(memoryview(plane), np.uint8).reshape(plane.height, plane.line_size)
        planes.append(rows[:, : plane.width * wide].tobytes())
    return b"".join(planes)


def decode_everything(data: bytes) -> list[TrueFrame]:
    """Every presented frame of a file, in display order.

    `strict` gives the decoder the reorder depth that the level allows, where the stream does
    not say: without it, frames that come out of order are dropped.
    """
    with av.open(BytesIO(data), "r") as container:
        stream = container.streams.video[0]
        stream.codec_context.thread_count = 1
        stream.codec_context.options = {"strict": "1"}
        return [
            TrueFrame(
                f.pts,
                packed_planes(f),
                f.width,
                f.height,
                f.format.name,
                f.interlaced_frame,
            )
            for f in container.decode(stream)
        ]


def demux(data: bytes) -> Samples:
    with av.open(BytesIO(data), "r") as container:
        stream = container.streams.video[0]
        packets = [packet for packet in container.demux(stream) if packet.size]
        return Samples(
            bytes(stream.codec_context.extradata or b""),
            tuple(bytes(packet) for packet in packets),
            tuple(packet.is_keyframe for packet in packets),
            tuple(packet.pts for packet in packets),
        )


@pytest.fixture(scope="session")
def clip() -> Callable[[str], bytes]:
    """The bytes of a sample clip, by its name in `RECIPES`."""
    return cache(lambda name: make_clip(RECIPES[name]))


@pytest.fixture(scope="session")
def truth(clip: Callable[[str], bytes]) -> Callable[[str], list[TrueFrame]]:
    """Every presented frame of a sample clip, by its name."""
    return cache(lambda name: decode_everything(clip(name)))


@pytest.fixture(scope="session")
def samples(clip: Callable[[str], bytes]) -> Callable[[str], Samples]:
    """The coded samples of a sample clip, by its name."""
    return cache(lambda name: demux(clip(name)))


@pytest.fixture(scope="session")
def full_decode() -> Callable[[bytes], list[TrueFrame]]:
    """The truth about any file."""
    return decode_everything


@pytest.fixture(scope="session")
def full_demux() -> Callable[[bytes], Samples]:
    """The coded samples of any file."""
    return demux


@pytest.fixture
def allocated(monkeypatch: pytest.MonkeyPatch) -> Callable[[], int]:
    """How many bytes Arrow holds, with those of frames, which are made to lie in a pool that
    counts.
    """
    pool = pa.system_memory_pool()

    def take(block: Block) -> np.ndarray:
        return np.frombuffer(pa.allocate_buffer(block.size, memory_pool=pool), np.uint8)

    monkeypatch.setattr(Block, "_take", take)
    return lambda: pa.total_allocated_bytes() + pool.bytes_allocated()


@pytest.fixture
def golden() -> Callable[[str, str], None]:
    """Compares text with a file in tests/golden; `MAREY_WRITE_GOLDEN=1` writes it instead."""

    def compare(name: str, text: str) -> None:
        path = GOLDEN / name
        if os.environ.get("MAREY_WRITE_GOLDEN"):
            path.write_text(text)
        assert text == path.read_text()

    return compare
