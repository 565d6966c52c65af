"""The explicit weights of weighted prediction, part of a slice header (7.3.3.2)."""

from __future__ import annotations

from typing import NamedTuple

from ..bits.reader import BitReader
from ..bits.writer import BitWriter


class ReferenceWeights(NamedTuple):
    """The weights of one reference; None where its flag is 0."""

    luma: tuple[int, int] | None
    """Weight and offset."""
    chroma: tuple[int, int, int, int] | None
    """Weight and offset of Cb, then of Cr."""


class PredWeightTable(NamedTuple):
    """One pred_weight_table, as it is written."""

    luma_log2_weight_denom: int
    chroma_log2_weight_denom: int
    """0 where ChromaArrayType is 0."""
    lists: tuple[tuple[ReferenceWeights, ...], ...]
    """For each list, one entry a reference: list 1 in B slices only."""


_UNWEIGHTED = ReferenceWeights(None, None)


def parse_pred_weight_table(
    reader: BitReader, chroma_array_type: int, counts: tuple[int, ...]
) -> PredWeightTable:
    """The table at the reader's position, for lists of so many active references."""
    has_chroma = chroma_array_type != 0
    flag, se_within = reader.flag, reader.se_within
    luma_log2_weight_denom = reader.ue_up_to(7, "luma_log2_weight_denom")
    chroma_log2_weight_denom = (
        reader.ue_up_to(7, "chroma_log2_weight_denom") if has_chroma else 0
    )
    lists = []
    for count in counts:
        entries = []
        for _ in range(count):
            luma = chroma = None
            if flag():
                luma = (
                    se_within(-128, 127, "luma_weight"),
                    se_within(-128, 127, "luma_offset"),
                )
            if has_chroma and flag():
                chroma = (
                    se_within(-128, 127, "chroma_weight"),
                    se_within(-128, 127, "chroma_offset"),
                    se_within(-128, 127, "chroma_weight"),
                    se_within(-128, 127, "chroma_offset"),
                )
            if luma is None and chroma is None:
                entries.append(_UNWEIGHTED)
            else:
                entries.append(ReferenceWeights(luma, chroma))
        lists.append(tuple(entries))
    return PredWeightTable(luma_log2_weight_denom, chroma_log2_weight_denom, tuple(lists))


def build_pred_weight_table(
    writer: BitWriter, table: PredWeightTable, chroma_array_type: int
) -> None:
    """Write the table."""
    has_chroma = chroma_array_type != 0
    writer.ue(table.luma_log2_weight_denom)
    if has_chroma:
        writer.ue(table.chroma_log2_weight_denom)
    for entries in table.lists:
        for luma, chroma in entries:
            writer.flag(luma is not None)
            for value in luma or ():
                writer.se(value)
            if has_chroma:
                writer.flag(chroma is not None)
                for value in chroma or ():
                    writer.se(value)
