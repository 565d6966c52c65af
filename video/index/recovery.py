"""What libavcodec holds back: fields without a partner, and pictures before decoding has
recovered.

These are rules of that decoder, not of the standard (`h264_field_start`,
`h264_select_output_frame` and `ff_h264_execute_ref_pic_marking` in FFmpeg 5 to 8): frame k is
what a full decode with FFmpeg puts out.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from ..h264.dpb import DecodedPictureBuffer
from ..h264.nal import NAL_SLICE_IDR
from ..h264.pps import Pps
from ..h264.sei import RecoveryPoint
from ..h264.slice_header import FRAME, I, SliceHeader
from .output import Recovery


class RecoveryTracker:
    """Follows pictures in decode order; asked once a frame or field, after its marking."""

    def __init__(self, fields: tuple[int, bool] = (0, False)) -> None:
        """Begin at the start of a stream, or at an IDR picture.

        Args:
            fields: `fields` of the tracker that saw what came before.
        """
        self._missing_fields, self._first_field_waits = fields
        self._recovery_frame_num = -1
        self._has_recovery_point = False
        self._valid_recovery_point = False

    @property
    def fields(self) -> tuple[int, bool]:
        """All of its state that an IDR picture does not clear."""
        return self._missing_fields, self._first_field_waits

    def is_put_out(self, header: SliceHeader, *, second_field: bool) -> bool:
        """Whether the picture, with this field, is complete enough to be put out.

        A lone first field is kept back until a second one in a row shows that none will come.
        """
        if second_field:
            self._missing_fields = 0
            self._first_field_waits = False
            return True
        if self._first_field_waits:
            self._missing_fields += 1
        self._first_field_waits = header.structure != FRAME
        return header.structure == FRAME or self._missing_fields > 1

    def reaches(
        self,
        headers: Sequence[SliceHeader],
        message: RecoveryPoint | None,
        buffer: DecodedPictureBuffer,
        pps_by_id: Mapping[int, Pps],
    ) -> Recovery:
        """Whether a decode that began before this picture has recovered with it."""
        header = headers[0]
        if header.nal_unit_type == NAL_SLICE_IDR:
            self._has_recovery_point = True
            self._recovery_frame_num = -1
            return Recovery.IDR
        if message is not None:
            self._has_recovery_point = True
            self._note_message(header, message)
        if self._recovery_frame_num == header.frame_num and header.nal_ref_idc:
            self._recovery_frame_num = -1
            return Recovery.ANNOUNCED
        if header.nal_ref_idc and self._looks_like_entry(headers, buffer, pps_by_id):
            return Recovery.LIKELY
        return Recovery.NONE

    def _note_message(self, header: SliceHeader, message: RecoveryPoint) -> None:
        count = message.recovery_frame_cnt
        limit = header.sps.max_frame_num
        if header.frame_num != count or header.slice_type != I:
            self._valid_recovery_point = True
        waiting = self._recovery_frame_num
        if waiting < 0 or (waiting - header.frame_num) % limit > count:
            # An encoder that counts from 0 instead of from here gives frame_num itself: taken
            # as "now".
            offset = count if self._valid_recovery_point else 0
            self._recovery_frame_num = (header.frame_num + offset) % limit

    def _looks_like_entry(
        self,
        headers: Sequence[SliceHeader],
        buffer: DecodedPictureBuffer,
        pps_by_id: Mapping[int, Pps],
    ) -> bool:
        """An intra picture that little was kept before: libavcodec's unmarked random access
        point.
        """
        pictures = buffer.pictures
        if headers[-1].slice_type != I or any(p.long_term for p in pictures):
            return False
        list0 = max((p.num_ref_idx_l0_default_active for p in pps_by_id.values()), default=0)
        list1 = max((p.num_ref_idx_l1_default_active for p in pps_by_id.values()), default=0)
        field = headers[0].structure != FRAME
        few = (
            len(pictures) <= 2
            or (list0 <= 2 and list1 <= 1)
            or (list0 <= 1 + field and list1 <= 1)
        )
        return few and list0 <= 2 + field + 2 * (not self._has_recovery_point)
