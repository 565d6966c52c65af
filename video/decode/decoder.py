"""What the rest of Marey knows of a decoder: packets in, pictures out, in display order.

A decoder serves one run at a time, in one thread at a time; `start` forgets what came before.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol, TypeVar

from ..index.frames import ContainerColour, PictureFormat
from .frame import PixelOutput

Packet = bytes | memoryview
"""One sample as the container holds it. libavcodec may read 64 bytes past its end."""

Ready = TypeVar("Ready")
"""A sample that was made ready to be sent."""


class Picture(Protocol):
    """A decoded picture, still where the decoder put it."""

    @property
    def sample(self) -> int:
        """The sample it came from; the first field's, where fields are samples."""
        ...

    @property
    def damaged(self) -> bool:
        """Whether some of it was made up, because data were lost or broken."""
        ...

    @property
    def format(self) -> PictureFormat:
        """Its size and how its samples are stored.

        Raises:
            DecodeError: They are stored in a way that H.264 does not have.
        """
        ...

    def write(self, output: PixelOutput, destination: memoryview) -> None:
        """Put its pixels, packed, into as many bytes as `output_shape` says.

        Raises:
            DecodeError: The size asked for is beyond the scaler.
        """
        ...


class Decoder(Protocol[Ready]):
    """A decoder of one stream."""

    def start(
        self,
        extradata: bytes,
        *,
        width: int,
        height: int,
        colour: ContainerColour | None = None,
    ) -> None:
        """Begin a run: what follows decodes as if nothing had been decoded before.

        Args:
            extradata: Parameter sets in force at the first sample, as avcC or Annex B.
            width: Visible columns at the first sample. Where the stream crops nothing, its
                container can state some less than the macroblocks have.
            height: Visible rows, likewise.
            colour: What the container says of colours, for a stream that says nothing.
        """
        ...

    def prepare(self, sample: int, packet: Packet) -> Ready:
        """Make a sample of the run ready, the next in decode order; it may be sent later."""
        ...

    def send(self, ready: Ready) -> Sequence[Picture]:
        """Take in the next sample that was made ready, and give the pictures that come out.

        Raises:
            DecodeError: The sample has slices, but none from which a picture can be begun.
        """
        ...

    def drain(self) -> Sequence[Picture]:
        """The pictures still held back, at the end of a run."""
        ...
