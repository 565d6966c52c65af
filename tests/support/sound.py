"""Clips with sound, and what is heard of a file when."""

from __future__ import annotations

from fractions import Fraction
from io import BytesIO

import av
import numpy as np
import numpy.typing as npt

RATE = 48_000
Waves = npt.NDArray[np.float32]


def noise(seconds: float) -> Waves:
    """Smooth noise: like itself at no other moment."""
    raw = np.random.default_rng(7).standard_normal(int(seconds * RATE) + 64)
    smooth = np.convolve(raw, np.ones(48) / 48, "same")[: int(seconds * RATE)]
    return (smooth / np.abs(smooth).max() / 2).astype(np.float32)


def with_sound(
    data: bytes,
    codec: str,
    *,
    container: str = "mp4",
    seconds: float = 2.0,
    starts_at: float = 0.0,
    mux: dict[str, str] | None = None,
    options: dict[str, str] | None = None,
) -> bytes:
    """A clip with a sound track of noise beside its pictures."""
    file = BytesIO()
    with (
        av.open(BytesIO(data)) as source,
        av.open(file, "w", format=container, options=mux or {}) as target,
    ):
        pictures = target.add_stream_from_template(source.streams.video[0])
        sound = target.add_stream(codec, rate=RATE, layout="mono")
        sound.codec_context.options = options or {}
        sound.time_base = Fraction(1, RATE)
        packets = [packet for packet in source.demux(video=0) if packet.size]
        for packet in packets:
            packet.stream = pictures
        waves = noise(seconds)
        for at in range(0, len(waves), 960):
            frame = av.AudioFrame.from_ndarray(waves[None, at : at + 960], "fltp", "mono")
            frame.sample_rate = RATE
            frame.pts = round(starts_at * RATE) + at
            packets += sound.encode(frame)
        packets += sound.encode(None)
        # As a recorder does it: fragments end where pictures begin anew.
        for packet in sorted(packets, key=lambda p: p.dts * p.time_base):
            target.mux(packet)
    return file.getvalue()


def heard(data: bytes) -> tuple[int, Waves]:
    """When the first sound of a file is heard, in ticks of 1/48000 s, and what from then on."""
    first: int | None = None
    end = 0
    parts: list[Waves] = []
    with av.open(BytesIO(data)) as container:
        for frame in container.decode(audio=0):
            assert frame.pts is not None
            assert frame.time_base is not None
            assert frame.sample_rate == RATE
            at = round(frame.pts * frame.time_base * RATE)
            first = at if first is None else first
            if parts and at != end:
                raise AssertionError(f"sound at {end} goes on at {at}")
            values = frame.to_ndarray().reshape(-1)
            if values.dtype != np.float32:
                values = values / np.float32(np.iinfo(values.dtype).max)
            parts.append(values.astype(np.float32))
            end = at + len(values)
    assert first is not None
    return first, np.concatenate(parts)
