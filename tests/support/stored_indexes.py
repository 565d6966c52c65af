"""Stored indexes taken apart and put together again, so that tests can change their insides."""

from __future__ import annotations

import struct
from dataclasses import dataclass

import pyarrow as pa

HEAD_BYTES = 64
RECORD_BYTES = 56
_HEAD = struct.Struct("<4sBBBBIIIIIIqqqq")
_BLOCKS, _PREFACE, _COMPRESSED = 7, 9, 10
_RECORD = struct.Struct("<IIIIIIIIqqq")
_BODY, _STORED = 4, 5


@dataclass
class Unpacked:
    """A stored index with nothing compressed; every field may be changed."""

    head: list[object]
    """Its fields, in order."""
    records: list[list[int]]
    """The directory's."""
    sets: bytes
    """The parameter sets."""
    bodies: list[bytes]
    """Of the blocks."""

    def pack(self) -> bytes:
        """The blob, every length in it as it is."""
        stored = [zstd(body) for body in self.bodies]
        for record, body, data in zip(self.records, self.bodies, stored, strict=True):
            record[_BODY], record[_STORED] = len(body), len(data)
        preface = b"".join(_RECORD.pack(*record) for record in self.records) + self.sets
        compressed = zstd(preface)
        head = list(self.head)
        head[_BLOCKS] = len(self.records)
        head[_PREFACE], head[_COMPRESSED] = len(preface), len(compressed)
        return b"".join((_HEAD.pack(*head), compressed, *stored))

    def to_bytes(self) -> bytes:
        """All of it in a row, with three counts before it: to be changed byte by byte."""
        return b"".join(
            (
                struct.pack("<II", len(self.records), len(self.sets)),
                *(len(body).to_bytes(4, "little") for body in self.bodies),
                _HEAD.pack(*self.head),
                *(_RECORD.pack(*record) for record in self.records),
                self.sets,
                *self.bodies,
            )
        )

    @staticmethod
    def from_bytes(data: bytes) -> Unpacked:
        """The inverse of `to_bytes`; of anything else, what can be made of it."""
        data += bytes(max(0, 8 + HEAD_BYTES - len(data)))
        count, sets_bytes = struct.unpack_from("<II", data)
        count = min(count, (len(data) - 8 - HEAD_BYTES) // (4 + RECORD_BYTES))
        sizes = struct.unpack_from(f"<{count}I", data, 8)
        at = 8 + 4 * count
        head = list(_HEAD.unpack_from(data, at))
        at += HEAD_BYTES
        end = at + count * RECORD_BYTES
        records = [list(record) for record in _RECORD.iter_unpack(data[at:end])]
        sets = data[end : end + sets_bytes]
        at = end + len(sets)
        bodies = []
        for size in sizes:
            bodies.append(data[at : at + size])
            at += len(bodies[-1])
        return Unpacked(head, records, sets, bodies)


def unpack(blob: bytes) -> Unpacked:
    """A sound blob taken apart."""
    head = list(_HEAD.unpack_from(blob))
    blocks, preface_bytes, compressed = (int(head[i]) for i in (_BLOCKS, _PREFACE, _COMPRESSED))
    at = HEAD_BYTES + compressed
    preface = unzstd(blob[HEAD_BYTES:at], preface_bytes)
    end = blocks * RECORD_BYTES
    records = [list(record) for record in _RECORD.iter_unpack(preface[:end])]
    bodies = []
    for record in records:
        bodies.append(unzstd(blob[at : at + record[_STORED]], record[_BODY]))
        at += record[_STORED]
    assert at == len(blob)
    return Unpacked(head, records, preface[end:], bodies)


def zstd(data: bytes) -> bytes:
    """One zstd frame."""
    return bytes(pa.Codec("zstd").compress(data, asbytes=True))


def unzstd(data: bytes, size: int) -> bytes:
    """What it unfolds to."""
    return bytes(pa.Codec("zstd").decompress(data, size, asbytes=True))
