"""What a read gives: the form of its pixels, and the frames themselves.

Pixels are packed: rows top to bottom without padding, planes one after the other, little endian
above 8 bits. A batch holds all of its frames in one buffer, each as long as the next.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal, get_args, overload

import numpy as np
import numpy.typing as npt

from ...errors import FrameIndexError, InputError, UnsupportedError
from ..index.frames import PictureFormat

PixelFormat = Literal["rgb24", "gray8", "yuv420p", "native"]
"""`native`: the stream's own planes, untouched. The others are 8 bits a sample."""

PIXEL_FORMATS: tuple[PixelFormat, ...] = get_args(PixelFormat)

MAX_SIDE = 16_384
"""Rows or columns that a picture can be asked for with; above every level of H.264."""


@dataclass(frozen=True, slots=True)
class PixelOutput:
    """The form in which pixels are wanted.

    Raises:
        InputError: A pixel format that there is not, or a size of no pixels.
        UnsupportedError: A size above `MAX_SIDE`.

    >>> PixelOutput(height=224, width=224)
    PixelOutput(pixel_format='rgb24', height=224, width=224)
    """

    pixel_format: PixelFormat = "rgb24"
    """How pixels are stored."""
    height: int | None = None
    """Rows; alone it keeps the aspect ratio. Without a size: that of the stream."""
    width: int | None = None
    """Columns, likewise."""

    def __post_init__(self) -> None:
        if self.pixel_format not in PIXEL_FORMATS:
            known = ", ".join(PIXEL_FORMATS)
            raise InputError(f"pixel_format {self.pixel_format!r}: expected one of {known}")
        for name, size in (("height", self.height), ("width", self.width)):
            if size is None:
                continue
            if size < 1:
                raise InputError(f"{name} {size}: a picture has at least 1 pixel a side")
            if size > MAX_SIDE:
                raise UnsupportedError(f"{name} {size}: pictures have at most {MAX_SIDE}")


@dataclass(frozen=True, slots=True)
class OutputShape:
    """How large one frame is once it is written."""

    height: int
    """Rows."""
    width: int
    """Columns."""
    frame_bytes: int
    """Bytes of the packed frame."""
    frame_shape: tuple[int, ...]
    """`(height, width, 3)` for RGB, else `(height, width)`."""


@lru_cache
def output_shape(source: PictureFormat, output: PixelOutput) -> OutputShape:
    """The size of a frame of one stream in the form wanted.

    Raises:
        UnsupportedError: `native` in another size than the stream's, or a kept aspect ratio
            leads above `MAX_SIDE`.
        FrameIndexError: The stream's own size is nothing.

    >>> hd = PictureFormat(1280, 720, 8, 8, 1)
    >>> output_shape(hd, PixelOutput(width=224))
    OutputShape(height=126, width=224, frame_bytes=84672, frame_shape=(126, 224, 3))
    """
    if min(source.height, source.width) < 1:
        raise FrameIndexError(
            f"a stream of {source.width}x{source.height} pictures has no pixels"
        )
    height, width = _size(source, output)
    match output.pixel_format:
        case "rgb24":
            return OutputShape(height, width, height * width * 3, (height, width, 3))
        case "gray8":
            size = height * width
        case "yuv420p":
            size = sum(rows * columns for rows, columns in plane_sizes(height, width, 1))
        case "native":
            if (height, width) != (source.height, source.width):
                raise UnsupportedError(
                    f"native gives the stream's own {source.width}x{source.height} planes, "
                    f"{width}x{height} was asked for: resizing needs another pixel_format"
                )
            planes = plane_sizes(height, width, source.chroma_format_idc)
            size = sum(rows * columns for rows, columns in planes) * sample_bytes(source)
    return OutputShape(height, width, size, (height, width))


