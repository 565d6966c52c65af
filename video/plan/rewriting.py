"""A subset of a stream made a conformant stream of its own, by rewriting slice headers.

Dropping reference pictures leaves gaps in frame_num, and what a decoder does about gaps can
push out pictures that the encoder kept. So the subset is numbered anew: consecutive frame_num,
picture order counted from the first picture with 16 bits, active references named by list
modification (8.2.4.3) where the initial list is another one, and every reference let go by name
when its last user is decoded (8.2.5.4). Slice data is not touched, so what it means must not
change: the same pictures stand in the same places of the lists, long-term references stay
long-term, and differences of picture order counts stay what they were (implicit weights and
temporal direct prediction, 8.4.1.2.3 and 8.4.2.3, follow from those).

Which pictures a slice refers to, and in which order, follows from the subset alone: an initial
list sorts all references by a key, and its active entries keep their order when the others are
left out.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from ...errors import BitstreamError
from ..h264.nal import NAL_SLICE, NAL_SLICE_IDR, split_annexb, split_length_prefixed
from ..h264.picture import Picture, ReferenceList, number_pictures
from ..h264.ref_lists import active_list
from ..h264.ref_pic_list_modification import Modifications
from ..h264.reheading import rehead_slice
from ..h264.slice_header import FRAME, B, P, SliceHeader, parse_slice_header
from ..index.frames import FrameIndex, Int64s, SampleFlag
from .rewritten_lists import initial_lists, modifications
from .rewritten_sets import LOG2_MAX_FRAME_NUM, LOG2_MAX_ORDER_COUNT_LSB, sets_of_rewritten

_MAX_FRAME_NUM = 1 << LOG2_MAX_FRAME_NUM
_MAX_ORDER_COUNT_LSB = 1 << LOG2_MAX_ORDER_COUNT_LSB
REWRITTEN_LENGTH_SIZE = 4
"""Bytes of length before the NAL units of a rewritten sample: headers may grow."""
_FIXED = SampleFlag.FIXED_HEADERS | SampleFlag.UNCLOSED | SampleFlag.DAMAGED


def can_rewrite(index: FrameIndex, samples: Int64s) -> bool:
    """Whether a closed set of samples (ascending) can be made a stream of its own."""
    if (index.flags[samples] & _FIXED).any():
        return False
    first, last = int(samples[0]), int(samples[-1])
    if len(index.references_of(first)):
        return False
    if index.parameter_sets_at(first) is not index.parameter_sets_at(last):
        return False
    # 8.2.1.1: the order count of each picture lies within half the lsb range of the reference
    # before.
    count = index.top_order_count[samples]
    if int(count.max()) - int(count.min()) >= _MAX_ORDER_COUNT_LSB // 2:
        return False
    sets = index.parameter_sets_at(first)
    return sets_of_rewritten(index, sets) is not None and _keeps_reference_kinds(index, samples)


def _keeps_reference_kinds(index: FrameIndex, samples: Int64s) -> bool:
    """Whether each reference is of one kind, short-term or long-term, for all its users."""
    if not index.has_long_term:
        return True
    kinds: dict[int, bool] = {}
    for references in _references(index, samples).values():
        for reference, long_term in references:
            if kinds.setdefault(reference, bool(long_term)) != bool(long_term):
                return False
    return True


class ClosureRewriter:
    """Rewrites the samples of one run, in decode order.

    Args:
        index: The clip.
        samples: A closed set of samples for which `can_rewrite` holds, ascending.
        idr_pic_id: That of its first picture; runs that follow each other in one stream differ
            in it.
    """

    def __init__(self, index: FrameIndex, samples: Int64s, *, idr_pic_id: int = 0) -> None:
        self._idr_pic_id = idr_pic_id
        self._index = index
        self._with_bottom = index.has_bottom_order_delta
        sets = sets_of_rewritten(index, index.parameter_sets_at(int(samples[0])))
        if sets is None:
            raise ValueError("these samples cannot be rewritten: see can_rewrite")
        self._sets = sets
        top, delta = index.top_order_count[samples], index.bottom_order_delta[samples]
        numbers = samples.tolist()
        self._top = dict(zip(numbers, top.tolist(), strict=True))
        self._bottom_delta = dict(zip(numbers, delta.tolist(), strict=True))
        # PicOrderCnt of a frame: the lesser of its fields' (8.2.1).
        self._order_count = dict(
            zip(numbers, (top + np.minimum(delta, 0)).tolist(), strict=True)
        )
        self._base = self._order_count[numbers[0]]
        self._references = _references(index, samples)
        self._last_use: dict[int, int] = {}
        self._long_term: set[int] = set()
        for sample, references in self._references.items():
            for reference, long_term in references:
                self._last_use[reference] = sample
                if long_term:
                    self._long_term.add(reference)
        # What the rewritten stream's decoder holds, by sample, in decode order: as the clip
        # numbers it, and as it is numbered now.
        self._pictures: dict[int, Picture] = {}
        self._held: dict[int, Picture] = {}
        self._known_modifications: tuple[
            object, tuple[Modifications | None, Modifications | None]
        ] = (None, (None, None))
        self._frame_num = 0
        self._is_first = True
        self._previous_is_reference = False

    def rewrite(self, sample: int, data: memoryview) -> bytes:
        """One sample of the run; they must come in order.

        Raises:
            BitstreamError: Its bytes are not what was indexed.
        """
        length_size = self._index.nal_length_size
        split = split_length_prefixed(data, length_size) if length_size else split_annexb(data)
        slices: list[tuple[memoryview, SliceHeader]] = []
        for begin, end in split:
            nal = data[begin:end]
            if len(nal) and nal[0] & 31 in (NAL_SLICE, NAL_SLICE_IDR):
                header = parse_slice_header(nal, self._sets.old_sps, self._sets.old_pps)
                if not header.redundant_pic_cnt:
                    slices.append((nal, header))
        if not slices:
            raise BitstreamError(
                f"sample {self._index.clip_sample(sample)}: a picture was indexed, none is "
                "there"
            )
        marking = self._start(sample, slices[0][1])
        out = bytearray()
        for nal, header in slices:
            changed = self._new_header(sample, header, marking)
            rebuilt = rehead_slice(
                nal,
                header,
                changed,
                self._sets.sps[header.sps.seq_parameter_set_id],
                self._sets.pps[header.pic_parameter_set_id],
            )
            if length_size:
                out += len(rebuilt).to_bytes(REWRITTEN_LENGTH_SIZE, "big")
            else:
                out += b"\x00\x00\x01"
            out += rebuilt
        self._finish(sample, marking, slices[0][1])
        return bytes(out)

    def _start(self, sample: int, header: SliceHeader) -> _Marking:
        """Number the picture and decide what becomes of the references after it."""
        idr, self._is_first = self._is_first, False
        if self._previous_is_reference:
            self._frame_num = (self._frame_num + 1) % _MAX_FRAME_NUM
        is_reference = idr or sample in self._last_use
        marking = _Marking(
            idr=idr, nal_ref_idc=max(1, header.nal_ref_idc) if is_reference else 0
        )
        if not is_reference:
            return marking
        keeps_long_term = sample in self._long_term
        if idr:
            # 8.2.5.1: an IDR picture with long_term_reference_flag has LongTermFrameIdx 0.
            marking.long_term_frame_idx = 0 if keeps_long_term else -1
            return marking
        # 8.2.5.4.1 and 8.2.5.4.2: let go of what nobody after this picture refers to.
        marking.dead = [r for r in self._held if self._last_use.get(r, -1) <= sample]
        for reference in marking.dead:
            held = self._held[reference]
            if held.long_term:
                marking.operations.append((2, held.long_term_frame_idx))
            else:
                difference = (self._frame_num - held.frame_num) % _MAX_FRAME_NUM
                marking.operations.append((1, difference - 1))
        if keeps_long_term:
            # 8.2.5.4.4 and 8.2.5.4.6
            taken = {
                h.long_term_frame_idx for r, h in self._held.items() if r not in marking.dead
            }
            free = next(i for i in range(len(taken) + 1) if i not in taken)
            marking.long_term_frame_idx = free
            marking.operations.append((4, max(header.sps.max_num_ref_frames, free + 1)))
            marking.operations.append((6, free))
        return marking

    def _new_header(self, sample: int, header: SliceHeader, marking: _Marking) -> SliceHeader:
        new = header.copy()
        new.nal_unit_type = NAL_SLICE_IDR if marking.idr else NAL_SLICE
        new.nal_ref_idc = marking.nal_ref_idc
        new.frame_num = self._frame_num
        new.idr_pic_id = self._idr_pic_id if marking.idr else -1
        order_count = self._top[sample] - self._base
        new.pic_order_cnt_lsb = order_count % _MAX_ORDER_COUNT_LSB
        new.delta_pic_order_cnt = (0, 0)
        new.delta_pic_order_cnt_bottom = self._bottom_delta[sample] if self._with_bottom else 0
        if header.slice_type in (P, B):
            new.num_ref_idx_active_override_flag = True
            new.ref_pic_list_modification = self._modifications(sample, header)
        new.no_output_of_prior_pics_flag = False
        new.long_term_reference_flag = marking.idr and marking.long_term_frame_idx >= 0
        new.adaptive_ref_pic_marking_mode_flag = bool(marking.operations)
        new.memory_management = tuple(marking.operations)
        return new

    def _modifications(
        self, sample: int, header: SliceHeader
    ) -> tuple[Modifications | None, Modifications | None]:
        """Operations for each list of a slice, under the new numbers; slices of one picture
        mostly agree.
        """
        key = (
            header.slice_type,
            header.num_ref_idx_l0_active,
            header.num_ref_idx_l1_active,
            header.ref_pic_list_modification,
        )
        if self._known_modifications[0] != (sample, key):
            is_b = header.slice_type == B
            order_count = self._order_count[sample] if is_b else None
            used = self._used_pictures(sample, header)
            initial = initial_lists(used, order_count)
            held = initial
            if len(used) < len(self._held) or self._long_term:
                held = initial_lists(list(self._held.values()), order_count)
            operations = [
                self._modify(
                    sample,
                    active_list(entries, header, number, used, lambda problem: None),
                    held[number],
                )
                for number, entries in enumerate(initial)
            ]
            found = (operations[0], operations[1] if is_b else None)
            self._known_modifications = (sample, key), found
        return self._known_modifications[1]

    def _used_pictures(self, sample: int, header: SliceHeader) -> list[Picture]:
        """The references of a sample, under the numbers that the clip uses."""
        pictures = []
        for reference, long_term in self._references[sample]:
            picture = self._pictures[reference]
            if picture.long_term_frame_idx != long_term - 1:
                _mark(picture, long_term - 1)
            pictures.append(picture)
        if header.ref_pic_list_modification != (None, None):
            number_pictures(pictures, header.frame_num, header.sps.max_frame_num)
        return pictures

    def _modify(
        self, sample: int, wanted: ReferenceList, initial: ReferenceList
    ) -> Modifications | None:
        names = [entry[0].id for entry in wanted if entry is not None]
        if len(names) < len(wanted):
            raise BitstreamError(
                f"sample {self._index.clip_sample(sample)}: a slice names a reference that the "
                "index does not list"
            )
        return modifications(
            names,
            initial,
            self._held,
            frame_num=self._frame_num,
            max_frame_num=_MAX_FRAME_NUM,
        )

    def _finish(self, sample: int, marking: _Marking, header: SliceHeader) -> None:
        for reference in marking.dead:
            del self._held[reference]
            self._pictures.pop(reference, None)
        self._previous_is_reference = bool(marking.nal_ref_idc)
        if not marking.nal_ref_idc:
            return
        self._held[sample] = held = Picture(sample, self._frame_num, 0)
        self._pictures[sample] = picture = Picture(sample, header.frame_num, 0)
        picture.order_count = held.order_count = self._order_count[sample]
        _mark(picture, -1)
        _mark(held, marking.long_term_frame_idx)


@dataclass(slots=True)
class _Marking:
    """How one picture is marked, and what it lets go of."""

    idr: bool
    nal_ref_idc: int
    long_term_frame_idx: int = -1
    dead: list[int] = field(default_factory=list)
    operations: list[tuple[int, ...]] = field(default_factory=list)


def _mark(picture: Picture, long_term_frame_idx: int) -> None:
    """Make it a long-term reference, or a short-term one where the index is -1."""
    picture.short_term, picture.long_term = (
        (FRAME, 0) if long_term_frame_idx < 0 else (0, FRAME)
    )
    picture.long_term_frame_idx = long_term_frame_idx


def _references(index: FrameIndex, samples: Int64s) -> dict[int, list[tuple[int, int]]]:
    """The references of each sample, each with 0 or its LongTermFrameIdx + 1."""
    start = index.reference_start[samples]
    count = index.reference_start[samples + 1] - start
    end = np.cumsum(count)
    at = np.arange(int(count.sum())) + np.repeat(start - end + count, count)
    pairs = list(zip(index.references[at].tolist(), index.long_term[at].tolist(), strict=True))
    ends = end.tolist()
    return {
        sample: pairs[a:b]
        for sample, a, b in zip(samples.tolist(), [0, *ends], ends, strict=False)
    }
