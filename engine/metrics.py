"""What a scan did: rows, frames, samples, bytes and seconds, added up by all its threads."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field, fields


@dataclass(slots=True)
class ScanMetrics:
    """The counts of one run of a scan; they grow while it runs.

    Seconds are summed over threads, so together they may exceed the time that passed.

    >>> metrics = ScanMetrics()
    >>> metrics.add(rows=2, frames=8, bytes_fetched=2048)
    >>> metrics.frames
    8
    """

    rows: int = 0
    """Rows returned."""
    frames: int = 0
    """Frames returned, duplicates counted."""
    samples_decoded: int = 0
    """Compressed samples that went into a decoder, also where that came to nothing."""
    samples_rewritten: int = 0
    """Those of them whose headers were rewritten, so that references could be left out."""
    bytes_fetched: int = 0
    """Media bytes read from storage, to the byte. Not counted are indexes and other columns,
    what could not be read, and the 64 bytes that are read behind a range as room for
    decoders."""
    range_requests: int = 0
    """Byte ranges that those came in: what is read twice, for rows that are tried again alone,
    counts twice."""
    source_bytes: int = 0
    """Size of all clips that frames were read from, each counted once a batch."""
    rows_skipped: int = 0
    """Rows dropped by `on_error="skip"` or `on_missing="skip"`."""
    plan_seconds: float = 0.0
    """Resolving keys, reading indexes, choosing samples and byte ranges."""
    fetch_seconds: float = 0.0
    """Reading media."""
    rewrite_seconds: float = 0.0
    """Rewriting headers."""
    decode_seconds: float = 0.0
    """Decoding samples."""
    convert_seconds: float = 0.0
    """Converting decoded pictures to the pixels asked for."""
    _lock: threading.Lock = field(
        default_factory=threading.Lock, init=False, repr=False, compare=False
    )

    def __reduce__(self) -> tuple[object, ...]:
        return ScanMetrics, tuple(getattr(self, f.name) for f in fields(self) if f.init)

    def add(self, **amounts: float) -> None:
        """Add to the counts by name; safe from any thread."""
        with self._lock:
            for name, amount in amounts.items():
                setattr(self, name, getattr(self, name) + amount)

    def counts(self) -> dict[str, float]:
        """All counts by name, as they are now."""
        with self._lock:
            return {f.name: getattr(self, f.name) for f in fields(self) if f.init}

    def __repr__(self) -> str:
        shown = ", ".join(
            f"{f.name}={_figure(getattr(self, f.name))}"
            for f in fields(self)
            if not f.name.startswith("_")
        )
        return f"ScanMetrics({shown})"


def _figure(amount: float) -> str:
    return f"{amount:.4f}" if isinstance(amount, float) else f"{amount:,}"
