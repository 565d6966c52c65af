"""What is indexed, against what FFmpeg says of the same bytes: packets, frames, plain facts."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from functools import cache, partial
from io import BytesIO

import av
import numpy as np
import pytest

from marey.errors import CorruptVideoError, UnsupportedError
from marey.tests.conftest import Samples, TrueFrame
from marey.video.clips import RECIPES, ClipRecipe, make_clip
from marey.video.h264.byte_stream import ByteStream
from marey.video.index.build import BuiltIndex, build_frame_index
from marey.video.index.encode import encode_index
from marey.video.index.frames import FrameIndex, SampleFlag
from marey.video.source import BytesReader

RAW = [name for name, recipe in RECIPES.items() if recipe.container == "h264"]
TIMED = [name for name in RECIPES if name not in RAW]


@cache
def build(data: bytes) -> BuiltIndex:
    return build_frame_index(BytesReader(data))


def flagged(index: FrameIndex, flag: int) -> list[bool]:
    return ((index.flags & flag) != 0).tolist()


def nal_headers(packet: bytes, *, raw: bool) -> list[int]:
    """The first byte of each coded slice of a packet, the plain way."""
    headers, at = [], 0
    while at < len(packet):
        if raw:
            found = packet.find(b"\0\0\1", at)
            if found < 0:
                break
            at = found + 3
            headers.append(packet[at])
        else:
            headers.append(packet[at + 4])
            at += 4 + int.from_bytes(packet[at : at + 4], "big")
    return [h for h in headers if h & 31 in (1, 5)]


@pytest.mark.parametrize("name", RECIPES)
def test_samples_are_packets(
    name: str, clip: Callable[[str], bytes], samples: Callable[[str], Samples]
) -> None:
    data, packets = clip(name), samples(name).packets
    index = build(data).index
    assert index.sample_count == len(packets)
    for offset, size, packet in zip(index.offset, index.size, packets, strict=True):
        assert data[offset : offset + size] == packet


@pytest.mark.parametrize("name", RECIPES)
def test_flags_say_what_slices_say(
    name: str, clip: Callable[[str], bytes], samples: Callable[[str], Samples]
) -> None:
    index = build(clip(name)).index
    slices = [nal_headers(p, raw=name in RAW) for p in samples(name).packets]
    assert flagged(index, SampleFlag.REFERENCE) == [h[0] >> 5 != 0 for h in slices]
    assert flagged(index, SampleFlag.IDR) == [h[0] & 31 == 5 for h in slices]
    unusual = SampleFlag.UNCLOSED | SampleFlag.LOST | SampleFlag.DAMAGED | SampleFlag.NO_PICTURE
    assert not any(flagged(index, unusual))


@pytest.mark.parametrize("name", RECIPES)
def test_references_are_references_and_none_crosses_an_idr_picture(
    name: str, clip: Callable[[str], bytes]
) -> None:
    index = build(clip(name)).index
    for sample in range(index.sample_count):
        references = index.references_of(sample)
        assert (index.flags[references] & SampleFlag.REFERENCE).all()
        assert (references >= index.idr_before[sample]).all()
        if index.flags[sample] & SampleFlag.IDR:
            assert not len(references)


@pytest.mark.parametrize("name", RECIPES)
def test_display_order(
    name: str,
    clip: Callable[[str], bytes],
    truth: Callable[[str], list[TrueFrame]],
    samples: Callable[[str], Samples],
) -> None:
    """Frame k is the packet whose time FFmpeg gives to the k-th frame that it presents."""
    index = build(clip(name)).index
    frames = truth(name)
    assert index.frame_count == len(frames)
    assert len(set(index.frame_sample.tolist())) == len(frames)
    if name in RAW:
        assert index.pts_ticks.tolist() == list(range(len(frames)))
        return
    assert index.pts_ticks.tolist() == [frame.pts for frame in frames]
    packet_pts = samples(name).pts
    assert [packet_pts[s] for s in index.frame_sample] == [frame.pts for frame in frames]


@pytest.mark.parametrize("name", TIMED)
def test_clock_and_durations(name: str, clip: Callable[[str], bytes]) -> None:
    index = build(clip(name)).index
    with av.open(BytesIO(clip(name))) as file:
        stream = file.streams.video[0]
        frames = list(file.decode(stream))
        clock = stream.time_base
    assert (index.timebase.numerator, index.timebase.denominator) == clock.as_integer_ratio()
    assert index.duration_ticks[:-1].tolist() == np.diff([f.pts for f in frames]).tolist()
    assert index.last_duration_ticks == frames[-1].duration


@pytest.mark.parametrize("name", RAW)
def test_clock_of_raw_streams(name: str, clip: Callable[[str], bytes]) -> None:
    index = build(clip(name)).index
    with av.open(BytesIO(clip(name))) as file:
        rate = file.streams.video[0].average_rate
    assert Fraction(index.timebase.denominator, index.timebase.numerator) == rate
    assert set(index.duration_ticks.tolist()) == {1}


@pytest.mark.parametrize("name", RECIPES)
def test_formats(
    name: str, clip: Callable[[str], bytes], truth: Callable[[str], list[TrueFrame]]
) -> None:
    index = build(clip(name)).index
    for number, frame in enumerate(truth(name)):
        form = index.frame_format(number)
        assert (form.width, form.height) == (frame.width, frame.height)
        assert form.bit_depth_luma == (10 if frame.pixel_format.endswith("10le") else 8)


@pytest.mark.parametrize("name", RECIPES)
def test_scalars(name: str, clip: Callable[[str], bytes]) -> None:
    data, recipe = clip(name), RECIPES[name]
    built = build(data)
    with av.open(BytesIO(data)) as file:
        stream = file.streams.video[0]
        codec = stream.codec_context
        frames = list(file.decode(stream))
        chroma = recipe.pixel_format.replace("yuvj", "yuv").removesuffix("10le")
        chroma = chroma.removeprefix("yuv").removesuffix("p")
        expected = {
            "codec": codec.name,
            "profile": codec.profile,
            "width": frames[0].width,
            "height": frames[0].height,
            "frame_count": len(frames),
            "gop_count": len(built.index.starts),
            "cadences": [],
            "has_b_frames": any(f.pict_type == av.video.frame.PictureType.B for f in frames),
            "bit_depth": 10 if "10" in recipe.pixel_format else 8,
            "chroma_format": "4:0:0" if chroma == "gray" else ":".join(chroma),
            "color_primaries": int(codec.color_primaries),
            "color_transfer": int(codec.color_trc),
            "color_matrix": int(codec.colorspace),
            "color_full_range": codec.color_range == av.video.reformatter.ColorRange.JPEG,
            "container": "annexb" if name in RAW else "mp4",
            "source_bytes": len(data),
        }
        shown = float(
            (frames[-1].pts + frames[-1].duration - frames[0].pts) * stream.time_base
            if name in TIMED
            else len(frames) / stream.average_rate
        )
    found = dict(built.scalars)
    assert found.pop("duration_seconds") == pytest.approx(shown)
    assert found.pop("average_fps") == pytest.approx(len(frames) / shown)
    assert isinstance(found.pop("level"), int)
    assert found == expected


def decodes_from(data: bytes, index: FrameIndex, start: int) -> set[int]:
    """Samples whose pictures come out of a fresh decoder that begins at one, exactly."""
    with av.open(BytesIO(data)) as file:
        stream = file.streams.video[0]
        packets = [p for p in file.demux(stream) if p.size]
        exact = {f.pts: bytes(f.planes[0]) for p in packets for f in p.decode()}
        exact |= {f.pts: bytes(f.planes[0]) for f in stream.codec_context.decode(None)}
        decoder = av.CodecContext.create("h264", "r")
        decoder.thread_count = 1
        decoder.extradata = stream.codec_context.extradata
        decoder.options = {"strict": "1", "flags": "output_corrupt"}
        found = set()
        by_pts = {p.pts: i for i, p in enumerate(packets)}
        for packet in [*packets[start:], None]:
            for frame in decoder.decode(packet):
                if bytes(frame.planes[0]) == exact[frame.pts]:
                    found.add(by_pts[frame.pts])
    return found


@pytest.mark.parametrize(
    ("name", "starts"),
    [
        ("default", [0, 36]),
        ("closed_gops", [0, 12, 24, 36]),
        ("open_gop", None),
        ("intra_refresh", None),
    ],
)
def test_decoding_can_start_at_starts(
    name: str, starts: list[int] | None, clip: Callable[[str], bytes]
) -> None:
    data = clip(name)
    index = build(data).index
    if starts is not None:
        assert index.starts.tolist() == starts
    for start in index.starts.tolist():
        promised = np.flatnonzero(index.decode_from == start)
        assert set(promised.tolist()) <= decodes_from(data, index, start)


def test_leading_pictures_need_the_start_before(clip: Callable[[str], bytes]) -> None:
    index = build(clip("open_gop")).index
    starts = index.starts.tolist()
    assert len(starts) > 2
    assert flagged(index, SampleFlag.IDR).count(True) == 1
    gop = np.searchsorted(starts, np.arange(index.sample_count), side="right") - 1
    leading = np.flatnonzero(index.decode_from != np.array(starts)[gop])
    assert len(leading)
    for sample in leading.tolist():
        start = starts[gop[sample]]
        # Decoded after the start, shown before it, and referring to what is older.
        shown = index.frame_sample.tolist()
        assert shown.index(sample) < shown.index(start)
        assert index.references_of(sample).min() < start


@pytest.mark.parametrize("junk", [b"", b"\0" * 100, b"not a video at all" * 20])
def test_bytes_without_a_video(junk: bytes) -> None:
    with pytest.raises((CorruptVideoError, UnsupportedError)):
        build(junk)


def test_a_single_frame() -> None:
    built = build(make_clip(ClipRecipe("one picture", frames=1)))
    assert built.index.frame_count == built.index.sample_count == 1
    assert built.scalars["duration_seconds"] == pytest.approx(1 / 25)


@pytest.mark.parametrize("name", RAW)
@pytest.mark.parametrize("window_bytes", [61, 977, 5003])
def test_a_stream_read_in_windows_has_the_index_of_the_whole(
    name: str, window_bytes: int, clip: Callable[[str], bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    data = clip(name)
    whole = build(data)
    windows = partial(ByteStream, window_bytes=window_bytes)
    monkeypatch.setattr("marey.video.index.samples.ByteStream", windows)
    found = build_frame_index(BytesReader(data))
    assert found.scalars == whole.scalars
    assert encode_index(found.index) == encode_index(whole.index)
