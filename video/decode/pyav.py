"""Decoding with PyAV: the one place where frames come out of libavcodec.

What must be so for every frame to be exact (docs/decisions/0005-damage-detection.md says why):

- `strict`: the reorder depth is what the level allows where the stream does not say. Otherwise
  it starts at 0, grows on surprise, and each surprise drops a picture.
- `output_corrupt`: pictures come out before libavcodec believes that it has recovered. Whether
  they are right is the plan's to know.
- PTS is the sample number: which picture this is cannot be told from the order of output.
- `unaligned`: cropping on the left is exact, not rounded to what SIMD likes.
"""

from __future__ import annotations

from functools import cache

import av
import numpy as np
import numpy.typing as npt
from av.codec.context import Flags
from av.error import FFmpegError
from av.packet import PacketSideData
from av.video import VideoStream
from av.video.codeccontext import VideoCodecContext
from av.video.reformatter import ColorRange, VideoReformatter

from ...errors import DecodeError
from ..index.frames import ContainerColour, PictureFormat
from .decoder import Packet
from .entry import Entry, has_slices, marked_as_entry, may_bring_sets, nal_length_size
from .frame import PixelOutput, output_shape

Bytes = npt.NDArray[np.uint8]

# The largest picture of any level (Table A-1): libavcodec allocates before it decodes.
_MAX_PIXELS = 139_264 * 256

_NEW_EXTRADATA = 1  # AV_PKT_DATA_NEW_EXTRADATA

_OPTIONS = {"strict": "1", "max_pixels": str(_MAX_PIXELS)}
_FLAGS = Flags.output_corrupt | Flags.unaligned

# Names of libavcodec's pixel formats to chroma_format_idc.
_CHROMA = {"yuv420p": 1, "yuvj420p": 1, "yuv422p": 2, "yuvj422p": 2}
_CHROMA |= {"yuv444p": 3, "yuvj444p": 3, "gbrp": 3}

# What a context keeps allocated: itself, and up to 16 pictures (A.3.1) of 1.5 bytes a pixel.
_CONTEXT_BYTES = 1 << 20
_BYTES_A_PIXEL = 24


class PyAvPicture:
    """A frame of libavcodec; see `Picture`."""

    __slots__ = ("_frame", "_reformatter", "damaged", "sample")

    def __init__(
        self, frame: av.VideoFrame, reformatter: VideoReformatter, *, damaged: bool
    ) -> None:
        self._frame = frame
        self._reformatter = reformatter
        self.sample = -1 if frame.pts is None else frame.pts
        self.damaged = damaged

    @property
    def format(self) -> PictureFormat:
        """Its size and how its samples are stored."""
        frame = self._frame
        chroma_format_idc, bits = _sample_layout(frame.format.name)
        return PictureFormat(frame.width, frame.height, bits, bits, chroma_format_idc)

    def write(self, output: PixelOutput, destination: memoryview) -> None:
        """Put its pixels, packed, into `destination`."""
        source = self.format
        shape = output_shape(source, output)
        target = np.frombuffer(destination, np.uint8)
        if len(target) != shape.frame_bytes:
            raise ValueError(f"expected room for {shape.frame_bytes} bytes, got {len(target)}")
        frame = self._frame
        as_it_is = (shape.height, shape.width) == (source.height, source.width)
        match output.pixel_format:
            case "native":
                _copy_planes(frame, 2 if source.bit_depth_luma > 8 else 1, target)
            case "yuv420p" if as_it_is and frame.format.name in ("yuv420p", "yuvj420p"):
                _copy_planes(frame, 1, target)
            case "yuv420p":
                _copy_planes(self._converted("yuv420p", shape.width, shape.height), 1, target)
            case "gray8":
                _copy_planes(self._converted("gray", shape.width, shape.height), 1, target)
            case "rgb24":
                _copy_planes(self._converted("rgb24", shape.width, shape.height), 3, target)

    def _converted(self, pixel_format: str, width: int, height: int) -> av.VideoFrame:
        # Matrix and range are the frame's own: PyAV hands them to swscale, which takes what the
        # stream does not state for BT.601, limited. More threads are started for every frame.
        frame = self._frame
        try:
            return self._reformatter.reformat(
                frame, width, height, format=pixel_format, threads=1
            )
        except FFmpegError as error:
            raise DecodeError(
                f"sample {self.sample}: swscale, {frame.format.name} {frame.width}x"
                f"{frame.height} to {pixel_format} {width}x{height}: {error.strerror}"
            ) from error


