"""How a process that decodes and the one that asks it to talk: through two pipes.

::

    message = head size (4 bytes) ─ payload size (8 bytes) ─ head (JSON) ─ payload (bytes)

A decoder that a hostile stream took over could say anything. So what comes from it is never
unpickled, and every size is checked against what the asker expects before it is allocated.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Callable, Mapping
from typing import IO, Any

from ...errors import DecodeError

_SIZES = struct.Struct("<IQ")
_MAX_HEAD = 1 << 20  # The longest: a few hundred pictures, about 60 bytes each.

Head = dict[str, Any]
"""The part of a message that is not bytes."""


def write_message(stream: IO[bytes], head: Mapping[str, object], *payload: memoryview) -> None:
    """Put a message in a pipe; the payload is the pieces one after the other."""
    text = json.dumps(head).encode()
    stream.write(_SIZES.pack(len(text), sum(piece.nbytes for piece in payload)) + text)
    for piece in payload:
        stream.write(piece)
    stream.flush()


def read_message(stream: IO[bytes], room: Callable[[Head, int], memoryview]) -> Head:
    """Take a message from a pipe.

    Args:
        stream: Blocking, and read by no one else.
        room: Called with the head and the size of the payload; where the payload goes.

    Raises:
        EOFError: The other side is gone.
        DecodeError: It is no message.
    """
    head_size, payload_size = _SIZES.unpack(_exactly(stream, _SIZES.size))
    if head_size > _MAX_HEAD:
        raise DecodeError(f"a decoding process sent a head of {head_size} bytes")
    try:
        head = json.loads(_exactly(stream, head_size))
    except ValueError as error:
        raise DecodeError("a decoding process sent what is no JSON") from error
    if not isinstance(head, dict):
        raise DecodeError(f"a decoding process sent {type(head).__name__}, not an object")
    if payload_size:
        _fill(stream, room(head, payload_size))
    return head


def _exactly(stream: IO[bytes], size: int) -> bytes:
    data = bytearray(size)
    _fill(stream, memoryview(data))
    return bytes(data)


def _fill(stream: IO[bytes], target: memoryview) -> None:
    done = 0
    while done < len(target):
        count = stream.readinto(target[done:])  # type: ignore[attr-defined]  # raw or buffered
        if not count:
            raise EOFError
        done += count
