"""A playable MP4 that presents chosen frames, in display order, without re-encoding.

The file holds the closure of the frames. One edit shows the chosen ones; pictures that are
there only because others refer to them are composed after its end, two microseconds each, and
are never shown. That placing is what FFmpeg and Chromium both present exactly: dependencies
composed before the edit leak into Chromium, and an edit for each frame seeks wrongly
(docs/decisions/0006-remux-construction.md).

Decoding order is kept. Runs that start anew are IDR pictures: rewritten ones always are, and
whole ones are taken from the last IDR picture on.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import astuple, dataclass

import numpy as np
import numpy.typing as npt

from ..errors import FrameRangeError, UnsupportedError
from .h264.nal import NAL_ACCESS_UNIT_DELIMITER, split_annexb
from .index.build import build_frame_index
from .index.frames import FrameIndex, Int64s, ParameterSets, SampleFlag
from .mp4.entries import build_avc_entry
from .mp4.headers import Edit
from .mp4.write import TrackSpec, build_mp4
from .plan.byte_ranges import LOCAL, SourceCost, plan_ranges
from .plan.closure import plan_closures
from .plan.indexed_bytes import check_indexed
from .plan.parameter_sets import extradata, first_prefix, prefixes
from .plan.read_plan import Strategy
from .plan.rewriting import REWRITTEN_LENGTH_SIZE, ClosureRewriter, can_rewrite
from .plan.rewritten_sets import sets_of_rewritten
from .plan.whole import SampleRun, plan_whole_from, split_targets
from .source import BytesReader, Reader

# Chromium tells frames apart by microseconds: dependencies stand two apart.
_STEPS_PER_SECOND = 500_000
_MOST_TICKS = 0x7FFF_FFFF
_MOST_PIXELS = 0xFFFF
_LENGTH_SIZE = 4
_MOST_HELD_BACK = 32
_DEEPEST_REORDERING = 16  # H264_MAX_DPB_FRAMES


@dataclass(frozen=True, slots=True)
class RemuxPlan:
    """The samples of a file to be made, and how they are carried."""

    strategy: Strategy
    """`whole` or `rewritten`, for all runs alike: they share one configuration."""
    runs: tuple[SampleRun, ...]
    """In decode order; the targets are shown."""


def remux_frames(
    index: FrameIndex,
    frames: npt.NDArray[np.integer],
    reader: Reader,
    *,
    audio: bool = False,
    cost: SourceCost = LOCAL,
) -> bytes:
    """An MP4 file that presents some frames of a clip.

    Args:
        index: The clip's frame index.
        frames: Frame numbers; shown in display order, each once.
        reader: The clip's bytes; only those of the closure are read.
        audio: Keep the sound of a contiguous range; not offered yet.
        cost: What reading from the source costs.

    Returns:
        The file: `ftyp`, `moov`, `mdat`.

    Raises:
        FrameRangeError: A frame that the clip does not have, or none at all.
        UnsupportedError: Audio; a file whose times do not fit their fields; or frames that one
            edit cannot present (`plan_remux`), or players would not show.
    """
    if audio:
        raise UnsupportedError("video_remux with audio => true: sound is not carried over yet")
    wanted = np.unique(np.asarray(frames, np.int64))
    if not len(wanted):
        raise FrameRangeError("no frame was chosen: a file must show at least one")
    index.check_frames(wanted)
    plan = plan_remux(index, wanted)
    samples = list(_carried_samples(index, plan, reader, cost))
    spec = _track(index, wanted, plan, samples)
    layout = build_mp4([spec], timescale=spec.timescale)
    file = b"".join((layout.head, layout.mdat_header, *(s.data for s in samples)))
    if plan.strategy == "whole" and len(samples) > len(wanted):
        _confirm(file, len(wanted))
    return file


def plan_remux(index: FrameIndex, frames: Int64s) -> RemuxPlan:
    """Which samples a file with these frames (ascending, each once) holds.

    Raises:
        UnsupportedError: The clip's edit list shows one picture as several of the frames, or
            goes back to an earlier one: decoding order would not be that of the clip. Or the
            file would begin with a picture that is no IDR picture, and hide others.
    """
    shown = index.frame_sample[frames].astype(np.int64)
    _check_one_pass(index, frames, shown)
    targets = np.unique(shown)
    whole = [
        plan_whole_from(index, start, np.array(shown))
        for start, shown in split_targets(targets, index.idr_before[targets])
    ]
    closures = []
    for run in whole:
        pieces = [piece.samples for piece in plan_closures(index, run.targets)]
        closures.append(SampleRun(np.unique(np.concatenate(pieces)), run.targets))
    less = any(len(c.samples) < len(w.samples) for c, w in zip(closures, whole, strict=True))
    if less and all(can_rewrite(index, c.samples) for c in closures):
        return RemuxPlan("rewritten", tuple(closures))
    _check_beginning(index, whole[0])
    return RemuxPlan("whole", tuple(whole))


def _check_beginning(index: FrameIndex, first: SampleRun) -> None:
    """Refuse what FFmpeg's output queue would swallow.

    In a file with hidden pictures libavformat takes the reordering for the deepest there is,
    and libavcodec puts nothing out before it has recovered: behind a beginning that is no IDR
    picture, pictures are held so long that some never come out.
    """
    start = int(first.samples[0])
    hidden = len(first.samples) > len(first.targets)
    among_first = int(np.searchsorted(first.samples, first.targets[0])) < _DEEPEST_REORDERING
    if hidden and among_first and not index.flags[start] & SampleFlag.IDR:
        raise UnsupportedError(
            f"a file that begins with sample {start}, which is no IDR picture: players would "
            "not show all of its first pictures"
        )


def _confirm(file: bytes, frames: int) -> None:
    """Refuse a file of untouched samples that players would not show all of.

    A stream that does not state how far it is reordered is guessed at, and with some of its
    pictures gone the guess is another: the index knows what comes of it.
    """
    shown = build_frame_index(BytesReader(file)).index.frame_count
    if shown != frames:
        raise UnsupportedError(
            f"a file of which players would show {shown} of {frames} frames: its stream does "
            "not state how far pictures are reordered"
        )


def _check_one_pass(index: FrameIndex, frames: Int64s, shown: Int64s) -> None:
    """Refuse frames that decoding each picture once, in the clip's order, cannot present."""
    samples, counts = np.unique(shown, return_counts=True)
    if len(samples) < len(shown):
        twice = frames[shown == samples[np.argmax(counts > 1)]].tolist()
        raise UnsupportedError(
            f"frames {twice[0]} and {twice[1]} are one picture: an edit list that repeats "
            "pictures is not carried over"
        )
    # A decoder holds at most 16 frames back (A.3.1): two samples each where they are fields.
    period, sample = np.diff(index.idr_before[shown]), np.diff(shown)
    back = np.flatnonzero((period < 0) | (sample < -_MOST_HELD_BACK))
    if len(back):
        first, second = frames[back[0] : back[0] + 2].tolist()
        raise UnsupportedError(
            f"frame {second} comes out of a decoder before frame {first}: an edit list that "
            "goes back in time is not carried over"
        )


