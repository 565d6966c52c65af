"""Bits and Exp-Golomb codes out of an RBSP (ITU-T H.264 clauses 7.2 and 9.1).

The bits ahead are kept in one Python integer, a window of some 100 bytes: a shift and a mask
cost far less than going byte by byte, and what a read costs does not grow with the data.
Reading past the end raises `BitstreamError`.
"""

from __future__ import annotations

from ...errors import BitstreamError

_WINDOW_BYTES = 96

# The largest codeNum is 2**32 - 2 (9.1): 31 zeros before the one.
_MAX_LEADING_ZEROS = 31

# Nearly all codes are short: by the next bits, the code's length (0: longer) and its codeNum.
_SHORT_BITS = 9


def _short_code(bits: int) -> tuple[int, int]:
    length = 2 * (_SHORT_BITS - bits.bit_length()) + 1
    return (length, (bits >> _SHORT_BITS - length) - 1) if length <= _SHORT_BITS else (0, 0)


_SHORT_CODES = tuple(_short_code(bits) for bits in range(1 << _SHORT_BITS))
_SHORT_MASK = (1 << _SHORT_BITS) - 1


class BitReader:
    """A position in an RBSP, and typed reads that move it.

    >>> reader = BitReader(bytes([0b1_010_011_0, 0b1000_0000]))
    >>> reader.ue(), reader.ue(), reader.se(), reader.position
    (0, 1, -1, 7)
    """

    __slots__ = ("_data", "_left", "_next", "_stop", "_what", "_window")

    def __init__(self, data: bytes, *, what: str = "RBSP") -> None:
        """A reader at the first bit of `data`; `what` names it in error messages."""
        head = data[:_WINDOW_BYTES]
        self._data = data
        self._what = what
        # The window's lowest `_left` bits are unread; `_next` is the first byte after it.
        self._window = int.from_bytes(head)
        self._left = len(head) * 8
        self._next = len(head)
        self._stop = -1

    @property
    def position(self) -> int:
        """Bits read so far."""
        return self._next * 8 - self._left

    @property
    def remaining(self) -> int:
        """Bits not read yet, the trailing bits included."""
        return (len(self._data) - self._next) * 8 + self._left

    @property
    def stop_position(self) -> int:
        """Where the rbsp_stop_one_bit lies: the last one bit of the data (0 if it has none)."""
        if self._stop < 0:
            end = len(self._data.rstrip(b"\0"))
            last = self._data[end - 1] if end else 0
            self._stop = end * 8 - (last & -last).bit_length() if end else 0
        return self._stop

    def seek(self, position: int) -> None:
        """Go to a bit that was read before, or to the end of the data."""
        start = position // 8
        piece = self._data[start : start + _WINDOW_BYTES]
        self._window = int.from_bytes(piece)
        self._left = len(piece) * 8 - position % 8
        self._next = start + len(piece)

    def since(self, position: int) -> int:
        """The bits read since an earlier position, as one unsigned integer."""
        read = int.from_bytes(self._data[: self._next]) >> self._left
        return read & ((1 << self.position - position) - 1)

    def skip_if(self, bits: int, value: int) -> bool:
        """Read so many bits if they have this value; otherwise stay. Whether they had it."""
        if (
            not 0 < bits <= self._left
            or self._window >> self._left - bits & (1 << bits) - 1 != value
        ):
            return False
        self._left -= bits
        return True

    def more_rbsp_data(self) -> bool:
        """Whether something stands before the trailing bits (7.2)."""
        return self.position < self.stop_position

    def u(self, bits: int) -> int:
        """An unsigned integer of so many bits."""
        left = self._left - bits
        if left < 0:
            self._refill(bits)
            left = self._left - bits
        self._left = left
        return self._window >> left & ((1 << bits) - 1)

    def flag(self) -> bool:
        """One bit."""
        left = self._left - 1
        if left < 0:
            self._refill(1)
            left = self._left - 1
        self._left = left
        return self._window >> left & 1 == 1

    def ue(self) -> int:
        """An unsigned Exp-Golomb code (9.1)."""
        left = self._left - _SHORT_BITS
        if left >= 0:
            length, code = _SHORT_CODES[self._window >> left & _SHORT_MASK]
            if length:
                self._left = left + _SHORT_BITS - length
                return code
        return self._long_ue()

    def se(self) -> int:
        """A signed Exp-Golomb code (9.1.1)."""
        code = self.ue()
        return (code + 1) >> 1 if code & 1 else -(code >> 1)

    def ue_up_to(self, limit: int, name: str) -> int:
        """An unsigned code whose value is at most `limit`; `name` is the field's."""
        value = self.ue()
        if value > limit:
            raise BitstreamError(f"{self._what}: {name} is {value}, expected at most {limit}")
        return value

    def se_within(self, low: int, high: int, name: str) -> int:
        """A signed code whose value lies from `low` to `high`; `name` is the field's."""
        value = self.se()
        if not low <= value <= high:
            raise BitstreamError(f"{self._what}: {name} is {value}, expected {low} to {high}")
        return value

    def _refill(self, bits: int) -> None:
        """Slide the window so that `bits` bits are in it."""
        if bits > self.remaining:
            raise BitstreamError(
                f"{self._what} at bit {self.position}: expected {bits} bits, "
                f"{self.remaining} left"
            )
        size = max(_WINDOW_BYTES, (bits - self._left + 7) // 8)
        piece = self._data[self._next : self._next + size]
        unread = self._window & ((1 << self._left) - 1)
        self._window = unread << len(piece) * 8 | int.from_bytes(piece)
        self._left += len(piece) * 8
        self._next += len(piece)

    def _long_ue(self) -> int:
        """A code that is long, or near the end of the window."""
        left = self._left
        rest = self._window & ((1 << left) - 1)
        zeros = left - rest.bit_length()
        end = left - 2 * zeros - 1
        if zeros > _MAX_LEADING_ZEROS:
            raise BitstreamError(
                f"{self._what} at bit {self.position}: an Exp-Golomb code with more than "
                f"{_MAX_LEADING_ZEROS} leading zeros"
            )
        if end < 0:
            self._refill(max(2 * zeros + 1, left + 1))
            return self._long_ue()
        self._left = end
        return (rest >> end) - 1
