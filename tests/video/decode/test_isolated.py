"""Decoders in processes of their own: the same pictures, and nothing lost when one crashes."""

from __future__ import annotations

import random
import sys
import textwrap
from collections.abc import Callable, Iterator

import numpy as np
import pytest

from marey.errors import DecodeError, UnsupportedError
from marey.video.decode.frame import PixelOutput
from marey.video.decode.isolated import IsolatedDecoderPool
from marey.video.decode.pool import DecoderPool
from marey.video.decode.run import Decoders, decode_frames
from marey.video.index.build import build_frame_index
from marey.video.plan import plan_read
from marey.video.source import BytesReader


@pytest.fixture(scope="module")
def children() -> Iterator[IsolatedDecoderPool]:
    pool = IsolatedDecoderPool()
    yield pool
    pool.close()


def read(data: bytes, frames: list[int], output: PixelOutput, decoders: Decoders) -> np.ndarray:
    source = BytesReader(data)
    index = build_frame_index(source).index
    plan = plan_read(index, np.array(frames))
    return decode_frames(plan, source.read(plan.ranges), index, output, decoders=decoders).data


@pytest.mark.parametrize(
    "name", ["default", "open_gop", "mbaff", "ten_bits_422", "monochrome", "raw_resized"]
)
@pytest.mark.parametrize(
    "output",
    [PixelOutput("native"), PixelOutput(height=48, width=64), PixelOutput("gray8", height=32)],
    ids=lambda output: output.pixel_format,
)
def test_the_same_pixels_as_in_this_process(
    clip: Callable[[str], bytes], children: IsolatedDecoderPool, name: str, output: PixelOutput
) -> None:
    data = clip(name)
    count = build_frame_index(BytesReader(data)).index.frame_count
    chosen = random.Random(name).sample(range(min(count, 20)), 5)
    if name == "raw_resized" and output.pixel_format != "rgb24":
        chosen = chosen[:1]
    with DecoderPool() as here:
        expected = read(data, chosen, output, here)
    assert np.array_equal(read(data, chosen, output, children), expected)


def test_errors_of_the_decoder_keep_their_class(
    clip: Callable[[str], bytes], children: IsolatedDecoderPool
) -> None:
    decoding = children.decoder(b"")
    index = build_frame_index(BytesReader(clip("default"))).index
    plan = plan_read(index, np.array([0]))
    (run,) = plan.runs
    (data,) = BytesReader(clip("default")).read(plan.ranges)
    with decoding as decoder:
        decoder.start(run.extradata, width=160, height=96)
        position, size = int(run.position[0]), int(run.size[0])
        ready = decoder.prepare(0, data[position : position + size])
        pictures = [*decoder.send(ready), *decoder.drain()]
        with pytest.raises(UnsupportedError, match="resizing needs another pixel_format"):
            pictures[0].write(
                PixelOutput("native", height=8, width=8), memoryview(bytearray(9))
            )
        with pytest.raises(DecodeError, match="were expected"):
            pictures[0].write(PixelOutput("gray8"), memoryview(bytearray(9)))


CRASH = """
    import os
    from marey.video.decode import worker
    from marey.video.decode.pyav import PyAvDecoder

    real = PyAvDecoder.send

    def send(self, ready):
        if ready.pts == 3:
            {fault}
        return real(self, ready)

    PyAvDecoder.send = send
    worker.main()
"""


@pytest.mark.parametrize(
    ("fault", "message"),
    [
        ("os.abort()", "the decoder crashed: its process was ended by SIGABRT"),
        ("os.kill(os.getpid(), 11)", "the decoder crashed: its process was ended by SIGSEGV"),
        ("os._exit(7)", "the decoder crashed: its process exited with status 7"),
        ("raise ZeroDivisionError", "the decoder crashed: its process exited with status 1"),
        ("os.read(os.pipe()[0], 1)", "the decoder gave no answer within 6 s"),
    ],
)
def test_a_crash_is_an_error_of_its_run_alone(
    clip: Callable[[str], bytes], fault: str, message: str
) -> None:
    script = textwrap.dedent(CRASH).replace("{fault}", fault)
    # Long enough for a process to start on a loaded machine; only a hang waits for its end.
    patience = 6 if "no answer" in message else 120
    pool = IsolatedDecoderPool(
        command=[sys.executable, "-c", script], patience_seconds=patience
    )
    output = PixelOutput("native")
    with DecoderPool() as here:
        expected = read(clip("default"), [0], output, here)
    assert np.array_equal(read(clip("default"), [0], output, pool), expected)
    with pytest.raises(DecodeError, match=message):
        read(clip("default"), list(range(10)), output, pool)
    assert np.array_equal(read(clip("default"), [0], output, pool), expected)
    pool.close()


SIZES = "import sys, struct; sys.stdin.buffer.read(12); out = sys.stdout.buffer; out.write("


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        ("b'x' * 99", "sent a head of 2021161080 bytes"),
        ("struct.pack('<IQ', 3, 0) + b'abc'", "sent what is no JSON"),
        ("struct.pack('<IQ', 2, 0) + b'[]'", "sent list, not an object"),
        ("struct.pack('<IQ', 2, 1 << 60) + b'{}'", "sent 1152921504606846976 bytes"),
        ("struct.pack('<IQ', 2, 0)", "the decoder crashed: its process exited with status 0"),
    ],
)
def test_a_child_is_not_believed(answer: str, message: str) -> None:
    pool = IsolatedDecoderPool(command=[sys.executable, "-c", f"{SIZES}{answer}); out.flush()"])
    with pool.decoder(b"") as decoder, pytest.raises(DecodeError, match=message):
        decoder.start(b"", width=16, height=16)
    pool.close()


def test_closing_ends_the_children_that_wait() -> None:
    pool = IsolatedDecoderPool()
    with pool.decoder(b"") as first, pool.decoder(b"") as second:
        processes = [decoder._child._process for decoder in (first, second)]
        assert all(process.poll() is None for process in processes)
    pool.close()
    assert all(process.poll() is not None for process in processes)


def test_children_are_used_again() -> None:
    pool = IsolatedDecoderPool()
    with pool.decoder(b"") as decoder:
        first = decoder._child._process.pid
    with pool.decoder(b"other") as decoder:
        assert decoder._child._process.pid == first
    pool.close()