@dataclass(frozen=True, slots=True)
class _Carried:
    """One sample of the new file."""

    source: int
    """Its sample in the clip (of the first field, where fields are samples)."""
    idr: bool
    data: bytes


def _carried_samples(
    index: FrameIndex, plan: RemuxPlan, reader: Reader, cost: SourceCost
) -> Iterator[_Carried]:
    held: _Carried | None = None
    for number, run in enumerate(plan.runs):
        fetch = plan_ranges(index.offset[run.samples], index.size[run.samples], cost)
        buffers = reader.read(fetch.ranges)
        rewriter = None
        before = dict(prefixes(index, run.samples))
        if plan.strategy == "rewritten":
            rewriter = ClosureRewriter(index, run.samples, idr_pic_id=number % 2)
            before = {}
        for i, sample in enumerate(run.samples.tolist()):
            start = int(fetch.position[i])
            view = buffers[int(fetch.buffer[i])][start : start + int(index.size[sample])]
            check_indexed(index, sample, view)
            packet = before.get(sample, b"") + (
                rewriter.rewrite(sample, view) if rewriter else bytes(view)
            )
            data = _with_lengths(packet, _framing(index, plan.strategy))
            if held is None and not number and rewriter:
                data = first_prefix(_sets(index, plan), _LENGTH_SIZE) + data
            if held is not None and index.flags[sample] & SampleFlag.SECOND_FIELD:
                held = _Carried(held.source, held.idr, held.data + data)
                continue
            if held is not None:
                yield held
            idr = not i and (rewriter is not None or bool(index.flags[sample] & SampleFlag.IDR))
            held = _Carried(sample, idr, data)
    if held is not None:
        yield held


def _colour(index: FrameIndex) -> tuple[int, int, int, bool] | None:
    """What the clip's container says of colours; of primaries and transfer nothing is kept."""
    if index.colour is None:
        return None
    unspecified = 2  # ITU-T H.273
    matrix_coefficients, full_range = astuple(index.colour)
    return unspecified, unspecified, matrix_coefficients, full_range


def _framing(index: FrameIndex, strategy: Strategy) -> int:
    """Bytes of length before the NAL units of a packet; 0 for start codes."""
    if strategy == "rewritten" and index.nal_length_size:
        return REWRITTEN_LENGTH_SIZE
    return index.nal_length_size


