"""Picture order counts: where each field stands in output order (8.2.1).

`PictureOrderCount` is the state from picture to picture and nothing else, so it serves alone
where only the order matters. Feed it the first slice header of every primary coded picture, in
decoding order; each field of a pair is a picture of its own here.
"""

from __future__ import annotations

from ...errors import BitstreamError
from .nal import NAL_SLICE_IDR
from .picture import NO_ORDER_COUNT
from .slice_header import FRAME, TOP_FIELD, SliceHeader
from .sps import Sps

_LIMIT = 1 << 31


class PictureOrderCount:
    """The decoding process for picture order count, of all three types.

    A stream may be entered at any picture. Where that is no IDR picture the counts are right up
    to one constant, as no decoder can know it: PicOrderCntMsb (or FrameNumOffset) starts at 0.
    """

    __slots__ = (
        "_frame_num",
        "_frame_num_offset",
        "_previous_lsb",
        "_previous_msb",
    )

    def __init__(self) -> None:
        """The state before the first picture."""
        self._previous_msb = 0
        # Set from the first picture itself, unless that is an IDR picture.
        self._previous_lsb: int | None = None
        self._frame_num = self._frame_num_offset = 0

    def decode(self, header: SliceHeader) -> tuple[int, int]:
        """TopFieldOrderCnt and BottomFieldOrderCnt of the picture that `header` begins.

        The count of a field that the picture does not have is `NO_ORDER_COUNT`.

        Raises:
            BitstreamError: A count is outside -2^31 to 2^31 - 1.
        """
        sps = header.sps
        if sps.pic_order_cnt_type == 0:
            top, bottom = self._type_0(header)
        else:
            is_idr = header.nal_unit_type == NAL_SLICE_IDR
            is_reference = header.nal_ref_idc != 0
            self._advance_frame_num(header.frame_num, sps.max_frame_num, is_idr=is_idr)
            if sps.pic_order_cnt_type == 1:
                top, bottom = self._type_1(sps, header.delta_pic_order_cnt, is_reference)
            else:
                top = bottom = 0 if is_idr else self._type_2(is_reference)
        structure = header.structure
        if structure == FRAME:
            low, high = (top, bottom) if top < bottom else (bottom, top)
        elif structure == TOP_FIELD:
            low = high = top
            bottom = NO_ORDER_COUNT
        else:
            low = high = bottom
            top = NO_ORDER_COUNT
        if low < -_LIMIT or high >= _LIMIT:
            raise BitstreamError(
                f"picture order count of a picture with frame_num {header.frame_num} (8.2.1): "
                f"expected -2^31 to 2^31 - 1, found {low} to {high}"
            )
        return top, bottom

    def fill_gap(self, sps: Sps, frame_num: int) -> tuple[int, int]:
        """The two counts of a frame that fills a gap in frame_num (8.2.5.2).

        With types 1 and 2 it counts like any reference frame; with type 0 it has none.
        """
        if sps.pic_order_cnt_type == 0:
            return NO_ORDER_COUNT, NO_ORDER_COUNT
        self._advance_frame_num(frame_num, sps.max_frame_num, is_idr=False)
        if sps.pic_order_cnt_type == 1:
            return self._type_1(sps, (0, 0), True)
        count = self._type_2(True)
        return count, count

    def reset(self, top_order_count: int) -> None:
        """After a picture with memory_management_control_operation 5.

        Args:
            top_order_count: Its TopFieldOrderCnt after tempPicOrderCnt was taken off, 0 for a
                bottom field.
        """
        # 8.2.1.1: prevPicOrderCntMsb is 0 and prevPicOrderCntLsb that count.
        self._previous_msb = 0
        self._previous_lsb = top_order_count
        # 8.2.1.2, 8.2.1.3: prevFrameNumOffset is 0, and so is its frame_num from now on.
        self._frame_num = self._frame_num_offset = 0

    def state(self, sps: Sps, base: int) -> tuple[int, ...]:
        """What later counts follow from, with `base` taken off.

        Where two streams go on alike from equal states, their counts keep the difference of the
        two bases.
        """
        if sps.pic_order_cnt_type == 0:
            return self._previous_msb - base, self._previous_lsb or 0
        if sps.pic_order_cnt_type == 2:
            return 2 * self._frame_num_offset - base, self._frame_num
        cycle = sps.offset_for_ref_frame
        if not cycle:
            return -base, self._frame_num
        cycles, position = divmod(self._frame_num_offset, len(cycle))
        return cycles * sum(cycle) - base, position, self._frame_num

    def copy(self) -> PictureOrderCount:
        """Another one in the same state."""
        other = PictureOrderCount()
        for name in self.__slots__:
            setattr(other, name, getattr(self, name))
        return other

    # 8.2.1.1 Decoding process for picture order count type 0
    def _type_0(self, header: SliceHeader) -> tuple[int, int]:
        lsb = header.pic_order_cnt_lsb
        if header.nal_unit_type == NAL_SLICE_IDR:
            previous_msb = previous_lsb = 0
        else:
            previous_msb = self._previous_msb
            if self._previous_lsb is None:
                self._previous_lsb = lsb
            previous_lsb = self._previous_lsb
        max_lsb = 1 << header.sps.log2_max_pic_order_cnt_lsb
        if lsb < previous_lsb and previous_lsb - lsb >= max_lsb >> 1:
            msb = previous_msb + max_lsb
        elif lsb > previous_lsb and lsb - previous_lsb > max_lsb >> 1:
            msb = previous_msb - max_lsb
        else:
            msb = previous_msb
        if header.nal_ref_idc:
            self._previous_msb = msb
            self._previous_lsb = lsb
        count = msb + lsb
        # The second term is 0 in fields.
        return count, count + header.delta_pic_order_cnt_bottom

    # 8.2.1.2 and 8.2.1.3: FrameNumOffset
    def _advance_frame_num(self, frame_num: int, max_frame_num: int, *, is_idr: bool) -> None:
        if is_idr:
            self._frame_num_offset = 0
        elif self._frame_num > frame_num:
            self._frame_num_offset += max_frame_num
        self._frame_num = frame_num

    # 8.2.1.2 Decoding process for picture order count type 1
    def _type_1(self, sps: Sps, delta: tuple[int, int], is_reference: bool) -> tuple[int, int]:
        cycle = sps.offset_for_ref_frame
        abs_frame_num = self._frame_num_offset + self._frame_num if cycle else 0
        if not is_reference and abs_frame_num > 0:
            abs_frame_num -= 1
        expected = 0
        if abs_frame_num > 0:
            cycles, position = divmod(abs_frame_num - 1, len(cycle))
            expected = cycles * sum(cycle) + sum(cycle[: position + 1])
        if not is_reference:
            expected += sps.offset_for_non_ref_pic
        # The last term is 0 in fields.
        top = expected + delta[0]
        return top, top + sps.offset_for_top_to_bottom_field + delta[1]

    # 8.2.1.3 Decoding process for picture order count type 2
    def _type_2(self, is_reference: bool) -> int:
        count = 2 * (self._frame_num_offset + self._frame_num)
        return count if is_reference else count - 1
