"""What a frame index says, as rows: the clip, its GOPs, and its frames one by one."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from ...errors import VideoError
from ...video.index.build import BuiltIndex
from ...video.index.encode import encode_index
from ...video.index.frames import FrameIndex, Int64s, SampleFlag
from ...video.index.picture_types import picture_types
from ...video.plan import plan_read
from ...video.plan.closure import plan_closures
from ...video.plan.whole import plan_whole
from ...video.source import Reader
from ...video.timing import to_seconds

_NOTES = (
    (SampleFlag.DAMAGED, "damaged"),
    (SampleFlag.UNCLOSED, "references lost"),
    (SampleFlag.FIXED_HEADERS, "not rewritable"),
)


@dataclass(frozen=True, slots=True)
class GopRow:
    """One stretch of samples from a place where decoding can start to the next."""

    gop: int
    """Its number."""
    first_sample: int
    """Where it begins, in decode order."""
    start: str
    """`IDR`; `recovery` for another start; `none` for samples before the first one."""
    samples: int
    """Samples in it."""
    frames: int
    """Presented frames among them."""
    bytes: int
    """Their size."""
    start_seconds: float | None
    """When its first frame is shown; None where none is."""
    seconds: float
    """For how long its frames are shown, together."""


@dataclass(frozen=True, slots=True)
class FrameRow:
    """One presented frame."""

    frame: int
    """Its number, in display order."""
    sample: int
    """The sample that carries it, in decode order."""
    gop: int
    """The GOP of that sample."""
    type: str
    """`I`, `P` or `B`; of two fields both, such as `I/P`; `?` where its slices are damaged."""
    start: str
    """`IDR`, or `recovery` for another place where decoding can start; else empty."""
    reference: bool
    """Whether others may refer to it."""
    offset: int
    """Where its bytes begin in the file."""
    bytes: int
    """Its size."""
    pts_seconds: float
    """When it is shown."""
    duration_seconds: float
    """For how long."""
    references: tuple[int, ...]
    """The samples that its slices can name."""
    whole: int | None
    """Samples that decode it untouched; None where damage is in the way."""
    closure: int | None
    """Samples that it depends on, itself among them."""
    closure_bytes: int | None
    """Their size."""
    strategy: str | None
    """The way a read of this frame alone would take."""
    notes: str
    """What stands in the way of less."""


def clip_facts(built: BuiltIndex) -> dict[str, object]:
    """The plain facts of a clip by name: those of its row in a table, and counts."""
    index = built.index
    shown = len(np.unique(index.frame_sample))
    encoded = len(encode_index(index))
    pictures = int(
        ((index.flags & np.uint8(SampleFlag.NO_PICTURE | SampleFlag.SECOND_FIELD)) == 0).sum()
    )
    return {
        **built.scalars,
        "sample_count": index.sample_count,
        "hidden_pictures": pictures - shown,
        "timebase": f"{index.timebase.numerator}/{index.timebase.denominator}",
        "parameter_sets": len(index.parameter_sets),
        "index_bytes": encoded,
        "index_bytes_a_frame": round(encoded / max(1, index.frame_count), 2),
    }


def gop_rows(index: FrameIndex) -> Iterator[GopRow]:
    """The GOPs of a clip, first to last."""
    bounds = _gop_bounds(index)
    gop_of_frame = _gop_of(bounds, index.frame_sample)
    for gop, (first, end) in enumerate(
        zip(bounds[:-1].tolist(), bounds[1:].tolist(), strict=True)
    ):
        frames = np.flatnonzero(gop_of_frame == gop)
        pts = index.pts_ticks[frames]
        yield GopRow(
            gop=gop,
            first_sample=first,
            start=_start_of(int(index.flags[first])),
            samples=end - first,
            frames=len(frames),
            bytes=int(index.size[first:end].sum()),
            start_seconds=to_seconds(int(pts.min()), index.timebase) if len(pts) else None,
            seconds=to_seconds(int(index.duration_ticks[frames].sum()), index.timebase),
        )


def frame_rows(
    index: FrameIndex,
    reader: Reader,
    *,
    frames: int | None = None,
    gops: int | None = None,
) -> Iterator[FrameRow]:
    """The presented frames of the first GOPs of a clip, in display order.

    Args:
        index: The clip.
        reader: Its bytes; those of the frames are read.
        frames: How many frames at most; None for all.
        gops: How many GOPs; None for all.
    """
    bounds = _gop_bounds(index)
    gop_of_frame = _gop_of(bounds, index.frame_sample)
    chosen = np.arange(index.frame_count)
    if gops is not None:
        chosen = np.flatnonzero(gop_of_frame < gops)
    chosen = chosen[:frames]
    samples = index.frame_sample[chosen].astype(np.int64)
    kinds = picture_types(index, samples, reader)
    for frame, sample, kind in zip(chosen.tolist(), samples.tolist(), kinds, strict=True):
        yield _frame_row(index, frame, sample, kind, int(gop_of_frame[frame]))


def _frame_row(index: FrameIndex, frame: int, sample: int, kind: str, gop: int) -> FrameRow:
    targets = np.array([sample], np.int64)
    fields = slice(sample, sample + (2 if _is_field_pair(index, sample) else 1))
    closure = np.concatenate([run.samples for run in plan_closures(index, targets)])
    whole = strategy = None
    try:
        whole = sum(len(run.samples) for run in plan_whole(index, targets))
        plan = plan_read(index, np.array([frame]))
        strategy = "+".join(sorted({run.strategy for run in plan.runs}))
    except VideoError:
        pass  # Damage on the way: a read would name it, here the cells stay empty.
    flags = int(index.flags[sample])
    references = {
        int(r) for s in range(fields.start, fields.stop) for r in index.references_of(s)
    }
    return FrameRow(
        frame=frame,
        sample=sample,
        gop=gop,
        type=kind,
        start=_start_of(flags) if flags & SampleFlag.START else "",
        reference=bool(flags & SampleFlag.REFERENCE),
        offset=int(index.offset[sample]),
        bytes=int(index.size[fields].sum()),
        pts_seconds=to_seconds(int(index.pts_ticks[frame]), index.timebase),
        duration_seconds=to_seconds(int(index.duration_ticks[frame]), index.timebase),
        references=tuple(sorted(references - set(range(fields.start, fields.stop)))),
        whole=whole,
        closure=len(closure),
        closure_bytes=int(index.size[closure].sum()),
        strategy=strategy,
        notes=", ".join(note for flag, note in _NOTES if flags & flag),
    )


def _gop_bounds(index: FrameIndex) -> Int64s:
    """First samples of all GOPs, and one past the last sample."""
    return np.unique(np.concatenate(([0], index.starts, [index.sample_count]))).astype(np.int64)


def _gop_of(bounds: Int64s, samples: np.ndarray[tuple[int], np.dtype[np.int32]]) -> Int64s:
    return np.searchsorted(bounds, samples, side="right") - 1


def _start_of(flags: int) -> str:
    if flags & SampleFlag.IDR:
        return "IDR"
    return "recovery" if flags & SampleFlag.START else "none"


def _is_field_pair(index: FrameIndex, sample: int) -> bool:
    second = sample + 1
    return second < index.sample_count and bool(
        int(index.flags[second]) & SampleFlag.SECOND_FIELD
    )
