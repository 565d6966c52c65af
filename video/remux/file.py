"""The file itself: ftyp, moov, and mdat with the samples.

How large rewritten samples become is known only once they are, and moov stands first: samples
wait in a temporary file, in memory as long as they are few.
"""

from __future__ import annotations

from collections.abc import Sequence
from io import BytesIO
from shutil import copyfileobj
from tempfile import SpooledTemporaryFile
from typing import IO, Protocol

import numpy as np
import numpy.typing as npt

from ...errors import UnsupportedError
from ..index.build import build_frame_index
from ..index.frames import Display, FrameIndex, Int64s
from ..index.stream_frames import CONTAINER
from ..mp4.entries import build_avc_entry
from ..mp4.headers import IDENTITY_MATRIX
from ..mp4.write import MovieLayout, TrackSpec, build_mp4
from ..plan.byte_ranges import LOCAL, SourceCost
from ..plan.parameter_sets import extradata
from ..source import ByteRange, Reader, check_ranges
from .clock import on_file_clock
from .plan import RemuxPlan, plan_remux
from .samples import LENGTH_SIZE, CarriedSample, SampleCarrier
from .sound import plan_sound
from .times import CarriedTimes, carried_times

_IN_MEMORY = 64 << 20
_MOST_PIXELS = 0xFFFF
_Spool = SpooledTemporaryFile[bytes]


class Writable(Protocol):
    """What a file is written to: bytes are put at its end."""

    def write(self, data: bytes, /) -> object:
        """Put bytes behind those that are there."""
        ...


def remux_frames(
    index: FrameIndex,
    frames: npt.NDArray[np.integer],
    reader: Reader,
    *,
    audio: bool = False,
    cost: SourceCost = LOCAL,
) -> bytes:
    """An MP4 file that presents some frames of a clip, in memory.

    Args:
        index: The clip's frame index.
        frames: Frame numbers; shown in display order, each once.
        reader: The clip's bytes; only those of the closure are read, and with `audio` those
            that say where the sound is, and its own.
        audio: Keep the sound of the frames, which must follow each other without a gap. A clip
            without sound gives a file without it.
        cost: What reading from the source costs.

    Returns:
        The file: `ftyp`, `moov`, `mdat`.

    Raises:
        FrameRangeError: A frame that the clip does not have, or none at all.
        VideoError: A frame is not there exactly, or the bytes are not what was indexed.
        UnsupportedError: Frames that cannot be presented (`plan_remux`), a file whose times or
            sizes do not fit their fields, or sound that cannot go along (`plan_sound`).
    """
    file = BytesIO()
    write_remux(plan_remux(index, frames), reader, file, audio=audio, cost=cost)
    return file.getvalue()


def write_remux(
    plan: RemuxPlan,
    reader: Reader,
    file: Writable,
    *,
    audio: bool = False,
    cost: SourceCost = LOCAL,
) -> int:
    """Write the file of a plan; memory does not grow with it.

    Nothing is written before all of the clip has been read, so a failure leaves `file` as it
    was, unless writing itself fails.

    Returns:
        Bytes written.

    Raises:
        VideoError: The bytes are not what was indexed.
        UnsupportedError: As `remux_frames`.
    """
    sound = plan_sound(plan, reader) if audio else None
    plan, _ = on_file_clock(plan)
    with (
        SpooledTemporaryFile(_IN_MEMORY) as pictures,
        SpooledTemporaryFile(_IN_MEMORY) as heard,
    ):
        carrier = SampleCarrier(plan)
        samples: list[CarriedSample] = []
        sizes: list[int] = []
        for sample, data in carrier.carry(reader, cost):
            samples.append(sample)
            sizes.append(len(data))
            pictures.write(data)
        times = carried_times(plan, samples)
        track = _track(plan, carrier, samples, np.array(sizes, np.int64), times)
        _confirm(plan, track, times, pictures)
        tracks = [track]
        if sound is not None:
            tracks.append(sound.track(times.timescale))
            for piece in sound.read(reader, cost):
                heard.write(piece)
        layout = build_mp4(tracks, timescale=times.timescale)
        file.write(layout.head + layout.mdat_header)
        _write_samples(layout, (pictures, heard), file)
    return layout.size


