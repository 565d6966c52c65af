"""How long decoding takes, about: enough to choose between plans, and to share them out.

Measured with libavcodec 62, one thread, x264's medium preset, and with the rewriter.
"""

from __future__ import annotations

import numpy as np

from ..index.frames import FrameIndex, Int64s, SampleFlag
from .read_plan import Strategy

_DECODE_SECONDS_PER_PICTURE = 45e-6
_DECODE_SECONDS_PER_MACROBLOCK = 0.6e-6
_DECODE_SECONDS_PER_BYTE = 80e-9
# Between decodes, which leave the caches cold; several slices are taken for two.
_REWRITE_SECONDS_PER_SLICE = 90e-6
_REWRITE_SECONDS_PER_BYTE = 0.2e-9  # it is copied


def decode_seconds(index: FrameIndex, samples: Int64s, strategy: Strategy) -> float:
    """CPU time that a run of samples takes on one core, conversion of pixels apart."""
    form = index.parameter_sets_at(int(samples[0])).format
    macroblocks = -(-form.width // 16) * -(-form.height // 16)
    count, size = len(samples), int(np.add.reduce(index.size[samples]))
    a_picture = _DECODE_SECONDS_PER_PICTURE + macroblocks * _DECODE_SECONDS_PER_MACROBLOCK
    seconds = count * a_picture + size * _DECODE_SECONDS_PER_BYTE
    if strategy == "rewritten":
        slices = count + int(np.count_nonzero(index.flags[samples] & SampleFlag.SLICED))
        seconds += slices * _REWRITE_SECONDS_PER_SLICE + size * _REWRITE_SECONDS_PER_BYTE
    return seconds
