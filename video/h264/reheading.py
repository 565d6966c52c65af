"""A slice with another header: new header bits in front of the same slice data (7.3.2.8,
7.3.4).

With CABAC the slice data begins on a byte. With CAVLC it begins on any bit, and must stay on
that bit of its byte, since raw macroblocks within (I_PCM) are aligned: the caller offers
picture parameter sets that make the header so many bits longer. Either way only the first bytes
change: emulation prevention looks no further back than two bytes, so from the first byte behind
the join that starts with a clean slate the NAL unit is copied as it is.
"""

from __future__ import annotations

from collections.abc import Sequence

from ..bits.rbsp import escape, unescape
from ..bits.writer import BitWriter
from .pps import Pps
from .slice_header import SliceHeader
from .slice_header_build import build_picture_fields, build_slice_fields
from .sps import Sps

# Slice data taken apart behind the header, in bytes: room for a byte that ends emulation
# prevention.
_JOIN_BYTES = 16


def rehead_slice(
    nal: bytes | memoryview,
    old_header: SliceHeader,
    header: SliceHeader,
    sps: Sps,
    forms: Sequence[Pps],
) -> bytes:
    """The slice NAL unit with another header.

    Args:
        nal: The whole NAL unit.
        old_header: Its header as parsed.
        header: The header to write, `nal_unit_type` and `nal_ref_idc` too; its
            `pic_parameter_set_id` is set to that of the form chosen.
        sps: The sequence parameter set to write it for.
        forms: Picture parameter sets that say the same: one with CABAC; eight with CAVLC, the
            n-th
            making headers n bits longer than the first.

    Raises:
        BitstreamError: A value of the header has no place under these parameter sets.
    """
    form = forms[0]
    writer = _build_first(header, sps, form)
    rest_of_header = build_slice_fields(header, sps, form)
    old_bits = old_header.header_bits
    if not form.entropy_coding_mode_flag:
        new_bits = writer.position + rest_of_header.position
        if phase := (old_bits - new_bits) % 8:
            writer = _build_first(header, sps, forms[phase])
    writer.extend(rest_of_header)
    if form.entropy_coding_mode_flag:
        # cabac_alignment_one_bit up to the byte on which slice data begins
        writer.align_with_ones()
        old_bits += -old_bits % 8
    cut = _clean_cut(nal, old_bits // 8 + 1)
    rbsp = unescape(nal[1:cut])
    whole, rest = divmod(old_bits, 8)
    if rest:
        writer.u(8 - rest, rbsp[whole] & ((1 << (8 - rest)) - 1))
        whole += 1
    first_byte = bytes((header.nal_ref_idc << 5 | header.nal_unit_type,))
    return first_byte + escape(writer.to_bytes() + rbsp[whole:]) + bytes(nal[cut:])


def _build_first(header: SliceHeader, sps: Sps, form: Pps) -> BitWriter:
    """The fields in which the forms differ, and those before them."""
    header.pic_parameter_set_id = form.pic_parameter_set_id
    return build_picture_fields(header, sps, form)


def _clean_cut(nal: bytes | memoryview, header_bytes: int) -> int:
    """Where the NAL unit may be cut so that neither side's emulation prevention sees the other.

    The byte before the cut is above 3: it neither takes part in a run of zeros nor prevents
    one.
    """
    # The header may hold emulation prevention bytes: one for every two bytes at most.
    at = 1 + header_bytes + header_bytes // 2 + _JOIN_BYTES
    while at < len(nal) and nal[at - 1] <= 3:
        at += 1
    return min(at, len(nal))
