"""How a picture marks references, as written (7.3.3.3). What it means is 8.2.5."""

from __future__ import annotations

from ...errors import BitstreamError
from ..bits.reader import BitReader
from ..bits.writer import BitWriter

MemoryManagement = tuple[tuple[int, ...], ...]
"""Each a memory_management_control_operation and its arguments:
(1, difference_of_pic_nums_minus1), (2, long_term_pic_num),
(3, difference_of_pic_nums_minus1, long_term_frame_idx), (4, max_long_term_frame_idx_plus1),
(5,), (6, long_term_frame_idx)."""

# What two fields of 16 frames can need, and the operations that stand once (as libavcodec).
_MAX_OPERATIONS = 66


def parse_memory_management(reader: BitReader) -> MemoryManagement:
    """The operations up to the one that ends them."""
    ue, ue_up_to = reader.ue, reader.ue_up_to
    operations: list[tuple[int, ...]] = []
    while operation := ue_up_to(6, "memory_management_control_operation"):
        if len(operations) == _MAX_OPERATIONS:
            raise BitstreamError(
                f"slice header: more than {_MAX_OPERATIONS} memory management operations"
            )
        if operation == 1:
            operations.append((1, ue()))
        elif operation == 2:
            operations.append((2, ue_up_to(31, "long_term_pic_num")))
        elif operation == 3:
            operations.append((3, ue(), ue_up_to(15, "long_term_frame_idx")))
        elif operation == 4:
            operations.append((4, ue_up_to(16, "max_long_term_frame_idx_plus1")))
        elif operation == 5:
            operations.append((5,))
        else:
            operations.append((6, ue_up_to(15, "long_term_frame_idx")))
    return tuple(operations)


def build_memory_management(writer: BitWriter, operations: MemoryManagement) -> None:
    """The operations and their end."""
    for operation in operations:
        for value in operation:
            writer.ue(value)
    writer.ue(0)
