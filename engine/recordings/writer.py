"""Samples into a stream: indexed as they come, and committed with their block of the index.

What the index needs of earlier samples is kept between calls. Where it is not there (another
process wrote, or this one has just begun), it is made again from the last block and the samples
since the last IDR picture. So a call costs the same however long the stream is.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import pyarrow as pa

from ...errors import ConflictError, InputError, MareyError, UnsupportedError
from ...storage.recordings.commit import append
from ...storage.recordings.exclusive import can_exclude
from ...storage.recordings.store import SampleStore, StoredBlock, StreamName
from ...storage.recordings.upkeep import is_due, keep_up
from ...video.index.framing import detect_framing, read_parameter_sets
from ...video.index.growing import GrowingIndex
from ...video.index.stream_block import IndexBlock, ResumePoint, join_blocks
from ...video.index.stream_encode import decode_block, encode_block
from .chain import Commits, live_blocks
from .codecs import H264
from .rows import sample_rows
from .streams import StreamIndexes
from .times import to_integers

_ATTEMPTS = 40
_FAN_IN = 32
"""So many blocks of one size become one: a sample is written into two or three blocks."""
_LARGE_BLOCK = 512
"""Samples of a block that is not merged any more."""
_UPKEEP_EVERY = 8
"""Versions between two looks at whether upkeep is due, whoever made them."""
_REPLAYED_AT_ONCE = 256
_NO_LIMIT = 1 << 50


@dataclass(slots=True)
class _State:
    """A stream as the writer left it."""

    store: SampleStore
    codec: str
    end: int
    byte_end: int
    index: GrowingIndex | None
    small: list[IndexBlock]
    """The last blocks that may yet be merged."""


@dataclass(frozen=True, slots=True)
class Indexed:
    """A sample that the index has taken in, not yet committed."""

    data: memoryview
    is_keyframe: bool | None


class StreamWriter:
    """Writes one stream; not to be used by two threads at once.

    `take` indexes samples one by one, `commit` makes those taken part of the dataset. A sample
    that is refused leaves those before it as they were.
    """

    def __init__(
        self, store: SampleStore, streams: StreamIndexes, stream: StreamName, codec: str
    ) -> None:
        self.stream = stream
        self._streams = streams
        self.codec = codec
        self._store = store
        self._sets: list[bytes] = []
        self._length_size: int | None = None
        self._state: _State | None = None
        self._taken: list[Indexed] = []

    def use_parameter_sets(self, data: object) -> None:
        """Put parameter sets in force for the samples to come.

        Args:
            data: An `avcC` record, or NAL units behind start codes.

        Raises:
            InputError: It is neither.
            BitstreamError: A set does not parse.
            UnsupportedError: The stream is of another codec.
        """
        if self.codec != H264:
            raise UnsupportedError(f"parameter_sets of a stream of {self.codec}")
        if not isinstance(data, bytes | bytearray | memoryview):
            raise InputError(f"parameter_sets: expected bytes, got {type(data).__name__}")
        self._sets, self._length_size = read_parameter_sets(bytes(data))
        state = self._ready()
        if state.index is not None:
            try:
                for nal in self._sets:
                    state.index.add_parameter_set(nal)
            except MareyError:
                self._state, self._sets = None, []
                raise

    @property
    def store(self) -> SampleStore:
        """The version that this writer has seen last."""
        return self._store if self._state is None else self._state.store

    @property
    def taken(self) -> int:
        """Samples that wait for a commit."""
        return len(self._taken)

    def take(self, data: memoryview, *, call_bytes: int | None = None) -> None:
        """Index one more sample.

        Args:
            data: Its bytes; they must not change until they are committed.
            call_bytes: Bytes of all samples of the call that it is of: they bound what its
                headers may cost.

        Raises:
            VideoError: It is no access unit; nothing of it is kept.
            UnsupportedError: It uses what Marey does not decode.
            InputError: The stream has another codec.
        """
        state = self._ready()
        if state.index is None and self.codec == H264:
            state.index = self._begin(data)
        try:
            is_keyframe = None
            if state.index is not None:
                state.index.allow(call_bytes or data.nbytes)
                is_keyframe = state.index.take(data)
        except MareyError:
            self._state = None  # it may have taken in half of the sample
            raise
        self._taken.append(Indexed(data, is_keyframe))

    def discard(self) -> None:
        """Forget what waits for a commit."""
        if self._taken:
            self._taken, self._state = [], None

    def commit(self, times: dict[str, pa.Array]) -> SampleStore:
        """Make the samples that were taken part of the dataset: all of them, or none.

        Args:
            times: By timeline, one for each sample taken.

        Raises:
            ConflictError: Other writers were quicker each time.
        """
        for _ in range(_ATTEMPTS):
            state = self._ready()
            if not self._taken:
                return state.store
            try:
                self._commit(state, times)
            except ConflictError:
                self._state = None  # what was taken is indexed anew, behind what others wrote
                continue
            if self.store.version % _UPKEEP_EVERY == 0:
                self.keep_up()
            return self.store
        raise ConflictError(
            f"{self.stream.entity} of segment {self.stream.segment!r}: other writers were "
            f"quicker {_ATTEMPTS} times in a row"
        )

    def keep_up(self, *, always: bool = False) -> None:
        """Merge small files, if there are many of them and others can be kept away."""
        state = self._ready()
        if not can_exclude(state.store.uri):
            return
        if always or is_due(state.store.handle):
            keep_up(state.store.handle)
            self._store = state.store = state.store.newest()

    def _commit(self, state: _State, times: dict[str, pa.Array]) -> None:
        first, n = state.end, len(self._taken)
        block = self._cut(state, first, n, times)
        small = [*state.small, block]
        while len(small) >= _FAN_IN and small[-_FAN_IN].count < _FAN_IN * small[-1].count:
            merged = join_blocks(small[-_FAN_IN:])
            small = [*small[:-_FAN_IN], merged]
        rows = sample_rows(
            self.stream,
            self.codec,
            first=first,
            samples=[taken.data for taken in self._taken],
            keyframes=[taken.is_keyframe for taken in self._taken],
            times=times,
            block=encode_block(small[-1]),
            block_first=small[-1].first,
        )
        before = state.store
        state.store = self._store = append(before, rows, self.stream)
        if state.store.version != before.version + 1:
            self._check_counts(before, state.store, n)
        state.byte_end += sum(taken.data.nbytes for taken in self._taken)
        state.end = first + n
        large = max((i + 1 for i, b in enumerate(small) if b.count >= _LARGE_BLOCK), default=0)
        state.small = small[large:]
        self._taken = []

    def _check_counts(self, before: SampleStore, after: SampleStore, n: int) -> None:
        """Whether what was committed counts: others wrote too since the version before.

        Raises:
            ConflictError: Of the same stream: it does not.
        """
        rows = after.blocks(after=before.row_count - 1)
        others = [block for block in rows if block.stream == self.stream]
        if others[0].row_id != after.row_count - n:
            raise ConflictError("another writer of the stream was quicker")

    def _cut(self, state: _State, first: int, n: int, times: dict[str, pa.Array]) -> IndexBlock:
        """The block of the samples taken, with their times."""
        own = {name: to_integers(array) for name, array in times.items()}
        if state.index is None:
            sizes = np.array([taken.data.nbytes for taken in self._taken], np.int64)
            return replace(plain_block(first, state.byte_end, sizes), times=own)
        block = state.index.cut()
        before = first - block.first
        if before:
            known = join_blocks(state.small).times if state.small else {}
            none = np.zeros(before, np.int64), np.zeros(before, np.bool_)
            for name in {**known, **own}:
                earlier = tuple(part[-before:] for part in known.get(name, none))
                later = own.get(name, (np.zeros(n, np.int64), np.zeros(n, np.bool_)))
                own[name] = tuple(map(np.concatenate, zip(earlier, later, strict=True)))  # type: ignore[assignment]
        return replace(block, times=own)

    def _begin(self, data: memoryview) -> GrowingIndex:
        """The index of a stream that begins with a sample."""
        return GrowingIndex(detect_framing(data, self._length_size), self._sets)

    def _ready(self) -> _State:
        """The state, made anew if it is not there."""
        if self._state is None:
            self._state = self._load()
            if self._state.index is not None:
                self._state.index.allow(_NO_LIMIT)
            taken, self._taken = self._taken, []
            for sample in taken:
                self.take(sample.data, call_bytes=_NO_LIMIT)
        return self._state

    def _load(self) -> _State:
        self._store = store = self._store.newest()
        blocks = self._streams.blocks(store, self.stream)
        if not blocks:
            return _State(store, self.codec, 0, 0, None, [])
        if blocks[-1].codec != self.codec:
            raise InputError(
                f"{self.stream.entity} of segment {self.stream.segment!r} is "
                f"{blocks[-1].codec}, not {self.codec}"
            )
        live = live_blocks(blocks)
        small: list[IndexBlock] = []
        while live and (not small or small[0].count < _LARGE_BLOCK):
            small.insert(0, _decode(store, live.pop()))
        last = small[-1]
        index = None
        if self.codec == H264:
            known = list(small)
            while live and known[0].first > last.resume.sample:
                known.insert(0, _decode(store, live.pop()))
            index = self._resume(store, blocks, join_blocks(known), last.resume)
        if small[0].count >= _LARGE_BLOCK:
            small.pop(0)
        return _State(store, self.codec, last.end, last.byte_end, index, small)

    def _resume(
        self,
        store: SampleStore,
        blocks: Sequence[StoredBlock],
        known: IndexBlock,
        resume: ResumePoint,
    ) -> GrowingIndex:
        """The index of a stream as it was behind its last sample."""
        start = resume.sample
        before = [s for s in known.parameter_sets if s.first_sample <= start]
        sets = before[-1] if before else known.parameter_sets[0]
        index = GrowingIndex(
            known.nal_length_size,
            [*sets.sps, *sets.pps, *sets.sei],
            first=start,
            byte_start=known.byte_start + int(known.size[: start - known.first].sum()),
            fields=resume.fields,
        )
        index.allow(_NO_LIMIT)
        commits = Commits.of(blocks)
        for at in range(start, known.end, _REPLAYED_AT_ONCE):
            numbers = np.arange(at, min(at + _REPLAYED_AT_ONCE, known.end))
            for data in store.samples(commits.rows_of(numbers), numbers):
                index.take(data)
        index.cut()
        for nal in self._sets:
            index.add_parameter_set(nal)
        return index


def plain_block(first: int, byte_start: int, sizes: np.ndarray) -> IndexBlock:
    """A block of samples of which nothing but their bytes is known."""
    zero, none = np.zeros(len(sizes), np.int64), np.zeros(0, np.int64)
    return IndexBlock(
        first=first,
        byte_start=byte_start,
        size=sizes,
        lead=zero,
        flags=zero,
        reach=np.full(len(sizes), -1, np.int64),
        last_idr=zero,
        reference_counts=zero,
        references=none,
        long_term=none,
        top_order_count=zero,
        bottom_order_delta=zero,
        order_count=zero,
        times={},
        late_starts=none,
        pending_starts=none,
        parameter_sets=(),
        nal_length_size=0,
        resume=ResumePoint(0, (0, False)),
    )


def _decode(store: SampleStore, block: StoredBlock) -> IndexBlock:
    (data,) = store.read_blocks([block])
    return decode_block(data)
