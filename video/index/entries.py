"""Where a player begins to decode anew in the middle of a stream: edit lists lead there.

What a picture looks like, and whether libavcodec shows it at all, was found out by following
the stream from its first sample. That holds after a jump only where nothing before matters: at
an IDR picture; and for the very first packet also at a recovery point that is reached at once
and from which decoding is exact. Anywhere else a decoder would mix what it has with what it
lacks, and show that.
"""

from __future__ import annotations

import numpy as np

from ...errors import UnsupportedError
from .frames import Flags, Int64s, SampleFlag
from .output import OutputColumn, Recovery


def refuse_blind_entries(packet_sample: Int64s, flags: Flags, output: OutputColumn) -> None:
    """Check each sample that does not follow the one before it.

    Args:
        packet_sample: The samples as a player decodes them.
        flags: Of every sample.
        output: What the output queue sees of every sample.

    Raises:
        UnsupportedError: Decoding cannot begin at one of them.
    """
    # Before the first packet stands what leads to sample 0.
    jumps = np.flatnonzero(np.diff(packet_sample, prepend=-1) != 1)
    for jump, run in zip(jumps, np.split(packet_sample, jumps)[1:], strict=True):
        pictures = np.flatnonzero((flags[run] & SampleFlag.NO_PICTURE) == 0)
        if not len(pictures):
            continue
        entry = int(run[pictures[0]])
        if flags[entry] & SampleFlag.IDR:
            continue
        picture = output[entry]
        announced = picture is not None and picture.recovery >= Recovery.ANNOUNCED
        if jump == 0 and announced and flags[entry] & SampleFlag.START:
            continue
        raise UnsupportedError(
            f"the edit list begins to decode at sample {entry}, which is "
            + ("no IDR picture and no exact recovery point" if jump == 0 else "no IDR picture")
            + ": a player would show what it has not decoded"
        )
