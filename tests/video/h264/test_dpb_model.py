"""The buffer against a slow model that holds single fields and spells out the clauses of H.264.

Hypothesis draws conformant streams: frames, field pairs and lone fields, references or not,
gaps, the three types of picture order count, list modifications and memory management.
"""

from __future__ import annotations

import dataclasses

import hypothesis.strategies as st
from hypothesis import given, settings

from marey.video.h264.dpb import DecodedPictureBuffer
from marey.video.h264.pps import Pps
from marey.video.h264.slice_header import BOTTOM_FIELD, FRAME, TOP_FIELD, B, I, P, SliceHeader
from marey.video.h264.sps import Sps

SHORT, LONG, UNUSED = "short", "long", "unused"
FIELDS = (TOP_FIELD, BOTTOM_FIELD)
MAX_FRAME_NUM = 16


@dataclasses.dataclass(eq=False)
class Frame:
    """A frame, a complementary pair, or a non-paired field; marks and counts by field."""

    name: int
    frame_num: int
    mark: dict[int, str] = dataclasses.field(default_factory=dict)
    count: dict[int, int] = dataclasses.field(default_factory=dict)
    index: int = -1
    epoch: int = 0
    wrap: int = 0
    is_reference: bool = False
    non_existing: bool = False

    def has(self, mark: str, *, both: bool = False) -> bool:
        marked = [self.mark.get(f) == mark for f in FIELDS]
        return all(marked) if both else any(marked)


