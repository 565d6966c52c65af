"""H.264 decoders that share no code with libavcodec, behind one interface.

None of them is needed to build or test Marey otherwise: each says what it lacks where it is not
there. They differ in what they read, from Baseline to everything.
"""

from __future__ import annotations

import ctypes
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from ctypes import util
from enum import IntEnum
from functools import cached_property
from pathlib import Path
from typing import Protocol

import numpy as np

from marey.video.h264.nal import split_annexb

HERE = Path(__file__).parent


class Reach(IntEnum):
    """What a decoder reads, and what a stream asks for."""

    BASELINE = 1
    """CAVLC, I and P slices, no 8x8 transform, sizes in whole macroblocks."""
    PREDICTED = 2
    """Progressive I and P slices of 4:2:0, 8 bits."""
    ALL = 3
    """Interlaced, B slices, any chroma format and bit depth."""


class SecondDecoder(Protocol):
    """One of them."""

    reach: Reach

    def missing(self) -> str:
        """What is not installed; empty if it can be used."""
        ...

    def decode(self, units: Sequence[bytes], frame_bytes: int) -> list[bytes]:
        """The planes of all pictures in output order.

        Args:
            units: Access units in Annex B form, the first one with its parameter sets.
            frame_bytes: The size of a picture.
        """
        ...


class H264Bsd:
    """The decoder of Android and of browsers before they had their own, as WebAssembly."""

    reach = Reach.BASELINE

    def missing(self) -> str:
        if shutil.which("node") is None:
            return "node is not installed"
        if not (HERE / "node_modules" / "h264decoder").is_dir():
            return "the npm package h264decoder is not installed: `make independent` does that"
        return ""

    @cached_property
    def _process(self) -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            ["node", HERE / "h264bsd.cjs"], stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )

    def decode(self, units: Sequence[bytes], frame_bytes: int) -> list[bytes]:
        stream = b"".join(units)
        nals = [stream[start:end] for start, end in split_annexb(stream)]
        pipe = self._process.stdin
        assert pipe is not None
        pipe.write(len(nals).to_bytes(4, "big"))
        for nal in nals:
            pipe.write(len(nal).to_bytes(4, "big") + nal)
        pipe.flush()
        return [self._read(self._count()) for _ in range(self._count())]

    def _count(self) -> int:
        return int.from_bytes(self._read(4), "big")

    def _read(self, size: int) -> bytes:
        pipe = self._process.stdout
        assert pipe is not None
        data = pipe.read(size)
        assert len(data) == size, "node has ended"
        return data

    def close(self) -> None:
        if "_process" in self.__dict__:
            self._process.communicate()


class _BufferInfo(ctypes.Structure):
    """`SBufferInfo` of OpenH264's codec_def.h."""

    _fields_ = (
        ("status", ctypes.c_int),
        ("time_in", ctypes.c_ulonglong),
        ("time_out", ctypes.c_ulonglong),
        ("width", ctypes.c_int),
        ("height", ctypes.c_int),
        ("format", ctypes.c_int),
        ("stride", ctypes.c_int * 2),
        ("planes", ctypes.c_void_p * 3),
    )


class _DecodingParameters(ctypes.Structure):
    """`SDecodingParam` of OpenH264's codec_app_def.h."""

    _fields_ = (
        ("reconstruction", ctypes.c_char_p),
        ("cpu_load", ctypes.c_uint),
        ("target_layer", ctypes.c_ubyte),
        ("error_concealment", ctypes.c_int),
        ("parse_only", ctypes.c_bool),
        ("video_size", ctypes.c_uint),
        ("video_type", ctypes.c_int),
    )


# Places in `ISVCDecoderVtbl` and values of `DECODER_OPTION`.
_INITIALIZE, _UNINITIALIZE, _DECODE_NO_DELAY, _FLUSH, _SET_OPTION, _GET_OPTION = (
    0,
    1,
    3,
    5,
    8,
    9,
)
_END_OF_STREAM, _TRACE_LEVEL, _FRAMES_REMAINING = 1, 9, 18


