"""Python objects over a socket between two processes of ours, large parts in shared memory.

::

    bytes of the head, number of buffers, of new blocks, of blocks gone    8 bytes each
    size, block, offset                                                    of each buffer
    number                                                                 of each new block
    number                                                                 of each that is gone
    head | buffer | buffer ...                                             those in no block

The head is a pickle (protocol 5) without the buffers of Arrow and numpy. What of them lies in a
block (see `shared`) stays there, and the files of new blocks go along with the first byte.
Other buffers follow the head and are received straight into memory that the object then has for
its own. There is nothing to leak, whichever process dies.
"""

from __future__ import annotations

import io
import pickle
import socket
import struct
from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np
import pyarrow as pa

from ..frame_memory import FrameMemory
from .shared import MOST_NEW, Borrowed, Lender, Parcel, Place, SharedBlock

_COUNTS = struct.Struct("<4Q")
_NO_BLOCK = (1 << 64) - 1
_SOCKET_BYTES = 4 << 20
_TAKEN = b"."


def socket_pair() -> tuple[socket.socket, socket.socket]:
    """Two connected sockets with room for small messages."""
    pair = socket.socketpair()
    for end in pair:
        end.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _SOCKET_BYTES)
    return pair


class Load(Protocol):
    """As `pickle.loads`."""

    def __call__(self, data: pa.Buffer, /, *, buffers: Sequence[pa.Buffer]) -> Any:
        """The object."""
        ...


class Gone(Exception):
    """Nobody is at the other end any more."""


class Channel:
    """One end.

    Args:
        end: The socket.
        memory: Blocks of this process, to hand over what lies in them.
        load: Unpickles what is received.
    """

    def __init__(
        self,
        end: socket.socket,
        memory: FrameMemory[SharedBlock] | None = None,
        *,
        load: Load = pickle.loads,
    ) -> None:
        self._end = end
        self._load = load
        self._lender = None if memory is None else Lender(memory)
        self._borrowed = Borrowed()

    def send(self, value: object) -> None:
        """Send one object.

        Raises:
            Gone: Nobody is there to take it.
        """
        buffers: list[pickle.PickleBuffer] = []
        head = io.BytesIO()
        _Pickler(head, protocol=5, buffer_callback=buffers.append).dump(value)
        raw = [buffer.raw() for buffer in buffers]
        lent = Parcel([None] * len(raw)) if self._lender is None else self._lender.pack(raw)
        numbers = [head.getbuffer().nbytes, len(raw), len(lent.new), len(lent.gone)]
        for view, place in zip(raw, lent.places, strict=True):
            block, offset = (_NO_BLOCK, 0) if place is None else (place.block, place.offset)
            numbers += [view.nbytes, block, offset]
        numbers += [block.number for block in lent.new]
        numbers += lent.gone
        message = struct.pack(f"<{len(numbers)}Q", *numbers) + head.getvalue()
        try:
            if lent.new:
                files = [block.file for block in lent.new]
                message = message[socket.send_fds(self._end, [message], files) :]
                for new in lent.new:
                    new.close()
            self._end.sendall(message)
            for view, place in zip(raw, lent.places, strict=True):
                if place is None:
                    self._end.sendall(view)
        except ConnectionError as error:
            raise Gone from error

    def receive(self) -> Any:
        """The next object.

        Raises:
            Gone: Nobody is there to send one.
        """
        start, files = self._read_start()
        length, count, new, gone = _COUNTS.unpack(start)
        spans = list(struct.iter_unpack("<3Q", self._read(24 * count)))
        numbers = struct.unpack(f"<{new + gone}Q", self._read(8 * (new + gone)))
        for number, file in zip(numbers[:new], files, strict=True):
            self._borrowed.add(number, file)
        for number in numbers[new:]:
            self._borrowed.forget(number)
        head = self._read(length)
        places = [None if b == _NO_BLOCK else Place(b, at) for _, b, at in spans]
        sizes = [size for size, _, _ in spans]
        buffers = [
            self._read(size) if buffer is None else buffer
            for buffer, size in zip(self._borrowed.unpack(places, sizes), sizes, strict=True)
        ]
        return self._load(head, buffers=buffers)

    def confirm(self) -> None:
        """Tell the other end, which waits for it, that its object was taken."""
        try:
            self._end.sendall(_TAKEN)
        except ConnectionError as error:
            raise Gone from error

    def wait(self) -> None:
        """Wait until what was sent is taken.

        Raises:
            Gone: Nobody is there to take it.
        """
        self._read(len(_TAKEN))

    def close(self) -> None:
        """Let go; the other end sees it."""
        self._end.close()

    def _read_start(self) -> tuple[bytes, list[int]]:
        """The counts of a message, and the files that came with it."""
        start, files = b"", list[int]()
        while len(start) < _COUNTS.size:
            try:
                part, more, _, _ = socket.recv_fds(
                    self._end,
                    _COUNTS.size - len(start),
                    MOST_NEW,
                    socket.MSG_CMSG_CLOEXEC,
                )
            except ConnectionError as error:
                raise Gone from error
            if not part:
                raise Gone
            start += part
            files += more
        return start, files

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
    """Sends without a copy what pickles with some: arrays whose axes were moved, as those of
    `layout="NCHW"`, in the order in which they lie; tensors as arrays.
    """

    def reducer_override(self, value: Any) -> Any:
        if type(value).__module__ == "torch" and type(value).__name__ == "Tensor":
            try:
                return _to_tensor, (value.numpy(),)
            except (TypeError, RuntimeError):  # on a device, or with a gradient
                return NotImplemented
        if type(value) is np.ndarray and not value.flags.forc:
            order = np.argsort([-stride for stride in value.strides], kind="stable")
            as_it_lies = value.transpose(order)
            if as_it_lies.flags.c_contiguous:
                return np.transpose, (as_it_lies, np.argsort(order).tolist())
        return NotImplemented


def _to_tensor(array: Any) -> Any:
    import torch  # pyright: ignore[reportMissingImports]  # an extra

    return torch.from_numpy(array)
