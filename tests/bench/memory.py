"""Resident memory of a process, as the kernel counts it."""

from __future__ import annotations

from pathlib import Path


def resident_bytes() -> int:
    """What is resident now."""
    return _memory("VmRSS")


def peak_bytes() -> int:
    """The most that was resident since the start, or since `forget_peak`."""
    return _memory("VmHWM")


def forget_peak() -> None:
    """Begin a new peak."""
    Path("/proc/self/clear_refs").write_text("5")


def _memory(name: str) -> int:
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) << 10 for line in lines if line.startswith(name))
