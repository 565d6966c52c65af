"""The runs of a plan as streams of their own, which any decoder can be given."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from marey.tests.support.reading import NATIVE, Clip
from marey.video.decode.frame import output_shape
from marey.video.h264.avcc import parse_avcc
from marey.video.h264.nal import (
    NAL_ACCESS_UNIT_DELIMITER,
    split_annexb,
    split_length_prefixed,
)
from marey.video.index.frames import SampleFlag
from marey.video.plan import Strategy, packets
from marey.video.plan.parameter_sets import extradata
from marey.video.plan.rewriting import REWRITTEN_LENGTH_SIZE

_START_CODE = b"\0\0\0\1"
# One before each access unit: with order count type 2, pictures around a dropped one may differ
# in nothing that 7.4.1.2.4 tells pictures by (the first has MMCO 5, both have frame_num 1).
_DELIMITER = _START_CODE + bytes((NAL_ACCESS_UNIT_DELIMITER, 0xF0))


@dataclass(frozen=True)
class SubsetStream:
    """A stream, and what must come out of it."""

    units: tuple[bytes, ...]
    """Access units in Annex B form; parameter sets come first."""
    frames: tuple[int, ...]
    """The frames of the clip that its pictures are, in output order."""
    frame_bytes: int


def subset_streams(
    clip: Clip, frames: Iterable[int], strategy: Strategy, *, untouched: bool = False
) -> Iterator[SubsetStream]:
    """The runs of one strategy in the plan that is forced to use it.

    With `untouched` the samples are as they were: what a plan that knew of closures alone would
    decode. Runs from the start of an open GOP are left out: that start was proved, and other
    decoders do not believe it.
    """
    plan = clip.plan(frames, strategy)
    buffers = [memoryview(clip.data)[r.start : r.end] for r in plan.ranges]
    for run in plan.runs:
        samples = run.samples.tolist()
        if run.strategy != strategy:
            continue
        if untouched:
            yield untouched_stream(clip, samples)
        elif strategy == "rewritten" or clip.index.flags[samples[0]] & SampleFlag.IDR:
            length_size = clip.index.nal_length_size
            if strategy == "rewritten" and length_size:
                length_size = REWRITTEN_LENGTH_SIZE
            parts = [packet for _, packet in packets(run, buffers)]
            yield _stream(clip, samples, run.extradata, parts, length_size)


def untouched_stream(clip: Clip, samples: Sequence[int]) -> SubsetStream:
    """Samples of a clip one after the other, as they are."""
    index = clip.index
    ends = (index.offset + index.size)[samples].tolist()
    view = memoryview(clip.data)
    parts = [view[a:b] for a, b in zip(index.offset[samples].tolist(), ends, strict=True)]
    sets = extradata(index.parameter_sets_at(samples[0]), index.nal_length_size)
    return _stream(clip, samples, sets, parts, index.nal_length_size)


def _stream(
    clip: Clip,
    samples: Sequence[int],
    sets: bytes,
    parts: Sequence[memoryview],
    length_size: int,
) -> SubsetStream:
    if length_size:
        config = parse_avcc(sets)
        sets = b"".join(_START_CODE + nal for nal in (*config.sps, *config.pps))
    units = [_annexb(part, length_size) for part in parts]
    shown = {sample: frame for frame, sample in enumerate(clip.index.frame_sample.tolist())}
    form = clip.index.parameter_sets_at(samples[0]).format
    return SubsetStream(
        units=(_DELIMITER + sets + units[0], *(_DELIMITER + unit for unit in units[1:])),
        frames=tuple(sorted(shown[sample] for sample in samples if sample in shown)),
        frame_bytes=output_shape(form, NATIVE).frame_bytes,
    )


def _annexb(part: memoryview, length_size: int) -> bytes:
    spans = split_length_prefixed(part, length_size) if length_size else split_annexb(part)
    nals = (bytes(part[start:end]) for start, end in spans)
    return b"".join(
        _START_CODE + nal for nal in nals if nal and nal[0] & 31 != NAL_ACCESS_UNIT_DELIMITER
    )
