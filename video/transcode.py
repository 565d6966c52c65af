"""A video of any kind as an MP4 whose lower frame rates can be read alone.

The samples of the lowest rate come first in the file, then those that each next rate adds; no
frame of a rate refers to a frame outside of it. So a reader of a lower rate fetches the
beginning of the file, in one stretch, and decodes nothing but what it asked for.

What is needed to encode is imported when it is used: importing this is cheap.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from ..errors import ConfigError, UnsupportedError

if TYPE_CHECKING:
    from .cadence.job import Progress
    from .cadence.ladder import Rate
    from .cadence.measure import RateReport
    from .cadence.pictures import PictureSource, Source
    from .cadence.survey import Advance

ENCODER_VARIABLE = "MAREY_H264"
"""Names a program to encode with instead of the library in PyAV."""

_MOST_PIXELS = 16384

SoundOutcome = Literal["none", "dropped", "kept"]
"""What became of the source's sound."""


@dataclass(frozen=True, slots=True)
class TranscodeReport:
    """What was made."""

    path: str
    """The file."""
    encoder: str
    """`libx264`, or the program that encoded."""
    frames: int
    """Frames of the full rate."""
    width: int
    """Columns."""
    height: int
    """Rows."""
    bytes: int
    """Size of the file."""
    sound: SoundOutcome
    """What became of the sound."""
    rates: tuple[RateReport, ...]
    """The full rate and each lower one, falling."""


@contextmanager
def _no_progress(_stage: str, _pictures: int | None) -> Iterator[Advance]:
    yield lambda _: None


def transcode(
    source: Source,
    output: str | os.PathLike[str],
    *,
    fps: Rate | Sequence[Rate],
    quality: float | Sequence[int] = 23,
    size: tuple[int, int] | None = None,
    preset: str = "medium",
    multi_track: bool = False,
    audio: bool = False,
    constant_rate: Rate | None = None,
    ffmpeg_args: Sequence[str] = (),
    x264_params: Sequence[str] = (),
    encoder: str | None = None,
    progress: Progress = _no_progress,
) -> TranscodeReport:
    """Encode a video so that its lower rates can be read alone.

    Args:
        source: A path, an address that FFmpeg opens, or the bytes of a video.
        output: The MP4 file to be; it is there in full at the end, or not at all.
        fps: One or two lower rates, as `10`, `[10, 5]` or `"8000/1001"`. Each divides the next
            higher one. The full rate is always kept.
        quality: x264's rate factor (CRF); or exact quantisers, one for each of `fps`: a frame
            has that of the lowest rate that contains it, and frames of the full rate alone the
            largest plus two.
        size: Width and height of the pictures; None keeps them.
        preset: One of x264's.
        multi_track: A track for each rate over the same bytes: the full rate first, falling.
        audio: Keep the first sound, as AAC; else it is left out.
        constant_rate: Repeat and drop frames to make this rate of a variable one.
        ffmpeg_args: Options of FFmpeg for what is read: `-ss 10 -t 60`, `-vf hflip`.
        x264_params: Settings of x264 that do not decide its picture types: `ref=4`.
        encoder: A program to encode with; None: `$MAREY_H264`, or the library.
        progress: Shows how far each stage is.

    Raises:
        ConfigError: A setting that there is not, or a value that it cannot have; or the program
            to encode with is not there.
        UnsupportedError: What is asked for cannot be done with this source, or not exactly.
        CorruptVideoError: The source cannot be decoded.
        SourceNotFoundError: It is not there.
        OSError: The file cannot be written.
    """
    from .cadence.arguments import parse_arguments
    from .cadence.job import Job, run_job, workshop
    from .cadence.ladder import parse_rate, plan_ladder
    from .cadence.libx264 import pixel_formats
    from .cadence.pictures import PictureSource
    from .cadence.process import PIXEL_FORMATS, find_program
    from .cadence.quality import plan_quality
    from .cadence.settings import ladder_settings, parse_settings
    from .cadence.sound import has_sound
    from .cadence.survey import survey_pictures

    lower = [fps] if isinstance(fps, int | float | str | Fraction) else list(fps)
    for rate in lower:
        parse_rate(rate)
    settings = parse_settings(preset, x264_params)
    named = encoder or os.environ.get(ENCODER_VARIABLE)
    program = find_program(named) if named else None
    pictures = PictureSource(
        source=source,
        options=parse_arguments(ffmpeg_args),
        size=_check_size(size),
        constant_rate=None if constant_rate is None else parse_rate(constant_rate),
        pixel_formats=PIXEL_FORMATS if program else pixel_formats(),
    )
    target = _target(Path(output), pictures)
    heard = has_sound(pictures)
    with progress("looking", pictures.stated_count()) as advance:
        survey = survey_pictures(pictures, advance)
    ladder = plan_ladder(survey.rate, lower, gop=settings.gop)
    planned = plan_quality(quality, ladder, lower)
    ladder_settings(ladder, planned, settings)  # refuses before there is anything to clear away
    job = Job(
        pictures=pictures,
        survey=survey,
        ladder=ladder,
        quality=planned,
        settings=settings,
        program=program,
        multi_track=multi_track,
        keep_sound=heard and audio,
        progress=progress,
    )
    with workshop(target) as folder:
        made, rates = run_job(job, folder)
        size_bytes = made.stat().st_size
        made.replace(target)
    return TranscodeReport(
        path=os.fspath(output),
        encoder=program or "libx264",
        frames=survey.count,
        width=survey.width,
        height=survey.height,
        bytes=size_bytes,
        sound="kept" if job.keep_sound else "dropped" if heard else "none",
        rates=rates,
    )


def _check_size(size: tuple[int, int] | None) -> tuple[int, int] | None:
    if size is not None and not all(2 <= side <= _MOST_PIXELS for side in size):
        raise ConfigError(f"size {size!r}: expected sides from 2 to {_MOST_PIXELS}")
    return size


def _target(output: Path, pictures: PictureSource) -> Path:
    """Where the file goes, links followed."""
    target = output.resolve()
    if target.exists() and not target.is_file():
        raise UnsupportedError(f"{str(output)!r} is no file that could be replaced")
    source = pictures.source
    if not isinstance(source, bytes) and target.exists():
        origin = Path(source)
        if origin.exists() and origin.samefile(target):
            raise UnsupportedError(f"{str(output)!r}: it is the file that is read")
    return target
