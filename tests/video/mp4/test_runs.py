"""Fragments made to order, and the packets that FFmpeg finds in them."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
import pytest
from hypothesis import given, reject
from hypothesis import strategies as st

from marey.errors import BoxError, UnsupportedError
from marey.video.mp4.box import build_box, build_full_box, parse_box
from marey.video.mp4.edits import present
from marey.video.mp4.headers import Edit
from marey.video.mp4.movie import read_movie
from marey.video.mp4.tables import build_stco, parse_stco
from marey.video.mp4.write import TrackSpec, build_mp4
from marey.video.source import BytesReader

TIMESCALE = 12_800
TICKS = 512
SYNC, NON_SYNC = 0x0200_0000, 0x0101_0000


def u32(*values: int) -> bytes:
    return b"".join((value % (1 << 32)).to_bytes(4) for value in values)


@dataclass(frozen=True)
class Fragment:
    """One moof with one mdat; each inner list is a traf, each number the samples of a trun."""

    trafs: list[list[int]]
    base: Literal["none", "moof", "absolute"] = "moof"
    time: int | None = 0
    """What tfdt is off by, or None: there is no tfdt."""
    columns: int = 0xE00
    """Which fields each sample has; sizes always."""
    first_flags: bool = False


@dataclass(frozen=True)
class Fragmented:
    fragments: list[Fragment]
    in_moov: int = 0
    edits: list[Edit] = field(default_factory=list)
    shift: int = 0
    """Taken off all composition offsets."""
    index: bool = False
    """A sidx stands before the fragments."""
    track_id: int = 1
    description: int | None = None


def build(movie: Fragmented, source: Any) -> bytes:
    samples, payload = source.track.samples, source.payload
    offsets = samples.composition_offset_ticks - movie.shift
    n = movie.in_moov
    spec = TrackSpec(
        tuple(d.entry for d in source.track.descriptions),
        TIMESCALE,
        samples.size[:n],
        np.full(n, TICKS),
        offsets[:n],
        samples.sync[:n],
        edits=tuple(movie.edits),
    )
    head = build_mp4([spec], timescale=1000).head
    ftyp_size = int.from_bytes(head[:4])
    trex = build_full_box("trex", 0, 0, u32(movie.track_id, 1, TICKS, 0, NON_SYNC))
    mvex = build_box("mvex", trex)
    moov = parse_box(head[ftyp_size:])
    out = head[:ftyp_size] + _extended(moov, mvex)
    if n:
        out += build_box("mdat", *payload[:n])
    sidx_size = 44 if movie.index else 0
    fragments, next_sample = [], n
    at = len(out) + sidx_size
    for fragment in movie.fragments:
        count = sum(map(sum, fragment.trafs))
        chosen = range(next_sample, min(next_sample + count, len(payload)))
        fragments.append(_moof(fragment, movie, chosen, offsets, samples.sync, payload, at))
        at += len(fragments[-1])
        next_sample = chosen.stop
    if movie.index:
        size = sum(map(len, fragments))
        reference = u32(size, (next_sample - n) * TICKS, 0x9000_0000)
        fields = u32(1, TIMESCALE, n * TICKS, 0) + bytes(2) + (1).to_bytes(2) + reference
        out += build_full_box("sidx", 0, 0, fields)
    return out + b"".join(fragments)


def _extended(moov: Any, mvex: bytes) -> bytes:
    def again(box: Any) -> bytes:
        if box.type == "stco":
            return build_stco(parse_stco(box) + len(mvex), wide=False)
        if box.type in ("moov", "trak", "mdia", "minf", "stbl"):
            last = mvex if box.type == "moov" else b""
            return build_box(box.type, *map(again, box.children()), last)
        return build_box(box.type, bytes(box.body))

    return again(moov)


def _moof(
    fragment: Fragment,
    movie: Fragmented,
    chosen: range,
    offsets: Any,
    sync: Any,
    payload: tuple[bytes, ...],
    at: int,
) -> bytes:
    def trafs(moof_size: int) -> bytes:
        flags = {"none": 0, "moof": 0x20000, "absolute": 1}[fragment.base]
        header = u32(movie.track_id) + (at.to_bytes(8) if fragment.base == "absolute" else b"")
        if movie.description is not None:
            flags |= 2
            header += u32(movie.description)
        out, sample, place = [], chosen.start, moof_size + 8
        for number, runs in enumerate(fragment.trafs):
            parts = [build_full_box("tfhd", 0, flags, header)]
            if fragment.time is not None:
                time = max(0, sample * TICKS + fragment.time)
                parts.append(build_full_box("tfdt", 1, 0, time.to_bytes(8)))
            # Without a base, places count from where the data of the traf before ended.
            origin = place if fragment.base == "none" and number > 0 else 0
            for count in runs:
                ids = range(sample, min(sample + count, chosen.stop))
                parts.append(trun(ids, None if place == origin else place - origin))
                place += sum(len(payload[i]) for i in ids)
                sample = ids.stop
            out.append(build_box("traf", *parts))
        return b"".join(out)

    def trun(ids: range, place: int | None) -> bytes:
        columns = fragment.columns | 0x200
        body = u32(len(ids)) + (b"" if place is None else u32(place))
        if fragment.first_flags:
            body += u32(SYNC)
        for i in ids:
            values = (TICKS, len(payload[i]), SYNC if sync[i] else NON_SYNC, int(offsets[i]))
            bits = (0x100, 0x200, 0x400, 0x800)
            body += u32(*(v for v, bit in zip(values, bits, strict=True) if columns & bit))
        flags = columns | (place is not None) | (4 if fragment.first_flags else 0)
        return build_full_box("trun", 1, flags, body)

    size = len(build_box("moof", trafs(0)))
    return build_box("moof", trafs(size)) + build_box("mdat", *(payload[i] for i in chosen))


def assert_same_packets(data: bytes, true_packets: Callable[[bytes], Any]) -> None:
    truth = true_packets(data)
    movie = read_movie(BytesReader(data))
    (track,) = movie.tracks
    packets = present(track, movie.timescale)
    assert track.samples.offset[packets.sample].tolist() == truth.pos
    assert track.samples.size[packets.sample].tolist() == truth.size
    assert packets.pts_ticks.tolist() == truth.pts
    assert packets.discard.tolist() == truth.discard
    assert packets.start_ticks == truth.start


fragments = st.builds(
    Fragment,
    trafs=st.lists(st.lists(st.integers(1, 6), min_size=1, max_size=2), min_size=1, max_size=2),
    base=st.sampled_from(["none", "moof", "absolute"]),
    time=st.sampled_from([0, 0, 0, None, TICKS, -TICKS, -3 * TICKS]),
    columns=st.sampled_from([0x200, 0xE00, 0xF00, 0xA00, 0x600]),
    first_flags=st.booleans(),
)
edits = st.builds(Edit, st.integers(0, 2000), st.sampled_from([-1, 0, 512, 1024, 5000]))


@given(
    st.builds(
        Fragmented,
        fragments=st.lists(fragments, min_size=1, max_size=5),
        in_moov=st.sampled_from([0, 0, 0, 9]),
        edits=st.lists(edits, max_size=2),
        shift=st.sampled_from([0, 0, TICKS, 2 * TICKS]),
        index=st.booleans(),
    )
)
def test_fragments_give_the_packets_of_ffmpeg(
    source: Any, true_packets: Callable[[bytes], Any], movie: Fragmented
) -> None:
    try:
        assert_same_packets(build(movie, source), true_packets)
    except UnsupportedError as error:
        # FFmpeg loses packets there: see the test of it below.
        if "shows none of the samples in moov" in str(error):
            reject()
        raise


def test_every_sample_of_fragments_is_found(source: Any) -> None:
    movie = Fragmented([Fragment([[12]]), Fragment([[6], [6]]), Fragment([[24]])])
    data = build(movie, source)
    samples = read_movie(BytesReader(data)).tracks[0].samples
    places = zip(samples.offset.tolist(), samples.size.tolist(), strict=True)
    assert tuple(data[at : at + size] for at, size in places) == source.payload
    assert samples.sync.tolist() == source.track.samples.sync.tolist()
    assert samples.dts_ticks.tolist() == [TICKS * i for i in range(48)]


def test_moov_and_fragments_together(source: Any) -> None:
    data = build(Fragmented([Fragment([[38]])], in_moov=10), source)
    samples = read_movie(BytesReader(data)).tracks[0].samples
    assert (len(samples), samples.in_moov) == (48, 10)
    assert np.diff(samples.dts_ticks).tolist() == [TICKS] * 47


def test_edits_that_hide_all_of_moov_before_fragments_are_refused(source: Any) -> None:
    data = build(Fragmented([Fragment([[12]])], in_moov=5, edits=[Edit(0, 0)]), source)
    with pytest.raises(UnsupportedError, match="shows none of the samples in moov"):
        present(read_movie(BytesReader(data)).tracks[0], 1000)


def test_what_overlaps_is_not_shown(source: Any) -> None:
    movie = Fragmented([Fragment([[12]]), Fragment([[12]], time=-2 * TICKS)])
    samples = read_movie(BytesReader(build(movie, source))).tracks[0].samples
    assert np.flatnonzero(samples.overlapping).tolist() == [12, 13]


@pytest.mark.parametrize(
    ("movie", "message"),
    [
        (
            Fragmented([Fragment([[2]])], description=2),
            "track 1: expected a fragment's sample description from 1 to 1, got 2",
        ),
        (
            Fragmented([Fragment([[2]])], track_id=0),
            "tfhd at .*: expected a track number from 1 up, got 0",
        ),
    ],
    ids=["description", "track"],
)
def test_what_is_refused(source: Any, movie: Fragmented, message: str) -> None:
    with pytest.raises(BoxError, match=message):
        read_movie(BytesReader(build(movie, source)))


def test_a_fragment_of_an_unknown_track_is_passed_over(source: Any) -> None:
    data = build(Fragmented([Fragment([[2]])], track_id=9), source)
    assert len(read_movie(BytesReader(data)).tracks[0].samples) == 0


def test_a_run_that_counts_to_the_sky_is_refused(source: Any) -> None:
    data = build(Fragmented([Fragment([[2]])]), source)
    at = data.index(b"trun")
    # A run without any field of its samples, four thousand million of them.
    data = data[: at + 4] + u32(0, 0xFFFFFFFF) + data[at + 12 :]
    with pytest.raises(BoxError, match=r"trun at \d+: expected at most \d+ samples in a file"):
        read_movie(BytesReader(data))
