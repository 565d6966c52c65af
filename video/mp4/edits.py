"""Edit lists: which samples a player decodes, which of them it shows, and when (8.6.6).

This computes the packets that libavformat's mov demuxer (FFmpeg 8.1) hands out, whatever one
might read into the standard: FFmpeg is what everything else is compared with. Three cases:

* A whole edit list is followed: see `cuts`.
* In a fragmented file, or after a track that states no times, only its beginning counts: the
  pause that opens it is added to every time, the start of its first edit is taken off.
* It is left aside where chunks hold more samples than there are sizes for.

Rates other than 1 count as 1. Negative composition offsets move decoding times down, so that no
sample is decoded after it is shown; presentation times stay what they are.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ...errors import UnsupportedError
from .cuts import Entries, cut, time_offset_ticks
from .movie import Track
from .samples import Bools
from .tables import Int64s


@dataclass(frozen=True, slots=True, eq=False)
class Presentation:
    """The packets of one track as a player decodes them, in decode order."""

    sample: Int64s
    """Which sample it is; several edits can bring one sample several times."""
    pts_ticks: Int64s
    """When it is shown, in the track's timescale."""
    dts_ticks: Int64s
    """When it is decoded."""
    discard: Bools
    """Decoded for others, never shown."""
    start_ticks: int
    """When the track begins to show: after the pauses that open its edit list."""

    def __len__(self) -> int:
        return len(self.sample)

    def __repr__(self) -> str:
        return f"<Presentation: {len(self)} packets, {int(self.discard.sum())} discarded>"


def present(track: Track, movie_timescale: int) -> Presentation:
    """The packets of a video track after its edit list.

    Raises:
        BoxError: Edits lead out of the range of times.
        UnsupportedError: Edits repeat samples beyond measure, or hide all that is in moov of a
            file that goes on in fragments.
    """
    samples = track.samples
    packets, start = _packets_of_moov(track, movie_timescale)
    if len(samples) > samples.in_moov:
        packets = _with_fragments(packets, track, movie_timescale)
    pts = packets.dts.copy()
    if samples.composed:
        timed = len(packets.offset)
        pts[:timed] += samples.shift_ticks[packets.sample[:timed]] + packets.offset
    if start is None:
        start = int(pts[0]) if len(pts) else 0
    return Presentation(packets.sample, pts, packets.dts, packets.discard, start)


@dataclass(frozen=True, slots=True, eq=False)
class _Packets:
    """Packets before composition."""

    sample: Int64s
    dts: Int64s
    offset: Int64s
    """Composition offsets, of the first packets only where the file has too few."""
    discard: Bools


def _packets_of_moov(track: Track, movie_timescale: int) -> tuple[_Packets, int | None]:
    """The packets of samples that moov describes, and when the track begins to show."""
    samples = track.samples
    sample = np.arange(samples.in_moov)
    if track.only_description is not None:
        sample = sample[samples.description[: samples.in_moov] == track.only_description]
    if not len(sample):
        return _Packets(sample, sample, sample, np.empty(0, np.bool_)), None
    dts = samples.dts_ticks[sample] - samples.moov_shift_ticks
    # libavformat counts composition offsets by packet, not by sample.
    offset = samples.composition_offset_ticks[: min(samples.timed, len(sample))]
    if track.edits and track.edits_cut and not samples.overfull:
        entries = Entries(
            dts=dts,
            offset=offset,
            sync=samples.sync[sample],
            composed=samples.composed,
            shift=samples.moov_shift_ticks,
        )
        whole = cut(
            entries, track.edits, timescale=track.timescale, movie_timescale=movie_timescale
        )
        packets = _Packets(sample[whole.entry], whole.dts, whole.offset, whole.discard)
        return packets, whole.pauses_ticks
    if not track.edits_cut:
        dts = dts - time_offset_ticks(track.edits, track.timescale, movie_timescale)
    start = int(dts[0])
    if samples.composed and len(offset):
        start += samples.moov_shift_ticks + int(offset[0])
    return _Packets(sample, dts, offset, np.zeros(len(sample), np.bool_)), start


def _with_fragments(packets: _Packets, track: Track, movie_timescale: int) -> _Packets:
    """The packets of moov, and after them those of the fragments."""
    samples = track.samples
    if packets.discard.all() and bool(np.any(np.diff(packets.dts) == 0)):
        # libavformat passes over some of the packets that begin at one time, but not over all.
        raise UnsupportedError(
            "edit list: it shows none of the samples in moov, and fragments follow"
        )
    late = np.arange(samples.in_moov, len(samples))
    time_offset = time_offset_ticks(track.edits, track.timescale, movie_timescale)
    dts, overlapping = samples.dts_ticks[late] - time_offset, samples.overlapping[late]
    if len(packets.dts):
        overlapping[: samples.first_run] = dts[: samples.first_run] <= packets.dts[-1]
    # Packets of moov for which no offset is left have one of 0 as soon as fragments follow.
    missing = np.zeros(len(packets.sample) - len(packets.offset), np.int64)
    offset = (packets.offset, missing, samples.composition_offset_ticks[late])
    return _Packets(
        sample=np.concatenate((packets.sample, late)),
        dts=np.concatenate((packets.dts, dts)),
        offset=np.concatenate(offset),
        discard=np.concatenate((packets.discard, overlapping)),
    )
