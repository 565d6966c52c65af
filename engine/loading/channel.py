"""Python objects over a socket between two processes of ours.

::

    length of the head, number of buffers (8 bytes each) | sizes | head | buffer | buffer ...

The head is a pickle (protocol 5) without the buffers of Arrow and numpy, which follow it and
are received straight into memory that the object then has for its own. Two copies through the
kernel are a third of what fresh shared memory costs, whose pages have to be cleared and mapped;
and there is nothing to leak, whichever process dies.
"""

from __future__ import annotations

import io
import pickle
import socket
import struct
from typing import Any

import pyarrow as pa

_LENGTHS = struct.Struct("<QQ")
_SOCKET_BYTES = 4 << 20


def socket_pair() -> tuple[socket.socket, socket.socket]:
    """Two connected sockets with room for small messages."""
    pair = socket.socketpair()
    for end in pair:
        end.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _SOCKET_BYTES)
    return pair


class Gone(Exception):
    """Nobody is at the other end any more."""


class Channel:
    """One end."""

    def __init__(self, end: socket.socket) -> None:
        self._end = end

    def send(self, value: object) -> None:
        """Send one object.

        Raises:
            Gone: Nobody is there to take it.
        """
        buffers: list[pickle.PickleBuffer] = []
        head = io.BytesIO()
        _Pickler(head, protocol=5, buffer_callback=buffers.append).dump(value)
        raw = [buffer.raw() for buffer in buffers]
        sizes = struct.pack(f"<{len(raw)}Q", *(view.nbytes for view in raw))
        lengths = _LENGTHS.pack(head.getbuffer().nbytes, len(raw))
        try:
            self._end.sendall(lengths + sizes + head.getvalue())
            for view in raw:
                self._end.sendall(view)
        except ConnectionError as error:
            raise Gone from error

    def receive(self) -> Any:
        """The next object.

        Raises:
            Gone: Nobody is there to send one.
        """
        length, count = _LENGTHS.unpack(self._read(_LENGTHS.size))
        sizes = struct.unpack(f"<{count}Q", self._read(8 * count))
        head = self._read(length)
        return pickle.loads(head, buffers=[self._read(size) for size in sizes])

    def close(self) -> None:
        """Let go; the other end sees it."""
        self._end.close()

    def _read(self, size: int) -> pa.Buffer:
        buffer = pa.allocate_buffer(size)
        view = memoryview(buffer)
        while len(view):
            try:
                got = self._end.recv_into(view)
            except ConnectionError as error:
                raise Gone from error
            if not got:
                raise Gone
            view = view[got:]
        return buffer


class _Pickler(pickle.Pickler):
    """Sends tensors as arrays, which pickle without a copy; torch's own way makes several."""

    def reducer_override(self, value: Any) -> Any:
        if type(value).__module__ == "torch" and type(value).__name__ == "Tensor":
            try:
                return _to_tensor, (value.numpy(),)
            except (TypeError, RuntimeError):  # on a device, or with a gradient
                return NotImplemented
        return NotImplemented


def _to_tensor(array: Any) -> Any:
    import torch  # pyright: ignore[reportMissingImports]  # an extra

    return torch.from_numpy(array)
