"""Odd containers, whole: the frames, times and planes that come out of them are FFmpeg's.

What boxes mean is tested box by box in `mp4`. Here a file goes all the way, from its bytes to
decoded planes, and is compared with a full decode.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from io import BytesIO
from typing import Any

import av
import numpy as np
import pytest

from marey.errors import CorruptVideoError, UnsupportedError
from marey.tests.support.reading import decode_plan, digest
from marey.video.clips import RECIPES, make_clip
from marey.video.index.build import build_frame_index
from marey.video.mp4.box import Box, build_box, build_full_box, parse_box
from marey.video.mp4.headers import Edit
from marey.video.mp4.movie import Track, read_movie
from marey.video.mp4.tables import build_stco, parse_stco, parse_stsz
from marey.video.mp4.write import TrackSpec, build_mp4
from marey.video.plan import EXACT, plan_read
from marey.video.source import BytesReader

Changes = Mapping[str, Callable[[Box], bytes]]
Shown = list[tuple[int | None, bytes]]

CONTAINERS = {"moov", "trak", "mdia", "minf", "stbl", "edts"}
TICKS = 512


@dataclass(frozen=True)
class Source:
    """A clip taken apart."""

    track: Track
    payload: tuple[bytes, ...]

    def spec(self, **changes: Any) -> TrackSpec:
        samples = self.track.samples
        fields: dict[str, Any] = {
            "descriptions": tuple(d.entry for d in self.track.descriptions),
            "timescale": self.track.timescale,
            "sizes": samples.size,
            "durations_ticks": samples.duration_ticks,
            "composition_offsets_ticks": samples.composition_offset_ticks,
            "sync": samples.sync,
            "edits": self.track.edits,
        }
        return TrackSpec(**(fields | changes))


@cache
def taken_apart(name: str) -> Source:
    data = make_clip(RECIPES[name])
    track = read_movie(BytesReader(data)).tracks[0]
    places = zip(track.samples.offset.tolist(), track.samples.size.tolist(), strict=True)
    return Source(track, tuple(data[at : at + size] for at, size in places))


def written(
    spec: TrackSpec, payload: tuple[bytes, ...], *others: TrackSpec, timescale: int = 1000
) -> bytes:
    """A file of one track, or with others before it that share its bytes."""
    layout = build_mp4([*others, spec], timescale=timescale)
    return layout.head + layout.mdat_header + b"".join(payload)


def boxes_of(data: bytes) -> dict[str, bytes]:
    found = {}
    while data:
        size = int.from_bytes(data[:4])
        found[data[4:8].decode()], data = data[:size], data[size:]
    return found


def rebuilt(box: Box, changes: Changes) -> bytes:
    if box.type in changes:
        return changes[box.type](box)
    if box.type in CONTAINERS:
        return build_box(box.type, *(rebuilt(child, changes) for child in box.children()))
    return build_box(box.type, bytes(box.body))


def moved(box: Box, by: int, *, wide: bool = False) -> bytes:
    return build_stco(parse_stco(box) + by, wide=wide)


def changed(data: bytes, changes: Changes) -> bytes:
    """The file with boxes in moov made anew, and the samples still found behind it."""
    top = boxes_of(data)
    moov = parse_box(top["moov"])
    grown = len(rebuilt(moov, changes)) - len(top["moov"])
    moov_again = rebuilt(moov, {"stco": lambda box: moved(box, grown), **changes})
    return top["ftyp"] + moov_again + top["mdat"]


def shown_by_marey(data: bytes) -> Shown:
    index = build_frame_index(BytesReader(data)).index
    plan = plan_read(index, np.arange(index.frame_count), cost=EXACT)
    pictures = decode_plan(index, data, plan)
    frames = zip(index.pts_ticks.tolist(), index.frame_sample.tolist(), strict=True)
    return [(pts, pictures[sample]) for pts, sample in frames]


@pytest.fixture
def assert_same_frames(full_decode: Callable[[bytes], Any]) -> Callable[[bytes, int], None]:
    """`assert_same_frames(data, count)`: what is shown is what FFmpeg shows, so many frames."""

    def check(data: bytes, count: int) -> None:
        expected = [(frame.pts, digest(frame.planes)) for frame in full_decode(data)]
        assert len(expected) == count
        assert shown_by_marey(data) == expected

    return check


def with_extra_box(code: str, body: bytes) -> Changes:
    """A box more in the sample entry."""

    def stsd(box: Box) -> bytes:
        entry = next(box.children(after=8))
        extended = build_box(entry.type, bytes(entry.body), build_box(code, body))
        return build_full_box("stsd", 0, 0, (1).to_bytes(4), extended)

    return {"stsd": stsd}


def ctts_moved(by: int, version: int) -> Changes:
    def ctts(box: Box) -> bytes:
        rows = np.frombuffer(box.body[8:], ">i4").reshape(-1, 2).copy()
        rows[:, 1] += by
        return build_full_box("ctts", version, 0, len(rows).to_bytes(4), rows.tobytes())

    return {"ctts": ctts}


def stz2(box: Box) -> bytes:
    sizes = parse_stsz(box).sizes
    fields = bytes(3) + b"\x10" + len(sizes).to_bytes(4)
    return build_full_box("stz2", 0, 0, fields, sizes.astype(">u2").tobytes())


def without(box: Box) -> bytes:
    return b""


@pytest.mark.parametrize(
    ("changes", "count"),
    [
        pytest.param(with_extra_box("colr", b"nclx\0\1\0\1\0\1"), 48, id="colr, no range"),
        pytest.param(with_extra_box("colr", b"nclx"), 48, id="colr cut"),
        pytest.param(with_extra_box("pasp", b"\0\0"), 48, id="pasp cut"),
        pytest.param(ctts_moved(-1024, 1), 46, id="negative offsets"),
        pytest.param(ctts_moved(-512, 0), 47, id="negative offsets in version 0"),
        pytest.param({"ctts": without}, 46, id="no ctts"),
        pytest.param({"stss": without}, 48, id="no stss"),
        pytest.param({"tkhd": without}, 48, id="no tkhd"),
        pytest.param({"edts": without}, 48, id="no edits"),
        pytest.param({"stsz": stz2}, 48, id="stz2"),
        pytest.param(
            {"stco": lambda box: moved(box, 4 * len(parse_stco(box)), wide=True)},
            48,
            id="co64",
        ),
    ],
)
def test_tables_in_other_words(
    assert_same_frames: Callable[[bytes, int], None], changes: Changes, count: int
) -> None:
    source = taken_apart("closed_gops")
    assert_same_frames(changed(written(source.spec(), source.payload), changes), count)


def layouts(data: bytes) -> dict[str, bytes]:
    """The same file with its boxes in other places, or announced in other ways."""
    top = boxes_of(data)
    ftyp, moov, mdat = top["ftyp"], parse_box(top["moov"]), top["mdat"]

    def at(by: int) -> bytes:
        return rebuilt(moov, {"stco": lambda box: moved(box, by)})

    long_header = b"\0\0\0\1mdat" + (len(mdat) + 8).to_bytes(8)
    return {
        "wide": ftyp + at(8) + build_box("wide") + mdat,
        "free": ftyp + at(99) + build_box("free", bytes(91)) + mdat,
        "64-bit mdat": ftyp + at(8) + long_header + mdat[8:],
        "mdat to the end": ftyp + at(0) + bytes(4) + mdat[4:],
        "mdat cut": ftyp + at(0) + (len(mdat) + 800).to_bytes(4) + mdat[4:],
        "moov last": ftyp + mdat + at(-len(at(0))),
        "moov last, to the end": ftyp + mdat + bytes(4) + at(-len(at(0)))[4:],
        "no ftyp": at(-len(ftyp)) + mdat,
        "mdat first": mdat + at(-len(ftyp) - len(at(0))),
        "more after it": ftyp + at(0) + mdat + b"not a box",
    }


@pytest.mark.parametrize(
    "name",
    [
        "wide",
        "free",
        "64-bit mdat",
        "mdat to the end",
        "mdat cut",
        "moov last",
        "moov last, to the end",
        "no ftyp",
        "mdat first",
        "more after it",
    ],
)
def test_boxes_in_other_places(
    assert_same_frames: Callable[[bytes, int], None], name: str
) -> None:
    source = taken_apart("closed_gops")
    assert_same_frames(layouts(written(source.spec(), source.payload))[name], 48)


def test_two_clips_in_one_track(assert_same_frames: Callable[[bytes, int], None]) -> None:
    """Each has a sample description of its own; the second one lies inside the first."""
    outer, inner = taken_apart("closed_gops"), taken_apart("pyramid_strict")
    parts = [(outer, slice(12)), (inner, slice(None)), (outer, slice(12, None))]

    def joined(column: str) -> Any:
        return np.concatenate([getattr(s.track.samples, column)[k] for s, k in parts])

    payload = tuple(sample for s, k in parts for sample in s.payload[k])
    spec = outer.spec(
        descriptions=(outer.track.descriptions[0].entry, inner.track.descriptions[0].entry),
        description=np.repeat(np.array([0, 1, 0], np.int32), [12, len(inner.payload), 36]),
        sizes=joined("size"),
        durations_ticks=np.full(len(payload), TICKS),
        composition_offsets_ticks=joined("composition_offset_ticks"),
        sync=joined("sync"),
        edits=(),
    )
    assert_same_frames(written(spec, payload), len(payload))


@pytest.mark.parametrize("code", [b"mp4v", b"hvc1", b"jpeg", b"zzzz"])
def test_a_track_of_another_codec_comes_first(code: bytes) -> None:
    source = taken_apart("closed_gops")
    entry = source.track.descriptions[0].entry
    places = np.cumsum(source.track.samples.size) - source.track.samples.size
    other = source.spec(descriptions=(entry[:4] + code + entry[8:],), positions=places)
    data = written(source.spec(positions=places), source.payload, other)
    alone = shown_by_marey(written(source.spec(), source.payload))
    assert len(alone) == 48
    assert shown_by_marey(data) == alone


@pytest.mark.parametrize("at", [[0], [5], [12], [48], [3, 4, 5]])
def test_samples_without_bytes_are_no_frames(
    assert_same_frames: Callable[[bytes, int], None], at: list[int]
) -> None:
    source = taken_apart("closed_gops")
    samples = source.track.samples
    spec = source.spec(
        sizes=np.insert(samples.size, at, 0),
        durations_ticks=np.full(48 + len(at), TICKS),
        composition_offsets_ticks=np.insert(samples.composition_offset_ticks, at, 0),
        sync=np.insert(samples.sync, at, False),
        edits=(),
    )
    assert_same_frames(written(spec, source.payload), 48)


@pytest.mark.parametrize(
    ("edits", "count"),
    [
        pytest.param((Edit(4 * TICKS, 9 * TICKS),), 4, id="inside a GOP"),
        pytest.param((Edit(3 * TICKS, -1), Edit(9 * TICKS, 1024)), 9, id="a pause first"),
        pytest.param((Edit(6 * TICKS, 20 * TICKS), Edit(6 * TICKS, 1024)), 12, id="swapped"),
        pytest.param((Edit(6 * TICKS, 1024), Edit(6 * TICKS, 1024)), 12, id="twice"),
        pytest.param((Edit(20 * TICKS, 1024, rate=0.5),), 20, id="half speed"),
    ],
)
def test_edits_of_closed_gops(
    assert_same_frames: Callable[[bytes, int], None], edits: tuple[Edit, ...], count: int
) -> None:
    source = taken_apart("closed_gops")
    data = written(source.spec(edits=edits), source.payload, timescale=TICKS * 25)
    assert_same_frames(data, count)


def test_one_edit_begins_at_a_recovery_point(
    assert_same_frames: Callable[[bytes, int], None],
) -> None:
    source = taken_apart("open_gop")
    spec = source.spec(edits=(Edit(4000, 15 * TICKS),))
    assert_same_frames(written(spec, source.payload), 35)


@pytest.mark.parametrize(
    ("name", "edits", "sample"),
    [
        # Pictures that were decoded before the jump would stand among the references.
        ("open_gop", (Edit(4 * TICKS, 2 * TICKS), Edit(4 * TICKS, 15 * TICKS)), 9),
        # Recovery takes a dozen pictures, of which a player shows none.
        ("intra_refresh", (Edit(40 * TICKS, 27 * TICKS),), 22),
    ],
)
def test_an_edit_that_begins_where_decoding_cannot_is_refused(
    name: str, edits: tuple[Edit, ...], sample: int
) -> None:
    source = taken_apart(name)
    data = written(source.spec(edits=edits), source.payload, timescale=TICKS * 25)
    with pytest.raises(
        UnsupportedError, match=f"edit list begins to decode at sample {sample}, which is no"
    ):
        build_frame_index(BytesReader(data))


def test_an_edit_list_that_shows_nothing_is_refused() -> None:
    source = taken_apart("closed_gops")
    data = written(source.spec(edits=(Edit(160, 500 * TICKS),)), source.payload)
    with pytest.raises(
        CorruptVideoError, match=r"^no picture is shown of those in 48 samples$"
    ):
        build_frame_index(BytesReader(data))


@pytest.mark.parametrize(
    ("name", "edits"),
    [
        pytest.param("closed_gops", (), id="reordered"),
        pytest.param("zero_latency", (), id="in decoding order"),
        pytest.param("closed_gops", (Edit(40 * TICKS, 1024),), id="the last ones hidden"),
        pytest.param("pyramid_strict", (Edit(45 * TICKS, 1024),), id="a reordered one hidden"),
    ],
)
def test_the_last_frame_lasts_as_long_as_its_sample(
    full_decode: Callable[[bytes], Any], name: str, edits: tuple[Edit, ...]
) -> None:
    """Not as long as the one decoded before it, nor as one that is hidden."""
    source = taken_apart(name)
    durations = TICKS + np.arange(48) % 7
    durations[-1] += 700
    spec = source.spec(durations_ticks=durations, edits=edits)
    data = written(spec, source.payload, timescale=TICKS * 25)
    index = build_frame_index(BytesReader(data)).index
    with av.open(BytesIO(data)) as file:
        lasts = {packet.pts: packet.duration for packet in file.demux(video=0)}
    assert index.pts_ticks.tolist() == [frame.pts for frame in full_decode(data)]
    assert index.last_duration_ticks == lasts[int(index.pts_ticks[-1])]


def test_a_last_frame_without_a_duration_lasts_as_long_as_the_one_before() -> None:
    source = taken_apart("zero_latency")
    durations = np.full(48, TICKS)
    durations[-2:] = 300, 0
    data = written(source.spec(durations_ticks=durations, edits=()), source.payload)
    assert build_frame_index(BytesReader(data)).index.last_duration_ticks == 300