def _write_samples(layout: MovieLayout, spools: Sequence[_Spool], file: Writable) -> None:
    """Tracks in turns, each from its spool."""
    for spool in spools:
        spool.seek(0)
    if len(layout.sizes) == 1:
        copyfileobj(spools[0], file)
        return
    track, sample = layout.order()
    for turn in np.split(np.arange(len(track)), np.flatnonzero(np.diff(track)) + 1):
        number = int(track[turn[0]])
        file.write(spools[number].read(int(layout.sizes[number][sample[turn]].sum())))


def _track(
    plan: RemuxPlan,
    carrier: SampleCarrier,
    samples: Sequence[CarriedSample],
    sizes: Int64s,
    times: CarriedTimes,
) -> TrackSpec:
    sets = carrier.entry_sets
    form = sets.format
    if max(form.width, form.height) > _MOST_PIXELS:
        raise UnsupportedError(
            f"a file of pictures of {form.width}x{form.height}: MP4 has 16 bits for each"
        )
    display = plan.index.display or Display(IDENTITY_MATRIX, form.width, form.height, b"")
    entry = build_avc_entry(
        extradata(sets, LENGTH_SIZE),
        width=form.width,
        height=form.height,
        # ISO/IEC 14496-15, 5.4.2.1: parameter sets may stand in samples of avc3 only.
        entry_format="avc3" if carrier.changes_sets else "avc1",
        display_boxes=display.entry_boxes,
    )
    # A flagged dependency after the edit would make FFmpeg end the edit early.
    sync = np.array([s.is_idr for s in samples]) & (times.frame >= 0)
    sync[0] = True
    return TrackSpec(
        descriptions=(entry,),
        timescale=times.timescale,
        sizes=sizes,
        durations_ticks=times.durations_ticks,
        composition_offsets_ticks=times.composition_offsets_ticks,
        sync=sync,
        edits=(times.edit,),
        width=display.width or form.width,
        height=display.height or form.height,
        matrix=display.matrix,
    )


def _confirm(
    plan: RemuxPlan,
    track: TrackSpec,
    times: CarriedTimes,
    pictures: _Spool,
) -> None:
    """Refuse a file that players would not show as it is meant to be shown.

    Untouched streams may state less reordering than they have, and edit lists may cut within
    it. The index of the new file knows what comes of that.
    """
    if plan.is_plain and (plan.strategy == "rewritten" or bool((times.frame >= 0).all())):
        return
    layout = build_mp4([track], timescale=times.timescale)
    reader = _Assembled(layout.head + layout.mdat_header, pictures, layout.size)
    found = build_frame_index(reader).index.frame_sample
    place = {frame: at for at, frame in enumerate(times.frame.tolist()) if frame >= 0}
    meant = [place[frame] for frame in plan.frames.tolist()]
    if len(found) != len(meant):
        raise UnsupportedError(
            f"a file of which players would show {len(found)} of {len(meant)} frames: its "
            "stream is reordered further than it states"
        )
    if found.tolist() != meant:
        if plan.index.container == CONTAINER:
            at = next(k for k, (a, b) in enumerate(zip(found, meant, strict=True)) if a != b)
            raise UnsupportedError(
                f"a file of a stream whose times are in another order than a decoder puts its "
                f"frames out, as where times go back: from frame {int(plan.frames[at])} on "
                "players would show another than is meant; another timeline, or a range of "
                "times that does not go back, can be written"
            )
        raise UnsupportedError(
            "a file that players would show in another order: an edit list of the clip cuts "
            "within reordered pictures"
        )


class _Assembled:
    """A file whose samples are still apart; a `Reader`."""

    def __init__(self, head: bytes, payload: IO[bytes], size: int) -> None:
        self._head = head
        self._payload = payload
        self._size = size

    @property
    def size(self) -> int:
        """Bytes of the whole file."""
        return self._size

    def read(self, ranges: Sequence[ByteRange]) -> list[memoryview]:
        """The bytes of each range."""
        check_ranges(ranges, self._size)
        return [memoryview(self._read(r.start, r.end)) for r in ranges]

    def _read(self, start: int, end: int) -> bytes:
        before = len(self._head)
        head = self._head[start:end]
        self._payload.seek(max(0, start - before))
        return head + self._payload.read(max(0, end - max(start, before)))
