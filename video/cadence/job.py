"""One transcode, step by step, in a folder of its own: nothing of it is left there at the end.

encode ─▶ stream.h264 ─▶ index, prove ─▶ made.mp4 ─▶ index, prove ─▶ measure
"""

from __future__ import annotations

import mmap
import shutil
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import mkdtemp

from ...errors import MareyError
from ..index.build import build_frame_index
from ..source import BytesReader, FileReader
from .ladder import Ladder
from .layout import write_layered
from .libx264 import encode_with_libx264
from .measure import RateReport, measure_rates
from .pictures import PictureSource
from .process import encode_with_program
from .proof import prove_ladder, prove_stream
from .quality import PictureCoding, Quality, code_pictures
from .settings import EncoderSettings, ladder_settings
from .sound import encode_sound, read_sound
from .survey import Advance, Survey

Progress = Callable[[str, int | None], AbstractContextManager[Advance]]
"""Makes a display for a stage of the work: its name, and how many pictures there are,
where that is known."""


@dataclass(frozen=True, slots=True)
class Job:
    """All that is decided before the first picture is encoded."""

    pictures: PictureSource
    """The source."""
    survey: Survey
    """What is in it."""
    ladder: Ladder
    """The rates."""
    quality: Quality
    """How good they are to be."""
    settings: EncoderSettings
    """What else the encoder is told."""
    program: str | None
    """The program that encodes; None: libx264 of PyAV."""
    multi_track: bool
    """A track for each rate."""
    keep_sound: bool
    """There is sound, and it goes along."""
    progress: Progress
    """Shows how far each stage is."""


def run_job(job: Job, folder: Path) -> tuple[Path, tuple[RateReport, ...]]:
    """Make the file in a folder: its path, and what each rate of it costs.

    Raises:
        UnsupportedError: The encoder refuses, or did not do as it was told.
        CorruptVideoError: The source cannot be decoded.
        OSError: The disk is full.
    """
    stream, made = folder / "stream.h264", folder / "made.mp4"
    coding = code_pictures(job.ladder, job.quality, job.survey.count)
    with job.progress("encoding", job.survey.count) as advance:
        _encode(job, coding, stream, advance)
    if job.keep_sound:
        encode_sound(job.pictures, job.survey, folder / "sound.mp4")
    _lay_out(job, coding, stream, made)
    stream.unlink()
    with FileReader(made) as reader:
        index = build_frame_index(reader).index
    prove_ladder(index, job.ladder, job.survey)
    with job.progress("comparing", job.survey.count) as advance:
        return made, measure_rates(made, index, job.ladder, job.pictures, advance)


def _encode(job: Job, coding: PictureCoding, stream: Path, advance: Advance) -> None:
    frames = job.pictures.frames()
    parameters = ladder_settings(job.ladder, job.quality, job.settings)
    told = (job.survey, coding, job.quality, job.settings, parameters)
    if job.program is not None:
        encode_with_program(job.program, frames, *told, stream, advance)
        return
    with stream.open("wb") as file:
        encode_with_libx264(frames, *told, file, advance)


def _lay_out(job: Job, coding: PictureCoding, stream: Path, made: Path) -> None:
    sound = read_sound(stream.with_name("sound.mp4")) if job.keep_sound else None
    with _mapped(stream) as reader, made.open("wb") as file:
        index = build_frame_index(reader).index
        prove_stream(reader, index, job.survey, coding)
        write_layered(
            reader,
            index,
            job.ladder,
            job.survey,
            file,
            multi_track=job.multi_track,
            sound=sound,
        )


@contextmanager
def _mapped(path: Path) -> Iterator[BytesReader]:
    """A file as bytes in memory that the system may take back: streams can be large."""
    with path.open("rb") as file:
        empty = not file.seek(0, 2)
        yield BytesReader(
            b"" if empty else memoryview(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ))
        )


@contextmanager
def workshop(target: Path) -> Iterator[Path]:
    """A hidden folder beside a file that is to be, gone with all in it afterwards.

    Raises:
        OSError: The disk is full, for one; it names the file that is to be.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    folder = Path(mkdtemp(prefix=f".{target.name[:64]}.", dir=target.parent))
    try:
        yield folder
    except OSError as error:
        if isinstance(error, MareyError) or error.filename is not None:
            raise
        raise OSError(error.errno, error.strerror or str(error), str(target)) from error
    finally:
        shutil.rmtree(folder, ignore_errors=True)