class Model:
    """Tables and processes of 8.2.1, 8.2.4 and 8.2.5, one after the other."""

    def __init__(self, sps: Sps) -> None:
        self.sps = sps
        self.frames: list[Frame] = []
        self.max_index: int | None = None
        self.previous_ref_frame_num = 0
        self.previous_msb = self.previous_lsb = 0
        self.previous_frame_num = self.previous_offset = 0
        self.epoch = -1
        self.current: Frame | None = None
        self.open_field: Frame | None = None
        self.second = False

    # 8.2.1
    def order_counts(self, h: SliceHeader) -> dict[int, int]:
        sps, idr, reference = self.sps, h.nal_unit_type == 5, h.nal_ref_idc != 0
        if sps.pic_order_cnt_type == 0:
            if idr:
                self.previous_msb = self.previous_lsb = 0
            size = 1 << sps.log2_max_pic_order_cnt_lsb
            lsb, before = h.pic_order_cnt_lsb, self.previous_lsb
            if lsb < before and before - lsb >= size / 2:
                msb = self.previous_msb + size
            elif lsb > before and lsb - before > size / 2:
                msb = self.previous_msb - size
            else:
                msb = self.previous_msb
            if reference:
                self.previous_msb, self.previous_lsb = msb, lsb
            top = bottom = msb + lsb
            if h.structure == FRAME:
                bottom = top + h.delta_pic_order_cnt_bottom
        else:
            self.advance(h.frame_num, idr)
            top, bottom = self.later_types(h.structure, h.delta_pic_order_cnt, reference, idr)
        both = {TOP_FIELD: top, BOTTOM_FIELD: bottom}
        return {f: both[f] for f in FIELDS if h.structure & f}

    def advance(self, frame_num: int, idr: bool) -> None:
        if idr:
            self.previous_offset = 0
        elif self.previous_frame_num > frame_num:
            self.previous_offset += MAX_FRAME_NUM
        self.previous_frame_num = frame_num

    def later_types(self, structure, delta, reference, idr) -> tuple[int, int]:
        sps = self.sps
        if sps.pic_order_cnt_type == 2:
            count = 2 * (self.previous_offset + self.previous_frame_num)
            if not reference:
                count -= 1
            return (0, 0) if idr else (count, count)
        cycle = sps.offset_for_ref_frame
        absolute = self.previous_offset + self.previous_frame_num if cycle else 0
        if not reference and absolute > 0:
            absolute -= 1
        # One step of the cycle for each frame, in place of the formula.
        expected = sum(cycle[n % len(cycle)] for n in range(absolute))
        if not reference:
            expected += sps.offset_for_non_ref_pic
        if structure == FRAME:
            top = expected + delta[0]
            return top, top + sps.offset_for_top_to_bottom_field + delta[1]
        return expected + delta[0], expected + sps.offset_for_top_to_bottom_field + delta[0]

    def start(self, h: SliceHeader, name: int) -> None:
        first = self.open_field
        self.second = (
            first is not None
            and h.structure in FIELDS
            and h.structure not in first.count
            and first.frame_num == h.frame_num
            and first.is_reference == (h.nal_ref_idc != 0)
            and h.nal_unit_type != 5
        )
        self.open_field = None
        if self.second:
            self.current = first
        else:
            if h.nal_unit_type == 5:
                self.epoch += 1
                self.frames = []
            else:
                self.fill_gap(h.frame_num)
            self.current = Frame(name, h.frame_num, epoch=self.epoch)
            self.current.is_reference = h.nal_ref_idc != 0
        self.own_counts = self.order_counts(h)
        self.number(h.frame_num)

    # 8.2.5.2
    def fill_gap(self, frame_num: int) -> None:
        missing = self.previous_ref_frame_num
        if frame_num == missing:
            return
        while (missing + 1) % MAX_FRAME_NUM != frame_num:
            missing = (missing + 1) % MAX_FRAME_NUM
            self.number(missing)
            self.slide()
            frame = Frame(-1, missing, dict.fromkeys(FIELDS, SHORT), non_existing=True)
            if self.sps.pic_order_cnt_type:
                self.advance(missing, False)
                counts = self.later_types(FRAME, (0, 0), True, False)
                frame.count = dict(zip(FIELDS, counts, strict=True))
            self.frames.append(frame)
            self.previous_ref_frame_num = missing

    # 8.2.4.1
    def number(self, frame_num: int) -> None:
        for frame in self.frames:
            larger = frame.frame_num > frame_num
            frame.wrap = frame.frame_num - (MAX_FRAME_NUM if larger else 0)

    def pic_nums(self, structure: int, mark: str) -> dict[int, tuple[Frame, int]]:
        """Every picture that can be named, by its PicNum or LongTermPicNum."""
        named = {}
        for frame in self.frames:
            number = frame.wrap if mark == SHORT else frame.index
            if structure == FRAME:
                if frame.has(mark, both=True):
                    named[number] = (frame, FRAME)
            else:
                for f in FIELDS:
                    if frame.mark.get(f) == mark:
                        named[2 * number + (f == structure)] = (frame, f)
        return named

    # 8.2.4.2
    def initial_lists(self, h: SliceHeader) -> list[list[tuple[Frame, int]]]:
        both = h.structure == FRAME
        short = [f for f in self.frames if f.has(SHORT, both=both)]
        long = sorted((f for f in self.frames if f.has(LONG, both=both)), key=lambda f: f.index)
        if h.slice_type == P:
            orders = [sorted(short, key=lambda f: -f.wrap)]
        else:
            now = min(self.own_counts.values())
            if self.sps.pic_order_cnt_type == 0:
                short = [f for f in short if not f.non_existing]
            before = sorted(
                (f for f in short if min(f.count.values()) <= now),
                key=lambda f: -min(f.count.values()),
            )
            after = sorted(
                (f for f in short if min(f.count.values()) > now),
                key=lambda f: min(f.count.values()),
            )
            orders = [before + after, after + before]
        lists = []
        for order in orders:
            if both:
                lists.append([(f, FRAME) for f in order + long])
            else:
                lists.append(
                    self.alternate(order, SHORT, h.structure)
                    + self.alternate(long, LONG, h.structure)
                )
        if len(lists) == 2 and len(lists[1]) > 1 and lists[0] == lists[1]:
            lists[1][0], lists[1][1] = lists[1][1], lists[1][0]
        return lists

    # 8.2.4.2.5
    @staticmethod
    def alternate(order: list[Frame], mark: str, parity: int) -> list[tuple[Frame, int]]:
        taken: list[tuple[Frame, int]] = []

        def following(f: int) -> tuple[Frame, int] | None:
            free = ((x, f) for x in order if x.mark.get(f) == mark and (x, f) not in taken)
            return next(free, None)

        while following(TOP_FIELD) and following(BOTTOM_FIELD):
            taken.append(following(parity))
            parity = FRAME - parity
        for f in FIELDS:
            while following(f):
                taken.append(following(f))
        return taken

    # 8.2.4.2 and 8.2.4.3
    def lists(self, h: SliceHeader) -> list[list[tuple[Frame, int] | None]]:
        result = []
        sizes = (h.num_ref_idx_l0_active, h.num_ref_idx_l1_active)
        modifications = h.ref_pic_list_modification
        curr_pic_num = h.frame_num if h.structure == FRAME else 2 * h.frame_num + 1
        max_pic_num = MAX_FRAME_NUM if h.structure == FRAME else 2 * MAX_FRAME_NUM
        short, long = (self.pic_nums(h.structure, mark) for mark in (SHORT, LONG))
        for x, initial in enumerate(self.initial_lists(h)):
            size, operations = sizes[x], modifications[x]
            entries = [*(initial + [None] * size)[:size], None]
            predicted = curr_pic_num
            for at, (idc, value) in enumerate(operations or ()):
                if idc == 2:
                    picture = long[value]
                else:
                    step = value + 1
                    if idc == 0:
                        predicted -= step
                        predicted += max_pic_num if predicted < 0 else 0
                    else:
                        predicted += step
                        predicted -= max_pic_num if predicted >= max_pic_num else 0
                    number = predicted - (max_pic_num if predicted > curr_pic_num else 0)
                    picture = short[number]
                for c in range(size, at, -1):
                    entries[c] = entries[c - 1]
                entries[at] = picture
                n = at + 1
                for c in range(at + 1, size + 1):
                    if entries[c] != picture:
                        entries[n] = entries[c]
                        n += 1
            result.append(entries[:size])
        return result

    # 8.2.5.3
    def slide(self) -> None:
        short = [f for f in self.frames if f.has(SHORT)]
        long = [f for f in self.frames if f.has(LONG)]
        if len(short) + len(long) >= max(self.sps.max_num_ref_frames, 1):
            self.frames.remove(min(short, key=lambda f: f.wrap))

    def full_of_long(self) -> bool:
        long = [f for f in self.frames if f.has(LONG)]
        return len(long) >= max(self.sps.max_num_ref_frames, 1)

    # 8.2.5.1 and 8.2.5.4
    def end(self, h: SliceHeader) -> None:
        current = self.current
        current.count.update(self.own_counts)
        if h.nal_ref_idc:
            mark = SHORT
            if h.nal_unit_type == 5:
                self.max_index = None
                if h.long_term_reference_flag:
                    mark, current.index, self.max_index = LONG, 0, 0
            elif h.adaptive_ref_pic_marking_mode_flag:
                mark = self.operations(h)
            elif not (self.second and current.has(SHORT)):
                self.slide()
            for f in self.own_counts:
                current.mark[f] = mark
            if current not in self.frames:
                self.frames.append(current)
            self.previous_ref_frame_num = h.frame_num
            if (5,) in h.memory_management:
                self.restart()
        if not self.second and h.structure != FRAME:
            self.open_field = current

    def operations(self, h: SliceHeader) -> str:
        mark = SHORT
        curr_pic_num = h.frame_num if h.structure == FRAME else 2 * h.frame_num + 1
        for code, *arguments in h.memory_management:
            if code in (1, 3):
                number = curr_pic_num - (arguments[0] + 1)
                frame, fields = self.pic_nums(h.structure, SHORT)[number]
                if code == 3:
                    self.free(arguments[1], frame)
                    frame.index = arguments[1]
                for f in FIELDS:
                    if fields & f:
                        frame.mark[f] = UNUSED if code == 1 else LONG
            elif code == 2:
                frame, fields = self.pic_nums(h.structure, LONG)[arguments[0]]
                for f in FIELDS:
                    if fields & f:
                        frame.mark[f] = UNUSED
            elif code == 4:
                self.max_index = arguments[0] - 1 if arguments[0] else None
                for index in range(arguments[0], 16):
                    self.free(index, None)
            elif code == 5:
                self.frames = []
                self.max_index = None
            elif code == 6:
                self.free(arguments[0], self.current)
                self.current.index = arguments[0]
                mark = LONG
        self.frames = [f for f in self.frames if f.has(SHORT) or f.has(LONG)]
        return mark

    def free(self, index: int, keep: Frame | None) -> None:
        for frame in self.frames:
            if frame.index == index and frame is not keep:
                for f in FIELDS:
                    if frame.mark.get(f) == LONG:
                        frame.mark[f] = UNUSED

    def restart(self) -> None:
        current = self.current
        lowest = min(current.count.values())
        current.count = {f: count - lowest for f, count in current.count.items()}
        self.epoch += 1
        current.epoch = self.epoch
        current.frame_num = self.previous_ref_frame_num = 0
        self.previous_msb, self.previous_lsb = 0, current.count.get(TOP_FIELD, 0)
        self.previous_frame_num = self.previous_offset = 0


