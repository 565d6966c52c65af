"""Encoding with the libx264 inside PyAV.

It is told the type of each picture, and obeys. Exact quantisers have no such way in: they go
through *zones* of x264, stretches of frames with a quantiser of their own. x264 adds to a
zone's quantiser what `pbratio` says for B pictures (half of it where they are references),
takes off what `ipratio` says for I pictures, and holds the sum within what the two ratios
allow: so they are set wide enough for all, and zones make up for what is added. Every frame
searches all zones, so long clips are encoded in pieces; each begins with an IDR picture, and
with exact quantisers pieces know nothing of each other anyway.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from fractions import Fraction
from itertools import groupby, islice
from typing import BinaryIO

import av
from av import logging
from av.error import FFmpegError
from av.video.codeccontext import VideoCodecContext
from av.video.frame import PictureType

from ...errors import UnsupportedError
from .quality import PictureCoding, Quality, Quantisers, RateFactor
from .settings import EncoderSettings
from .survey import Advance, Survey

_TYPES = {"I": PictureType.I, "P": PictureType.P, "B": PictureType.B, "b": PictureType.B}
_FRAMES_A_PIECE = 1000
_WIDEST = 18  # ratios are 10 at most, not quite 20 steps; even, since it is halved


def pixel_formats() -> tuple[str, ...]:
    """The formats that the encoder takes, planes apart."""
    known = av.Codec("libx264", "w").video_formats or []
    return tuple(f.name for f in known if f.name.startswith(("yuv", "gray")))


def encode_with_libx264(
    frames: Iterable[av.VideoFrame],
    survey: Survey,
    coding: PictureCoding,
    quality: Quality,
    settings: EncoderSettings,
    parameters: Mapping[str, str],
    output: BinaryIO,
    advance: Advance,
) -> None:
    """Write the pictures as an Annex B stream.

    Args:
        frames: The pictures, as the survey saw them.
        survey: What they are.
        coding: How each is coded.
        quality: A rate factor or exact quantisers.
        settings: Preset and tuning.
        parameters: All other settings of x264, by name.
        output: Where the stream goes.
        advance: Told of each picture.

    Raises:
        UnsupportedError: x264 refuses a setting, by name.
    """
    remaining = iter(frames)
    length = _piece_length(coding, quality)
    for first in range(0, survey.count, length):
        types = coding.types[first : first + length]
        options = {
            "preset": settings.preset,
            "forced-idr": "1",
            "x264-params": "",
            **({"tune": settings.tune} if settings.tune else {}),
        }
        given = dict(parameters)
        if isinstance(quality, RateFactor):
            options["crf"] = f"{quality.crf:g}"
        else:
            assert coding.quantisers is not None  # made for these very quantisers
            wanted = coding.quantisers[first : first + length]
            given |= _exact(quality, types, wanted)
            options["qp"] = str(_spread(quality)[0])
        options["x264-params"] = ":".join(f"{k}={v}" for k, v in given.items())
        encoder = _opened(survey, options)
        for packet in _encoded(encoder, islice(remaining, len(types)), types, advance):
            output.write(packet)


def _piece_length(coding: PictureCoding, quality: Quality) -> int:
    """Frames encoded at once: an even number of GOPs, since idr_pic_id alternates (7.4.3)."""
    if isinstance(quality, RateFactor):
        return max(1, len(coding.types))
    starts = [i for i, letter in enumerate(coding.types) if letter == "I"]
    even = starts[2::2] or [len(coding.types)]
    return next((i for i in even if i >= _FRAMES_A_PIECE), len(coding.types))


def _spread(quality: Quantisers) -> tuple[int, int, int]:
    """The quantiser of P pictures, and how far below and above it I and B pictures lie."""
    lowest, highest = quality.bounds
    up = min(highest - lowest + (highest - lowest) % 2, _WIDEST)
    down = max(0, highest - lowest - up)
    return lowest + down, down, up


def _exact(quality: Quantisers, types: str, wanted: Iterable[int]) -> dict[str, str]:
    """The settings that give every frame its quantiser."""
    _, down, up = _spread(quality)
    added = {"I": -down, "P": 0, "B": up // 2, "b": up}
    each = [qp - added[letter] for letter, qp in zip(types, wanted, strict=True)]
    zones, first = [], 0
    for value, run in groupby(each):
        end = first + len(list(run))
        zones.append(f"{first},{end - 1},q={value}")
        first = end
    return {
        "ipratio": f"{2 ** (down / 6):.9g}",
        "pbratio": f"{2 ** (up / 6):.9g}",
        "zones": "/".join(zones),
    }


def _opened(survey: Survey, options: Mapping[str, str]) -> VideoCodecContext:
    encoder = av.CodecContext.create("libx264", "w")
    assert isinstance(encoder, VideoCodecContext)
    encoder.width, encoder.height = survey.width, survey.height
    encoder.pix_fmt = survey.pixel_format
    encoder.time_base = Fraction(1) / survey.rate
    encoder.framerate = survey.rate
    encoder.sample_aspect_ratio = survey.pixel_aspect
    colours = survey.colours
    encoder.color_primaries, encoder.color_trc = colours.primaries, colours.transfer
    encoder.colorspace = colours.matrix
    encoder.color_range = 2 if colours.full_range else 1
    encoder.thread_count = 0
    encoder.options = dict(options)
    _open(encoder)
    return encoder


def _open(encoder: VideoCodecContext) -> None:
    """Open an encoder; a setting that x264 passes over is refused."""
    level = logging.get_level()
    logging.set_level(logging.WARNING)
    refused = ""
    with logging.Capture() as logs:
        try:
            encoder.open()
        except FFmpegError as error:
            refused = str(error)
        finally:
            logging.set_level(level)
    said = " ".join(" ".join(text.split()) for _, _, text in logs)
    if refused or "Error parsing option" in said:
        raise UnsupportedError(f"x264 does not take the settings: {said or refused}")


def _encoded(
    encoder: VideoCodecContext, frames: Iterator[av.VideoFrame], types: str, advance: Advance
) -> Iterator[bytes]:
    for number, frame in enumerate(frames):
        frame.pts, frame.time_base = number, encoder.time_base
        frame.pict_type = _TYPES[types[number]]
        for packet in encoder.encode(frame):
            yield bytes(packet)
        advance(1)
    for packet in encoder.encode(None):
        yield bytes(packet)
