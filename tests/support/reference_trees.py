"""Streams with any tree of references and any policy of what is kept: the adversarial cases.

Encoders that one can have keep simple buffers. Here x264 codes *paths*: a picture after its
parent, at a constant quantiser, so that a picture always gets the same slice data on the way
from the root to it. Then each slice gets another header: the frame number, order count, list
modification and marking that the wanted stream asks for. A decoded picture buffer runs along
and says whether the stream keeps the rules.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from fractions import Fraction
from functools import cache

import av
import numpy as np
from av.video.frame import PictureType

from marey.video.h264.dpb import DecodedPictureBuffer
from marey.video.h264.nal import NAL_SLICE, NAL_SLICE_IDR, split_annexb
from marey.video.h264.pps import parse_pps
from marey.video.h264.slice_header import P, parse_slice_header
from marey.video.h264.sps import Sps, build_sps, parse_sps
from marey.video.h264.vui import Vui
from marey.video.synthetic import moving_pictures

from .splicing import splice

WIDTH, HEIGHT = 64, 48
START_CODE = b"\0\0\0\1"
LOG2_MAX_LSB = 7


@dataclass(frozen=True)
class Coded:
    """One picture of a stream to build."""

    parent: int | None = None
    """The picture it refers to, by number; None for an intra picture."""
    idr: bool = False
    """An IDR picture; else intra pictures are plain I pictures."""
    reference: bool = True
    """Whether later pictures may refer to it."""
    drop: tuple[int, ...] = ()
    """Pictures to mark unused (MMCO 1 or 2)."""
    long_term: int = -1
    """The LongTermFrameIdx it is given; -1 for short-term."""
    convert: tuple[tuple[int, int], ...] = ()
    """Short-term references made long-term: each with its index (MMCO 3)."""
    forget_all: bool = False
    """MMCO 5."""


@dataclass(frozen=True)
class TreeStream:
    """A stream to build: its pictures in decoding (and output) order, and how it is coded."""

    pictures: Sequence[Coded]
    max_num_ref_frames: int
    cabac: bool = True
    pic_order_cnt_type: int = 0
    log2_max_frame_num: int = 8
    """Few bits make frame numbers wrap; a short-term reference must not last that long."""
    skip: frozenset[int] = field(default_factory=frozenset)
    """Pictures left out of the finished stream: lost on the way."""


def build_stream(stream: TreeStream, *, seed: int = 0) -> bytes:
    """The stream as Annex B.

    Raises:
        AssertionError: The stream breaks the rules of the decoded picture buffer.
    """
    units = _access_units(stream, seed)
    return b"".join(unit for i, unit in enumerate(units) if i not in stream.skip)


def _access_units(stream: TreeStream, seed: int) -> Iterator[bytes]:
    sps_nal, pps_nal, slices = _slices_of(stream, seed)
    old_sps, pps = parse_sps(sps_nal), parse_pps(pps_nal)
    sps = _sps_of(stream, old_sps)
    buffer = DecodedPictureBuffer()
    frame_num = 0
    number: dict[int, int] = {}  # frame_num by picture
    long_term: dict[int, int] = {}
    previous_is_reference = False
    first_of_epoch = 0
    for i, coded in enumerate(stream.pictures):
        if coded.idr:
            frame_num, number, long_term, first_of_epoch = 0, {}, {}, i
        elif previous_is_reference:
            frame_num = (frame_num + 1) % sps.max_frame_num
        nal = slices[i]
        old = parse_slice_header(nal, {0: old_sps}, {0: pps})
        new = old.copy()
        new.sps = sps
        new.nal_unit_type = NAL_SLICE_IDR if coded.idr else NAL_SLICE
        new.nal_ref_idc = int(coded.reference)
        new.frame_num = frame_num
        new.idr_pic_id = i % 2 if coded.idr else -1
        new.pic_order_cnt_lsb = 0
        if stream.pic_order_cnt_type == 0:
            new.pic_order_cnt_lsb = 2 * (i - first_of_epoch) % (1 << LOG2_MAX_LSB)
        new.ref_pic_list_modification = (None, None)
        new.long_term_reference_flag = coded.idr and coded.long_term >= 0
        new.memory_management = ()
        buffer.start_picture(new, i)
        if new.slice_type == P:
            new.num_ref_idx_active_override_flag = True
            new.num_ref_idx_l0_active = 1
            _name_parent(buffer, new, coded.parent, number, long_term)
        if not coded.idr:
            new.memory_management = tuple(_marking(coded, frame_num, number, long_term, sps))
        new.adaptive_ref_pic_marking_mode_flag = bool(new.memory_management)
        buffer.end_picture()
        assert buffer.problem_count == 0, (i, coded, buffer.problems, buffer.pictures)
        prefix = b""
        if coded.idr:
            prefix = START_CODE + build_sps(sps) + START_CODE + pps_nal
        yield prefix + START_CODE + splice(nal, old, new, sps, pps)
        if coded.forget_all:
            frame_num, number, long_term, first_of_epoch = 0, {}, {}, i
        if coded.reference:
            number[i] = frame_num
            if coded.long_term >= 0:
                long_term[i] = coded.long_term
        previous_is_reference = coded.reference


def _marking(
    coded: Coded, frame_num: int, number: dict[int, int], long_term: dict[int, int], sps: Sps
) -> Iterator[tuple[int, ...]]:
    if coded.forget_all:
        yield (5,)
        return

    def back(picture: int) -> int:
        return (frame_num - number[picture]) % sps.max_frame_num - 1

    for picture in coded.drop:
        if picture in long_term:
            yield (2, long_term.pop(picture))
        else:
            yield (1, back(picture))
    if coded.long_term >= 0 or coded.convert:
        yield (4, sps.max_num_ref_frames)
    for picture, index in coded.convert:
        yield (3, back(picture), index)
        long_term[picture] = index
    if coded.long_term >= 0:
        yield (6, coded.long_term)


def _name_parent(buffer, header, parent, number, long_term) -> None:
    """Make the parent the first entry of list 0, by modification where it is not there."""

    def first():
        entry = buffer.reference_lists(header)[0][0]
        return entry[0].id if entry else None

    if first() == parent:
        return
    if parent in long_term:
        operation = (2, long_term[parent])
    else:
        difference = (header.frame_num - number[parent]) % header.sps.max_frame_num
        operation = (0, difference - 1)
    header.ref_pic_list_modification = ((operation,), None)
    assert first() == parent, (parent, operation, buffer.pictures)


def _sps_of(stream: TreeStream, old: Sps) -> Sps:
    order: dict[str, object] = {"pic_order_cnt_type": stream.pic_order_cnt_type}
    if stream.pic_order_cnt_type == 0:
        order["log2_max_pic_order_cnt_lsb"] = LOG2_MAX_LSB
    else:
        order["log2_max_pic_order_cnt_lsb"] = 4
    if stream.pic_order_cnt_type == 1:
        # 8.2.1.2: a cycle of two reference pictures, and a step back for the others.
        order |= {
            "delta_pic_order_always_zero_flag": True,
            "offset_for_ref_frame": (4, 6),
            "offset_for_non_ref_pic": -2,
        }
    return replace(
        old,
        log2_max_frame_num=stream.log2_max_frame_num,
        max_num_ref_frames=stream.max_num_ref_frames,
        vui=replace(
            old.vui or Vui(),
            bitstream_restriction_flag=True,
            max_num_reorder_frames=1 if stream.pic_order_cnt_type == 1 else 0,
            max_dec_frame_buffering=stream.max_num_ref_frames,
        ),
        **order,
    )


def _slices_of(stream: TreeStream, seed: int) -> tuple[bytes, bytes, dict[int, bytes]]:
    """Parameter sets, and the slice of each picture, coded on the path from its root."""
    pictures = stream.pictures
    parents = {c.parent for c in pictures}
    sps = pps = b""
    slices: dict[int, bytes] = {}
    for leaf in range(len(pictures)):
        if leaf in parents:
            continue
        path: list[int] = []
        at: int | None = leaf
        while at is not None:
            path.append(at)
            at = pictures[at].parent
        path.reverse()
        sps, pps, coded = _code_path(tuple(path), stream.cabac, seed)
        for picture, nal in zip(path, coded, strict=True):
            known = slices.setdefault(picture, nal)
            assert known[40:] == nal[40:], f"x264 coded picture {picture} in two ways"
    return sps, pps, slices


@cache
def _pictures(seed: int, count: int) -> list[np.ndarray]:
    return list(moving_pictures(WIDTH, HEIGHT, count, seed=seed))


@cache
def _code_path(
    path: tuple[int, ...], cabac: bool, seed: int
) -> tuple[bytes, bytes, list[bytes]]:
    """The pictures with these numbers one after the other, each referring to the one before."""
    encoder = av.CodecContext.create("libx264", "w")
    encoder.width, encoder.height, encoder.pix_fmt = WIDTH, HEIGHT, "yuv420p"
    encoder.time_base = Fraction(1, 25)
    encoder.thread_count = 1
    encoder.options = {
        "preset": "veryfast",
        "tune": "zerolatency",
        "qp": "30",
        "x264-params": "bframes=0:ref=1:weightp=0:keyint=1000:scenecut=0:mbtree=0:aq-mode=0:"
        f"sliced-threads=0:8x8dct=0:annexb=1:cabac={int(cabac)}",
    }
    sps = pps = b""
    slices = []
    scene = _pictures(seed, 96)
    packets = []
    for pts, i in enumerate(path):
        frame = av.VideoFrame(WIDTH, HEIGHT, "yuv420p")
        for plane, source in zip(frame.planes, scene[i % len(scene)], strict=True):
            step = HEIGHT // plane.height
            padded = np.zeros((plane.height, plane.line_size), np.uint8)
            padded[:, : plane.width] = source[::step, ::step]
            plane.update(padded.tobytes())
        frame.pts, frame.pict_type = pts, PictureType.NONE
        packets += encoder.encode(frame)
    packets += encoder.encode(None)
    for packet in packets:
        data = bytes(packet)
        for start, end in split_annexb(data):
            kind = data[start] & 31
            if kind == 7:
                sps = data[start:end]
            elif kind == 8:
                pps = data[start:end]
            elif kind in (NAL_SLICE, NAL_SLICE_IDR):
                slices.append(data[start:end])
    return sps, pps, slices
