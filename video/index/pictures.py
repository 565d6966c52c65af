"""What the headers of one picture say: where pictures end within a sample, what they look like,
and what is refused in them.
"""

from __future__ import annotations

from itertools import pairwise

from ...errors import UnsupportedError
from ..h264.access_unit import starts_new_picture
from ..h264.slice_header import FRAME, SI, SP, SliceHeader
from ..h264.sps import Sps
from .frames import ContainerColour, PictureFormat

_UNSPECIFIED, _LAST_MATRIX = 2, 14  # ITU-T H.273, table 4


def split_pictures(headers: list[SliceHeader]) -> list[list[SliceHeader]]:
    """The slices of one sample, a list a picture: one frame, one field, or the two of a
    pair.
    """
    if not headers:
        return []
    pictures = [[headers[0]]]
    for previous, header in pairwise(headers):
        if starts_new_picture(previous, header):
            pictures.append([header])
        else:
            pictures[-1].append(header)
    return pictures


def frame_rate(sps: Sps) -> tuple[int, int] | None:
    """Frames a second as a fraction, where the VUI tells: two ticks make a frame (E.2.1)."""
    vui = sps.vui
    if vui is None or not vui.num_units_in_tick or not vui.time_scale:
        return None
    return vui.time_scale, 2 * vui.num_units_in_tick


def refuse_unsupported(sample: int, headers: list[SliceHeader]) -> None:
    """Tools of the Baseline and Extended profiles that libavcodec does not decode as they
    are meant.
    """
    for header in headers:
        if header.pps.num_slice_groups > 1:
            raise UnsupportedError(
                f"sample {sample}: slice groups (flexible macroblock ordering, "
                f"num_slice_groups {header.pps.num_slice_groups})"
            )
        if header.slice_type in (SP, SI):
            raise UnsupportedError(f"sample {sample}: SP and SI slices (Extended profile)")


def headers_can_change(headers: list[SliceHeader]) -> bool:
    """Whether `h264.reheading` may give the slices other numbers, lists and marking."""
    return all(
        h.structure == FRAME and not any(operation[0] == 5 for operation in h.memory_management)
        for h in headers
    )


def picture_format(sps: Sps, stated: tuple[int, int] | None) -> PictureFormat:
    """What pictures under an SPS look like; `stated` is the size that the container gives."""
    width, height = _visible_size(sps, stated)
    return PictureFormat(
        width=width,
        height=height,
        bit_depth_luma=sps.bit_depth_luma,
        bit_depth_chroma=sps.bit_depth_chroma,
        chroma_format_idc=sps.chroma_format_idc,
    )


def container_colour(stated: tuple[int, int, int, bool] | None) -> ContainerColour | None:
    """What matters for pixels of the primaries, transfer, matrix and range of a container."""
    if stated is None:
        return None
    _, _, matrix_coefficients, full_range = stated
    if matrix_coefficients > _LAST_MATRIX:
        matrix_coefficients = _UNSPECIFIED
    return ContainerColour(matrix_coefficients, full_range)


def _visible_size(sps: Sps, stated: tuple[int, int] | None) -> tuple[int, int]:
    """What is shown of a picture: by the SPS, or by a container that crops less than a
    macroblock.

    Cameras write 1080 rows into the container and forget the SPS's cropping; libavcodec then
    goes by the container, and so must frame k.
    """
    left, _, top, _ = sps.frame_cropping or (0, 0, 0, 0)
    if stated is None or left or top:
        return sps.width, sps.height
    width, height = stated
    fits = 0 < width <= sps.width and 0 < height <= sps.height
    if (
        fits
        and -(-width // 16) == -(-sps.width // 16)
        and -(-height // 16) == -(-sps.height // 16)
    ):
        return width, height
    return sps.width, sps.height
