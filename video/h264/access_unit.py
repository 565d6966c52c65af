"""Where one coded picture ends and the next begins, and so the access units of a byte stream.

MP4 samples are access units already; inside one, `starts_new_picture` tells the two fields of a
frame apart. In a byte stream (Annex B) each field is an access unit of its own.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TypeVar

from .nal import (
    NAL_ACCESS_UNIT_DELIMITER,
    NAL_END_OF_SEQUENCE,
    NAL_END_OF_STREAM,
    NAL_PPS,
    NAL_PREFIX,
    NAL_SEI,
    NAL_SLICE,
    NAL_SLICE_IDR,
    NAL_SLICE_PARTITION_A,
    NAL_SPS,
    NAL_SUBSET_SPS,
)
from .slice_header import SliceHeader

Span = TypeVar("Span")

_FIRST_OF_PICTURE = frozenset((NAL_SLICE, NAL_SLICE_PARTITION_A, NAL_SLICE_IDR))
_FIRST_OF_ACCESS_UNIT = frozenset(
    (NAL_SEI, NAL_SPS, NAL_PPS, NAL_ACCESS_UNIT_DELIMITER, *range(NAL_SUBSET_SPS, 19))
)
_LAST_OF_ACCESS_UNIT = frozenset((NAL_END_OF_SEQUENCE, NAL_END_OF_STREAM))

_BASELINE, _EXTENDED = 66, 88
_CONSTRAINT_SET1 = 0x40


# 7.4.1.2.4 Detection of the first VCL NAL unit of a primary coded picture
def starts_new_picture(previous: SliceHeader, current: SliceHeader) -> bool:
    """Whether a slice begins another primary coded picture than the slice before it.

    Args:
        previous: The last slice of a primary coded picture (redundant_pic_cnt 0).
        current: The slice in question. A redundant one never begins a picture.
    """
    if current.redundant_pic_cnt:
        return False
    if (
        current.frame_num != previous.frame_num
        or current.pic_order_cnt_lsb != previous.pic_order_cnt_lsb
        or current.structure != previous.structure
        or (current.nal_ref_idc == 0) != (previous.nal_ref_idc == 0)
        # IdrPicFlag as well: idr_pic_id is -1 outside IDR pictures.
        or current.idr_pic_id != previous.idr_pic_id
        or current.delta_pic_order_cnt_bottom != previous.delta_pic_order_cnt_bottom
        or current.delta_pic_order_cnt != previous.delta_pic_order_cnt
    ):
        return True
    # Encoders that never change idr_pic_id make pictures that the clause cannot tell apart; the
    # place of the slice can. The clause also splits at another pic_parameter_set_id: decoders
    # do not, and two pictures always differ in something else, as in order they must.
    if current.colour_plane_id != previous.colour_plane_id:
        return False
    if _allows_arbitrary_slice_order(current):
        return current.first_mb_in_slice == previous.first_mb_in_slice == 0
    return current.first_mb_in_slice <= previous.first_mb_in_slice


# 7.4.1.2.3 Order of NAL units and coded pictures and association to access units
def split_access_units(
    nal_units: Iterable[tuple[int, SliceHeader | None, Span]],
) -> Iterator[list[Span]]:
    """The NAL units of a byte stream, a list an access unit.

    Args:
        nal_units: In stream order; of each its nal_unit_type, its header if it is a slice
            (types 1, 2 and 5; None if that does not parse, it then goes with the slice before),
            and whatever the caller knows it by.

    >>> [len(unit) for unit in split_access_units([(7, None, 0), (8, None, 1), (6, None, 2)])]
    [3]
    """
    unit: list[Span] = []
    # Prefix NAL units go with the slice that follows, which tells whose they are.
    waiting: list[Span] = []
    previous: SliceHeader | None = None
    has_picture = ended = False
    for nal_unit_type, header, span in nal_units:
        if nal_unit_type == NAL_PREFIX:
            waiting.append(span)
            continue
        if nal_unit_type in _FIRST_OF_PICTURE:
            begins = (
                has_picture
                and header is not None
                and previous is not None
                and starts_new_picture(previous, header)
            )
        else:
            begins = has_picture and nal_unit_type in _FIRST_OF_ACCESS_UNIT
        if begins or (ended and nal_unit_type not in _LAST_OF_ACCESS_UNIT):
            yield unit
            unit = []
            has_picture = ended = False
        unit += waiting
        waiting.clear()
        unit.append(span)
        if nal_unit_type in _FIRST_OF_PICTURE:
            has_picture = True
            if header is not None and not header.redundant_pic_cnt:
                previous = header
        elif nal_unit_type in _LAST_OF_ACCESS_UNIT:
            ended = True
    unit += waiting
    if unit:
        yield unit


def _allows_arbitrary_slice_order(header: SliceHeader) -> bool:
    """A.2.1 and A.2.3: Baseline and Extended streams, unless they keep to Main as well."""
    sps = header.sps
    return sps.profile_idc in (_BASELINE, _EXTENDED) and not (
        sps.constraint_flags & _CONSTRAINT_SET1
    )