def _with_lengths(packet: bytes, length_size: int) -> bytes:
    """A sample in the form of the file: four bytes of length before each NAL unit."""
    if length_size == _LENGTH_SIZE:
        return packet
    if length_size:
        spans = []
        at = 0
        while at + length_size <= len(packet):
            size = int.from_bytes(packet[at : at + length_size])
            spans.append((at + length_size, at + length_size + size))
            at += length_size + size
    else:
        spans = [
            (a, b)
            for a, b in split_annexb(packet)
            if packet[a] & 31 != NAL_ACCESS_UNIT_DELIMITER
        ]
    return b"".join((b - a).to_bytes(_LENGTH_SIZE) + packet[a:b] for a, b in spans)


def _sets(index: FrameIndex, plan: RemuxPlan) -> ParameterSets:
    sets = index.parameter_sets_at(int(plan.runs[0].samples[0]))
    if plan.strategy == "rewritten":
        rewritten = sets_of_rewritten(index, sets)
        assert rewritten is not None  # `can_rewrite` holds for every run
        return rewritten.nals
    return sets


def _track(
    index: FrameIndex, frames: Int64s, plan: RemuxPlan, samples: Sequence[_Carried]
) -> TrackSpec:
    """The track's tables: see the module's first lines for where composition times lie."""
    timebase = index.timebase
    scale = _scale(index, frames)
    timescale = timebase.denominator * scale // timebase.numerator
    step = -(-timescale // _STEPS_PER_SECOND)
    durations = {
        int(index.frame_sample[k]): max(1, int(index.duration_ticks[k]) * scale)
        for k in frames.tolist()
    }
    # Times of a clip may be any: refused before they come near 64 bits.
    whole = sum(durations.values())
    if max(whole, timescale) > _MOST_TICKS:
        raise _too_long(whole, timescale)
    usual = sorted(durations.values())[len(durations) // 2]
    decode_durations = np.array([durations.get(s.source, usual) for s in samples], np.int64)
    decode_times = np.cumsum(decode_durations) - decode_durations
    compose: dict[int, int] = {}
    total = 0
    for k in frames.tolist():
        source = int(index.frame_sample[k])
        if source not in compose:
            compose[source] = total
            total += durations[source]
    hidden = [s.source for s in samples if s.source not in compose]
    for place, source in enumerate(sorted(hidden, key=lambda s: _display_key(index, s))):
        compose[source] = total + (place + 1) * step
    if samples[0].source in hidden:
        compose[samples[0].source] = -step
    composition = np.array([compose[s.source] for s in samples], np.int64)
    start = max(0, int((decode_times - composition).max()))
    if start + total > _MOST_TICKS:
        raise _too_long(total, timescale)
    sets = _sets(index, plan)
    form = sets.format
    if max(form.width, form.height) > _MOST_PIXELS:
        raise UnsupportedError(
            f"a file of pictures of {form.width}x{form.height}: MP4 has 16 bits for each"
        )
    entry = build_avc_entry(
        extradata(sets, _LENGTH_SIZE),
        width=form.width,
        height=form.height,
        entry_format="avc1",
        colour=_colour(index),
    )
    unseen = set(hidden)
    shown = np.array([s.source not in unseen for s in samples])
    sync = np.array([s.idr for s in samples]) & shown
    sync[0] = True
    return TrackSpec(
        descriptions=(entry,),
        timescale=timescale,
        sizes=np.array([len(s.data) for s in samples], np.int64),
        durations_ticks=decode_durations,
        composition_offsets_ticks=start + composition - decode_times,
        sync=sync,
        edits=(Edit(duration_ticks=total, media_time_ticks=start),),
        width=form.width,
        height=form.height,
    )


def _too_long(ticks: int, timescale: int) -> UnsupportedError:
    return UnsupportedError(
        f"a file of {ticks / timescale:.0f} s with times of 1/{timescale} s is too long"
    )


def _scale(index: FrameIndex, frames: Int64s) -> int:
    """How much finer the file counts time than the clip: about two microseconds a tick.

    A tick must be a whole part of a second, and the whole file fit in 31 bits.
    """
    timebase = index.timebase
    seconds = float(index.duration_ticks[frames].sum()) * timebase.numerator
    seconds /= timebase.denominator
    finest = min(_STEPS_PER_SECOND, int(_MOST_TICKS / 4 / max(seconds, 1.0)))
    scale = max(1, finest * timebase.numerator // timebase.denominator)
    return -(-scale // timebase.numerator) * timebase.numerator


def _display_key(index: FrameIndex, sample: int) -> tuple[int, int]:
    return int(index.idr_before[sample]), int(index.top_order_count[sample])
