"""Runs made by hand: samples straight from the demuxer, with no index and no planner."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np
import pytest

from marey.video.decode.decoder import Picture
from marey.video.decode.frame import PixelOutput, output_shape
from marey.video.decode.pool import DecoderPool
from marey.video.decode.run import RunCost, decode_run
from marey.video.index.build import build_frame_index
from marey.video.index.frames import FrameIndex
from marey.video.plan.read_plan import DecodeRun
from marey.video.source import BytesReader

PADDING = bytes(64)
NATIVE = PixelOutput("native")


@dataclass(frozen=True)
class HandmadeRun:
    """A run and its packets."""

    run: DecodeRun
    packets: tuple[tuple[int, bytes], ...]

    def feed(self) -> Iterator[tuple[int, memoryview]]:
        for sample, packet in self.packets:
            yield sample, memoryview(packet + PADDING)[: len(packet)]


def handmade_run(
    index: FrameIndex,
    extradata: bytes,
    packets: Sequence[tuple[int, bytes]],
    targets: Sequence[int] | None = None,
) -> HandmadeRun:
    numbers = np.array([sample for sample, _ in packets], np.int64)
    sizes = np.array([len(packet) for _, packet in packets], np.int64)
    run = DecodeRun(
        strategy="whole",
        samples=numbers,
        targets=numbers if targets is None else np.array(sorted(targets), np.int64),
        buffer=np.zeros_like(numbers),
        position=np.cumsum(sizes) - sizes,
        size=sizes,
        extradata=extradata,
        index=index,
        seconds=0.0,
    )
    return HandmadeRun(run, tuple(packets))


def native_planes(made: HandmadeRun, decoders: DecoderPool) -> dict[int, bytes]:
    """The targets' planes, by sample."""
    planes: dict[int, bytes] = {}

    def keep(sample, picture):
        buffer = bytearray(output_shape(picture.format, NATIVE).frame_bytes)
        picture.write(NATIVE, memoryview(buffer))
        planes[sample] = bytes(buffer)

    decode_through(made, decoders, keep)
    return planes


def decode_through(
    made: HandmadeRun, decoders: DecoderPool, deliver: Callable[[int, Picture], None]
) -> RunCost:
    """Decode a run, and say what it took."""
    cost = RunCost()
    with decoders.decoder(made.run.extradata) as decoder:
        decode_run(made.run, made.feed(), decoder, deliver, cost)
    return cost


def nal_units(packet: bytes) -> list[bytes]:
    """The NAL units of a sample with lengths of four bytes."""
    units, at = [], 0
    while at < len(packet):
        size = int.from_bytes(packet[at : at + 4], "big")
        units.append(packet[at + 4 : at + 4 + size])
        at += 4 + size
    return units


def joined(units: Sequence[bytes]) -> bytes:
    return b"".join(len(unit).to_bytes(4, "big") + unit for unit in units)


class Damage:
    """Ways to break a sample whose NAL units have lengths of four bytes."""

    split = staticmethod(nal_units)
    join = staticmethod(joined)

    def without_slice(self, packet: bytes, which: int) -> bytes:
        """One slice lost, of several."""
        units = nal_units(packet)
        slices = [i for i, unit in enumerate(units) if unit[0] & 31 in (1, 5)]
        del units[slices[which]]
        return joined(units)

    def cut_short(self, packet: bytes) -> bytes:
        """Half of the last slice is missing."""
        units = nal_units(packet)
        return joined([*units[:-1], units[-1][: len(units[-1]) // 2]])

    def without_types(self, packet: bytes, *types: int) -> bytes:
        """NAL units of some types left out."""
        return joined([unit for unit in nal_units(packet) if unit[0] & 31 not in types])


@pytest.fixture(scope="session")
def index_of(clip: Callable[[str], bytes]) -> Callable[[str], FrameIndex]:
    """The frame index of a sample clip, by its name."""
    return cache(lambda name: build_frame_index(BytesReader(clip(name))).index)


@pytest.fixture(scope="session")
def run_of(samples, index_of) -> Callable[..., HandmadeRun]:
    """A run over samples of a clip: all of them, or some, as they are or changed."""

    def make(name, packets=None, targets=None):
        coded = samples(name)
        chosen = list(enumerate(coded.packets)) if packets is None else packets
        return handmade_run(index_of(name), coded.extradata, chosen, targets)

    return make


@pytest.fixture(scope="session")
def planes_of() -> Callable[[HandmadeRun, DecoderPool], dict[int, bytes]]:
    """Decode a run: the targets' native planes, by sample."""
    return native_planes


@pytest.fixture(scope="session")
def true_planes(truth, index_of) -> Callable[[str], dict[int, bytes]]:
    """The true planes of a clip's presented frames, by sample."""

    def make(name):
        carried_by = index_of(name).frame_sample.tolist()
        return {s: f.planes for s, f in zip(carried_by, truth(name), strict=True)}

    return cache(make)


@pytest.fixture(scope="session")
def damage() -> Damage:
    return Damage()


@pytest.fixture
def decoders() -> Iterator[DecoderPool]:
    with DecoderPool() as pool:
        yield pool
