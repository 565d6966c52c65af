"""A track cut by its edit list, edit by edit, as libavformat (FFmpeg 8.1) cuts it.

Each edit brings samples from the sync sample before its first shown one up to a sync sample
after its end; those outside it are marked to be discarded. The first shown sample decodes where
the edit begins on the new timeline; the others keep their distances to it. If then the first
time shown is later than the pauses that open the list, all decoding times move back by the
difference.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ...errors import BoxError, UnsupportedError
from ..timing import Timebase, rescale
from .headers import Edit
from .samples import Bools
from .tables import Int64s

_INT64_MAX = (1 << 63) - 1
_FARTHEST = 1 << 62
# What an edit list may bring more than once.
_FREE_PACKETS = 1 << 16
_BLOCK = 64


@dataclass(frozen=True, slots=True, eq=False)
class Entries:
    """The samples to cut, in decode order."""

    dts: Int64s
    """Decoding times, ascending, moved down by `shift`."""
    offset: Int64s
    """Composition offsets, of the first samples only where the file has too few."""
    sync: Bools
    """Decoding can start here."""
    composed: bool
    """The offsets are stored, be they all 0."""
    shift: int
    """What composition times lie above decoding times plus offset."""


@dataclass(frozen=True, slots=True, eq=False)
class Cut:
    """The packets that an edit list leaves."""

    entry: Int64s
    """Which of the entries each is."""
    dts: Int64s
    """When it is decoded."""
    offset: Int64s
    """Composition offsets, of the first packets only where entries have too few."""
    discard: Bools
    """It lies outside the edit that brings it."""
    pauses_ticks: int
    """Length of the empty edits that open the list."""


@dataclass(frozen=True, slots=True)
class _Piece:
    """One edit that is not an opening pause."""

    begin: int
    """When it begins on the new timeline."""
    duration: int
    """Its length."""
    media_time: int
    """The composition time that it begins with."""


def cut(
    entries: Entries, edits: Sequence[Edit], *, timescale: int, movie_timescale: int
) -> Cut:
    """Follow the whole edit list.

    Args:
        entries: The samples.
        edits: The list.
        timescale: Ticks a second of the samples and of the edits' media times.
        movie_timescale: Ticks a second of the edits' durations.

    Raises:
        BoxError: Edits lead out of the range of times.
        UnsupportedError: Edits repeat samples beyond measure.
    """
    pieces, pauses = _timeline(
        edits, Timebase(1, timescale), Timebase(1, movie_timescale), entries.shift
    )
    search = _Search(entries)
    entry, dts, offset, discard, shown_at = [], [], [], [], []
    count = 0
    for piece in pieces:
        first = search.first(piece.media_time)
        stop = search.stop(first, piece.media_time + piece.duration, piece.duration)
        count += stop - first
        if count > len(entries.dts) + _FREE_PACKETS:
            raise UnsupportedError(
                f"edit list: {len(edits)} edits bring more than {_FREE_PACKETS} "
                f"of {len(entries.dts)} samples again"
            )
        composition = search.composition[first:stop]
        shown = (piece.media_time <= composition) & (
            composition < piece.media_time + piece.duration
        )
        old = entries.dts[first:stop]
        if shown.any():
            new = old + (piece.begin - int(old[np.argmax(shown)]))
        else:
            new = np.full(len(old), piece.begin)
        entry.append(np.arange(first, stop))
        dts.append(new)
        offset.append(entries.offset[first:stop])
        discard.append(~shown)
        shown_at.append((new + composition - old)[shown])
    none = np.empty(0, np.int64)
    late = _least(np.concatenate((none, *shown_at))) - pauses
    return Cut(
        entry=np.concatenate((none, *entry)),
        dts=np.concatenate((none, *dts)) - max(late, 0),
        offset=np.concatenate((none, *offset)),
        discard=np.concatenate((none.astype(np.bool_), *discard)),
        pauses_ticks=pauses,
    )


def time_offset_ticks(edits: Sequence[Edit], timescale: int, movie_timescale: int) -> int:
    """What an edit list takes off every time, where only its beginning counts.

    Raises:
        BoxError: It is out of the range of times.

    >>> time_offset_ticks([Edit(500, -1), Edit(0, 1024)], 90_000, 1000)
    -43976
    """
    pause, start = 0, 0
    first_shown = 0
    for number, edit in enumerate(edits):
        if number == 0 and edit.media_time_ticks == -1:
            pause = edit.duration_ticks
            first_shown = 1
        elif number == first_shown and edit.media_time_ticks >= 0:
            start = edit.media_time_ticks
    offset = start - rescale(pause, Timebase(1, movie_timescale), Timebase(1, timescale))
    if abs(offset) >= _FARTHEST:
        raise BoxError(f"elst: expected it to begin within 62 bits, got {offset} ticks")
    return offset


def _timeline(
    edits: Sequence[Edit], media: Timebase, movie: Timebase, shift: int
) -> tuple[list[_Piece], int]:
    """The edits on the new timeline of decoding, and the length of the pauses that open it."""
    pieces: list[_Piece] = []
    pauses, end = 0, -shift
    for edit in edits:
        duration = rescale(edit.duration_ticks, movie, media)
        # In 64 bits without a sign: an edit that ends out of range has no length.
        if (duration + edit.media_time_ticks) % (1 << 64) > _INT64_MAX:
            duration = 0
        begin, end = end, end + duration
        if end >= _FARTHEST:
            raise BoxError(f"elst: expected edits to end within 62 bits, got {end} ticks")
        if not pieces and edit.media_time_ticks == -1:
            pauses += duration
        else:
            pieces.append(_Piece(begin, duration, edit.media_time_ticks))
    return pieces, pauses


def _least(times: Int64s) -> int:
    """The least time shown as libavformat has it: a negative one gives way to any after it."""
    if not len(times):
        return -1
    negative = np.flatnonzero(times < 0)
    after = times[negative[-1] + 1 :] if len(negative) else times
    return int(after.min()) if len(after) else int(times[-1])


class _Search:
    """Finds where edits begin and end among the entries."""

    def __init__(self, entries: Entries) -> None:
        self._entries = entries
        self._sync_at = np.flatnonzero(entries.sync)
        timed = self._sync_at[self._sync_at < len(entries.offset)]
        # Composition times of sync entries without the shift, and the least of each block.
        self._sync_times = entries.dts[timed] + entries.offset[timed]
        blocks = np.arange(0, len(timed), _BLOCK)
        self._least = np.minimum.reduceat(self._sync_times, blocks) if len(blocks) else blocks
        self.composition = entries.dts + entries.shift
        """Composition times."""
        self.composition[: len(entries.offset)] += entries.offset

    def first(self, media_time: int) -> int:
        """The entry that an edit from `media_time` on begins with."""
        entries = self._entries
        time = media_time - max(entries.shift, 0)
        for sync_only in (True, False):
            found = self._before(time, sync_only)
            if entries.composed and 0 <= found < len(entries.offset):
                found = self._composed_before(found, time)
            if found >= 0:
                return found
        return 0

    def _before(self, time: int, sync_only: bool) -> int:
        """The last entry, or sync entry, that decodes by `time`; -1 if there is none."""
        dts = self._entries.dts
        found = _last_at_most(dts, time)
        if sync_only:
            found = self._sync_before(found)
        if found < 0:
            return -1
        # Of entries that decode at the same time the first one.
        twin = int(np.searchsorted(dts, dts[found]))
        if sync_only:
            twin = int(self._sync_at[np.searchsorted(self._sync_at, twin)])
        return min(twin, found)

    def _sync_before(self, entry: int) -> int:
        position = int(np.searchsorted(self._sync_at, entry, "right"))
        return int(self._sync_at[position - 1]) if position else -1

    def _composed_before(self, entry: int, time: int) -> int:
        """The last sync entry up to this one that is composed by `time`; -1 if none is."""
        end = int(np.searchsorted(self._sync_at, entry, "right"))
        block, rest = divmod(end, _BLOCK)
        for _ in range(2):
            start = block * _BLOCK
            fits = np.flatnonzero(self._sync_times[start : start + rest] <= time)
            if len(fits):
                return int(self._sync_at[start + int(fits[-1])])
            # The last block before with one that fits.
            before = np.flatnonzero(self._least[:block] <= time)
            if not len(before):
                return -1
            block, rest = int(before[-1]), _BLOCK
        return -1

    def stop(self, first: int, end_time: int, duration: int) -> int:
        """One past the last entry that an edit up to `end_time` brings.

        It ends with the first sync entry that is on the screen at its end; where offsets are
        stored with the second, since pictures of the edit can follow the first.
        """
        dts, wanted = self._entries.dts, 2 if self._entries.composed else 1
        position, block = int(np.searchsorted(self._sync_at, first)), _BLOCK
        while position < len(self._sync_at):
            candidates = self._sync_at[position : position + block]
            following = np.minimum(candidates + 1, len(dts) - 1)
            lasting = np.where(
                candidates + 1 < len(dts), dts[following] - dts[candidates], duration
            )
            reached = candidates[self.composition[candidates] + lasting >= end_time]
            if len(reached) >= wanted:
                return int(reached[wanted - 1]) + 1
            wanted -= len(reached)
            position, block = position + block, block * 2
        return len(dts)


def _last_at_most(dts: Int64s, time: int) -> int:
    """A bisection like libavformat's: of equal times it matters which one it meets."""
    low, high = -1, len(dts)
    if high and int(dts[-1]) < time:
        low = high - 1
    while high - low > 1:
        middle = (low + high) >> 1
        here = int(dts[middle])
        if here >= time:
            high = middle
        if here <= time:
            low = middle
    return low
