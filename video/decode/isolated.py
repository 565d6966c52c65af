"""Decoders in processes of their own: one that crashes takes no more with it than its run.

libavcodec reads hostile bytes in C. Each decoder of an `IsolatedDecoderPool` lives in a child
process (see `worker`). A child that dies, or does not answer, is a `DecodeError` of the run
that it decoded, and the next run gets a new one. It costs a copy of every sample and picture
through a pipe, and the start of a process for each decoding thread.
"""

from __future__ import annotations

import os
import select
import signal
import subprocess
import sys
import weakref
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import astuple
from threading import Lock
from typing import Any

from ... import errors
from ...errors import DecodeError, MareyError
from ..index.frames import ContainerColour, PictureFormat
from .decoder import Packet
from .frame import PixelOutput
from .messages import Head, read_message, write_message

PATIENCE_SECONDS = 120.0
"""How long one sample may take. The largest picture of any level decodes in a few seconds."""

_NOTHING = memoryview(b"")

_COMMAND = (sys.executable, "-P", "-m", "marey.video.decode.worker")


class IsolatedPicture:
    """A picture in another process; see `Picture`. It stays until the next sample is sent."""

    def __init__(self, child: _Child, place: int, described: Mapping[str, Any]) -> None:
        self._child = child
        self._place = place
        self._described = described
        self.sample = int(described["sample"])
        self.damaged = bool(described["damaged"])

    @property
    def format(self) -> PictureFormat:
        """Its size and how its samples are stored."""
        if "format" not in self._described:
            raise DecodeError(str(self._described.get("message")))
        return PictureFormat(*map(int, self._described["format"]))

    def write(self, output: PixelOutput, destination: memoryview) -> None:
        """Put its pixels, packed, into `destination`."""
        request = {"call": "write", "picture": self._place, "output": astuple(output)}
        self._child.ask(request, into=destination)


class IsolatedDecoder:
    """A decoder in another process; see `Decoder`."""

    def __init__(self, child: _Child) -> None:
        self._child = child

    def start(
        self,
        extradata: bytes,
        *,
        width: int,
        height: int,
        colour: ContainerColour | None = None,
    ) -> None:
        """Begin a run."""
        request: Head = {"call": "start", "width": width, "height": height}
        if colour is not None:
            request["colour"] = astuple(colour)
        self._child.ask(request, memoryview(extradata))

    def prepare(self, sample: int, packet: Packet) -> tuple[int, Packet]:
        """Nothing is to be made ready here."""
        return sample, packet

    def send(self, ready: tuple[int, Packet]) -> Sequence[IsolatedPicture]:
        """Take in one sample and give the pictures that come out."""
        sample, packet = ready
        request = {"call": "send", "sample": sample}
        return self._pictures(self._child.ask(request, memoryview(packet)))

    def drain(self) -> Sequence[IsolatedPicture]:
        """The pictures still held back, at the end of a run."""
        return self._pictures(self._child.ask({"call": "drain"}))

    def _pictures(self, answer: Head) -> list[IsolatedPicture]:
        try:
            return [
                IsolatedPicture(self._child, place, described)
                for place, described in enumerate(answer["pictures"])
            ]
        except (KeyError, TypeError, ValueError) as error:
            raise DecodeError("the decoding process described its pictures wrongly") from error


class IsolatedDecoderPool:
    """Lends decoders in processes of their own; any number of threads may ask.

    Children wait here between runs, as many as were lent out at one time. They end when the
    pool is closed or collected, and when this process ends, however it does.
    """

    def __init__(
        self, *, command: Sequence[str] = _COMMAND, patience_seconds: float = PATIENCE_SECONDS
    ) -> None:
        """A pool of children that `command` starts."""
        self._command = tuple(command)
        self._patience = patience_seconds
        self._lock = Lock()
        self._idle: list[tuple[bytes, _Child]] = []
        self._closed = False
        weakref.finalize(self, _end_all, self._idle)

    @contextmanager
    def decoder(self, extradata: bytes) -> Iterator[IsolatedDecoder]:
        """A decoder for the time of one run."""
        child = self._take(extradata)
        try:
            yield IsolatedDecoder(child)
        finally:
            self._give_back(extradata, child)

    @property
    def spare_bytes(self) -> int:
        """What this process holds for decoders that wait: theirs is their own."""
        return 0

    def close(self) -> None:
        """End the children that wait; those lent out end when they come back."""
        with self._lock:
            self._closed = True
            _end_all(self._idle)

    def _take(self, extradata: bytes) -> _Child:
        with self._lock:
            self._closed = False
            for position in reversed(range(len(self._idle))):
                if self._idle[position][0] == extradata:
                    return self._idle.pop(position)[1]
            if self._idle:
                return self._idle.pop()[1]
        return _Child(self._command, self._patience)

    def _give_back(self, extradata: bytes, child: _Child) -> None:
        with self._lock:
            if child.is_sound and not self._closed:
                self._idle.append((extradata, child))
                return
        child.end()


class _Child:
    """A process and the pipes to it; it serves one thread at a time."""

    def __init__(self, command: Sequence[str], patience_seconds: float) -> None:
        self.is_sound = True
        """Whether it waits for a request. One that died or was left in the middle does not."""
        self._patience = patience_seconds
        # It must find the same packages, however this process came to find them.
        found = os.pathsep.join(entry or os.getcwd() for entry in sys.path)
        self._process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env={**os.environ, "PYTHONPATH": found},
        )
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._requests, self._answers = self._process.stdin, self._process.stdout
        self._answered = select.poll()
        self._answered.register(self._answers, select.POLLIN)

    def ask(
        self,
        request: Head,
        *payload: memoryview,
        into: memoryview = _NOTHING,
    ) -> Head:
        """Send a request and wait for its answer.

        Args:
            request: What to do.
            payload: Bytes that go with it.
            into: Where the bytes of the answer go; as many as there must be.

        Raises:
            MareyError: The answer is an error.
            DecodeError: The child died, took too long, or answered something else.
        """

        def room(_: Head, size: int) -> memoryview:
            if size != len(into):
                raise DecodeError(
                    f"a decoding process sent {size} bytes, {len(into)} were expected"
                )
            return into

        self.is_sound = False
        try:
            write_message(self._requests, request, *payload)
            if not self._answered.poll(1000 * self._patience):
                raise DecodeError(f"the decoder gave no answer within {self._patience:g} s")
            answer = read_message(self._answers, room)
        except (EOFError, OSError) as error:
            raise DecodeError(f"the decoder crashed: {self._how_it_ended()}") from error
        self.is_sound = True
        if "error" in answer:
            raise _error(answer)
        return answer

    def end(self) -> None:
        """End it at once."""
        self._process.kill()
        self._process.wait()
        for pipe in (self._requests, self._answers):
            with suppress(OSError):  # what was written last may still be in the buffer
                pipe.close()

    def _how_it_ended(self) -> str:
        try:
            status = self._process.wait(timeout=5)
        except subprocess.TimeoutExpired:
            return "its process closed the pipe"
        if status >= 0:
            return f"its process exited with status {status}"
        try:
            return f"its process was ended by {signal.Signals(-status).name}"
        except ValueError:
            return f"its process was ended by signal {-status}"


def _error(answer: Head) -> MareyError:
    kind = getattr(errors, str(answer["error"]), None)
    if not (isinstance(kind, type) and issubclass(kind, MareyError)):
        kind = DecodeError
    return kind(str(answer.get("message")))


def _end_all(idle: list[tuple[bytes, _Child]]) -> None:
    while idle:
        idle.pop()[1].end()
