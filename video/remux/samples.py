"""The bytes of a new file's samples, one after the other.

Samples get four bytes of length before each NAL unit. The file's sample entry holds the
parameter sets of its first sample; sets that change later go before the sample that needs them.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace

import numpy as np

from ..h264.nal import (
    NAL_ACCESS_UNIT_DELIMITER,
    NAL_PPS,
    NAL_SPS,
    split_annexb,
    split_length_prefixed,
)
from ..index.frames import FrameIndex, Int64s, ParameterSets, SampleFlag
from ..plan.byte_ranges import SourceCost, plan_ranges
from ..plan.indexed_bytes import check_indexed
from ..plan.parameter_sets import first_prefix, prefixes
from ..plan.rewriting import REWRITTEN_LENGTH_SIZE, ClosureRewriter
from ..plan.rewritten_sets import sets_of_rewritten
from ..source import Reader
from .plan import RemuxPlan, RemuxRun
from .reordering import most_reordered, state_reordering, states_reordering

LENGTH_SIZE = 4
"""Bytes of length before the NAL units of a file's samples."""
_WINDOW_BYTES = 16 << 20


@dataclass(frozen=True, slots=True)
class CarriedSample:
    """One sample of the new file."""

    run: int
    """Number of its run."""
    source: int
    """Its sample in the clip; of the first field, where fields are samples."""
    is_idr: bool
    """Decoding can start here."""


class SampleCarrier:
    """What a plan's samples become."""

    def __init__(self, plan: RemuxPlan) -> None:
        self._plan = plan
        self._index = plan.index
        self._states: dict[int, ParameterSets] = {}
        self._restates = _restates(plan)
        self._reordered = most_reordered(plan) if self._restates else None
        self.entry_sets = self._sets(int(plan.runs[0].samples[0]))
        """What the file's sample entry holds."""
        self.changes_sets = False
        """Whether some sample so far holds parameter sets."""

    def carry(self, reader: Reader, cost: SourceCost) -> Iterator[tuple[CarriedSample, bytes]]:
        """The samples in the order of the file, with their bytes; the clip is read as they are
        taken.

        Raises:
            CorruptVideoError: The bytes are not what was indexed.
        """
        for number, run in enumerate(self._plan.runs):
            yield from _joined(self._index, self._carry_run(number, run, reader, cost))

    def _carry_run(
        self, number: int, run: RemuxRun, reader: Reader, cost: SourceCost
    ) -> Iterator[tuple[CarriedSample, bytes]]:
        index = self._index
        rewriter = None
        framing = index.nal_length_size
        first = int(run.samples[0])
        before: Mapping[int, bytes] = {}
        if self._plan.strategy == "rewritten":
            rewriter = ClosureRewriter(index, run.samples, idr_pic_id=number % 2)
            framing = REWRITTEN_LENGTH_SIZE if framing else 0
        else:
            before = prefixes(index, run.samples)
        opening = self._opening(number, run)
        for sample, view in _read(index, run.samples, reader, cost):
            check_indexed(index, sample, view)
            packet = rewriter.rewrite(sample, view) if rewriter else bytes(view)
            data = self._in_form(before.get(sample, b"") + packet, framing)
            is_idr = sample == first and (
                rewriter is not None or bool(index.flags[sample] & SampleFlag.IDR)
            )
            yield CarriedSample(number, sample, is_idr), opening + data
            opening = b""

    def _opening(self, number: int, run: RemuxRun) -> bytes:
        """What must stand before a run's first sample, beside what its prefix holds."""
        sets = self._sets(int(run.samples[0]))
        known = self.entry_sets
        if number:
            known = self._sets(int(self._plan.runs[number - 1].samples[-1]))
        changed: tuple[bytes, ...] = ()
        if (sets.sps, sets.pps) != (known.sps, known.pps):
            changed = (*sets.sps, *sets.pps)
            self.changes_sets = True
        opening = b"".join(len(nal).to_bytes(LENGTH_SIZE) + nal for nal in changed)
        if self._plan.strategy == "rewritten":
            opening += first_prefix(sets, LENGTH_SIZE)
        return opening

    def _sets(self, sample: int) -> ParameterSets:
        """The parameter sets in force at a sample, as the file has them."""
        sets = self._index.parameter_sets_at(sample)
        found = self._states.get(sets.first_sample)
        if found is None:
            found = sets
            if self._plan.strategy == "rewritten":
                rewritten = sets_of_rewritten(self._index, sets)
                assert rewritten is not None  # `can_rewrite` holds for every run
                found = rewritten.nals
            if self._restates:
                sps = tuple(state_reordering(nal, self._reordered) for nal in found.sps)
                found = replace(found, sps=sps)
            self._states[sets.first_sample] = found
        return found

    def _in_form(self, packet: bytes, length_size: int) -> bytes:
        """A sample in the form of the file."""
        if length_size:
            spans: Iterable[tuple[int, int]] = split_length_prefixed(packet, length_size)
        else:
            spans = [
                (a, b)
                for a, b in split_annexb(packet)
                if packet[a] & 31 != NAL_ACCESS_UNIT_DELIMITER
            ]
        parts: list[bytes] = []
        for a, b in spans:
            nal = packet[a:b]
            kind = nal[0] & 31 if nal else 0
            self.changes_sets |= kind in (NAL_SPS, NAL_PPS)
            if kind == NAL_SPS and self._restates:
                nal = state_reordering(nal, self._reordered)
            parts += (len(nal).to_bytes(LENGTH_SIZE), nal)
        return b"".join(parts)


def _restates(plan: RemuxPlan) -> bool:
    """Whether the file's parameter sets say how far it is reordered: those of a clip that is
    whole stay as they are.
    """
    if plan.strategy == "rewritten":
        return True
    index = plan.index
    if sum(len(run.samples) for run in plan.runs) == index.sample_count:
        return False
    return not all(states_reordering(nal) for sets in index.parameter_sets for nal in sets.sps)


def _read(
    index: FrameIndex, samples: Int64s, reader: Reader, cost: SourceCost
) -> Iterator[tuple[int, memoryview]]:
    """Samples with their bytes, a bounded number of them at a time."""
    sizes = index.size[samples]
    window = np.cumsum(sizes) // _WINDOW_BYTES
    for part in np.split(samples, np.flatnonzero(np.diff(window)) + 1):
        fetch = plan_ranges(index.offset[part], index.size[part], cost)
        buffers = reader.read(fetch.ranges)
        for sample, buffer, start, size in zip(
            part.tolist(),
            fetch.buffer.tolist(),
            fetch.position.tolist(),
            index.size[part].tolist(),
            strict=True,
        ):
            yield sample, buffers[buffer][start : start + size]


def _joined(
    index: FrameIndex, samples: Iterable[tuple[CarriedSample, bytes]]
) -> Iterator[tuple[CarriedSample, bytes]]:
    """Samples with their second fields, where those are samples of their own."""
    held: tuple[CarriedSample, bytes] | None = None
    for sample, data in samples:
        if held is not None and index.flags[sample.source] & SampleFlag.SECOND_FIELD:
            held = held[0], held[1] + data
            continue
        if held is not None:
            yield held
        held = sample, data
    if held is not None:
        yield held
