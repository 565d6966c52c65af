"""Mutations that know what they change, so that what they make still gets deep into a reader.

Boxes are cut, doubled, emptied and put elsewhere, with the sizes of those around them put
right; counts and fields take values that overflow something; NAL units are taken out of their
framing, read into bits, changed code by code and framed again.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from random import Random

from marey.video.bits.rbsp import escape, unescape
from marey.video.h264.nal import split_annexb

CONTAINERS = frozenset(
    (b"moov", b"trak", b"mdia", b"minf", b"stbl", b"edts", b"mvex", b"moof", b"traf", b"sinf")
)
INTERESTING = (0, 1, 2, 3, 7, 8, 15, 16, 31, 32, 127, 128, 255, 256, 65535, 65536)
INTERESTING += ((1 << 31) - 1, 1 << 31, (1 << 32) - 1, (1 << 32) - 2, (1 << 62), (1 << 63) - 1)
INTERESTING += (1 << 63, (1 << 64) - 1)
ENOUGH = 200_000
"""Bytes past which an input does not grow."""


def mutate_bytes(chance: Random, data: bytes) -> bytes:
    """Any bytes: flipped, cut, doubled, moved, or a number put among them."""
    if not data:
        return chance.randbytes(4)
    buffer = bytearray(data)
    at = chance.randrange(len(buffer))
    match chance.randrange(7):
        case 0:
            buffer[at] ^= 1 << chance.randrange(8)
        case 1:
            buffer[at] = chance.choice((0, 1, 3, 127, 128, 255))
        case 2:
            width = chance.choice((1, 2, 4, 8))
            value = chance.choice(INTERESTING) % (1 << 8 * width)
            buffer[at : at + width] = value.to_bytes(width, chance.choice(("big", "little")))
        case 3:
            del buffer[at : at + chance.choice((1, 2, 4, 16, 200, len(buffer)))]
        case 4 if len(buffer) < ENOUGH:
            end = at + chance.choice((1, 4, 16, 200, 5000))
            to = chance.randrange(len(buffer))
            buffer[to:to] = buffer[at:end] * chance.choice((1, 1, 1, 9))
        case 5:
            buffer[at : at + 16] = chance.randbytes(len(buffer[at : at + 16]))
        case _:
            width = chance.choice((1, 2, 4))
            field = int.from_bytes(buffer[at : at + width]) + chance.choice((-1, 1, 2, 16))
            buffer[at : at + width] = (field % (1 << 8 * width)).to_bytes(width)
    return bytes(buffer)


@dataclass
class Node:
    """A box: its code, and its body or the boxes in it."""

    code: bytes
    body: bytes
    children: list[Node] | None = None

    def build(self, size: int | None = None) -> bytes:
        """The box with its size put right, or with another one."""
        body = self.body
        if self.children is not None:
            body += b"".join(child.build() for child in self.children)
        right = len(body) + 8
        return (
            struct.pack(">I", (right if size is None else size) % (1 << 32)) + self.code + body
        )


def parse_nodes(data: bytes, depth: int = 0) -> list[Node]:
    """The boxes of a file, as far as they are whole."""
    nodes: list[Node] = []
    at = 0
    while at + 8 <= len(data):
        size = int.from_bytes(data[at : at + 4])
        end = at + size if size >= 8 else len(data)
        code, body = data[at + 4 : at + 8], data[at + 8 : end]
        if code in CONTAINERS and depth < 8:
            nodes.append(Node(code, b"", parse_nodes(body, depth + 1)))
        else:
            nodes.append(Node(code, body))
        at = end
    return nodes


def mutate_boxes(chance: Random, data: bytes) -> bytes:
    """A file whose boxes are changed; those around them keep their right sizes."""
    roots = parse_nodes(data)
    lists = [roots]
    for nodes in lists:
        lists += [node.children for node in nodes if node.children is not None]
    places = [(nodes, i) for nodes in lists for i in range(len(nodes))]
    if not places:
        return mutate_bytes(chance, data)
    small = [p for p in places if p[0][p[1]].code != b"mdat"]
    nodes, i = chance.choice(small or places)
    node = nodes[i]
    other_nodes, j = chance.choice(places)
    match chance.randrange(9):
        case 0:
            del nodes[i]
        case 1 if len(data) < ENOUGH:
            nodes[i:i] = parse_nodes(node.build())
        case 2:
            nodes[i] = Node(other_nodes[j].code, node.body, node.children)
        case 3 if len(data) < ENOUGH and len(node.build()) < 20_000:
            chance.choice(lists).extend(parse_nodes(node.build()))
        case 4 if node.children is None and len(node.body) >= 8:
            # A count, or another field on a border of four bytes.
            at = 4 * chance.randrange(len(node.body) // 4)
            width = chance.choice((4, 4, 8))
            value = chance.choice(INTERESTING) % (1 << 8 * width)
            body = bytearray(node.body)
            body[at : at + width] = value.to_bytes(width)
            nodes[i] = Node(node.code, bytes(body))
        case 5:
            raw = node.build(chance.choice((*INTERESTING[:16], len(node.body) + 9)))
            nodes[i] = Node(raw[4:8], raw[8:])
            built = b"".join(n.build() for n in roots)
            at = built.find(node.build())
            return built if at < 0 else built[:at] + raw + built[at + len(raw) :]
        case 6 if node.children is None:
            nodes[i] = Node(node.code, mutate_bytes(chance, node.body[:ENOUGH]))
        case 7 if node.children is None and len(node.body) > 16:
            width = chance.choice((4, 8, 12))
            rows = node.body[8 : 8 + width] * chance.choice((2, 30, 1000))
            nodes[i] = Node(node.code, node.body[:8] + rows)
        case _:
            return mutate_bytes(chance, data)
    return b"".join(n.build() for n in roots)


def mutate_codes(chance: Random, nal: bytes) -> bytes:
    """A NAL unit with an Exp-Golomb code, a bit or a stretch of bits changed in its RBSP."""
    rbsp = unescape(nal[1:])
    head = rbsp[:64]
    bits = f"{int.from_bytes(head):0{8 * len(head)}b}" if head else ""
    if not bits:
        return nal[:1] + escape(chance.randbytes(3))
    at = chance.randrange(min(len(bits), chance.choice((16, 64, 512))))
    match chance.randrange(5):
        case 0:
            bits = bits[:at] + "10"[int(bits[at])] + bits[at + 1 :]
        case 1:
            value = chance.choice((0, 1, 2, 5, 31, 32, 255, 65535, (1 << 32) - 2)) + 1
            code = f"{value:b}"
            bits = bits[:at] + "0" * (len(code) - 1) + code + bits[at + chance.randrange(9) :]
        case 2:
            bits = bits[:at] + bits[at + chance.choice((1, 2, 3, 8)) :]
        case 3:
            end = at + chance.choice((1, 3, 7, 40))
            bits = bits[:at] + bits[at:end] * chance.choice((2, 3, 40)) + bits[end:]
        case _:
            bits = bits[:at] + f"{chance.getrandbits(24):024b}" + bits[at + 24 :]
    bits += "0" * (-len(bits) % 8)
    changed = int(bits, 2).to_bytes(len(bits) // 8) if bits else b""
    return nal[:1] + escape(changed + rbsp[64:])


def mutate_nals(chance: Random, nals: list[bytes]) -> list[bytes]:
    """A stream with one of its NAL units changed, left out, sent again or moved."""
    nals = list(nals) or [b"\x09"]
    i, j = chance.randrange(len(nals)), chance.randrange(len(nals))
    # Parameter sets matter most and are few.
    if chance.random() < 0.3:
        sets = [k for k, nal in enumerate(nals) if nal and nal[0] & 31 in (7, 8)]
        i = chance.choice(sets) if sets else i
    match chance.randrange(9):
        case 0 if len(nals) > 1:
            del nals[i]
        case 1 if len(nals) < 500:
            nals.insert(j, nals[i])
        case 2:
            nals[i], nals[j] = nals[j], nals[i]
        case 3 if nals[i]:
            nals[i] = bytes([chance.randrange(256)]) + nals[i][1:]
        case 4 if nals[i]:
            nals[i] = nals[i][: chance.randrange(len(nals[i])) + 1]
        case 5:
            nals[i] = mutate_bytes(chance, nals[i][:4096])
        case _ if nals[i]:
            nals[i] = mutate_codes(chance, nals[i])
    return nals


def mutate_stream(chance: Random, data: bytes) -> bytes:
    """An Annex B stream, changed."""
    if chance.random() < 0.1:
        return mutate_bytes(chance, data)
    nals = mutate_nals(chance, [data[a:b] for a, b in split_annexb(data)])
    return b"".join(b"\0\0\0\1" + nal for nal in nals)
