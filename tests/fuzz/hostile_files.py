"""MP4 files made to cost a reader as much as they can, of any size.

Most hold one table or box of one kind, as large as the file; sample data is small.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from marey.video.h264.avcc import AvcConfig, build_avcc
from marey.video.h264.pps import Pps, build_pps
from marey.video.h264.sps import build_sps
from marey.video.mp4.box import build_box, build_full_box
from marey.video.mp4.entries import build_avc_entry, build_stsd
from marey.video.mp4.headers import (
    IDENTITY_MATRIX,
    MediaHeader,
    MovieHeader,
    TrackHeader,
    build_hdlr,
    build_mdhd,
    build_mvhd,
    build_tkhd,
)

from .hostile_streams import PPS, SPS, header, idr, slice_nal

FTYP = build_box("ftyp", b"isom\0\0\2\0isom")
PICTURES = (idr(), *(slice_nal(header(frame_num=n)) for n in range(1, 64)))


# What a file may have without bytes to show for it: most builders stay just below.
MOST = 260_000


def u32(*values: int) -> bytes:
    """Big-endian fields."""
    return b"".join(v.to_bytes(4) for v in values)


def table(box_type: str, rows: bytes, width: int, *, version: int = 0) -> bytes:
    """A FullBox of a count and rows of so many bytes."""
    return build_full_box(box_type, version, 0, u32(len(rows) // width), rows)


def avcc(
    length_size: int = 4,
    pps: tuple[bytes, ...] = (build_pps(PPS),),
    sps: tuple[bytes, ...] = (build_sps(SPS),),
) -> bytes:
    """A decoder configuration."""
    return build_avcc(
        AvcConfig(
            profile=66, compatibility=0, level=51, length_size=length_size, sps=sps, pps=pps
        )
    )


def entry(config: bytes) -> bytes:
    """A sample entry."""
    return build_avc_entry(config, width=1920, height=1088)


def trak(
    stbl: bytes,
    *,
    edts: bytes = b"",
    entries: tuple[bytes, ...] = (entry(avcc()),),
    handler: str = "vide",
    track_id: int = 1,
    duration: int = 0,
) -> bytes:
    """A track of these tables."""
    tkhd = build_tkhd(TrackHeader(track_id, True, 0, IDENTITY_MATRIX, 16, 16))
    minf = build_box("minf", build_box("stbl", build_stsd(entries), stbl))
    mdia = build_box(
        "mdia", build_mdhd(MediaHeader(25, duration, "und")), build_hdlr(handler, ""), minf
    )
    return build_box("trak", tkhd, edts, mdia)


def moov(*boxes: bytes) -> bytes:
    """A movie of these boxes."""
    return build_box("moov", build_mvhd(MovieHeader(25, 0), next_track_id=2), *boxes)


def samples(
    sizes: bytes | int,
    count: int,
    place: int,
    *,
    per_chunk: int | None = None,
    chunks: bytes | None = None,
    stts: bytes | None = None,
) -> bytes:
    """The tables of samples that lie one after the other from `place` on."""
    stsz = (
        build_full_box("stsz", 0, 0, u32(sizes, count))
        if isinstance(sizes, int)
        else build_full_box("stsz", 0, 0, u32(0, count), sizes)
    )
    stts = table("stts", u32(count, 1), 8) if stts is None else stts
    stsc = table("stsc", u32(1, per_chunk or count, 1), 12)
    return stts + stsc + stsz + table("stco", u32(place) if chunks is None else chunks, 4)


def media(length_size: int = 4, pieces: tuple[bytes, ...] = PICTURES) -> tuple[bytes, bytes]:
    """Samples of one NAL unit each, and the table of their sizes."""
    data = [len(p).to_bytes(length_size) + p for p in pieces]
    return b"".join(data), u32(*(len(d) for d in data))


def with_tables(extra: bytes, **options: object) -> bytes:
    """A file whose track has its proper tables and one more, which counts."""
    data, sizes = media()
    count = len(PICTURES)
    mdat = build_box("mdat", data)
    stbl = samples(sizes, count, len(FTYP) + 8)
    return FTYP + mdat + moov(trak(stbl + extra, **options))  # type: ignore[arg-type]


def big_stts(size: int) -> bytes:
    """Runs of durations near 2^32, which are corrected one by one."""
    return with_tables(table("stts", u32(1, 0xFFFF_FFF0, 1, 5) * min(size // 16, MOST // 2), 8))


def empty_runs(size: int) -> bytes:
    """Runs of no sample, of durations near 2^32."""
    return with_tables(
        table("stts", u32(1, 1, *(0, 0xFFFF_FFF0) * min(size // 8, MOST - 1)), 8)
    )


def big_ctts(size: int) -> bytes:
    """Runs of composition offsets far past the last sample."""
    return with_tables(table("ctts", u32(1, 5, 1, 0xFFFF_0000) * min(size // 16, MOST // 2), 8))


def big_stss(size: int) -> bytes:
    """Sync samples far past the last one."""
    rows = np.arange(1, min(size // 4, MOST), dtype=">u4").tobytes()
    return with_tables(table("stss", rows, 4))


def big_sbgp(size: int) -> bytes:
    """Many boxes of sample groups of other kinds."""
    one = build_full_box("sbgp", 0, 0, b"abcd", u32(512), u32(1, 1) * 512)
    return with_tables(one * (size // len(one)))


def disordered_stsc(size: int) -> bytes:
    """Runs of chunks in no order."""
    data, sizes = media()
    count = len(PICTURES)
    stbl = (
        table("stts", u32(count, 1), 8)
        + table("stsc", u32(9, 1, 1, 3, 1, 1) * min(size // 24, MOST // 4), 12)
        + build_full_box("stsz", 0, 0, u32(0, count), sizes)
        + table("stco", u32(len(FTYP) + 8), 4)
    )
    return FTYP + build_box("mdat", data) + moov(trak(stbl))


def zero_sizes(size: int) -> bytes:
    """Samples of no bytes, each with a place in stsz."""
    count = min(size // 4, MOST)
    return FTYP + moov(trak(samples(bytes(4 * count), count, 8)))


def tiny_samples(size: int) -> bytes:
    """Samples of a few bytes, each a picture."""
    data, sizes = media()
    repeats = min(size // (len(data) + len(sizes)), MOST // 64)
    stbl = samples(sizes * repeats, len(PICTURES) * repeats, len(FTYP) + 8)
    mdat = build_box("mdat", data * repeats)
    return FTYP + mdat + moov(trak(stbl))


def shared_samples(size: int) -> bytes:
    """Half of the file as one sample of tiny NAL units, and that a million times."""
    data = b"\1\x0c" * (size // 4)
    count = min(size // 8, MOST)
    mdat = build_box("mdat", data)
    chunks = u32(len(FTYP) + 8) * count
    stbl = samples(len(data), count, 0, per_chunk=1, chunks=chunks)
    return FTYP + mdat + moov(trak(stbl, entries=(entry(avcc(1)),)))


def tiny_nals(size: int) -> bytes:
    """One sample of NAL units of one byte."""
    data = b"\1\x0c" * (size // 2)
    stbl = samples(len(data), 1, len(FTYP) + 8)
    return FTYP + build_box("mdat", data) + moov(trak(stbl, entries=(entry(avcc(1)),)))


def far_apart(size: int) -> bytes:
    """Samples that jump to and fro, so that reads would bring far more than they need."""
    count = min(size // 8, MOST)
    base, far = len(FTYP) + 8, len(FTYP) + 8 + size // 2 - 16
    mdat = build_box("mdat", (b"\0\0\0\1\x0c" * (size // 10 + 8)))
    chunks = u32(base, far) * (count // 2)
    stbl = samples(5, count // 2 * 2, 0, per_chunk=1, chunks=chunks)
    return FTYP + mdat + moov(trak(stbl))


def alternating_descriptions(size: int) -> bytes:
    """Two descriptions with 255 parameter sets each, taken in turns."""
    data, _ = media()
    count = min(size // 20, MOST)
    pps = [
        tuple(build_pps(Pps(pic_parameter_set_id=n, pic_init_qp=q)) for n in range(255))
        for q in (20, 30)
    ]
    rows = np.empty((count, 3), ">u4")
    rows[:, 0], rows[:, 1], rows[:, 2] = np.arange(1, count + 1), 1, np.arange(count) % 2 + 1
    stbl = (
        table("stts", u32(count, 1), 8)
        + table("stsc", rows.tobytes(), 12)
        + build_full_box("stsz", 0, 0, u32(len(PICTURES[0]) + 4, count))
        + table("stco", u32(len(FTYP) + 8) * count, 4)
    )
    entries = tuple(entry(avcc(pps=p)) for p in pps)
    return FTYP + build_box("mdat", data) + moov(trak(stbl, entries=entries))


def many_tracks(size: int) -> bytes:
    """Tracks that each declare more samples than there are bytes."""
    one = trak(samples(1, 1 << 20, 8))
    return FTYP + moov(one * min(size // len(one), 1000))


def empty_tracks(size: int) -> bytes:
    """Track boxes with nothing in them."""
    return FTYP + moov(build_box("trak") * min(size // 8, 1000))


def many_boxes(size: int) -> bytes:
    """Boxes with nothing in them, before the movie."""
    data, sizes = media()
    free = build_box("free") * (size // 8)
    stbl = samples(sizes, len(PICTURES), len(FTYP) + len(free) + 8)
    return FTYP + free + build_box("mdat", data) + moov(trak(stbl))


def _fragmented(rest: bytes, *, tracks: int = 1, default_size: int = 0) -> bytes:
    traks = b"".join(
        trak(
            b"".join(table(t, b"", 4) for t in ("stts", "stsc", "stco"))
            + build_full_box("stsz", 0, 0, u32(0, 0)),
            track_id=n,
        )
        for n in range(1, tracks + 1)
    )
    trex = b"".join(
        build_full_box("trex", 0, 0, u32(n, 1, 1, default_size, 0))
        for n in range(1, tracks + 1)
    )
    return FTYP + moov(traks, build_box("mvex", trex)) + rest


def _traf(*runs: bytes, track_id: int = 1) -> bytes:
    return build_box("traf", build_full_box("tfhd", 0, 0x020000, u32(track_id)), *runs)


def empty_fragments(size: int) -> bytes:
    """Fragments with nothing in them, and hundreds of tracks that wait for them."""
    return _fragmented(build_box("moof") * min(size // 8, MOST // 2), tracks=1000)


def small_fragments(size: int) -> bytes:
    """Fragments of one sample without bytes."""
    moof = build_box("moof", _traf(build_full_box("trun", 0, 0, u32(1))))
    return _fragmented(moof * min(size // len(moof), MOST // 4))


def small_runs(size: int) -> bytes:
    """Runs of one sample without bytes, as many in a fragment as it can have."""
    moof = build_box("moof", _traf(*[build_full_box("trun", 0, 0, u32(1))] * 50_000))
    return _fragmented(moof * min(max(1, size // len(moof)), 2))


def promised_samples(size: int) -> bytes:
    """One run after another of samples that have no bytes, neither in tables nor as data."""
    moof = build_box("moof", _traf(build_full_box("trun", 0, 0, u32(1000))))
    return _fragmented(moof * min(size // len(moof), MOST // 1000))


def millions_in_a_run(size: int) -> bytes:
    """One run that counts a million samples out of nothing."""
    moof = build_box("moof", _traf(build_full_box("trun", 0, 0, u32(MOST))))
    return _fragmented(moof + build_box("free", bytes(size)))


def segment_indexes(size: int) -> bytes:
    """Segment indexes of as many references as they can have, one after the other."""
    references = u32(8, 1, 0) * 65535
    head = u32(1, 25, 0, 0) + (0).to_bytes(2) + (65535).to_bytes(2)
    sidx = build_full_box("sidx", 0, 0, head, references)
    moof = build_box("moof", _traf(build_full_box("trun", 0, 0, u32(1))))
    return _fragmented(sidx * (size // len(sidx)) + moof)


def _elst(rows: bytes) -> bytes:
    return build_box("edts", table("elst", rows, 12))


def many_edit_lists(size: int) -> bytes:
    """Edit lists of which only the last one counts."""
    one = table("elst", u32(1, 0, 0x10000) * 16_000, 12)
    return with_tables(b"", edts=build_box("edts", one * (size // len(one))))


def edited_tracks(size: int) -> bytes:
    """Tracks with long edit lists."""
    one = trak(b"", edts=_elst(u32(70_000, 90_000, 0x10000) * 16_000))
    return FTYP + moov(one * min(size // len(one), 5))


def repeating_edits(size: int) -> bytes:
    """Edits that each show everything again."""
    data, sizes = media()
    repeats = min(size // (len(data) + len(sizes)), MOST // 64)
    count = len(PICTURES) * repeats
    stbl = samples(sizes * repeats, count, len(FTYP) + 8)
    mdat = build_box("mdat", data * repeats)
    return FTYP + mdat + moov(trak(stbl, edts=_elst(u32(count, 0, 0x10000) * 16_000)))


def searching_edits(size: int) -> bytes:
    """Edits that look for a sync sample shown early among samples all shown late."""
    count = min(size // 12, MOST)
    stbl = samples(bytes(4 * count), count, 8) + table(
        "ctts", u32(count, 0x7000_0000, 1, 0, 1, 0), 8
    )
    times = u32(*(v for n in range(16_000) for v in (1, max(0, count - 1 - n), 0x10000)))
    return FTYP + moov(trak(stbl, edts=_elst(times))) + build_box("free", bytes(8 * count))


def unfinished_descriptions(size: int) -> bytes:
    """Sample descriptions as large as the file."""
    big = entry(avcc(pps=(build_pps(PPS) + b"\xff" * 60_000,) * 100))
    return with_tables(b"", entries=(entry(avcc()), *[big] * max(1, size // len(big))))


def long_duration(size: int) -> bytes:
    """A track that states the longest duration, and one sample."""
    data, _ = media(pieces=PICTURES[:1])
    stbl = samples(len(data), 1, len(FTYP) + 8)
    file = FTYP + build_box("mdat", data) + moov(trak(stbl, duration=(1 << 64) - 2))
    return file + build_box("free", bytes(max(0, size - len(file))))


FILES: dict[str, Callable[[int], bytes]] = {
    f.__name__: f
    for f in (
        big_stts,
        empty_runs,
        big_ctts,
        big_stss,
        big_sbgp,
        disordered_stsc,
        zero_sizes,
        tiny_samples,
        shared_samples,
        tiny_nals,
        far_apart,
        alternating_descriptions,
        many_tracks,
        empty_tracks,
        many_boxes,
        empty_fragments,
        small_fragments,
        small_runs,
        promised_samples,
        millions_in_a_run,
        segment_indexes,
        many_edit_lists,
        edited_tracks,
        repeating_edits,
        searching_edits,
        unfinished_descriptions,
        long_duration,
    )
}
"""Every builder, by its name."""
