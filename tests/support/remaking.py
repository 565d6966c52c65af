"""A clip's first track in another file, with something about it changed."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from marey.video.mp4.movie import read_movie
from marey.video.mp4.write import TrackSpec, build_mp4
from marey.video.source import BytesReader


def remade(data: bytes, *, track: int = 0, **changes: Any) -> bytes:
    """The tracks, without edits, one of them with other fields of its `TrackSpec`; times in
    ticks of the first.
    """
    tracks = read_movie(BytesReader(data)).tracks
    specs = [
        TrackSpec(
            descriptions=tuple(d.entry for d in each.descriptions),
            timescale=each.timescale,
            sizes=each.samples.size,
            durations_ticks=each.samples.duration_ticks,
            composition_offsets_ticks=each.samples.composition_offset_ticks,
            sync=each.samples.sync,
            handler=each.handler,
            width=each.width,
            height=each.height,
            matrix=each.matrix,
        )
        for each in tracks
    ]
    specs[track] = replace(specs[track], **changes)
    layout = build_mp4(specs, timescale=tracks[0].timescale)
    samples = zip(*(column.tolist() for column in layout.order()), strict=True)
    places = [(tracks[t].samples.offset[s], tracks[t].samples.size[s]) for t, s in samples]
    payload = b"".join(data[at : at + size] for at, size in places)
    return layout.head + layout.mdat_header + payload
