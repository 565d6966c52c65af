"""The plain facts of a clip that queries filter on: one value a column."""

from __future__ import annotations

from collections.abc import Mapping

from ..h264.sps import Sps
from .cadences import cadences
from .frames import FrameIndex

_CHROMA_FORMATS = ("4:0:0", "4:2:0", "4:2:2", "4:4:4")
_UNSPECIFIED = 2


def describe(
    index: FrameIndex,
    sps: Sps,
    container_colour: tuple[int, int, int, bool] | None,
    *,
    has_b_slices: bool,
) -> Mapping[str, object]:
    """The scalar fields of a stored index.

    Args:
        index: The finished index.
        sps: The first sequence parameter set in use.
        container_colour: What the container says of colour, for what the stream leaves open.
        has_b_slices: Whether any slice is bidirectional.

    Returns:
        Field names to values: `duration_seconds` runs from the first frame's time to the end of
        the last, `average_fps` is frames over that, `color_*` are code points of ITU-T H.273 (2
        is unspecified), `gop_count` counts the places where decoding can start, `cadences` are
        the lower frame rates that can be read as a prefix of the file.
    """
    duration = int(index.duration_ticks.sum()) if index.frame_count else 0
    seconds = duration * index.timebase.numerator / index.timebase.denominator
    primaries, transfer, matrix, full_range = _colour(sps, container_colour)
    form = index.parameter_sets[0].format if index.parameter_sets else None
    return {
        "codec": "h264",
        "profile": sps.profile_name,
        "level": sps.level_idc,
        "width": form.width if form else sps.width,
        "height": form.height if form else sps.height,
        "frame_count": index.frame_count,
        "duration_seconds": seconds,
        "average_fps": index.frame_count / seconds if seconds > 0 else 0.0,
        "gop_count": len(index.starts),
        "cadences": cadences(index),
        "has_b_frames": has_b_slices,
        "bit_depth": max(sps.bit_depth_luma, sps.bit_depth_chroma),
        "chroma_format": _CHROMA_FORMATS[sps.chroma_format_idc],
        "color_primaries": primaries,
        "color_transfer": transfer,
        "color_matrix": matrix,
        "color_full_range": full_range,
        "container": index.container,
        "source_bytes": index.source_bytes,
    }


def _colour(
    sps: Sps, container: tuple[int, int, int, bool] | None
) -> tuple[int, int, int, bool]:
    vui = sps.vui
    fallback = container or (_UNSPECIFIED, _UNSPECIFIED, _UNSPECIFIED, False)
    if vui is None or not vui.video_signal_type_present_flag:
        return fallback
    full_range = bool(vui.video_full_range_flag)
    if not vui.colour_description_present_flag:
        return (fallback[0], fallback[1], fallback[2], full_range)
    return (
        vui.colour_primaries,
        vui.transfer_characteristics,
        vui.matrix_coefficients,
        full_range,
    )
