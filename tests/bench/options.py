"""What the command line asks of a bench."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Options:
    """Each bench takes what it has a use for."""

    repeats: int | None = None
    """Rounds of each measurement; by default what the bench does in a minute or so."""
    everything: bool = False
    """Also what takes long: large clips, large tables."""
    engines: tuple[str, ...] = ()
    """Only these engines of the workloads; all that are installed if empty."""
    clips: tuple[str, ...] = ()
    """Only these clips of the workloads."""
    works: tuple[str, ...] = ()
    """Only these kinds of work of the workloads."""
    save: bool = False
    """Write what the workloads took into docs/benchmarks.md."""
