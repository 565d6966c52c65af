"""How a slice reorders a reference list, as written (7.3.3.1). What it means is 8.2.4.3."""

from __future__ import annotations

from ...errors import BitstreamError
from ..bits.reader import BitReader
from ..bits.writer import BitWriter

Modifications = tuple[tuple[int, int], ...]
"""Each a modification_of_pic_nums_idc and the value that follows it."""

_END = 3


def parse_modifications(reader: BitReader, active: int) -> Modifications:
    """The operations on a list of `active` entries, up to the one that ends them."""
    ue = reader.ue
    operations: list[tuple[int, int]] = []
    while (idc := ue()) != _END:
        if idc > _END or len(operations) == active:
            raise BitstreamError(
                f"slice header: modification_of_pic_nums_idc {idc} after {len(operations)} "
                f"operations, expected 0 to 2 at most {active} times, then {_END}"
            )
        operations.append((idc, ue()))
    return tuple(operations)


def build_modifications(writer: BitWriter, operations: Modifications | None) -> None:
    """The flag, and the operations where there are any to write."""
    writer.flag(operations is not None)
    if operations is not None:
        for idc, value in operations:
            writer.ue(idc)
            writer.ue(value)
        writer.ue(_END)
