"""Bits and Exp-Golomb codes into an RBSP: the inverse of `reader`."""

from __future__ import annotations

from ...errors import BitstreamError

_FLUSH_BITS = 1024


class BitWriter:
    """A growing string of bits.

    >>> writer = BitWriter()
    >>> writer.ue(0), writer.ue(1), writer.se(-1), writer.trailing_bits()
    (None, None, None, None)
    >>> writer.to_bytes().hex()
    'a7'
    """

    __slots__ = ("_bits", "_done", "_value")

    def __init__(self) -> None:
        # Whole bytes move to `_done` now and then, so that no write costs more than the last.
        self._done = bytearray()
        self._value = 0
        self._bits = 0

    @property
    def position(self) -> int:
        """Bits written so far."""
        return len(self._done) * 8 + self._bits

    def u(self, bits: int, value: int) -> None:
        """An unsigned integer in so many bits."""
        if value < 0 or value >> bits:
            raise BitstreamError(f"{value} does not fit in {bits} bits")
        self._value = self._value << bits | value
        self._bits += bits
        if self._bits > _FLUSH_BITS:
            self._flush()

    def flag(self, value: bool) -> None:
        """One bit."""
        self._value = self._value << 1 | (1 if value else 0)
        self._bits += 1

    def ue(self, value: int) -> None:
        """An unsigned Exp-Golomb code (9.1)."""
        if not 0 <= value < 0xFFFF_FFFF:
            raise BitstreamError(f"{value} has no unsigned Exp-Golomb code of 32 bits")
        value += 1
        # As `u` does it; a call would cost as much again.
        bits = 2 * value.bit_length() - 1
        self._value = self._value << bits | value
        self._bits += bits
        if self._bits > _FLUSH_BITS:
            self._flush()

    def se(self, value: int) -> None:
        """A signed Exp-Golomb code (9.1.1)."""
        self.ue(2 * value - 1 if value > 0 else -2 * value)

    def extend(self, other: BitWriter) -> None:
        """All that the other one holds."""
        value = int.from_bytes(other._done) << other._bits | other._value
        self.u(other.position, value)

    def trailing_bits(self) -> None:
        """The rbsp_stop_one_bit, and zeros up to the end of the byte (7.3.2.11)."""
        self.u(1, 1)
        self.u(-self.position % 8, 0)

    def align_with_ones(self) -> None:
        """Ones up to the end of the byte: the cabac_alignment_one_bit of slice data (7.3.4)."""
        count = -self.position % 8
        self.u(count, (1 << count) - 1)

    def to_bytes(self) -> bytes:
        """What was written; the last byte is filled up with zeros."""
        pad = -self._bits % 8
        tail = (self._value << pad).to_bytes((self._bits + pad) // 8)
        return bytes(self._done) + tail

    def _flush(self) -> None:
        rest = self._bits % 8
        self._done += (self._value >> rest).to_bytes(self._bits // 8)
        self._value &= (1 << rest) - 1
        self._bits = rest
