"""`marey video transcode` and `prefix`: files whose lower rates can be read alone."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from .options import AsJson, Verbose
from .render import Printer

if TYPE_CHECKING:
    from ...video.transcode import TranscodeReport

_COLUMNS = ("fps", "frames", "bytes", "prefix_share", "samples_a_frame", "psnr", "psnr_y")

Source = Annotated[
    Path,
    typer.Argument(metavar="FILE", help="Any video that FFmpeg reads.", show_default=False),
]
Output = Annotated[
    Path | None,
    typer.Option(
        "--output", "-o", metavar="OUT", help="The MP4 file to write: <name>.transcode.mp4."
    ),
]


def transcode(
    file: Source,
    fps: Annotated[
        str,
        typer.Option(
            metavar="RATES",
            help="One or two lower rates: 10 or 10,5, or fractions as 8000/1001.",
            show_default=False,
        ),
    ],
    output: Output = None,
    quality: Annotated[
        str,
        typer.Option(
            metavar="LIST",
            help="One value: rate factor (CRF). One a rate, as 23,27: exact quantisers.",
        ),
    ] = "23",
    size: Annotated[
        str | None,
        typer.Option(metavar="WxH", help="Size of the pictures, as 1280x720."),
    ] = None,
    preset: Annotated[str, typer.Option(metavar="NAME", help="Of x264.")] = "medium",
    multi_track: Annotated[
        bool,
        typer.Option("--multi-track", help="A track for each rate, over the same bytes."),
    ] = False,
    audio: Annotated[
        bool, typer.Option("--audio", help="Keep the sound, as AAC; else it is dropped.")
    ] = False,
    constant_rate: Annotated[
        str | None,
        typer.Option(metavar="N", help="Repeat and drop frames to make N a second."),
    ] = None,
    ffmpeg_arg: Annotated[
        list[str] | None,
        typer.Option(
            metavar="ARG", help='Of FFmpeg, on what is read: "-ss 10 -t 60", "-vf hflip".'
        ),
    ] = None,
    x264_param: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME=VALUE", help="Of x264: ref=4, no-mbtree, tune=film."),
    ] = None,
    as_json: AsJson = False,
    verbose: Verbose = False,
) -> None:
    """Encode a video so that lower frame rates can be read alone.

    The lowest rate is the first stretch of the file, and no frame of a rate needs one outside
    of it. MAREY_H264 names a program to encode with, in place of the libx264 of PyAV.

    marey video transcode in.mov --fps 10,5 --quality 23,27 -o out.mp4
    """
    rates = fps.split(",")
    wanted = _numbers("--quality", quality)
    pixels = _size(size)
    from ...video.cadence.arguments import parse_arguments
    from ...video.cadence.ladder import parse_rate
    from ...video.cadence.settings import parse_settings
    from ...video.transcode import transcode as make
    from ..progress import progress

    # Wrong use, whatever the file is.
    for rate in rates:
        _checked("--fps", parse_rate, rate)
    _checked("--ffmpeg-arg", parse_arguments, ffmpeg_arg or ())
    _checked("--preset", parse_settings, preset, ())
    _checked("--x264-param", parse_settings, "medium", x264_param or ())
    if constant_rate is not None:
        _checked("--constant-rate", parse_rate, constant_rate)

    printer = Printer(as_json=as_json)
    report = make(
        file,
        output or file.with_name(f"{file.stem}.transcode.mp4"),
        fps=rates,
        quality=wanted[0] if len(wanted) == 1 else [_whole(value) for value in wanted],
        size=pixels,
        preset=preset,
        multi_track=multi_track,
        audio=audio,
        constant_rate=constant_rate,
        ffmpeg_args=ffmpeg_arg or (),
        x264_params=x264_param or (),
        progress=progress,
    )
    _print(report, printer)


def _print(report: TranscodeReport, printer: Printer) -> None:
    facts: dict[str, object] = {
        "path": report.path,
        "encoder": report.encoder,
        "frames": report.frames,
        "width": report.width,
        "height": report.height,
        "bytes": report.bytes,
        "audio": report.sound,
    }
    rows = [
        (
            float(rate.fps),
            rate.frames,
            rate.bytes,
            round(rate.prefix_share, 4),
            round(rate.samples_a_frame, 4),
            round(rate.psnr, 3),
            round(rate.psnr_y, 3),
        )
        for rate in report.rates
    ]
    if printer.form == "json":
        facts["rates"] = [dict(zip(_COLUMNS, row, strict=True)) for row in rows]
        printer.facts(facts)
        return
    printer.facts(facts)
    printer.line()
    printer.rows(_COLUMNS, rows, title="what each rate reads, decodes and shows")


def prefix(
    file: Annotated[
        Path,
        typer.Argument(
            metavar="FILE", help="A file of `marey video transcode`.", show_default=False
        ),
    ],
    fps: Annotated[
        str, typer.Option(metavar="RATE", help="A rate that it holds.", show_default=False)
    ],
    output: Annotated[
        Path, typer.Option("--output", "-o", metavar="OUT", help="The MP4 file to write.")
    ],
    as_json: AsJson = False,
    verbose: Verbose = False,
) -> None:
    """Write a lower rate of a file as a file of its own.

    marey video prefix out.mp4 --fps 5 -o low.mp4
    """
    if output.exists() and output.samefile(file):
        raise typer.BadParameter(
            "would overwrite the file that it reads", param_hint="--output"
        )
    from ...errors import MareyError
    from ...video.prefix import prefix as take
    from .files import write_file

    try:
        data = take(file, fps)
    except MareyError as error:
        error.args = (f"{str(file)!r}: {error}",)
        raise
    write_file(output, data)
    Printer(as_json=as_json).facts(
        {
            "path": str(output),
            "fps": fps,
            "bytes": len(data),
            "source_bytes": file.stat().st_size,
        }
    )


def _checked(option: str, parse: Callable[..., object], *values: object) -> None:
    from ...errors import ConfigError

    try:
        parse(*values)
    except ConfigError as error:
        raise typer.BadParameter(str(error), param_hint=option) from error


def _numbers(option: str, text: str) -> list[float]:
    try:
        return [float(piece) for piece in text.split(",")]
    except ValueError as error:
        raise typer.BadParameter(
            f"{text!r}: expected numbers with commas between them", param_hint=option
        ) from error


def _whole(value: float) -> int:
    if not value.is_integer():
        raise typer.BadParameter(
            f"{value:g}: a quantiser for each rate is a whole number", param_hint="--quality"
        )
    return int(value)


def _size(text: str | None) -> tuple[int, int] | None:
    if text is None:
        return None
    found = re.fullmatch(r"(\d{1,6})x(\d{1,6})", text)
    if found is None:
        raise typer.BadParameter(f"{text!r}: expected WxH, as 1280x720", param_hint="--size")
    return int(found[1]), int(found[2])
