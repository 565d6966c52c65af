"""Proof that a file is what was promised, from the file itself: no encoder is trusted."""

from __future__ import annotations

import numpy as np

from ...errors import UnsupportedError
from ..index.cadences import holds_cadence
from ..index.effort import Effort
from ..index.frames import FrameIndex
from ..index.samples import ActiveParameterSets, scan_annexb_samples
from ..source import Reader
from .ladder import Ladder, show_rate
from .quality import PictureCoding
from .survey import Survey


def prove_stream(
    stream: Reader, index: FrameIndex, survey: Survey, coding: PictureCoding
) -> None:
    """Check that a coded stream has every picture, and the quantisers that it was to have.

    Raises:
        UnsupportedError: It has not: the encoder did something else.
    """
    if not index.frame_count == index.sample_count == survey.count:
        raise UnsupportedError(
            f"the encoder made {index.sample_count} samples that show {index.frame_count} "
            f"frames, of {survey.count} pictures"
        )
    if coding.quantisers is None:
        return
    effort = Effort(stream.size)
    shown = np.empty(index.sample_count, np.int64)
    shown[index.frame_sample] = np.arange(index.frame_count)
    samples = scan_annexb_samples(stream, ActiveParameterSets(effort), effort)
    for frame, sample in zip(shown.tolist(), samples, strict=True):
        for header in sample.headers:
            found = header.pps.pic_init_qp + header.slice_qp_delta
            if found != coding.quantisers[frame]:
                raise UnsupportedError(
                    f"the encoder gave frame {frame} the quantiser {found}, it was to have "
                    f"{coding.quantisers[frame]}"
                )


def prove_ladder(index: FrameIndex, ladder: Ladder, survey: Survey) -> None:
    """Check that every lower rate of a file is closed, and a prefix of its samples.

    Raises:
        UnsupportedError: One is not, by its rate.
    """
    if index.frame_count != survey.count:
        raise UnsupportedError(
            f"the file shows {index.frame_count} frames, expected {survey.count}"
        )
    for step, rate in zip(ladder.steps, ladder.rates, strict=True):
        if not holds_cadence(index, step):
            raise UnsupportedError(
                f"rate {show_rate(rate)} came out of the encoder with references beyond its "
                "own frames: it does not follow the frame types that it is given"
            )
