"""The decode limit: what the decoder alone costs, fed no more than it must be.

The packets are in memory and known beforehand. From the last IDR picture on, all are decoded up
to the last that is wanted, but for pictures that no other refers to. One thread, a new
context for each clip, and only wanted frames are converted. No reader of files that leaves the
samples as they are can cost less, but by keeping contexts.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import av
import numpy as np
from av.video.reformatter import VideoReformatter

from .registry import Frames, Size

_IDR = 5
_PICTURE = (1, 5)
# Decoders read beyond the end of a packet.
_PADDING = 64


@dataclass(frozen=True, slots=True)
class _Coded:
    """A file's samples in decode order."""

    extradata: bytes
    width: int
    height: int
    packets: list[memoryview]
    frame: list[int]
    """For each sample the frame that it becomes."""
    is_idr: list[bool]
    is_reference: list[bool]

    def least(self, wanted: set[int]) -> Iterator[list[int]]:
        """For each run from an IDR picture to the next the samples to decode, if any."""
        starts = [i for i, idr in enumerate(self.is_idr) if idr]
        for start, end in zip(starts, [*starts[1:], len(self.packets)], strict=True):
            places = [i for i in range(start, end) if self.frame[i] in wanted]
            if places:
                run = range(start, places[-1] + 1)
                yield [i for i in run if self.is_reference[i] or self.frame[i] in wanted]


class Reader:
    """See `Engine`."""

    def __init__(self) -> None:
        self._files: dict[str, _Coded] = {}
        self._bytes = 0
        self._samples = 0

    def prepare(self, paths: Sequence[str]) -> None:
        for path in paths:
            self._files[path] = _read_coded(path)

    def read(
        self, items: Iterable[tuple[str, list[int]]], size: Size | None
    ) -> Iterator[Frames]:
        self._bytes = self._samples = 0
        for path, frames in items:
            yield self._decode(self._files[path], frames, size)

    def notes(self) -> Mapping[str, float]:
        return {"media_bytes": self._bytes, "samples": self._samples}

    def _decode(self, coded: _Coded, frames: list[int], size: Size | None) -> Frames:
        width, height = size or (coded.width, coded.height)
        place = {frame: at for at, frame in enumerate(frames)}
        pixels = np.empty((len(frames), height, width, 3), np.uint8)
        context = av.CodecContext.create("h264", "r")
        context.extradata = coded.extradata
        context.thread_count = 1
        reformatter = VideoReformatter()

        def keep(decoded: Iterable[av.VideoFrame]) -> None:
            for picture in decoded:
                if (at := place.get(picture.pts)) is not None:
                    rgb = reformatter.reformat(
                        picture, width=width, height=height, format="rgb24", threads=1
                    )
                    pixels[at] = rgb.to_ndarray()

        for run in coded.least(set(frames)):
            for sample in run:
                packet = av.Packet(coded.packets[sample])
                packet.pts = coded.frame[sample]
                self._bytes += packet.size
                keep(context.decode(packet))
            keep(context.decode(None))
            context.flush_buffers()
            self._samples += len(run)
        return pixels


def _read_coded(path: str) -> _Coded:
    with av.open(path) as container:
        stream = container.streams.video[0]
        extradata = bytes(stream.codec_context.extradata or b"")
        packets = [packet for packet in container.demux(stream) if packet.size]
        width, height = stream.codec_context.width, stream.codec_context.height
    length_bytes = (extradata[4] & 3) + 1
    headers = [_picture_header(bytes(packet), length_bytes) for packet in packets]
    order = sorted(range(len(packets)), key=lambda i: packets[i].pts)
    frame = [0] * len(packets)
    for number, sample in enumerate(order):
        frame[sample] = number
    return _Coded(
        extradata=extradata,
        width=width,
        height=height,
        packets=[memoryview(bytes(p) + bytes(_PADDING))[: p.size] for p in packets],
        frame=frame,
        is_idr=[header & 31 == _IDR for header in headers],
        is_reference=[bool(header & 0x60) for header in headers],
    )


def _picture_header(sample: bytes, length_bytes: int) -> int:
    """The first byte of the first NAL unit that is of a picture."""
    at = 0
    while at + length_bytes < len(sample):
        size = int.from_bytes(sample[at : at + length_bytes], "big")
        header = sample[at + length_bytes]
        if header & 31 in _PICTURE:
            return header
        at += length_bytes + size
    raise AssertionError("a sample without a picture")


def version() -> str:
    libavcodec = ".".join(map(str, av.library_versions["libavcodec"]))
    return f"PyAV {av.__version__}, libavcodec {libavcodec}"