@st.composite
def sequence_parameter_sets(draw) -> Sps:
    return Sps(
        profile_idc=77,
        level_idc=30,
        pic_width_in_mbs=2,
        pic_height_in_map_units=2,
        log2_max_frame_num=4,
        pic_order_cnt_type=draw(st.integers(0, 2)),
        log2_max_pic_order_cnt_lsb=5,
        offset_for_non_ref_pic=draw(st.integers(-3, 0)),
        offset_for_top_to_bottom_field=draw(st.integers(-1, 1)),
        offset_for_ref_frame=tuple(draw(st.lists(st.integers(1, 6), max_size=3))),
        max_num_ref_frames=draw(st.integers(1, 5)),
        gaps_in_frame_num_value_allowed_flag=draw(st.booleans()),
        frame_mbs_only_flag=False,
    )


class Encoder:
    """Draws headers that the rules allow in the state that the model is in."""

    def __init__(self, draw, sps: Sps) -> None:
        self.draw = draw
        self.sps = sps
        self.model = Model(sps)
        self.pps = Pps(bottom_field_pic_order_in_frame_present_flag=True)

    def pick(self, *options):
        return self.draw(st.sampled_from(options))

    def integer(self, low: int, high: int) -> int:
        return self.draw(st.integers(low, high))

    def frame(self, name: int, *, idr: bool):
        """The slices of a new frame: of one picture, or of its two fields in turn.

        The model has started each picture that comes, and must end it before the next.
        """
        model = self.model
        gap = self.pick(0, 0, 0, 1, 2) if self.sps.gaps_in_frame_num_value_allowed_flag else 0
        following = [(model.previous_ref_frame_num + k) % MAX_FRAME_NUM for k in range(1, 4)]
        held = {f.frame_num for f in model.frames if f.has(SHORT)}
        if held & set(following[: gap + 1]) or model.full_of_long():
            idr = True
        base = SliceHeader(
            sps=self.sps,
            pps=self.pps,
            nal_unit_type=5 if idr else 1,
            nal_ref_idc=1 if idr else self.pick(0, 1, 1),
            first_mb_in_slice=0,
            slice_type=I,
            slice_type_raw=I,
            pic_parameter_set_id=0,
            frame_num=0 if idr else following[gap],
            idr_pic_id=name % 2 if idr else -1,
        )
        # A lone field must not find a partner in the next frame: not in an IDR picture either,
        # though 3.30 says that none is a second field, for decoders pair what encoders send.
        lone = model.open_field
        partner = lone is not None and lone.frame_num == base.frame_num
        fields = tuple(f for f in FIELDS if not partner or f in lone.count)
        first = self.pick(FRAME, *fields)
        yield self.picture(base, first, name)
        if first != FRAME and self.pick(True, True, True, False):
            second = base.copy()
            second.nal_unit_type, second.idr_pic_id = 1, -1
            second.frame_num = model.current.frame_num
            yield self.picture(second, FRAME - first, name)

    def picture(self, base: SliceHeader, structure: int, name: int) -> list[SliceHeader]:
        h = base.copy()
        h.structure = structure
        if self.sps.pic_order_cnt_type == 0:
            # Counts are distinct: each frame has a place of its own, mostly a later one.
            h.pic_order_cnt_lsb = (2 * name + (structure == BOTTOM_FIELD)) % 32
            if h.nal_unit_type == 5 or not self.model.second:
                h.pic_order_cnt_lsb = (h.pic_order_cnt_lsb + 4 * self.integer(-1, 1)) % 32
            if structure == FRAME:
                h.delta_pic_order_cnt_bottom = self.integer(-1, 1)
        elif self.sps.pic_order_cnt_type == 1:
            h.delta_pic_order_cnt = (self.integer(-4, 4), 0)
            if structure == FRAME:
                h.delta_pic_order_cnt = (h.delta_pic_order_cnt[0], self.integer(-1, 1))
        self.model.start(h, name)
        if h.nal_unit_type == 5:
            h.long_term_reference_flag = self.pick(False, False, True)
        elif h.nal_ref_idc:
            self.add_memory_management(h)
        return [self.slice_of(h) for _ in range(self.integer(1, 2))]

    def slice_of(self, h: SliceHeader) -> SliceHeader:
        h = h.copy()
        if h.nal_unit_type == 5:
            return h
        h.slice_type = self.pick(P, P, B, B, I)
        shorts = [f for f in self.model.frames if f.has(SHORT) and f.count]
        if len({min(f.count.values()) for f in shorts}) < len(shorts):
            h.slice_type = P  # two frames with one count have no order
        if h.slice_type == I:
            return h
        h.num_ref_idx_l0_active = self.integer(1, 6)
        h.num_ref_idx_l1_active = self.integer(1, 6) if h.slice_type == B else 0
        h.ref_pic_list_modification = (
            self.modifications(h, h.num_ref_idx_l0_active),
            self.modifications(h, h.num_ref_idx_l1_active),
        )
        return h

    def modifications(self, h: SliceHeader, size: int):
        short, long = (self.model.pic_nums(h.structure, mark) for mark in (SHORT, LONG))
        names = [(SHORT, n) for n, (f, _) in short.items() if not f.non_existing]
        names += [(LONG, n) for n in long]
        if not size or not names or self.pick(True, False):
            return None
        scale = 1 if h.structure == FRAME else 2
        predicted = h.frame_num if scale == 1 else 2 * h.frame_num + 1
        operations = []
        for _ in range(self.integer(0, size)):
            mark, number = self.pick(*names)
            if mark == LONG:
                operations.append((2, number))
                continue
            down = (predicted - number) % (scale * MAX_FRAME_NUM) or scale * MAX_FRAME_NUM
            up = (number - predicted) % (scale * MAX_FRAME_NUM) or scale * MAX_FRAME_NUM
            idc = self.pick(0, 1)
            operations.append((idc, (up if idc else down) - 1))
            predicted = number % (scale * MAX_FRAME_NUM)
        return tuple(operations)

    def add_memory_management(self, h: SliceHeader) -> None:
        """Operations that leave the buffer as it may be; else the sliding window."""
        model = self.model
        first_is_long = model.second and model.current.has(LONG)
        if not first_is_long and self.pick(True, False):
            return
        operations = list(self.operations(h, first_is_long=first_is_long))
        trial = [dataclasses.replace(f, mark=dict(f.mark)) for f in model.frames]
        twin = Model(self.sps)
        twin.frames, twin.second, twin.max_index = trial, model.second, model.max_index
        place = model.frames.index(model.current) if model.current in model.frames else None
        twin.current = (
            dataclasses.replace(model.current, mark=dict(model.current.mark))
            if place is None
            else trial[place]
        )
        attempt = h.copy()
        attempt.memory_management = tuple(operations)
        twin.operations(attempt)
        room = max(self.sps.max_num_ref_frames, 1) - (twin.current not in twin.frames)
        if len(twin.frames) <= room:
            h.adaptive_ref_pic_marking_mode_flag = True
            h.memory_management = tuple(operations)

    def operations(self, h: SliceHeader, *, first_is_long: bool):
        model = self.model
        if first_is_long:
            yield 6, model.current.index
            return
        if not model.second and self.pick(False, False, False, False, True):
            yield (5,)
            return
        limit = model.max_index
        if limit is None or self.pick(False, False, True):
            limit = self.integer(0, 3)
            yield 4, limit + 1
        curr_pic_num = h.frame_num if h.structure == FRAME else 2 * h.frame_num + 1
        short = dict(model.pic_nums(h.structure, SHORT))
        for number in sorted(short):
            frame, _ = short[number]
            other_is_long = frame.has(LONG)
            match self.pick("keep", "keep", "drop", "long"):
                case "drop" if frame is not model.current:
                    del short[number]
                    yield 1, curr_pic_num - number - 1
                case "long" if frame is not model.current and not frame.non_existing:
                    index = frame.index if other_is_long else self.integer(0, limit)
                    if index <= limit:
                        yield 3, curr_pic_num - number - 1, index
                        # Its other field, the same way, or it would be in two minds.
                        twin = short.get(number ^ 1)
                        if h.structure != FRAME and twin and twin[0] is frame:
                            yield 3, curr_pic_num - (number ^ 1) - 1, index
                        return
        if not model.second and self.pick(False, False, True):
            yield 6, self.integer(0, limit)


