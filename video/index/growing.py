"""The index of a stream that grows, sample by sample.

What `build` does with a whole file is done here with samples as they come. The state behind the
last sample (the decoded picture buffer, parameter sets, candidates for starts) is kept; where
it is lost, it comes back by going through the samples since the last IDR picture once more:
nothing before one matters after it. At an IDR picture the pass begins anew now and then, so
that its memory does not grow with the stream.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from ...errors import BitstreamError
from ..h264.nal import NAL_SEI, NAL_SLICE_IDR
from ..h264.slice_header import FRAME, SI, I
from .build import IndexBuilder
from .effort import Effort
from .frames import ParameterSets, SampleFlag
from .framing import leading_zeros
from .pictures import split_pictures
from .recovery import RecoveryTracker
from .samples import ActiveParameterSets, CodedSample, scan_sample
from .stream_block import BlockFlag, IndexBlock, ResumePoint

_LONGEST_PASS = 4096
_INTRA = (I, SI)


class GrowingIndex:
    """Takes the samples of one H.264 stream and gives blocks of its index.

    After an error of `take` it is of no more use: make another from the samples before.

    Args:
        nal_length_size: Bytes of length before each NAL unit, 0 for start codes.
        parameter_sets: NAL units that were given apart from the samples, or that are in force.
        first: The sample to begin with: 0, or a `ResumePoint`'s.
        byte_start: Bytes of all samples before it.
        fields: Of the `ResumePoint`.
    """

    def __init__(
        self,
        nal_length_size: int,
        parameter_sets: Iterable[bytes] = (),
        *,
        first: int = 0,
        byte_start: int = 0,
        fields: tuple[int, bool] = (0, False),
    ) -> None:
        self._length_size = nal_length_size
        self._byte_end = byte_start
        self._effort = Effort(0)
        self._sets = ActiveParameterSets(self._effort)
        for nal in parameter_sets:
            self.add_parameter_set(nal)
        self._base = first
        self._builder = IndexBuilder(self._sets, self._effort)
        self._builder.recovery = RecoveryTracker(fields)
        self._resume = ResumePoint(first, fields)
        self._cut = first
        self._cut_bytes = byte_start
        self._lead: list[int] = []
        self._told: set[int] = set()
        self._late: list[int] = []

    @property
    def end(self) -> int:
        """One past the last sample."""
        return self._base + len(self._builder.flags)

    @property
    def nal_length_size(self) -> int:
        """How its samples frame their NAL units."""
        return self._length_size

    def allow(self, source_bytes: int) -> None:
        """Say how many bytes the samples to come have: that bounds what they may cost."""
        self._effort = self._sets.effort = self._builder.effort = Effort(source_bytes)

    def add_parameter_set(self, nal: bytes) -> None:
        """Put a parameter set, or the encoder's message, in force for the samples to come.

        Raises:
            BitstreamError: It does not parse.
        """
        if nal[0] & 31 == NAL_SEI:
            self._sets.encoder_message = nal
        else:
            self._sets.add(nal)

    def take(self, data: bytes | memoryview) -> bool:
        """Take the next sample.

        Returns:
            Whether decoding can start at it: it is an IDR picture, or a recovery point that is
            reached at once and exactly.

        Raises:
            BitstreamError: It is no access unit: it does not parse, or holds no picture, or
                more than one.
            UnsupportedError: It uses what is refused in files too.
        """
        view = memoryview(data)
        sample = scan_sample(view, self._length_size, self._sets, self._effort)
        _check_access_unit(sample)
        fields = self._builder.recovery.fields
        first = sample.headers[0]
        if first.nal_unit_type == NAL_SLICE_IDR and first.structure == FRAME:
            self._begin_anew(fields)
        sample.offset, sample.size = self._byte_end, len(view)
        self._builder.take(sample)
        self._lead.append(0 if self._length_size else leading_zeros(view))
        self._byte_end += len(view)
        flags = self._builder.flags[-1]
        if flags & SampleFlag.IDR:
            self._resume = ResumePoint(self.end - 1, fields)
        return bool(flags & SampleFlag.IDR) or (
            not flags & SampleFlag.SECOND_FIELD and _is_exact_entry(sample)
        )

    def cut(self) -> IndexBlock:
        """The samples since the last cut, and what they say of those before."""
        builder, base = self._builder, self._base
        start = self._cut - base
        flags = np.array(builder.flags, np.int64)
        if 0 < start < len(flags) and flags[start] & SampleFlag.SECOND_FIELD:
            start -= 1  # its first field reads otherwise now
        n = len(flags) - start
        self._collect_late()
        late, self._late = self._late, []
        sizes = np.array(builder.size[start:], np.int64)
        reach = np.array(builder.reach[start:], np.int64)
        starts = np.array(builder.reference_start[start:], np.int64)
        first_reference = int(starts[0])
        outputs = [builder.output[i] for i in range(start, len(flags))]
        extra = [
            0
            if out is None
            else out.recovery << BlockFlag.RECOVERY_SHIFT
            | BlockFlag.IS_B * out.is_b
            | BlockFlag.RESETS_ORDER * out.resets_order
            for out in outputs
        ]
        shown = np.frombuffer(bytes(builder.shown[start:]), np.uint8).astype(np.int64)
        block = IndexBlock(
            first=base + start,
            byte_start=self._cut_bytes
            - int(sum(builder.size[start : self._cut - base], start=0)),
            size=sizes,
            lead=np.array(self._lead[start:], np.int64),
            flags=flags[start:] | np.array(extra, np.int64) | shown * BlockFlag.SHOWN,
            reach=np.where(reach < 0, -1, reach + base),
            last_idr=np.array(builder.last_idr[start:], np.int64) + base,
            reference_counts=starts[1:] - starts[:-1],
            references=np.array(builder.references[first_reference:], np.int64) + base,
            long_term=np.frombuffer(
                bytes(builder.long_term[first_reference:]), np.uint8
            ).astype(np.int64),
            top_order_count=np.array(builder.top_order_count[start:], np.int64),
            bottom_order_delta=np.array(builder.bottom_order_delta[start:], np.int64),
            order_count=np.array([out.order_count if out else 0 for out in outputs], np.int64),
            times={},
            late_starts=np.array(sorted(late), np.int64),
            pending_starts=np.array(builder.starts.pending, np.int64) + base,
            parameter_sets=self._states(base + start),
            nal_length_size=self._length_size,
            resume=self._resume,
        )
        assert block.count == n
        self._cut, self._cut_bytes = self.end, self._byte_end
        return block

    def _begin_anew(self, fields: tuple[int, bool]) -> None:
        """Forget a long pass: the next sample is an IDR picture."""
        if self._cut < self.end or len(self._builder.flags) < _LONGEST_PASS:
            return
        self._collect_late(ends=True)
        self._told.clear()
        self._base, self._lead = self.end, []
        self._builder = IndexBuilder(self._sets, self._effort)
        self._builder.recovery = RecoveryTracker(fields)

    def _collect_late(self, *, ends: bool = False) -> None:
        """Starts that were proved since the last time."""
        starts = self._builder.starts
        if ends:
            starts.finish()
        for sample in starts.starts:
            if sample not in self._told:
                self._told.add(sample)
                self._late.append(sample + self._base)

    def _states(self, first: int) -> tuple[ParameterSets, ...]:
        """The parameter sets in force at a sample, and their changes after it."""
        states = [
            ParameterSets(s.first_sample + self._base, s.sps, s.pps, s.sei, s.format)
            for s in self._builder.parameter_sets
        ]
        before = sum(state.first_sample <= first for state in states)
        return tuple(states[max(0, before - 1) :])


def _is_exact_entry(sample: CodedSample) -> bool:
    """Whether it is a recovery point that is reached at once and exactly (D.2.8)."""
    point = sample.recovery
    if point is None or not point.exact_match_flag or point.recovery_frame_cnt:
        return False
    return all(header.slice_type in _INTRA for header in sample.headers)


def _check_access_unit(sample: CodedSample) -> None:
    if sample.damage:
        raise BitstreamError(sample.damage)
    pictures = split_pictures(sample.headers)
    if not pictures:
        raise BitstreamError("it holds no coded picture (a sample is one access unit)")
    structures = [headers[0].structure for headers in pictures]
    if len(pictures) > 2 or (len(pictures) == 2 and sum(structures) != FRAME):
        raise BitstreamError(f"it holds {len(pictures)} pictures, expected one")
