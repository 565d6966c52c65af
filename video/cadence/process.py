"""Encoding with a program of one's own: x264, or one that takes its options.

It gets pictures as YUV4MPEG2 on its standard input, and the type (and quantiser) of each in a
file for `--qpfile`. What it makes is not trusted: the result is indexed and proved like any.
"""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import IO

import av

from ...errors import ConfigError, UnsupportedError
from .planes import plane_rows
from .quality import PictureCoding, Quality, RateFactor
from .settings import EncoderSettings, is_switch
from .survey import Advance, Survey

_FORMATS = {
    "yuv420p": "420jpeg",
    "yuvj420p": "420jpeg",
    "yuv422p": "422",
    "yuvj422p": "422",
    "yuv444p": "444",
    "yuvj444p": "444",
    "yuv420p10le": "420p10",
    "yuv422p10le": "422p10",
    "yuv444p10le": "444p10",
}
PIXEL_FORMATS = tuple(_FORMATS)
"""What goes through the pipe."""

_SAID = 400


def find_program(name: str) -> str:
    """Where an encoder lies.

    Raises:
        ConfigError: There is no such program.
    """
    found = shutil.which(name)
    if found is None:
        raise ConfigError(f"MAREY_H264={name!r}: there is no such program")
    return found


def encode_with_program(
    program: str,
    frames: Iterable[av.VideoFrame],
    survey: Survey,
    coding: PictureCoding,
    quality: Quality,
    settings: EncoderSettings,
    parameters: Mapping[str, str],
    output: Path,
    advance: Advance,
) -> None:
    """Have the pictures encoded as an Annex B stream; see `libx264.encode_with_libx264`.

    Raises:
        UnsupportedError: The program fails; with the last of what it said.
    """
    plan, said = output.with_suffix(".qpfile"), output.with_suffix(".log")
    plan.write_text(_qpfile(coding))
    words = [
        program,
        *("--demuxer", "y4m", "--muxer", "raw", "--no-progress"),
        *("--preset", settings.preset),
        *(("--tune", settings.tune) if settings.tune else ()),
        *_quality_words(quality),
        *_setting_words(parameters),
        *_colour_words(survey),
        *("--qpfile", str(plan), "--output", str(output), "-"),
    ]
    with said.open("wb") as log:
        process = subprocess.Popen(words, stdin=subprocess.PIPE, stdout=log, stderr=log)
        try:
            assert process.stdin is not None  # it is a pipe
            _feed(process.stdin, frames, survey, advance)
            code = process.wait()
        finally:
            if process.poll() is None:
                process.kill()
                process.wait()
    if code:
        words_said = " ".join(said.read_text(errors="replace").split())
        raise UnsupportedError(f"{program} ended with {code}: {words_said[-_SAID:]}")
    if not output.exists():
        raise UnsupportedError(f"{program} ended without writing a stream")


def _qpfile(coding: PictureCoding) -> str:
    quantisers = coding.quantisers or [-1] * len(coding.types)
    return "".join(
        f"{number} {letter} {quantiser}\n"
        for number, (letter, quantiser) in enumerate(zip(coding.types, quantisers, strict=True))
    )


def _quality_words(quality: Quality) -> tuple[str, ...]:
    if isinstance(quality, RateFactor):
        return ("--crf", f"{quality.crf:g}")
    # Each frame has a quantiser of its own; nothing may move it within the frame.
    return ("--crf", str(quality.full), "--aq-mode", "0", "--no-mbtree")


def _setting_words(parameters: Mapping[str, str]) -> list[str]:
    words = []
    for name, value in parameters.items():
        if is_switch(name):
            words.append(f"--{name}" if value == "1" else f"--no-{name}")
        elif name in ("open-gop", "intra-refresh"):
            continue  # switches without a "no": they are off
        else:
            words += [f"--{name}", value]
    return words


def _colour_words(survey: Survey) -> list[str]:
    colours = survey.colours
    words = ["--range", "pc", "--input-range", "pc"] if colours.full_range else []
    for option, code, names in (
        ("--colorprim", colours.primaries, _PRIMARIES),
        ("--transfer", colours.transfer, _TRANSFERS),
        ("--colormatrix", colours.matrix, _MATRICES),
    ):
        if code in names:
            words += [option, names[code]]
    return words


# x264 has names for the code points of ITU-T H.273; 2 is unspecified.
_PRIMARIES = {
    1: "bt709", 4: "bt470m", 5: "bt470bg", 6: "smpte170m", 7: "smpte240m", 8: "film",
    9: "bt2020", 10: "smpte428", 11: "smpte431", 12: "smpte432",
}  # fmt: skip
_TRANSFERS = {
    1: "bt709", 4: "bt470m", 5: "bt470bg", 6: "smpte170m", 7: "smpte240m", 8: "linear",
    9: "log100", 10: "log316", 11: "iec61966-2-4", 12: "bt1361e", 13: "iec61966-2-1",
    14: "bt2020-10", 15: "bt2020-12", 16: "smpte2084", 17: "smpte428", 18: "arib-std-b67",
}  # fmt: skip
_MATRICES = {
    0: "GBR", 1: "bt709", 4: "fcc", 5: "bt470bg", 6: "smpte170m", 7: "smpte240m", 8: "YCgCo",
    9: "bt2020nc", 10: "bt2020c", 11: "smpte2085", 12: "chroma-derived-nc",
    13: "chroma-derived-c", 14: "ICtCp",
}  # fmt: skip


def _feed(
    pipe: IO[bytes], frames: Iterable[av.VideoFrame], survey: Survey, advance: Advance
) -> None:
    rate, aspect = survey.rate, survey.pixel_aspect
    header = (
        f"YUV4MPEG2 W{survey.width} H{survey.height} F{rate.numerator}:{rate.denominator} "
        f"Ip A{aspect.numerator}:{aspect.denominator} C{_FORMATS[survey.pixel_format]}\n"
    )
    try:
        with pipe:
            pipe.write(header.encode())
            for frame in frames:
                pipe.write(b"FRAME\n")
                for plane in frame.planes:
                    pipe.write(plane_rows(frame, plane).tobytes())
                advance(1)
    except BrokenPipeError:
        return  # it has gone: its exit code and its words tell why
