"""Columns of integers as they are stored: one byte of width, then one plane for each byte of
the values, lowest first. Planes of like bytes compress far better than values in a row.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from ...errors import FrameIndexError
from .frames import Int64s

_WIDTHS = (1, 2, 4, 8)
_LEVEL = 9
# Decompressed bytes a compressed byte may claim, above a floor that any index may have: that
# of a million samples.
_MAX_RATIO = 1024
_FLOOR_BYTES = 16 << 20


def compress(data: bytes) -> bytes:
    """One zstd frame."""
    return bytes(pa.Codec("zstd", compression_level=_LEVEL).compress(data, asbytes=True))


def require_honest(stored: int, unfolded: int) -> None:
    """Refuse compressed bytes that claim to unfold to far more than they can mean."""
    require(
        unfolded <= max(_FLOOR_BYTES, _MAX_RATIO * stored),
        f"{stored} bytes claim to unfold to {unfolded}",
    )


def decompress(data: memoryview, size: int) -> memoryview:
    """What one zstd frame unfolds to: `size` bytes, which are known to be honest."""
    try:
        unfolded = pa.Codec("zstd").decompress(pa.py_buffer(data), decompressed_size=size)
    except (OSError, ValueError) as error:
        raise FrameIndexError(f"the frame index is damaged: {error}") from error
    found = memoryview(unfolded)
    require(len(found) == size, f"{size} bytes expected, {len(found)} unfolded")
    return found


def require(holds: bool, found: str) -> None:
    """Refuse a stored index that is not what `encode_index` writes."""
    if not holds:
        raise FrameIndexError(f"the frame index is damaged: {found}")


def require_within(values: Int64s, limit: int, what: str) -> Int64s:
    """The values, all of which lie from 0 to below `limit`."""
    if len(values):
        low, high = int(values.min()), int(values.max())
        if low < 0 or high >= limit:
            require(False, f"{what} {low} to {high}, expected 0 to {limit - 1}")
    return values


def pack_column(values: npt.NDArray[np.integer]) -> bytes:
    """A column of values that are not negative."""
    top = int(values.max()) if len(values) else 0
    width = next(w for w in _WIDTHS if top < 1 << (8 * w))
    planes = values.astype(f"<u{width}").view(np.uint8).reshape(len(values), width).T
    return bytes([width]) + planes.tobytes()


class ColumnReader:
    """Decompressed columns, taken one after the other; every length is checked first."""

    def __init__(self, data: memoryview) -> None:
        self._data = data
        self._at = 0

    def take(self, length: int) -> memoryview:
        """The next bytes."""
        start, end = self._at, self._at + length
        if end > len(self._data):
            require(False, f"{length} bytes expected at {start} of {len(self._data)}")
        self._at = end
        return self._data[start:end]

    def u(self, length: int) -> int:
        """An integer of so many bytes."""
        return int.from_bytes(self.take(length), "little")

    def skip(self, count: int) -> None:
        """Pass over the next column."""
        self.take(self.take(1)[0] * count)

    def column(self, count: int) -> Int64s:
        """The next column. Values of eight bytes may come out negative."""
        width = self.take(1)[0]
        if width not in _WIDTHS:
            require(False, f"column width {width}")
        planes = np.frombuffer(self.take(width * count), np.uint8)
        if width == 1:
            return planes.astype(np.int64)
        values = np.ascontiguousarray(planes.reshape(width, count).T).view(f"<u{width}")
        return values.ravel().astype(np.int64)

    def finish(self) -> None:
        """Nothing may be left."""
        require(self._at == len(self._data), f"{len(self._data) - self._at} bytes too many")


def zigzag(values: npt.NDArray[np.integer]) -> npt.NDArray[np.integer]:
    """Signed values as unsigned ones: 0, -1, 1, -2 become 0, 1, 2, 3."""
    wide = values.astype(np.int64)
    return ((wide << 1) ^ (wide >> 63)).view(np.uint64)


def unzigzag(values: Int64s) -> Int64s:
    """The inverse of `zigzag`."""
    bits = values.view(np.uint64)
    return ((bits >> 1).view(np.int64)) ^ -((bits & 1).view(np.int64))


def second_differences(values: Int64s) -> Int64s:
    """Differences of differences, both from 0: what is evenly spaced becomes zeros."""
    return np.diff(np.diff(values, prepend=0), prepend=0)


def from_second_differences(values: Int64s) -> Int64s:
    """The inverse of `second_differences`."""
    return np.cumsum(np.cumsum(values))
