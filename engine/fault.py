"""Why a value could not be made, and which of its frames is at fault."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from ..errors import MareyError
from ..video.index.frames import Int64s


@dataclass(frozen=True, slots=True)
class Fault:
    """What went wrong with one value.

    It is kept for as long as a scan's errors can be asked for, and frames of tracebacks hold
    pixels and fetched bytes: so its error forgets where it came from.
    """

    error: MareyError
    """Why."""
    frame: int | None = None
    """The first frame that cannot be made, where one is known."""

    def __post_init__(self) -> None:
        forget_frames(self.error)


def forget_frames(error: BaseException) -> None:
    """Take the tracebacks from an error and from those behind it."""
    chain: list[BaseException | None] = [error]
    while chain:
        found = chain.pop()
        if found is not None:
            chain += [found.__cause__, found.__context__]
            found.__traceback__ = found.__cause__ = found.__context__ = None


def first_bad_frame(frames: Int64s, fails: Callable[[Int64s], bool]) -> int:
    """The first frame that cannot be had, of some that cannot be had together.

    What one frame needs does not become less beside others, so it is found by halving.

    Args:
        frames: Ascending, each once, at least one.
        fails: Whether a part of them cannot be had.

    >>> import numpy as np
    >>> first_bad_frame(np.arange(100), lambda part: 70 in part)
    70
    """
    good, bad = 0, len(frames)
    while bad - good > 1:
        middle = (good + bad) // 2
        if fails(frames[:middle]):
            bad = middle
        else:
            good = middle
    return int(frames[bad - 1])
