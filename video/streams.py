"""Which coded stream of a file is read, and where its samples lie: containers end here.

Whatever comes after sees one `CodedTrack`: samples in decode order with their bytes' places,
the packets that a player would hand to a decoder, and when each of them is shown.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ..errors import CorruptVideoError, UnsupportedError
from .h264.avcc import AvcConfig, parse_avcc
from .h264.nal import NAL_SPS
from .index.frames import Display, Int64s
from .mp4.edits import present
from .mp4.headers import IDENTITY_MATRIX, combine
from .mp4.locate import is_mp4
from .mp4.movie import Movie, Track, read_movie
from .source import ByteRange, Reader
from .timing import Timebase

# What an Annex B stream without timing in its VUI is played at, as libavformat does.
DEFAULT_FRAME_RATE = (25, 1)
_SNIFF_BYTES = 4096
_VIDEO = ("vide",)
_INT64_MAX = (1 << 63) - 1
_FOREIGN = (
    (b"\x1a\x45\xdf\xa3", "Matroska or WebM"),
    (b"RIFF", "AVI or another RIFF file"),
    (b"FLV", "Flash video"),
    (b"\x00\x00\x01\xba", "an MPEG program stream"),
    (b"OggS", "Ogg"),
    (b"\x30\x26\xb2\x75", "ASF or WMV"),
    (b"GIF8", "a GIF image"),
    (b"\x89PNG", "a PNG image"),
    (b"\xff\xd8\xff", "a JPEG image"),
    # NAL unit headers of H.265 have two bytes: a video parameter set, an access unit delimiter.
    (b"\x00\x00\x00\x01\x40\x01", "an H.265 stream"),
    (b"\x00\x00\x01\x40\x01", "an H.265 stream"),
    (b"\x00\x00\x00\x01\x46\x01", "an H.265 stream"),
    (b"\x00\x00\x01\x46\x01", "an H.265 stream"),
)
_MPEG_TS_PACKET = 188
_BLOCK = 4096
# Read for samples that lie apart: bytes in all, and times the bytes of the samples.
_FREE_GAP = 1 << 18
_MOST_GAPS = 16
# Still pictures may share their bytes; nothing shares them more often than this.
_MOST_SHARED = 4


@dataclass(frozen=True, slots=True)
class CodedTrack:
    """The samples of one H.264 stream, whatever container they lie in."""

    offset: Int64s
    """`[n]` first byte of each sample, decode order."""
    size: Int64s
    """`[n]` bytes of each sample."""
    description: npt.NDArray[np.int32]
    """`[n]` which of `configs` holds for each sample."""
    configs: tuple[AvcConfig, ...]
    """Decoder configurations, one a sample description."""
    nal_length_size: int
    """Bytes of length before each NAL unit."""
    packet_sample: Int64s
    """`[p]` the samples as a player decodes them: edits may leave some out or repeat some."""
    pts_ticks: Int64s
    """`[p]` presentation time of each packet, after edit lists."""
    discard: npt.NDArray[np.bool_]
    """`[p]` decoded, but hidden by an edit list."""
    duration_ticks: Int64s
    """`[n]` how long each sample lasts as the container states it; 0 where it does not."""
    timebase: Timebase
    """Seconds a tick."""
    picture_size: tuple[int, int] | None
    """Width and height that the container states, in luma samples."""
    colour: tuple[int, int, int, bool] | None
    """Primaries, transfer, matrix (ITU-T H.273) and full range from the container, where it
    says."""
    display: Display | None
    """How the container says that pictures are shown; None: as they are coded."""


def sniff_container(reader: Reader) -> str:
    """`mp4` or `annexb`, from the first bytes.

    Raises:
        UnsupportedError: A container that Marey does not read, by name.
        CorruptVideoError: Nothing that looks like a video.
    """
    head = bytes(reader.read([ByteRange(0, min(_SNIFF_BYTES, reader.size))])[0])
    if is_mp4(head):
        return "mp4"
    for magic, name in _FOREIGN:
        if head.startswith(magic):
            raise UnsupportedError(
                f"{name} (first bytes {head[:4].hex(' ')}): "
                "a source must be MP4, MOV, 3GP or an Annex B H.264 stream"
            )
    if head[:1] == b"G" and head[_MPEG_TS_PACKET : _MPEG_TS_PACKET + 1] == b"G":
        raise UnsupportedError(
            "an MPEG transport stream: "
            "a source must be MP4, MOV, 3GP or an Annex B H.264 stream"
        )
    if _starts_with_nal(head):
        return "annexb"
    raise CorruptVideoError(
        f"not a video: {reader.size} bytes that begin with {head[:16]!r}; "
        "expected an MP4 box or an H.264 start code"
    )


def _starts_with_nal(head: bytes) -> bool:
    """Whether a NAL unit begins the bytes, or a parameter set comes soon after something else.

    Zero bytes may stand before the first start code (B.1.1, leading_zero_8bits); recordings
    with a few lines of text before the stream exist, and FFmpeg reads them.
    """
    start = head.find(b"\x00\x00\x01")
    if start < 0 or start + 3 >= len(head):
        return False
    forbidden_zero_bit, nal_unit_type = head[start + 3] >> 7, head[start + 3] & 31
    if not head[:start].strip(b"\x00"):
        return not forbidden_zero_bit and 1 <= nal_unit_type <= 23
    return any(bytes((0, 0, 1, ref_idc << 5 | NAL_SPS)) in head for ref_idc in (1, 2, 3))


def read_mp4_track(reader: Reader) -> CodedTrack:
    """The first H.264 video track of an MP4, MOV or 3GP file.

    Raises:
        BoxError: The file's structure is damaged.
        UnsupportedError: There is no H.264 track, or it is encrypted; the message says what
            there is.
    """
    movie = read_movie(reader, handlers=_VIDEO)
    track = choose_track(movie)
    samples = track.samples
    configs = _configs(track)
    packets = present(track, movie.timescale)
    _check_within(samples.offset, samples.size, reader.size)
    return CodedTrack(
        offset=samples.offset,
        size=samples.size,
        description=samples.description,
        configs=configs,
        nal_length_size=configs[0].length_size,
        packet_sample=packets.sample,
        pts_ticks=packets.pts_ticks,
        discard=packets.discard,
        duration_ticks=_durations(track),
        timebase=Timebase(1, track.timescale),
        picture_size=(track.descriptions[0].width, track.descriptions[0].height),
        colour=_container_colour(track),
        display=_display(track, movie),
    )


def _check_within(offset: Int64s, size: Int64s, source_bytes: int) -> None:
    outside = np.flatnonzero((offset < 0) | (size < 0) | (offset + size > source_bytes))
    if len(outside):
        first = int(outside[0])
        raise CorruptVideoError(
            f"truncated: sample {first} of {len(size)} lies at bytes {int(offset[first])} to "
            f"{int(offset[first] + size[first])}, the source has {source_bytes}"
        )
    total = int(size.sum())
    if total > _MOST_SHARED * source_bytes:
        raise UnsupportedError(
            f"{len(size)} samples share their bytes: they are {total} bytes long together, "
            f"the source has {source_bytes}"
        )


def choose_track(movie: Movie) -> Track:
    """The first video track that is H.264 and in the clear.

    Raises:
        UnsupportedError: None is; the message lists the tracks.
    """
    videos = [t for t in movie.tracks if t.handler == "vide"]
    for track in videos:
        if track.is_h264 and not any(d.protection for d in track.descriptions):
            return track
    if not movie.tracks:
        raise CorruptVideoError("no track: the file's moov box lists none")
    if not videos:
        kinds = ", ".join(sorted({repr(t.handler) for t in movie.tracks}))
        raise UnsupportedError(f"no video track: the file has tracks of kind {kinds} only")
    track = videos[0]
    protected = [d for d in track.descriptions if d.protection]
    if protected:
        raise UnsupportedError(
            f"track {track.track_id} is encrypted (scheme {protected[0].protection!r})"
        )
    codecs = ", ".join(sorted({d.codec for d in track.descriptions})) or "no sample description"
    raise UnsupportedError(f"video track {track.track_id} holds {codecs}; expected H.264")


def _configs(track: Track) -> tuple[AvcConfig, ...]:
    configs = []
    for number, description in enumerate(track.descriptions):
        if description.avcc is None:
            raise UnsupportedError(
                f"sample description {number} of track {track.track_id} is "
                f"{description.format!r} without an avcC box"
            )
        configs.append(parse_avcc(description.avcc))
    sizes = {c.length_size for c in configs}
    if len(sizes) > 1:
        raise UnsupportedError(
            f"sample descriptions of track {track.track_id} disagree on NAL length sizes "
            f"{sizes}"
        )
    return tuple(configs)


def _durations(track: Track) -> Int64s:
    stated = track.samples.duration_ticks
    if len(stated) == 1 and not stated[0]:
        return np.array([min(track.duration_ticks, _INT64_MAX)], np.int64)
    return stated


def _container_colour(track: Track) -> tuple[int, int, int, bool] | None:
    return next((d.colour for d in track.descriptions if d.colour), None)


def _display(track: Track, movie: Movie) -> Display | None:
    matrix = combine(track.matrix, movie.matrix)
    boxes = next((d.display_boxes for d in track.descriptions if d.display_boxes), b"")
    first = track.descriptions[0]
    coded = (track.width, track.height) in ((0, 0), (first.width, first.height))
    if matrix == IDENTITY_MATRIX and coded and not boxes:
        return None
    return Display(matrix, track.width, track.height, boxes)


def annexb_timing(frame_rate: tuple[int, int] | None) -> Timebase:
    """One tick a frame at the given rate, or at the default one."""
    numerator, denominator = frame_rate or DEFAULT_FRAME_RATE
    return Timebase(denominator, numerator)


def window_ranges(offset: Int64s, size: Int64s, window_bytes: int) -> Iterator[tuple[int, int]]:
    """Cut samples into stretches to read at once: `(first, end)` sample numbers.

    A stretch spans at most `window_bytes` of the file, or is a single sample, and runs forward
    in it. What lies between its samples is read too, so that must not be much beside them.
    """
    first, low, high, needed = 0, 0, 0, 0
    for block in range(0, len(offset), _BLOCK):
        places = zip(
            offset[block : block + _BLOCK].tolist(),
            size[block : block + _BLOCK].tolist(),
            strict=True,
        )
        for i, (at, length) in enumerate(places, block):
            if i > first and at >= low:
                end = max(high, at + length)
                most = min(window_bytes, _FREE_GAP + _MOST_GAPS * (needed + length))
                if end - low <= most:
                    high, needed = end, needed + length
                    continue
            if i > first:
                yield first, i
            first, low, high, needed = i, at, at + length, length
    if len(offset):
        yield first, len(offset)