def named(lists):
    """Lists as what identifies their entries, of the model or of the buffer."""
    return [
        [e and (getattr(e[0], "name", None) or getattr(e[0], "id", 0), e[1]) for e in entries]
        for entries in lists
    ]


def marks(frame: Frame) -> tuple[int, int]:
    return tuple(sum(f for f in FIELDS if frame.mark.get(f) == mark) for mark in (SHORT, LONG))


@settings(max_examples=60)
@given(st.data())
def test_the_buffer_does_what_the_clauses_say(data) -> None:
    encoder = Encoder(data.draw, data.draw(sequence_parameter_sets()))
    model, buffer = encoder.model, DecodedPictureBuffer()
    for name in range(1, data.draw(st.integers(2, 24))):
        for slices in encoder.frame(name, idr=name == 1 or encoder.pick(*[False] * 19, True)):
            picture = buffer.start_picture(slices[0], name)
            assert (picture.id, buffer.is_second_field) == (model.current.name, model.second)
            for h in slices:
                lists = model.lists(h) if h.slice_type != I else []
                assert named(buffer.reference_lists(h)) == named(lists)
            buffer.end_picture()
            model.end(slices[0])

            assert picture.frame_num == model.current.frame_num
            assert picture.epoch == model.current.epoch
            assert picture.is_reference == model.current.is_reference
            counts = (picture.top_order_count, picture.bottom_order_count)
            assert counts == tuple(model.current.count.get(f, 1 << 31) for f in FIELDS)
            assert picture.order_count == min(counts)
            assert [
                (p.id, p.frame_num, p.short_term, p.long_term, p.long_term_frame_idx)
                for p in buffer.pictures
            ] == [(f.name, f.frame_num, *marks(f), f.index) for f in model.frames]
            assert not buffer.problems
