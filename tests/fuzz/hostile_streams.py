"""H.264 byte streams made to cost a reader as much as they can, of any size.

Each builder repeats the dearest thing of one kind that its name says; `tests.fuzz.bounds`
measures what indexing them takes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import count, islice

from marey.video.h264.nal import NAL_SLICE, NAL_SLICE_IDR
from marey.video.h264.pps import Pps, SliceGroups, build_pps
from marey.video.h264.pred_weight_table import PredWeightTable, ReferenceWeights
from marey.video.h264.scaling_list import ScalingLists
from marey.video.h264.slice_header import FRAME, TOP_FIELD, B, I, P, SliceHeader
from marey.video.h264.slice_header_build import build_slice_header
from marey.video.h264.sps import Sps, build_sps

START_CODE = b"\0\0\1"
SPS = Sps(
    profile_idc=66,
    level_idc=51,
    log2_max_frame_num=16,
    pic_order_cnt_type=2,
    max_num_ref_frames=16,
    gaps_in_frame_num_value_allowed_flag=True,
    pic_width_in_mbs=120,
    pic_height_in_map_units=68,
)
PPS = Pps(num_ref_idx_l0_default_active=16, num_ref_idx_l1_default_active=16)


def annexb(*nals: bytes) -> bytes:
    """NAL units behind start codes."""
    return b"".join(START_CODE + nal for nal in nals)


def sets(sps: Sps = SPS, pps: Pps = PPS) -> bytes:
    """The parameter sets that the streams begin with."""
    return annexb(build_sps(sps), build_pps(pps))


def header(
    slice_type: int = P, *, sps: Sps = SPS, pps: Pps = PPS, **fields: object
) -> SliceHeader:
    """A slice header with these fields and sensible others."""
    values: dict[str, object] = {
        "nal_unit_type": NAL_SLICE,
        "nal_ref_idc": 1,
        "first_mb_in_slice": 0,
        "slice_type": slice_type,
        "slice_type_raw": slice_type,
        "pic_parameter_set_id": 0,
        "frame_num": 0,
        "num_ref_idx_l0_active": pps.num_ref_idx_l0_default_active * (slice_type != I),
        "num_ref_idx_l1_active": pps.num_ref_idx_l1_default_active * (slice_type == B),
        **fields,
    }
    return SliceHeader(sps=sps, pps=pps, **values)  # type: ignore[arg-type]


def slice_nal(head: SliceHeader) -> bytes:
    """A slice NAL unit of this header and no slice data."""
    from marey.video.bits.rbsp import escape

    writer = build_slice_header(head, head.sps, head.pps)
    writer.trailing_bits()
    return bytes([head.nal_ref_idc << 5 | head.nal_unit_type]) + escape(writer.to_bytes())


def idr(sps: Sps = SPS, pps: Pps = PPS, **fields: object) -> bytes:
    """An IDR picture of one slice."""
    return slice_nal(
        header(I, sps=sps, pps=pps, nal_unit_type=NAL_SLICE_IDR, idr_pic_id=0, **fields)
    )


def filled(head: bytes, pieces: Iterator[bytes], size: int) -> bytes:
    """`head` and as many of the pieces as fit; the first thousands repeat."""
    block = annexb(*islice(pieces, 4096))
    return (head + block * (max(0, size - len(head)) // len(block) + 1))[:size]


def _stream(size: int, heads: Iterator[SliceHeader], sps: Sps = SPS, pps: Pps = PPS) -> bytes:
    return filled(sets(sps, pps) + annexb(idr(sps, pps)), map(slice_nal, heads), size)


def small_pictures(size: int) -> bytes:
    """Pictures of a few bytes that each refer to sixteen others."""
    return _stream(size, (header(frame_num=n % 65536) for n in count(1)))


def frame_num_gaps(size: int) -> bytes:
    """Every picture leaves a gap that fills the whole buffer."""
    return _stream(size, (header(frame_num=17 * n % 65536) for n in count(1)))


def small_slices(size: int) -> bytes:
    """Slices of a few bytes, thousands a picture: Baseline has them in any order."""
    return _stream(size, (header(first_mb_in_slice=1, frame_num=1) for _ in count()))


def list_modifications(size: int) -> bytes:
    """Slices whose list is reordered as often as it may be."""
    operations = tuple((n % 2, n % 3) for n in range(16))
    return _stream(
        size,
        (
            header(
                first_mb_in_slice=1, frame_num=1, ref_pic_list_modification=(operations, None)
            )
            for _ in count()
        ),
    )


def field_modifications(size: int) -> bytes:
    """Fields with lists of 32 entries in both directions, all of them reordered."""
    sps = Sps(
        profile_idc=100,
        level_idc=51,
        log2_max_frame_num=4,
        log2_max_pic_order_cnt_lsb=4,
        max_num_ref_frames=16,
        pic_width_in_mbs=120,
        pic_height_in_map_units=34,
        frame_mbs_only_flag=False,
    )
    pps = Pps(num_ref_idx_l0_default_active=32, num_ref_idx_l1_default_active=32)
    operations = tuple((n % 2, n % 3) for n in range(32))

    def heads() -> Iterator[SliceHeader]:
        for n in range(1, 17):
            yield header(
                sps=sps,
                pps=pps,
                frame_num=n % 16,
                pic_order_cnt_lsb=2 * n % 16,
                num_ref_idx_l0_active=16,
                num_ref_idx_active_override_flag=True,
            )
        for n in count(1):
            yield header(
                B,
                sps=sps,
                pps=pps,
                first_mb_in_slice=n % 4000,
                structure=TOP_FIELD,
                nal_ref_idc=0,
                frame_num=1,
                ref_pic_list_modification=(operations, operations),
            )

    return _stream(size, heads(), sps, pps)


def weights(size: int) -> bytes:
    """Slices with weights for every reference, each in as few bits as can be."""
    pps = Pps(num_ref_idx_l0_default_active=16, weighted_pred_flag=True)
    each = ReferenceWeights((0, 0), (0, 0, 0, 0))
    table = PredWeightTable(0, 0, ((each,) * 16,))
    return _stream(
        size,
        (
            header(pps=pps, first_mb_in_slice=1 + n % 7, frame_num=1, pred_weight_table=table)
            for n in count()
        ),
        pps=pps,
    )


def memory_management(size: int) -> bytes:
    """Pictures with as many memory management operations as are read."""
    operations = tuple((1, 40 + n) for n in range(66))
    return _stream(
        size,
        (
            header(
                frame_num=n % 65536,
                adaptive_ref_pic_marking_mode_flag=True,
                memory_management=operations,
            )
            for n in count(1)
        ),
    )


def undecided_starts(size: int) -> bytes:
    """Intra pictures that could be starts, and a reference from before that never goes away."""
    sps = SPS

    def heads() -> Iterator[SliceHeader]:
        yield header(
            frame_num=1,
            adaptive_ref_pic_marking_mode_flag=True,
            memory_management=((4, 1), (6, 0)),
        )
        for n in range(2, 6):
            yield header(I, frame_num=n)
        for n in count(6):
            yield header(frame_num=n % 65536)

    return _stream(size, heads(), sps)


def order_counts(size: int) -> bytes:
    """Picture order counted over the longest cycle, with the widest offsets."""
    sps = Sps(
        profile_idc=77,
        level_idc=51,
        pic_order_cnt_type=1,
        offset_for_ref_frame=(1 << 20, -(1 << 20)) * 127 + (1,),
        max_num_ref_frames=16,
        pic_width_in_mbs=120,
        pic_height_in_map_units=68,
        log2_max_frame_num=16,
        delta_pic_order_always_zero_flag=True,
    )
    return _stream(size, (header(sps=sps, frame_num=n % 65536) for n in count(1)), sps)


def damaged_slices(size: int) -> bytes:
    """Slice headers that turn out to be damaged as late as can be."""
    operations = tuple((1, 0) for n in range(66))
    head = header(
        frame_num=1, adaptive_ref_pic_marking_mode_flag=True, memory_management=operations
    )
    nal = slice_nal(head)
    return filled(
        sets() + annexb(idr()),
        iter([nal[: len(nal) - 2] + b"\xaa" + bytes([0x55]) * 64] * 64),
        size,
    )


def new_picture_sets(size: int) -> bytes:
    """Picture parameter sets, each another."""
    return filled(
        sets() + annexb(idr()),
        (
            build_pps(
                Pps(
                    pic_parameter_set_id=1 + n % 255,
                    pic_init_qp=n % 50,
                    pic_init_qs=n // 50 % 50,
                )
            )
            for n in count()
        ),
        size,
    )


def new_sequence_sets(size: int) -> bytes:
    """Sequence parameter sets with every scaling list, in as few bits as can be."""
    lists: ScalingLists = ((0,) * 16,) * 6 + ((0,) * 64,) * 2

    def nals() -> Iterator[bytes]:
        for n in count():
            yield build_sps(
                Sps(
                    profile_idc=100,
                    level_idc=51,
                    seq_parameter_set_id=1 + n % 31,
                    scaling_lists=lists,
                    pic_width_in_mbs=1 + n % 120,
                    pic_height_in_map_units=68,
                )
            )

    return filled(sets() + annexb(idr()), nals(), size)


def slice_group_maps(size: int) -> bytes:
    """Picture parameter sets that deal out every macroblock by itself."""
    groups = SliceGroups(slice_group_map_type=6, slice_group_id=b"\1\0" * 69_000)

    def nals() -> Iterator[bytes]:
        for n in range(256):
            yield build_pps(
                Pps(pic_parameter_set_id=n, num_slice_groups=2, slice_groups=groups)
            )

    data = sets() + annexb(idr()) + annexb(*islice(nals(), max(1, size // 17_000)))
    return data[:size] + bytes(max(0, size - len(data)))


def start_codes(size: int) -> bytes:
    """Nothing but NAL units of one byte."""
    return (sets() + annexb(idr()) + annexb(b"\x0c") * (size // 4))[:size]


def delimiters(size: int) -> bytes:
    """Access unit delimiters of one byte."""
    return (sets() + annexb(idr()) + annexb(b"\x09") * (size // 4))[:size]


def empty_messages(size: int) -> bytes:
    """SEI NAL units full of messages without a payload."""
    return (sets() + annexb(idr()) + annexb(b"\x06" + b"\x04\0" * 1000) * (size // 2004))[:size]


def tiny_messages(size: int) -> bytes:
    """SEI NAL units of a few bytes with a damaged recovery point."""
    return (sets() + annexb(idr()) + annexb(b"\x06\x06\x01\0") * (size // 7))[:size]


def giant_message(size: int) -> bytes:
    """One SEI NAL unit as long as the file, one message in it."""
    body = b"\x06" + b"\xff" * (size // 256 - 40) + b"\x05" + b"\xff" * (size // 256) + b"\x07"
    data = sets() + annexb(idr()) + START_CODE + body
    return (data + b"\x5a" * (size - len(data)))[:size]


def giant_slice(size: int) -> bytes:
    """One slice, all of it emulation prevention."""
    data = sets() + annexb(idr(), slice_nal(header(frame_num=1)))
    return data + b"\0\0\3" * ((size - len(data)) // 3)


def zeros(size: int) -> bytes:
    """Zero bytes after a picture."""
    return (sets() + annexb(idr())).ljust(size, b"\0")


def ones(size: int) -> bytes:
    """Bytes of all ones after a picture."""
    return (sets() + annexb(idr())).ljust(size, b"\xff")


def lone_fields(size: int) -> bytes:
    """Fields that find no partner, with all references that fields can have."""
    sps = Sps(
        profile_idc=77,
        level_idc=51,
        log2_max_frame_num=16,
        pic_order_cnt_type=2,
        max_num_ref_frames=16,
        pic_width_in_mbs=120,
        pic_height_in_map_units=34,
        frame_mbs_only_flag=False,
    )
    pps = Pps(num_ref_idx_l0_default_active=32)
    return _stream(
        size,
        (header(sps=sps, pps=pps, structure=TOP_FIELD, frame_num=n % 65536) for n in count(1)),
        sps,
        pps,
    )


STREAMS: dict[str, Callable[[int], bytes]] = {
    f.__name__: f
    for f in (
        small_pictures,
        frame_num_gaps,
        small_slices,
        list_modifications,
        field_modifications,
        weights,
        memory_management,
        undecided_starts,
        order_counts,
        damaged_slices,
        new_picture_sets,
        new_sequence_sets,
        slice_group_maps,
        start_codes,
        delimiters,
        empty_messages,
        tiny_messages,
        giant_message,
        giant_slice,
        zeros,
        ones,
        lone_fields,
    )
}
"""Every builder, by its name."""

assert FRAME == 3
