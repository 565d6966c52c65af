"""Video values to write: the bytes of a file, or a reference to where they lie."""

from __future__ import annotations

import operator
import os
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import unquote_to_bytes

from ..errors import ExpressionError
from ..storage.addresses import shown_uri
from .literal import shown

_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://")


@dataclass(frozen=True, slots=True, repr=False)
class Blob:
    """The bytes of one object: anything bytes-like, or with `from_uri` a reference to them.

    >>> Blob(b"abc")
    Blob(<3 bytes>)

    Raises:
        ExpressionError: What is given has no bytes; a path or URI goes to `from_uri`.
    """

    data: bytes | None
    """The bytes, or None for a reference."""
    uri: str | None = field(default=None, init=False)
    """Where the bytes lie, or None where they are here."""
    size: int | None = field(default=None, init=False)
    """How many bytes there are, where that is known."""
    is_copied: bool = field(default=False, init=False)
    """Whether the bytes behind `uri` are to be copied, rather than referred to."""

    def __post_init__(self) -> None:
        data: Any = self.data
        if isinstance(data, (str, os.PathLike)):
            raise ExpressionError(
                f"Blob takes the bytes of a file, found {shown(data)}: "
                "for a path or URI write Blob.from_uri(...)"
            )
        try:
            content = data if isinstance(data, bytes) else memoryview(data).tobytes()
        except (TypeError, ValueError, BufferError) as error:
            raise ExpressionError(
                f"Blob takes the bytes of a file, found {type(data).__name__}"
            ) from error
        object.__setattr__(self, "data", content)
        object.__setattr__(self, "size", len(content))

    @classmethod
    def from_uri(cls, uri: str | os.PathLike[str], *, size: int | None = None) -> Blob:
        """Refer to an object that stays where it is; nothing is read before it is written.

        >>> Blob.from_uri("/data/a b.mp4")
        Blob.from_uri('file:///data/a%20b.mp4')
        >>> Blob.from_uri("s3://bucket/raw/7.mp4", size=4096).uri
        's3://bucket/raw/7.mp4'

        Args:
            uri: A local path (a relative one is taken from the working directory, `~` is the
                home folder), or a URI: `file://`, `s3://`, `gs://`, `az://`, `http://` or
                `https://`. The key of an object is taken as it stands. Of a web address, what
                may be secret is not stored: a user, and what stands after the question mark.
            size: Its length in bytes, where that is known.

        Raises:
            ExpressionError: It is no path or URI, or the size is no number of bytes.
        """
        return cls._at(_normalised(uri), None if size is None else _byte_count(size))

    @classmethod
    def from_file(cls, path: str | os.PathLike[str]) -> Blob:
        """The bytes of a local file, which a write copies without holding them in memory.

        >>> Blob.from_file("/data/7.mp4")
        Blob.from_file('file:///data/7.mp4')

        Args:
            path: A local path, or a `file://` URI.

        Raises:
            ExpressionError: It is neither.
        """
        uri = _normalised(path)
        if not uri.startswith("file://"):
            raise ExpressionError(f"from_file takes a local path, found {shown_uri(uri)!r}")
        return cls._at(uri, None, is_copied=True)

    @classmethod
    def _at(cls, uri: str, size: int | None, *, is_copied: bool = False) -> Blob:
        blob = cls.__new__(cls)
        for name, value in (("data", None), ("uri", uri), ("size", size)):
            object.__setattr__(blob, name, value)
        object.__setattr__(blob, "is_copied", is_copied)
        return blob

    def __repr__(self) -> str:
        if self.uri is None:
            return f"Blob(<{self.size} bytes>)"
        size = "" if self.size is None else f", size={self.size}"
        made = "from_file" if self.is_copied else "from_uri"
        return f"Blob.{made}({shown_uri(self.uri)!r}{size})"


@dataclass(frozen=True, slots=True)
class Video:
    """A blob to be stored as a video; its frames are indexed when it is written.

    >>> Video(Blob(b"abc"))
    Video(blob=Blob(<3 bytes>))

    Raises:
        ExpressionError: What is given is no `Blob`.
    """

    blob: Blob
    """The bytes, or the reference to them."""

    def __post_init__(self) -> None:
        given: object = self.blob
        if not isinstance(given, Blob):
            how = "Blob.from_uri" if isinstance(given, (str, os.PathLike)) else "Blob"
            raise ExpressionError(
                f"Video takes a Blob, found {type(given).__name__}: write Video({how}(...))"
            )


def _byte_count(size: object) -> int:
    try:
        count = None if isinstance(size, bool) else operator.index(size)  # type: ignore[arg-type]  # refused if not
    except TypeError:
        count = None
    if count is None or count < 0:
        raise ExpressionError(f"size must be a whole number of bytes, found {shown(size)}")
    return count


def _normalised(uri: object) -> str:
    """The URI to store: local ones absolute and with `file://`, others as they are."""
    if not isinstance(uri, (str, os.PathLike)):
        raise ExpressionError(f"from_uri takes a path or URI, found {shown(uri)}")
    text: Any = os.fspath(uri)
    if not isinstance(text, str) or not text:
        raise ExpressionError(f"from_uri takes a path or URI, found {shown(text)}")
    scheme = _SCHEME.match(text)
    if scheme is None:
        path = os.path.expanduser(text)
    elif scheme.group().lower() == "file://":
        path = _file_path(text)
    else:
        return text
    if not path or "\0" in path:
        raise ExpressionError(f"from_uri takes a path or URI, found {shown(text)}")
    try:
        return Path(os.path.abspath(path)).as_uri()
    except UnicodeEncodeError as error:
        raise ExpressionError(f"from_uri takes a path or URI, found {shown(text)}") from error


def _file_path(uri: str) -> str:
    """The path in a `file://` URI (RFC 8089): this host's, and nothing after the path."""
    host, slash, path = uri[len("file://") :].partition("/")
    if not slash or host.lower() not in ("", "localhost") or "?" in path or "#" in path:
        raise ExpressionError(
            f"expected file:///absolute/path with ? and # percent-encoded, found {uri!r}"
        )
    return "/" + os.fsdecode(unquote_to_bytes(path))