class OpenH264:
    """Cisco's decoder, from the system's library; its B slices are not exact, so not asked."""

    reach = Reach.PREDICTED

    def missing(self) -> str:
        return "" if util.find_library("openh264") else "libopenh264 is not installed"

    @cached_property
    def _library(self) -> ctypes.CDLL:
        return ctypes.CDLL(util.find_library("openh264"))

    def decode(self, units: Sequence[bytes], frame_bytes: int) -> list[bytes]:
        decoder = ctypes.c_void_p()
        assert self._library.WelsCreateDecoder(ctypes.byref(decoder)) == 0
        parameters = _DecodingParameters(target_layer=255, video_size=8, video_type=1)
        self._option(decoder, _SET_OPTION, _TRACE_LEVEL, 0)
        assert _call(decoder, _INITIALIZE, ctypes.byref(parameters)) == 0
        pictures: list[bytes] = []
        for unit in units:
            pictures += _take(decoder, _DECODE_NO_DELAY, unit, ctypes.c_int(len(unit)))
        self._option(decoder, _SET_OPTION, _END_OF_STREAM, 1)
        pictures += _take(decoder, _DECODE_NO_DELAY, None, ctypes.c_int(0))
        for _ in range(self._option(decoder, _GET_OPTION, _FRAMES_REMAINING, 0)):
            pictures += _take(decoder, _FLUSH)
        _call(decoder, _UNINITIALIZE)
        self._library.WelsDestroyDecoder(decoder)
        return pictures

    def _option(self, decoder: ctypes.c_void_p, method: int, option: int, value: int) -> int:
        variable = ctypes.c_int(value)
        _call(decoder, method, ctypes.c_int(option), ctypes.byref(variable))
        return variable.value

    def close(self) -> None:
        pass


def _call(decoder: ctypes.c_void_p, method: int, *arguments: object) -> int:
    """A method of a C++ object, by its place in the table that the object begins with."""
    table = ctypes.cast(decoder, ctypes.POINTER(ctypes.POINTER(ctypes.c_void_p)))[0]
    return ctypes.CFUNCTYPE(ctypes.c_int)(table[method])(decoder, *arguments)


def _take(decoder: ctypes.c_void_p, method: int, *arguments: object) -> Iterator[bytes]:
    """The picture that a call gives, if it gives one."""
    planes, info = (ctypes.c_void_p * 3)(), _BufferInfo()
    _call(decoder, method, *arguments, ctypes.byref(planes), ctypes.byref(info))
    if info.status == 1:
        yield b"".join(
            _plane(info.planes[i], info.width >> (i > 0), info.height >> (i > 0), stride)
            for i, stride in enumerate((info.stride[0], info.stride[1], info.stride[1]))
        )


def _plane(address: int, width: int, height: int, stride: int) -> bytes:
    flat = ctypes.string_at(address, (height - 1) * stride + width)
    rows = np.frombuffer(flat.ljust(height * stride, b"\0"), np.uint8).reshape(height, stride)
    return rows[:, :width].tobytes()


class ReferenceDecoder:
    """`ldecod` of the reference software (ITU-T H.264.2), which decodes everything.

    It is in no package: whoever has built it names it in `MAREY_REFERENCE_DECODER`.
    """

    reach = Reach.ALL

    def missing(self) -> str:
        if os.environ.get("MAREY_REFERENCE_DECODER"):
            return ""
        return "MAREY_REFERENCE_DECODER does not name the decoder of the reference software"

    def decode(self, units: Sequence[bytes], frame_bytes: int) -> list[bytes]:
        command = Path(os.environ["MAREY_REFERENCE_DECODER"]).absolute()
        with tempfile.TemporaryDirectory() as folder:
            stream, planes = Path(folder, "in.264"), Path(folder, "out.yuv")
            stream.write_bytes(b"".join(units))
            # It ends with an error on streams that it cannot decode: pictures are missing then.
            subprocess.run(
                [command, "-s", "-i", stream, "-o", planes],
                cwd=folder,
                capture_output=True,
                timeout=120,
                check=False,
            )
            data = planes.read_bytes() if planes.exists() else b""
        return [data[i : i + frame_bytes] for i in range(0, len(data), frame_bytes)]

    def close(self) -> None:
        pass
