"""From a plan and its bytes to pixels.

A run is all or nothing. Damage shows when a picture comes out, in display order, while it
spreads in decode order: a picture that refers to a broken one can come out before it. So all
pictures of a run are seen out, and if one is damaged, nothing that was delivered counts.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from itertools import groupby, islice
from operator import attrgetter
from time import perf_counter
from typing import Any, Protocol

import numpy as np

from ...errors import DecodeError, UnsupportedError
from ..index.frames import FrameIndex, PictureFormat
from ..plan.packets import packets as packets_of_run
from ..plan.read_plan import DecodeRun, ReadPlan
from ..timing import to_seconds
from .decoder import Decoder, Packet, Picture
from .frame import FrameBatch, OutputShape, PixelOutput, output_shape, plane_sizes

Packets = Iterator[tuple[int, Packet]]
"""Sample numbers and their bytes, in decode order, 64 readable bytes behind each."""

_AT_ONCE = 16
"""Samples made ready together. A picture leaves little of Python in the processor's caches: to
make ready one by one between pictures took some 20 us more for each, as measured at 640x480."""


class Decoders(Protocol):
    """Where decoders come from; `DecoderPool` is one."""

    def decoder(self, extradata: bytes) -> AbstractContextManager[Decoder[Any]]:
        """A decoder for the time of some runs with these parameter sets."""
        ...


@dataclass(slots=True)
class RunCost:
    """What decoding took, that of runs that fail included."""

    decode_seconds: float = 0.0
    """In the decoder, and in getting packets for it."""
    convert_seconds: float = 0.0
    """In delivering: pixel conversion and copies."""
    samples: int = 0
    """Samples that went into a decoder."""


def decode_run(
    run: DecodeRun,
    packets: Packets,
    decoder: Decoder[Any],
    deliver: Callable[[int, Picture], None],
    cost: RunCost,
) -> None:
    """Decode one run and hand over the picture of every target, each once, in display order.

    Args:
        run: From a plan.
        packets: Its samples. No more are decoded than the targets need.
        decoder: Lent for the run, at least.
        deliver: Called with a sample and its picture. What it got counts only once this
            function returns.
        cost: What the run takes is added to it.

    Raises:
        DecodeError: A picture came out damaged, or a target's did not come out.
    """
    # Decoders and messages go by the sample numbers of the clip, plans by those of the part.
    first = run.index.first_sample
    wanted = {first + target for target in run.targets.tolist()}
    size = run.index.parameter_sets_at(int(run.samples[0])).format
    delivering = 0.0
    started = perf_counter()

    def take(pictures: Sequence[Picture]) -> None:
        nonlocal delivering
        for picture in pictures:
            if picture.damaged:
                raise DecodeError(
                    f"sample {picture.sample}: slices are lost or broken; the decoder made up "
                    f"what is missing, so frames that depend on it are not exact"
                )
            if picture.sample in wanted:
                wanted.remove(picture.sample)
                begin = perf_counter()
                deliver(picture.sample - first, picture)
                delivering += perf_counter() - begin

    try:
        decoder.start(
            run.extradata, width=size.width, height=size.height, colour=run.index.colour
        )
        while wanted and (some := list(islice(packets, _AT_ONCE))):
            for ready in [decoder.prepare(first + sample, data) for sample, data in some]:
                cost.samples += 1
                # No name holds a picture while the next is decoded: its buffer is free
                # again then, and still in the processor's cache.
                take(decoder.send(ready))
                if not wanted:
                    break
        take(decoder.drain())
    finally:
        cost.decode_seconds += perf_counter() - started - delivering
        cost.convert_seconds += delivering
    if wanted:
        missing = sorted(wanted)
        raise DecodeError(
            f"{len(missing)} of {len(run.targets)} pictures did not come out of the decoder, "
            f"first sample {missing[0]}"
        )


def decode_into(
    plan: ReadPlan,
    index: FrameIndex,
    output: PixelOutput,
    *,
    packets_of: Callable[[DecodeRun], Packets],
    decoders: Decoders,
    destination: Callable[[int], memoryview],
    cost: RunCost | None = None,
) -> None:
    """Decode all runs of a plan, each wanted picture into a place of the caller's.

    Args:
        plan: What to decode.
        index: The clip that the plan is for.
        output: The form of the pixels.
        packets_of: The samples of a run.
        decoders: Lends one decoder at a time.
        destination: Called once for each sample that carries a wanted frame; as many bytes as
            `output_shape` says for the format of that sample.
        cost: What it takes is added to it.

    Raises:
        DecodeError: A picture came out damaged, not at all, or in another size than the index
            says. What was written does not count then.
    """

    def write(sample: int, picture: Picture) -> None:
        expected, found = index.parameter_sets_at(sample).format, picture.format
        if found != expected and _layout(found) != _layout(expected):
            raise DecodeError(
                f"sample {index.clip_sample(sample)}: expected {expected}, decoded {found}"
            )
        picture.write(output, destination(sample))

    cost = RunCost() if cost is None else cost
    for extradata, runs in groupby(plan.runs, attrgetter("extradata")):
        with decoders.decoder(extradata) as decoder:
            for run in runs:
                decode_run(run, packets_of(run), decoder, write, cost)


def decode_frames(
    plan: ReadPlan,
    buffers: Sequence[memoryview | bytes],
    index: FrameIndex,
    output: PixelOutput,
    *,
    decoders: Decoders,
) -> FrameBatch:
    """The frames of a plan, from the bytes that it told to fetch.

    Args:
        plan: What to decode.
        buffers: The bytes of the plan's `ranges`, in their order.
        index: The clip that the plan is for.
        output: The form of the pixels.
        decoders: Lends one decoder a run.

    Returns:
        The frames in display order, each once.

    Raises:
        DecodeError: A frame cannot be had exactly.
        UnsupportedError: The frames differ in size, and no size was asked for.
    """
    shape = _common_shape(plan, index, output)
    data = np.empty((len(plan.frames), shape.frame_bytes), np.uint8)
    samples, slots, again = np.unique(
        plan.frame_samples, return_index=True, return_inverse=True
    )
    slot_of = dict(zip(samples.tolist(), slots.tolist(), strict=True))
    decode_into(
        plan,
        index,
        output,
        packets_of=lambda run: packets_of_run(run, buffers),
        decoders=decoders,
        destination=lambda sample: data[slot_of[sample]].data,
    )
    # An edit list can show one sample twice.
    repeated = np.flatnonzero(slots[again] != np.arange(len(again)))
    data[repeated] = data[slots[again[repeated]]]
    return FrameBatch(
        frame_indices=plan.frames,
        pts_seconds=to_seconds(index.pts_ticks[plan.frames], index.timebase),
        duration_seconds=to_seconds(index.duration_ticks[plan.frames], index.timebase),
        data=data,
        shape=shape,
    )


def _common_shape(plan: ReadPlan, index: FrameIndex, output: PixelOutput) -> OutputShape:
    formats = {
        id(found): found.format
        for found in map(index.parameter_sets_at, plan.frame_samples.tolist())
    }
    shapes = {output_shape(found, output) for found in formats.values()}
    if not shapes:
        shapes = {output_shape(index.parameter_sets[0].format, output)}
    if len(shapes) > 1:
        sizes = ", ".join(sorted(f"{shape.width}x{shape.height}" for shape in shapes))
        raise UnsupportedError(
            f"the frames asked for differ in size ({sizes}): give height and width"
        )
    return shapes.pop()


def _layout(pictures: PictureFormat) -> tuple[object, ...]:
    """What a format says about planes: monochrome ones are decoded as 4:2:0."""
    planes = plane_sizes(pictures.height, pictures.width, pictures.chroma_format_idc)
    return planes, pictures.bit_depth_luma, pictures.bit_depth_chroma
