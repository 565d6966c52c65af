"""A process that decodes for another: `python -m marey.video.decode.worker`.

It holds one decoder and answers one message (see `messages`) at a time, on its standard input
and output. It reads no file and opens no socket, and ends when its input does. Pictures stay
here until the next sample comes; what is asked for of them is converted here.
"""

from __future__ import annotations

import os
import resource
import signal
import sys
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import astuple
from typing import IO

from ...errors import MareyError
from ..index.frames import ContainerColour
from .frame import PixelOutput, output_shape
from .messages import Head, read_message, write_message
from .pyav import PyAvDecoder, PyAvPicture

_PADDING = 64  # AV_INPUT_BUFFER_PADDING_SIZE: libavcodec may read so far past a packet.


class Worker:
    """One decoder at the end of two pipes."""

    def __init__(self, requests: IO[bytes], answers: IO[bytes]) -> None:
        self._requests = requests
        self._answers = answers
        self._decoder = PyAvDecoder()
        self._pictures: Sequence[PyAvPicture] = ()

    def serve(self) -> None:
        """Answer until there is no more to answer.

        Raises:
            EOFError: There is no more.
        """
        while True:
            data = memoryview(b"")

            def room(_: Head, size: int) -> memoryview:
                nonlocal data
                data = memoryview(bytearray(size + _PADDING))[:size]
                return data

            request = read_message(self._requests, room)
            try:
                head, payload = self._answer(request, data)
            except MareyError as error:
                head, payload = {"error": type(error).__name__, "message": str(error)}, b""
            write_message(self._answers, head, memoryview(payload))

    def _answer(self, request: Head, data: memoryview) -> tuple[Head, bytes | bytearray]:
        match request["call"]:
            case "start":
                self._pictures = ()
                width, height = request["width"], request["height"]
                colour = ContainerColour(*request["colour"]) if "colour" in request else None
                self._decoder.start(bytes(data), width=width, height=height, colour=colour)
            case "send":
                ready = self._decoder.prepare(request["sample"], data)
                self._pictures = self._decoder.send(ready)
                return {"pictures": list(map(_described, self._pictures))}, b""
            case "drain":
                self._pictures = self._decoder.drain()
                return {"pictures": list(map(_described, self._pictures))}, b""
            case "write":
                picture = self._pictures[request["picture"]]
                output = PixelOutput(*request["output"])
                pixels = bytearray(output_shape(picture.format, output).frame_bytes)
                picture.write(output, memoryview(pixels))
                return {}, pixels
        return {}, b""


def _described(picture: PyAvPicture) -> Head:
    head: Head = {"sample": picture.sample, "damaged": picture.damaged}
    try:
        head["format"] = astuple(picture.format)
    except MareyError as error:
        head["message"] = str(error)
    return head


def main() -> None:
    """Serve the process that started this one."""
    # Ctrl-C is for the other process; it closes the pipe. A crash is reported by it, too.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    # What anything else prints must not come between answers.
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    with suppress(EOFError, BrokenPipeError):
        Worker(sys.stdin.buffer, answers).serve()
    os._exit(0)


if __name__ == "__main__":
    main()
