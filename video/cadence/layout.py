"""The file: moov, then the samples of the lowest rate, then those that each next rate adds.

A lower rate is the beginning of mdat, and reading it takes one request. Sound comes last, so
that it stands in no rate's way.

Dropping the references of a higher rate leaves gaps in frame_num. No picture that remains
refers into them, and the SPS says that they may be there (7.4.2.1.1,
gaps_in_frame_num_value_allowed_flag): the lower rate is a conformant stream as it is.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import BinaryIO

import numpy as np

from ...errors import UnsupportedError
from ..h264.nal import NAL_ACCESS_UNIT_DELIMITER, NAL_PPS, NAL_SPS, split_annexb
from ..h264.sps import build_sps, parse_sps
from ..index.frames import FrameIndex, Int64s, ParameterSets, SampleFlag
from ..mp4.entries import build_avc_entry
from ..mp4.headers import Edit
from ..mp4.write import TrackSpec, build_mp4
from ..plan.parameter_sets import extradata
from ..source import ByteRange, Reader
from ..timing import Timebase, rescale
from .ladder import Ladder
from .survey import Colours, Survey
from .tracks import CodedFrames, rate_track

_LENGTH_SIZE = 4
_UNSPECIFIED = 2
_IN_THE_ENTRY = frozenset((NAL_SPS, NAL_PPS, NAL_ACCESS_UNIT_DELIMITER))


@dataclass(frozen=True, slots=True, eq=False)
class Sound:
    """A track of sound to go along."""

    track: TrackSpec
    """Its tables; where its samples lie is decided here."""
    reader: Reader
    """The file that has them."""
    offsets: Int64s
    """Where each begins in that file."""
    primed_ticks: int
    """How much of it only warms a decoder up."""


def write_layered(
    stream: Reader,
    index: FrameIndex,
    ladder: Ladder,
    survey: Survey,
    output: BinaryIO,
    *,
    multi_track: bool = False,
    sound: Sound | None = None,
) -> None:
    """Write an Annex B stream as an MP4 file whose lower rates are prefixes.

    Args:
        stream: The coded pictures.
        index: Their index.
        ladder: The rates.
        survey: What the pictures are.
        output: Where the file goes.
        multi_track: A track for each lower rate too, falling.
        sound: A last track.

    Raises:
        UnsupportedError: Parameter sets change midway, or a number does not fit its field.
    """
    shown = np.empty(index.sample_count, np.int64)
    shown[index.frame_sample] = np.arange(index.frame_count)
    order = layered_order(ladder, shown)
    sizes = np.array([len(data) for data in _samples(stream, index)], np.int64)
    positions = np.empty(len(order), np.int64)
    positions[order] = np.cumsum(sizes[order]) - sizes[order]
    clip = CodedFrames(
        shown=shown,
        sizes=sizes,
        positions=positions,
        sync=(index.flags & SampleFlag.IDR) != 0,
        entry=_entry(index, survey, with_gaps=ladder.pyramid),
        rate=ladder.rate,
        width=float(survey.width * survey.pixel_aspect),
        height=survey.height,
    )
    steps = (1, *ladder.steps) if multi_track else (1,)
    tracks = [rate_track(clip, step, enabled=step == 1) for step in steps]
    if sound is not None:
        tracks.append(_placed(sound, int(sizes.sum()), tracks[0]))
    layout = build_mp4(tracks, timescale=tracks[0].timescale)
    output.write(layout.head)
    output.write(layout.mdat_header)
    for data in _samples(stream, index, order):
        output.write(data)
    if sound is not None:
        for start, size in zip(sound.offsets.tolist(), sound.track.sizes.tolist(), strict=True):
            output.write(sound.reader.read([ByteRange(start, start + size)])[0])


def layered_order(ladder: Ladder, shown: Int64s) -> Int64s:
    """The samples as they are to lie: rate by rate, and each rate's own in decode order.

    Args:
        ladder: The rates.
        shown: The frame that each sample shows; decode order.
    """
    layer = np.full(len(shown), len(ladder.steps))
    for number, step in enumerate(ladder.steps):
        layer[shown % step == 0] = len(ladder.steps) - 1 - number
    return np.argsort(layer, kind="stable")


def _samples(stream: Reader, index: FrameIndex, order: Int64s | None = None) -> Iterator[bytes]:
    """Samples as an MP4 has them: lengths before NAL units, parameter sets in the entry."""
    offsets, ends = index.offset.tolist(), (index.offset + index.size).tolist()
    for sample in range(len(offsets)) if order is None else order.tolist():
        unit = stream.read([ByteRange(offsets[sample], ends[sample])])[0]
        yield b"".join(
            (end - begin).to_bytes(_LENGTH_SIZE) + bytes(unit[begin:end])
            for begin, end in split_annexb(unit)
            if unit[begin] & 31 not in _IN_THE_ENTRY
        )


def _entry(index: FrameIndex, survey: Survey, *, with_gaps: bool) -> bytes:
    if len(index.parameter_sets) != 1:
        raise UnsupportedError(
            f"the encoder changed its parameter sets at sample "
            f"{index.parameter_sets[1].first_sample}: a ladder has one set"
        )
    sets = index.parameter_sets[0]
    if with_gaps:
        sets = _with_gaps(sets)
    aspect = survey.pixel_aspect
    return build_avc_entry(
        extradata(sets, _LENGTH_SIZE),
        width=survey.width,
        height=survey.height,
        pixel_aspect=None if aspect == 1 else (aspect.numerator, aspect.denominator),
        colour=_colour(survey.colours),
    )


def _with_gaps(sets: ParameterSets) -> ParameterSets:
    allowing = (
        replace(parse_sps(nal), gaps_in_frame_num_value_allowed_flag=True) for nal in sets.sps
    )
    return replace(sets, sps=tuple(map(build_sps, allowing)))


def _colour(colours: Colours) -> tuple[int, int, int, bool] | None:
    codes = (colours.primaries, colours.transfer, colours.matrix)
    if set(codes) == {_UNSPECIFIED} and not colours.full_range:
        return None
    return (*codes, colours.full_range)


def _placed(sound: Sound, start: int, pictures: TrackSpec) -> TrackSpec:
    """The track of sound behind the pictures in the file, and no longer than they are."""
    track = sound.track
    heard = rescale(
        int(track.durations_ticks.sum()) - sound.primed_ticks,
        Timebase(1, track.timescale),
        Timebase(1, pictures.timescale),
        "floor",
    )
    length = min(heard, pictures.edits[0].duration_ticks)
    return replace(
        track,
        positions=start + np.cumsum(track.sizes) - track.sizes,
        edits=(Edit(duration_ticks=length, media_time_ticks=sound.primed_ticks),),
    )
