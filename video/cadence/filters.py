"""FFmpeg's filters in a row: pictures in, pictures out."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import av
from av.error import BlockingIOError as NothingYetError
from av.error import EOFError as NothingLeftError
from av.error import FFmpegError
from av.filter import Graph
from av.filter.context import FilterContext

from ...errors import UnsupportedError
from .arguments import Filter

# How to undo a turn, in degrees counterclockwise.
_UPRIGHT = {
    90: (Filter("transpose", "cclock"),),
    -90: (Filter("transpose", "clock"),),
    180: (Filter("hflip", ""), Filter("vflip", "")),
    -180: (Filter("hflip", ""), Filter("vflip", "")),
}


def upright(frame: av.VideoFrame) -> tuple[Filter, ...]:
    """The filters that do to a picture what its container tells players to do."""
    return _UPRIGHT.get(frame.rotation, ())


class FilterChain:
    """A chain of filters, for pictures of one form.

    Args:
        first: A picture like all that will come.
        filters: In order.
        name: What to call the source in messages.

    Raises:
        UnsupportedError: FFmpeg has no such filter, or does not take its arguments.
    """

    def __init__(self, first: av.VideoFrame, filters: Sequence[Filter], *, name: str) -> None:
        self._name = name
        self._form = _form(first)
        self._graph = Graph()
        last = self._graph.add(
            "buffer",
            video_size=f"{first.width}x{first.height}",
            pix_fmt=first.format.name,
            time_base=str(first.time_base),
            colorspace=str(int(first.colorspace)),
            range=str(int(first.color_range)),
        )
        for filter in filters:
            last = self._append(last, filter)
        last.link_to(self._graph.add("buffersink"))
        try:
            self._graph.configure()
        except (FFmpegError, ValueError) as error:
            names = ", ".join(filter.name for filter in filters)
            raise UnsupportedError(
                f"{name}: the filters {names} do not fit: {error}"
            ) from error

    def _append(self, last: FilterContext, filter: Filter) -> FilterContext:
        try:
            added = self._graph.add(filter.name, filter.arguments or None)
            last.link_to(added)
        except (FFmpegError, ValueError, IndexError) as error:
            raise UnsupportedError(
                f"filter {filter.name}={filter.arguments!r}: FFmpeg does not take it: {error}"
            ) from error
        return added

    def take(self, frame: av.VideoFrame | None) -> Iterator[av.VideoFrame]:
        """Pass a picture on, or the end; what comes out of the last filter.

        Raises:
            UnsupportedError: A filter fails, or the picture is of another form.
        """
        if frame is not None and _form(frame) != self._form:
            raise UnsupportedError(
                f"{self._name}: pictures of {self._form} turn into {_form(frame)} midway"
            )
        try:
            self._graph.vpush(frame)
            while True:
                yield self._graph.vpull()
        except (NothingYetError, NothingLeftError):
            return
        except FFmpegError as error:
            raise UnsupportedError(f"{self._name}: a filter failed: {error}") from error


def _form(frame: av.VideoFrame) -> str:
    return f"{frame.width}x{frame.height} {frame.format.name}"
