"""The packets of a run, cut from the fetched bytes.

libavcodec reads up to 64 bytes past the end of a packet. Inside a fetched range those are
there; the last packets of a range are copied into a padded buffer.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from .indexed_bytes import check_indexed
from .read_plan import DecodeRun
from .rewriting import ClosureRewriter

PADDING = 64
"""Readable bytes behind every packet (AV_INPUT_BUFFER_PADDING_SIZE)."""


def packets(
    run: DecodeRun, buffers: Sequence[memoryview | bytes], *, check: bool = True
) -> Iterator[tuple[int, memoryview]]:
    """Each sample of the run with its bytes, in decode order.

    Args:
        run: From a `ReadPlan`.
        buffers: The bytes of the plan's `ranges`, in their order.
        check: Whether to see if they are still what was indexed.

    Raises:
        CorruptVideoError: The bytes are not what was indexed.

    Yields:
        Sample number, and its packet with at least `PADDING` readable bytes behind it.
    """
    views = [memoryview(b) for b in buffers]
    rewriter = ClosureRewriter(run.index, run.samples) if run.strategy == "rewritten" else None
    for sample, buffer, position, size in zip(
        run.samples.tolist(),
        run.buffer.tolist(),
        run.position.tolist(),
        run.size.tolist(),
        strict=True,
    ):
        view = views[buffer]
        end = position + size
        if check:
            check_indexed(run.index, sample, view[position:end])
        prefix = run.prefixes.get(sample, b"")
        if rewriter is not None:
            yield sample, _padded(prefix + rewriter.rewrite(sample, view[position:end]))
        elif prefix:
            yield sample, _padded(prefix + bytes(view[position:end]))
        elif end + PADDING > len(view):
            yield sample, _padded(view[position:end])
        else:
            yield sample, view[position:end]


def _padded(data: bytes | memoryview) -> memoryview:
    copy = bytearray(len(data) + PADDING)
    copy[: len(data)] = data
    return memoryview(copy)[: len(data)]
