"""What a read will do, decided before any byte of media is fetched.

A plan has *runs*: stretches of samples that go, in decode order, through a decoder that knows
nothing of what came before. Every run starts at a sample that needs nothing older, so runs are
independent.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from ..index.frames import FrameIndex, Int64s
from ..source import ByteRange

Strategy = Literal["whole", "rewritten"]
"""`whole`: samples untouched, only non-reference pictures dropped. `rewritten`: references
dropped too, slice headers changed so that what remains is a conformant stream."""

FetchShape = Literal["exact", "widened", "GOP"]
"""How byte ranges relate to samples: no gap fetched, gaps between samples fetched, or whole
GOPs."""


@dataclass(frozen=True, slots=True)
class DecodeRun:
    """Samples that one decoder takes in, from a clean start to the last one needed."""

    strategy: Strategy
    """What is done to the samples."""
    samples: Int64s
    """`[m]` samples to decode, ascending (decode order); the first is a start."""
    targets: Int64s
    """`[t]` the ones among them whose pictures are wanted, ascending."""
    buffer: Int64s
    """`[m]` which fetched range holds each sample."""
    position: Int64s
    """`[m]` where the sample begins in that range."""
    size: Int64s
    """`[m]` bytes of the sample."""
    extradata: bytes
    """Parameter sets in force at the first sample, in the decoder's form (avcC or Annex B)."""
    index: FrameIndex = field(repr=False)
    """The clip that the samples belong to."""
    seconds: float
    """About how long one core takes to decode it."""
    prefixes: Mapping[int, bytes] = field(default_factory=dict)
    """NAL units to put before a sample, because the one that carried them is dropped; by
    sample."""


@dataclass(frozen=True, slots=True)
class ReadPlan:
    """Bytes to fetch and samples to decode for a set of frames of one clip."""

    frames: Int64s
    """`[f]` the frames asked for, ascending, each once."""
    frame_samples: Int64s
    """`[f]` the sample that carries each of them."""
    ranges: tuple[ByteRange, ...]
    """Bytes to fetch, ascending, not overlapping."""
    runs: tuple[DecodeRun, ...]
    """What to decode, each run on its own."""
    fetch_shape: FetchShape
    """The outcome of the byte-range plan."""

    @property
    def bytes_fetched(self) -> int:
        """Bytes in all ranges."""
        return sum(r.length for r in self.ranges)

    @property
    def seconds(self) -> float:
        """About how long one core takes to decode all runs."""
        return sum(run.seconds for run in self.runs)

    @property
    def samples_decoded(self) -> int:
        """Samples that go through a decoder, counted once a run."""
        return sum(len(run.samples) for run in self.runs)
