"""The samples of a decoded picture, plane by plane, without the padding of its rows."""

from __future__ import annotations

import av
import numpy as np
import numpy.typing as npt
from av.video.plane import VideoPlane


def plane_rows(
    frame: av.VideoFrame, plane: VideoPlane
) -> npt.NDArray[np.uint8] | npt.NDArray[np.uint16]:
    """`[height, width]` samples of a plane; a view."""
    samples = np.frombuffer(memoryview(plane), np.uint8)
    rows = samples.reshape(-1, plane.line_size)[: plane.height]
    if frame.format.components[0].bits > 8:
        return rows[:, : 2 * plane.width].view("<u2")
    return rows[:, : plane.width]
