"""Small H.264 clips made on the spot with libx264: what `marey demo` shows and tests decode.

Every clip has a reason to be: one thing that real files do and that a reader can get wrong.
Encoding uses one thread and a fixed scene: a recipe gives the same bytes on every run of one
PyAV.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from io import BytesIO
from itertools import accumulate, cycle, islice
from types import MappingProxyType
from typing import Literal

import av
import numpy as np
from av.codec.context import Flags
from av.container import OutputContainer
from av.video.frame import PictureType
from av.video.stream import VideoStream

from .synthetic import Picture, moving_pictures, woven

PixelFormat = Literal[
    "yuv420p",
    "yuvj420p",
    "yuv422p",
    "yuv444p",
    "yuv420p10le",
    "yuv422p10le",
    "yuv444p10le",
    "gray",
    "gray10le",
]
"""What the bundled libx264 encodes."""

_TICKS_A_SECOND = 600
"""Timebase of clips of variable frame rate: divides by every usual rate."""


@dataclass(frozen=True, slots=True)
class ClipRecipe:
    """How a clip is made, and why there is one like it."""

    reason: str
    """What it exercises, for people."""
    width: int = 160
    """Visible columns."""
    height: int = 96
    """Visible rows."""
    frames: int = 48
    """Pictures encoded; an edit list may hide some."""
    rate: int = 25
    """Frames a second, where `durations` does not say otherwise."""
    pixel_format: PixelFormat = "yuv420p"
    """Chroma format and bit depth."""
    x264: str = ""
    """Options for libx264, `name=value` joined by colons."""
    preset: str = "medium"
    """The x264 preset under them."""
    container: Literal["mp4", "mov", "h264"] = "mp4"
    """The muxer; `h264` is a raw Annex B stream."""
    tag: Literal["avc1", "avc3"] = "avc1"
    """The sample entry: parameter sets in it, or in the samples as well."""
    mux: Mapping[str, str] = field(default_factory=dict)
    """Options for the muxer."""
    durations: tuple[int, ...] = ()
    """Frame durations in 1/600 s, repeated to the end: variable frame rate."""
    shift: int = 0
    """Frames by which presentation moves: those before 0 are hidden by an edit list, a gap
    after 0 is an empty edit."""
    interlaced: bool = False
    """Pictures are woven from two moments."""
    audio: bool = False
    """A sound track lies between the pictures (`mov` only)."""
    seed: int = 0
    """Another seed, another scene."""
    then: ClipRecipe | None = None
    """A clip whose bytes follow, for raw streams."""


_FRAGMENTED = {"movflags": "frag_keyframe+empty_moov+default_base_moof"}
_RAW = ":keyint=12:scenecut=0"

RECIPES: Mapping[str, ClipRecipe] = MappingProxyType(
    {
        "default": ClipRecipe("x264 as it comes: B-frames, weighted prediction, moov last"),
        "closed_gops": ClipRecipe(
            "several closed GOPs", x264="keyint=12:min-keyint=12:scenecut=0"
        ),
        "pyramid_strict": ClipRecipe(
            "B-frames that refer to B-frames, closed",
            x264="bframes=3:b-pyramid=strict:b-adapt=0",
        ),
        "pyramid_normal": ClipRecipe(
            "kept B-frames, dropped by MMCO", x264="bframes=5:b-pyramid=normal:b-adapt=0:ref=4"
        ),
        "open_gop": ClipRecipe(
            "recovery points, leading pictures that reach over them",
            x264="open-gop=1:keyint=12:min-keyint=12:scenecut=0:bframes=3:b-adapt=0",
        ),
        "intra_refresh": ClipRecipe(
            "one IDR picture, then columns of intra blocks", x264="intra-refresh=1:keyint=12"
        ),
        "mbaff": ClipRecipe(
            "frames whose macroblocks may be fields", x264="tff=1:keyint=24", interlaced=True
        ),
        "slices": ClipRecipe("four slices a picture", x264="slices=4:keyint=24"),
        "baseline": ClipRecipe(
            "CAVLC, no B-frames, several references",
            x264="ref=3:keyint=24:no-8x8dct=1:weightp=0:cabac=0:bframes=0",
        ),
        "cavlc_b": ClipRecipe("CAVLC with B-frames", x264="cabac=0:keyint=24"),
        "zero_latency": ClipRecipe(
            "display order is decode order", x264="bframes=0:rc-lookahead=0:sync-lookahead=0"
        ),
        "many_references": ClipRecipe(
            "eight references", x264="ref=8:bframes=3:keyint=48", preset="veryslow"
        ),
        "temporal_direct": ClipRecipe(
            "vectors taken from the colocated picture",
            x264="direct=temporal:bframes=4:b-adapt=0",
        ),
        "weighted": ClipRecipe(
            "explicit and implicit weights, duplicate references",
            x264="weightp=2:weightb=1:bframes=2:ref=4",
        ),
        "variable_rate": ClipRecipe(
            "frames that stand for different times", durations=(20, 30, 24, 60, 20, 12)
        ),
        "edit_list": ClipRecipe(
            "pre-roll hidden by an edit list, as a stream-copied cut has it",
            shift=-7,
            mux={"avoid_negative_ts": "disabled"},
        ),
        "empty_edit": ClipRecipe("presentation starts late", shift=5),
        "fragmented": ClipRecipe(
            "movie fragments", mux=_FRAGMENTED, x264="keyint=12:scenecut=0"
        ),
        "moov_first": ClipRecipe("moov before mdat", mux={"moov_size": "4096"}),
        "quicktime": ClipRecipe(
            "MOV, with sound between the pictures", container="mov", audio=True
        ),
        "avc3": ClipRecipe(
            "parameter sets in the samples", tag="avc3", x264="repeat-headers=1:keyint=12"
        ),
        "raw": ClipRecipe("Annex B, no container", container="h264", x264="aud=1" + _RAW),
        "raw_resized": ClipRecipe(
            "the picture size changes midway",
            container="h264",
            frames=24,
            x264="aud=1" + _RAW,
            then=ClipRecipe(
                "its second half",
                width=128,
                height=80,
                frames=24,
                container="h264",
                x264="aud=1" + _RAW,
                seed=1,
            ),
        ),
        "cropped": ClipRecipe("a size that is no multiple of 16", width=162, height=98),
        "cropped_odd": ClipRecipe(
            "odd width and height", width=161, height=97, pixel_format="yuv444p", frames=24
        ),
        "chroma_422": ClipRecipe("4:2:2", pixel_format="yuv422p", frames=24),
        "chroma_444": ClipRecipe("4:4:4", pixel_format="yuv444p", frames=24),
        "monochrome": ClipRecipe("no chroma", pixel_format="gray", frames=24),
        "ten_bits": ClipRecipe("10 bits a sample", pixel_format="yuv420p10le", frames=24),
        "ten_bits_422": ClipRecipe("10 bits, 4:2:2", pixel_format="yuv422p10le", frames=24),
        "ten_bits_444": ClipRecipe("10 bits, 4:4:4", pixel_format="yuv444p10le", frames=24),
        "ten_bits_monochrome": ClipRecipe(
            "10 bits, no chroma", pixel_format="gray10le", frames=24
        ),
        "full_range_709": ClipRecipe(
            "full range, BT.709, both stated in the stream",
            pixel_format="yuvj420p",
            x264="colormatrix=bt709:colorprim=bt709:transfer=bt709",
            frames=24,
        ),
        "limited_709": ClipRecipe(
            "BT.709 stated in the stream", x264="colormatrix=bt709:range=tv", frames=24
        ),
    }
)
"""The clips that tests share, by name."""


def make_clip(recipe: ClipRecipe) -> bytes:
    """Encode a clip; the whole file, in memory.

    >>> data = make_clip(ClipRecipe("an example", frames=2))
    >>> data[4:8]
    b'ftyp'
    """
    file = BytesIO()
    options = dict(recipe.mux)
    with av.open(file, "w", format=recipe.container, options=options) as container:
        video = _video_stream(container, recipe)
        sound = (
            container.add_stream("pcm_s16le", rate=8000, layout="mono")
            if recipe.audio
            else None
        )
        for number, frame in enumerate(_frames(recipe)):
            _mux(container, video, video.encode(frame), recipe)
            if sound is not None:
                container.mux(sound.encode(_tone(number, 8000 // recipe.rate)))
        _mux(container, video, video.encode(None), recipe)
        if sound is not None:
            container.mux(sound.encode(None))
    data = file.getvalue()
    return data + make_clip(recipe.then) if recipe.then is not None else data


def _video_stream(container: OutputContainer, recipe: ClipRecipe) -> VideoStream:
    stream = container.add_stream("libx264", rate=recipe.rate)
    stream.width, stream.height = recipe.width, recipe.height
    stream.pix_fmt = recipe.pixel_format
    timebase = Fraction(1, _TICKS_A_SECOND if recipe.durations else recipe.rate)
    stream.time_base = timebase
    encoder = stream.codec_context
    encoder.time_base = timebase
    encoder.thread_count = 1
    if recipe.tag == "avc3":
        encoder.codec_tag = "avc3"
        encoder.flags &= ~Flags.global_header
    fixed = "threads=1:lookahead-threads=1"
    encoder.options = {
        "preset": recipe.preset,
        "crf": "28",
        "x264-params": f"{recipe.x264}:{fixed}" if recipe.x264 else fixed,
    }
    return stream


def _frames(recipe: ClipRecipe) -> Iterator[av.VideoFrame]:
    count = recipe.frames * (2 if recipe.interlaced else 1)
    pictures = moving_pictures(recipe.width, recipe.height, count, seed=recipe.seed)
    if recipe.interlaced:
        pictures = woven(pictures)
    durations = islice(cycle(recipe.durations or (1,)), recipe.frames - 1)
    for picture, pts in zip(pictures, accumulate(durations, initial=0), strict=True):
        frame = _to_frame(picture, recipe.pixel_format)
        frame.pts = pts
        # The encoder obeys a type that is set: leave the choice to x264.
        frame.pict_type = PictureType.NONE
        yield frame


def _to_frame(picture: Picture, pixel_format: PixelFormat) -> av.VideoFrame:
    height, width = picture.shape[1:]
    frame = av.VideoFrame(width, height, pixel_format)
    deep = pixel_format.endswith("10le")
    for source, plane in zip(picture, frame.planes, strict=False):
        # Chroma is taken at every second column and row; 4:4:4 and luma take all.
        across, down = -(-width // plane.width), -(-height // plane.height)
        rows = source[::down, ::across].astype("<u2" if deep else np.uint8)
        if deep:
            rows = rows << 2 | rows & 3
        padded = np.zeros((plane.height, plane.line_size // rows.itemsize), rows.dtype)
        padded[:, : plane.width] = rows
        plane.update(padded.tobytes())
    return frame


def _mux(
    container: OutputContainer,
    stream: VideoStream,
    packets: Iterable[av.Packet[VideoStream]],
    recipe: ClipRecipe,
) -> None:
    for packet in packets:
        if packet.pts is not None and packet.dts is not None:
            packet.pts += recipe.shift
            packet.dts += recipe.shift
        container.mux(packet)


def _tone(number: int, samples: int) -> av.AudioFrame:
    time = np.arange(number * samples, (number + 1) * samples)
    wave = (time * 440 // 8 % 2000 - 1000).astype(np.int16)
    frame = av.AudioFrame.from_ndarray(wave[None], format="s16", layout="mono")
    frame.sample_rate = 8000
    frame.pts = number * samples
    return frame


@dataclass(frozen=True, slots=True)
class SampleClip:
    """A clip to show, with something to ask for it by."""

    name: str
    """Unique in its set."""
    label: str
    """A category; several clips share one."""
    data: bytes
    """The MP4 file."""


_SAMPLE_LABELS = ("kitchen", "street", "garden")
_SAMPLE_ENCODES = ("", "keyint=50", "bframes=5:b-pyramid=strict", "open-gop=1:keyint=25")


def sample_clips(count: int = 6, *, seconds: float = 3.0) -> Iterator[SampleClip]:
    """Clips of 640x360 for a demonstration, each of another scene and encoded in another way.

    >>> [clip.label for clip in sample_clips(2, seconds=0.1)]
    ['kitchen', 'street']
    """
    for number in range(count):
        label = _SAMPLE_LABELS[number % len(_SAMPLE_LABELS)]
        recipe = ClipRecipe(
            "a sample to show",
            width=640,
            height=360,
            frames=max(1, round(seconds * 25)),
            x264=_SAMPLE_ENCODES[number % len(_SAMPLE_ENCODES)],
            preset="superfast",
            seed=number,
        )
        yield SampleClip(f"{label}_{number}", label, make_clip(recipe))
