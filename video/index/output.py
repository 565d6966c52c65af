"""Which pictures a full decode with FFmpeg puts out: libavcodec's output queue, followed step
by step.

Frame k is the k-th picture that FFmpeg presents, so what it loses has no number. It loses
pictures in two ways, neither of which is the standard's (C.4):

- A stream need not state how far its pictures are reordered. libavcodec then starts from what
  it saw while probing the file and lengthens its queue when a picture comes out of order: too
  late for the one that should have come out before. (The queue follows
  `h264_select_output_frame`, probing `has_decode_delay_been_guessed`, in FFmpeg 5 to 8.)
- A stream need not begin with an IDR picture. Nothing is shown before a picture at which
  decoding has recovered: one that a recovery point announces, after which all is shown in
  output order; or an intra picture that looks like an entry, after which all is shown that is
  decoded once it was put out.
"""

from __future__ import annotations

from array import array
from bisect import bisect_right
from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import IntEnum

_LAST_POCS = 16  # H264_MAX_DPB_FRAMES
_NEVER = -(1 << 62)


class Recovery(IntEnum):
    """What a picture says about decoding that began before it."""

    NONE = 0
    LIKELY = 1
    """An intra picture with little before it: libavcodec takes it for an entry."""
    ANNOUNCED = 2
    """A recovery point is reached."""
    IDR = 3
    """Nothing before it matters."""


@dataclass(slots=True)
class OutputPicture:
    """A picture as the queue sees it."""

    order_count: int
    """PicOrderCnt."""
    is_b: bool
    recovery: Recovery
    resets_order: bool
    """It carries memory_management_control_operation 5."""
    reorder_frames: int
    """num_reorder_frames of its sequence parameter set."""
    states_reorder: bool
    """Whether that is stated in the stream (bitstream_restriction_flag)."""


@dataclass(slots=True)
class OutputColumn:
    """What the queue sees of every sample, ten bytes each: a file can have millions."""

    _order_count: array[int] = field(default_factory=lambda: array("q"))
    _state: array[int] = field(default_factory=lambda: array("H"))

    def __len__(self) -> int:
        return len(self._state)

    def append_none(self) -> None:
        """A sample in which no picture is known yet."""
        self._order_count.append(0)
        self._state.append(0)

    def __setitem__(self, sample: int, picture: OutputPicture) -> None:
        self._order_count[sample] = picture.order_count
        self._state[sample] = (
            _IS_PICTURE
            | _IS_B * picture.is_b
            | _RESETS_ORDER * picture.resets_order
            | _STATES_REORDER * picture.states_reorder
            | picture.recovery << _RECOVERY_SHIFT
            | picture.reorder_frames << _REORDER_SHIFT
        )

    def __getitem__(self, sample: int) -> OutputPicture | None:
        state = self._state[sample]
        if not state:
            return None
        return OutputPicture(
            order_count=self._order_count[sample],
            is_b=bool(state & _IS_B),
            recovery=_RECOVERIES[state >> _RECOVERY_SHIFT & 3],
            resets_order=bool(state & _RESETS_ORDER),
            reorder_frames=state >> _REORDER_SHIFT,
            states_reorder=bool(state & _STATES_REORDER),
        )


_IS_PICTURE, _IS_B, _RESETS_ORDER, _STATES_REORDER = 1, 2, 4, 8
_RECOVERY_SHIFT = 4
_REORDER_SHIFT = 8
_RECOVERIES = tuple(Recovery)


@dataclass(slots=True)
class _Waiting:
    number: int
    picture: OutputPicture
    heads_sequence: bool
    recovered: int