def plane_sizes(height: int, width: int, chroma_format_idc: int) -> tuple[tuple[int, int], ...]:
    """Rows and columns of each plane; where chroma is halved, an odd side is rounded up.

    A monochrome stream (0) counts as 4:2:0: that is how FFmpeg presents it, chroma at half
    scale.

    >>> plane_sizes(97, 161, 1)
    ((97, 161), (49, 81), (49, 81))
    """
    down = 1 if chroma_format_idc >= 2 else 2
    across = 1 if chroma_format_idc == 3 else 2
    chroma = (-(-height // down), -(-width // across))
    return (height, width), chroma, chroma


def sample_bytes(source: PictureFormat) -> int:
    """Bytes that one sample of a native plane takes."""
    return 2 if max(source.bit_depth_luma, source.bit_depth_chroma) > 8 else 1


def _size(source: PictureFormat, output: PixelOutput) -> tuple[int, int]:
    height, width = output.height, output.width
    if height is None:
        height = source.height
        if width is not None:
            height = _in_proportion(source.height, width, source.width)
    if width is None:
        width = _in_proportion(source.width, height, source.height)
    if max(height, width) > MAX_SIDE:
        raise UnsupportedError(
            f"{source.width}x{source.height} scaled in proportion is {width}x{height}: "
            f"pictures have at most {MAX_SIDE} a side"
        )
    return height, width


def _in_proportion(side: int, other_wanted: int, other: int) -> int:
    return max(1, (2 * side * other_wanted + other) // (2 * other))


@dataclass(frozen=True, slots=True, repr=False, eq=False)
class Frame:
    """One decoded frame."""

    frame_index: int
    """Its number, in display order."""
    pts_seconds: float
    """When it is shown."""
    duration_seconds: float
    """For how long, until the next one."""
    data: npt.NDArray[np.uint8]
    """The packed pixels, a view into its batch."""
    shape: OutputShape
    """How they lie."""

    def to_numpy(self) -> npt.NDArray[np.uint8]:
        """The pixels as `[height, width, 3]` or `[height, width]`, without a copy.

        Several planes, or samples above 8 bits, stay packed: `[bytes]`.
        """
        return self.data.reshape(_array_shape(self.shape))

    def __repr__(self) -> str:
        return f"Frame({self.frame_index}, {self.pts_seconds:.3f} s, {_describe(self.shape)})"


@dataclass(frozen=True, slots=True, repr=False, eq=False)
class FrameBatch(Sequence[Frame]):
    """Decoded frames of one clip, all of one shape, in one buffer."""

    frame_indices: npt.NDArray[np.int64]
    """`[n]` frame numbers."""
    pts_seconds: npt.NDArray[np.float64]
    """`[n]` when each is shown."""
    duration_seconds: npt.NDArray[np.float64]
    """`[n]` for how long."""
    data: npt.NDArray[np.uint8]
    """`[n, frame_bytes]` the packed pixels."""
    shape: OutputShape
    """How each frame's pixels lie."""

    def to_numpy(self) -> npt.NDArray[np.uint8]:
        """All pixels as `[n, height, width, 3]` or `[n, height, width]`, without a copy.

        Several planes, or samples above 8 bits, stay packed: `[n, bytes]`.
        """
        return self.data.reshape(len(self), *_array_shape(self.shape))

    def __len__(self) -> int:
        return len(self.frame_indices)

    def __iter__(self) -> Iterator[Frame]:
        return map(self._frame, range(len(self)))

    @overload
    def __getitem__(self, key: int) -> Frame: ...
    @overload
    def __getitem__(self, key: slice) -> FrameBatch: ...
    def __getitem__(self, key: int | slice) -> Frame | FrameBatch:
        if isinstance(key, slice):
            return FrameBatch(
                self.frame_indices[key],
                self.pts_seconds[key],
                self.duration_seconds[key],
                self.data[key],
                self.shape,
            )
        return self._frame(key)

    def __repr__(self) -> str:
        return f"FrameBatch({len(self)} frames, {_describe(self.shape)})"

    def _frame(self, position: int) -> Frame:
        return Frame(
            int(self.frame_indices[position]),
            float(self.pts_seconds[position]),
            float(self.duration_seconds[position]),
            self.data[position],
            self.shape,
        )


def _array_shape(shape: OutputShape) -> tuple[int, ...]:
    packed = math.prod(shape.frame_shape) != shape.frame_bytes
    return (shape.frame_bytes,) if packed else shape.frame_shape


def _describe(shape: OutputShape) -> str:
    return f"{'x'.join(map(str, shape.frame_shape))}, {shape.frame_bytes} bytes each"