class PyAvDecoder:
    """A libavcodec context of one thread; see `Decoder`."""

    def __init__(self) -> None:
        self._context: VideoCodecContext | None = None
        self._opened_with: tuple[object, ...] = ()
        # Whether the context surely holds the parameter sets that it was opened with; those
        # that it has to be given with the next sample.
        self._holds_sets = False
        self._new_extradata = b""
        self._length_size = 0
        self._reformatter = VideoReformatter()
        # See `entry`: whether the first slice is still to come; the sample from whose picture
        # on libavcodec's mark for corrupt frames means damage; whether it does by now.
        self._entering = True
        self._entry_sample = -1
        self._mark_is_damage = False

    @property
    def idle_bytes(self) -> int:
        """About the most that it holds on to between runs."""
        context = self._context
        if context is None:
            return _CONTEXT_BYTES
        return _CONTEXT_BYTES + _BYTES_A_PIXEL * context.coded_width * context.coded_height

    def start(
        self,
        extradata: bytes,
        *,
        width: int,
        height: int,
        colour: ContainerColour | None = None,
    ) -> None:
        """Begin a run, in the same context where that is as good as a new one."""
        context, opened_with = self._context, (extradata, width, height, colour)
        if context is not None and self._opened_with == opened_with and not _remembers(context):
            context.flush_buffers()
            # Samples of an earlier run may have replaced parameter sets. To read them again
            # takes as long as to decode a small picture, so only where it has to be.
            self._new_extradata = b"" if self._holds_sets else extradata
        else:
            self._context = _open(extradata, width, height, colour)
            self._opened_with = opened_with
            self._new_extradata = b""
            self._holds_sets = True
        self._length_size = nal_length_size(extradata)
        self._entering = True
        self._entry_sample = -1
        self._mark_is_damage = False

    def prepare(self, sample: int, packet: Packet) -> av.Packet[VideoStream]:
        """Make a sample ready."""
        if self._entering:
            packet, kind = marked_as_entry(packet, self._length_size)
            self._entering = kind is Entry.NOT_YET
            self._mark_is_damage = kind is Entry.IDR
            self._entry_sample = sample if kind is Entry.MARKED else -1
        ready: av.Packet[VideoStream] = av.Packet(packet)  # type: ignore[arg-type,assignment]  # takes any buffer
        ready.pts = sample
        if self._new_extradata and len(packet):
            size = len(self._new_extradata)
            side = PacketSideData(_NEW_EXTRADATA, size)  # type: ignore[call-arg]  # not in its stub
            memoryview(side)[:] = self._new_extradata
            ready.set_sidedata(side, move=True)
            self._new_extradata = b""
            self._holds_sets = True
        if self._holds_sets and may_bring_sets(packet, self._length_size):
            self._holds_sets = False
        return ready

    def send(self, ready: av.Packet[VideoStream]) -> list[PyAvPicture]:
        """Take in one sample and give the pictures that come out."""
        if not ready.size:
            return []  # libavcodec would take it for the end
        try:
            frames = self._require_context().decode(ready)
        except FFmpegError as error:
            # A sample without slices is taken in, then refused for want of a picture.
            if not has_slices(bytes(ready), self._length_size):
                return []
            raise DecodeError(f"sample {ready.pts}: libavcodec: {error.strerror}") from error
        return self._pictures(frames)

    def drain(self) -> list[PyAvPicture]:
        """The pictures still held back."""
        try:
            return self._pictures(self._require_context().decode(None))
        except FFmpegError as error:
            raise DecodeError(f"end of a run: libavcodec: {error.strerror}") from error

    def _pictures(self, frames: list[av.VideoFrame]) -> list[PyAvPicture]:
        pictures = []
        for frame in frames:
            marked = frame.is_corrupt
            if not marked or frame.pts == self._entry_sample:
                self._mark_is_damage = True
            damaged = marked and self._mark_is_damage
            pictures.append(PyAvPicture(frame, self._reformatter, damaged=damaged))
        return pictures

    def _require_context(self) -> VideoCodecContext:
        if self._context is None:
            raise RuntimeError("a run begins with start()")
        return self._context


def _open(
    extradata: bytes, width: int, height: int, colour: ContainerColour | None
) -> VideoCodecContext:
    context = av.CodecContext.create("h264", "r")
    context.thread_count = 1
    context.options = dict(_OPTIONS)
    context.flags |= _FLAGS
    context.width, context.height = width, height
    if colour is not None:
        # A stream that states its own replaces them.
        context.colorspace = colour.matrix_coefficients
        context.color_range = ColorRange.JPEG if colour.full_range else ColorRange.MPEG
    if extradata:
        context.extradata = extradata
    return context


def _remembers(context: VideoCodecContext) -> bool:
    """Whether something outlives a flush that changes pixels.

    The x264 version of the last stream does, and it turns a workaround for 4:4:4 on or off.
    """
    return context.pix_fmt is None or _sample_layout(context.pix_fmt)[0] == 3


@cache
def _sample_layout(pixel_format: str) -> tuple[int, int]:
    """chroma_format_idc and bits a sample of one of libavcodec's pixel formats."""
    name, _, depth = pixel_format.removesuffix("le").partition("p")
    chroma_format_idc = _CHROMA.get(f"{name}p")
    if chroma_format_idc is None or not (depth.isdecimal() or not depth):
        raise DecodeError(f"libavcodec gives pixels as {pixel_format}, which is not supported")
    return chroma_format_idc, int(depth or 8)


def _copy_planes(frame: av.VideoFrame, sample_bytes: int, target: Bytes) -> None:
    """The visible part of every plane, one after the other; its rows have strides."""
    at = 0
    for plane in frame.planes:
        row_bytes = plane.width * sample_bytes
        end = at + plane.height * row_bytes
        rows = np.frombuffer(memoryview(plane), np.uint8).reshape(plane.height, plane.line_size)
        target[at:end].reshape(plane.height, row_bytes)[:] = rows[:, :row_bytes]
        at = end