class OutputQueue:
    """libavcodec's queue of decoded pictures.

    Args:
        delay: Pictures it holds back at first, where the stream does not state how many.
    """

    def __init__(self, delay: int = 0) -> None:
        self.delay = delay
        self.lost: list[int] = []
        """Pictures that never come out, counted as they were added."""
        self.put_out = 0
        """Pictures that came out."""
        self._added = 0
        self._waiting: list[_Waiting] = []
        self._last_order_counts = [_NEVER] * _LAST_POCS
        self._next_order_count = _NEVER
        self._recovered = 0

    def add(self, picture: OutputPicture) -> None:
        """A picture begins to be decoded; others may come out."""
        if picture.states_reorder:
            self.delay = max(self.delay, picture.reorder_frames)
        if picture.recovery is Recovery.IDR:
            self._last_order_counts = [_NEVER] * _LAST_POCS
            self._recovered |= _SHOWS_NEXT
        heads_sequence = picture.recovery is Recovery.IDR or picture.resets_order
        if self._lengthen(picture):
            heads_sequence = True
        announced = _SHOWS_ALL if picture.recovery >= Recovery.ANNOUNCED else 0
        entry = _Waiting(self._added, picture, heads_sequence, self._recovered | announced)
        self._added += 1
        self._waiting.append(entry)
        self._take_one()
        if picture.recovery is Recovery.LIKELY:
            # Known only after the picture's marking: too late for the picture if it came out at
            # once.
            entry.recovered |= _SHOWS_NEXT
            if not self.delay:
                self._recovered |= _SHOWS_NEXT

    def drain(self) -> None:
        """The stream ends: what waits comes out, but for what has not recovered."""
        while self._waiting:
            self._show(self._waiting.pop(self._first()))

    def _lengthen(self, picture: OutputPicture) -> bool:
        """Adapt the delay; whether the picture is so far back that it begins a new sequence."""
        last = self._last_order_counts
        place = bisect_right(last, picture.order_count)
        if place:
            last[: place - 1] = last[1:place]
            last[place - 1] = picture.order_count
        behind = _LAST_POCS - place
        if picture.is_b or (last[-2] > _NEVER and last[-1] - last[-2] > 2):
            behind = max(behind, 1)
        if behind == _LAST_POCS:
            self._last_order_counts = [picture.order_count] + [_NEVER] * (_LAST_POCS - 1)
            return True
        if behind > self.delay and not picture.states_reorder:
            self.delay = behind
        return False

    def _first(self) -> int:
        """Which waiting picture is next: the least order count before a new sequence begins."""
        first = 0
        for i in range(1, len(self._waiting)):
            if self._waiting[i].heads_sequence:
                break
            if self._waiting[i].picture.order_count < self._waiting[first].picture.order_count:
                first = i
        return first

    def _take_one(self) -> None:
        waiting = self._waiting
        first = self._first()
        if not self.delay and waiting[0].heads_sequence:
            self._next_order_count = _NEVER
        order_count = waiting[first].picture.order_count
        if order_count < self._next_order_count:
            self.lost.append(waiting.pop(first).number)
        elif len(waiting) > self.delay:
            entry = waiting.pop(first)
            heads_next = not first and waiting and waiting[0].heads_sequence
            self._next_order_count = _NEVER if heads_next else order_count
            self._show(entry)

    def _show(self, entry: _Waiting) -> None:
        self._recovered |= entry.recovered
        if entry.recovered or self._recovered & _SHOWS_ALL:
            self.put_out += 1
        else:
            self.lost.append(entry.number)


_SHOWS_NEXT = 1  # what is decoded from now on (FRAME_RECOVERED_HEURISTIC)
_SHOWS_ALL = 2  # what is put out from now on


def lost_pictures(pictures: Iterable[OutputPicture]) -> list[int]:
    """Which of the pictures, in decode order, a full decode does not put out.

    Args:
        pictures: Gone through twice.
    """
    queue = OutputQueue(_probed_delay(pictures))
    for picture in pictures:
        queue.add(picture)
    queue.drain()
    return queue.lost


def _probed_delay(pictures: Iterable[OutputPicture]) -> int:
    """The delay that libavformat finds while it probes a file."""
    queue = OutputQueue()
    for picture in pictures:
        queue.add(picture)
        stated = picture.states_reorder and queue.delay == picture.reorder_frames
        enough = 7 if queue.delay < 3 else 18 if queue.delay < 4 else 20
        if (queue.delay and stated) or queue.put_out >= enough:
            break
    return queue.delay
