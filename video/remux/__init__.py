"""A playable MP4 that presents chosen frames, in display order, without re-encoding.

The file holds the closure of the frames. One edit shows the chosen ones; pictures that are
there only because others refer to them are composed after its end, two microseconds each, and
are never shown. That placing is what FFmpeg and Chromium both present exactly: dependencies
composed before the edit leak into Chromium, and an edit for each frame seeks wrongly
(docs/decisions/0006-remux-construction.md, 0014-previews-of-every-stream.md).

::

    frames -> plan (which samples, in which runs) -> samples (their bytes) \
                                                  -> clock -> times         > file
                                         source's moov -> sound            /
"""

from .clock import on_file_clock
from .file import remux_frames, write_remux
from .plan import RemuxPlan, RemuxRun, plan_remux

__all__ = [
    "RemuxPlan",
    "RemuxRun",
    "on_file_clock",
    "plan_remux",
    "remux_frames",
    "write_remux",
]
