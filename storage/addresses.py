"""What a URI of a source says, and what of it may be stored or shown.

Credentials can stand in a URI: before an `@` (RFC 3986, 3.2.1), or after the question mark of a
signed address. Neither is ever stored, and neither stands in a message.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal
from urllib.parse import urlsplit

from ..errors import InputError, UnsupportedError

SourceKind = Literal["file", "s3", "gs", "az", "http"]
"""Where bytes lie: on this machine, in a store of Amazon's, Google's or Azure's kind, or behind
a web server."""


@dataclass(frozen=True, slots=True)
class Source:
    """What is known of where the bytes of a video lie."""

    kind: SourceKind
    """What reading it costs goes by this."""
    own: bool
    """Whether a table holds the bytes, and nobody writes them anew; otherwise it refers to
    them."""


_KINDS: dict[str, SourceKind] = {
    "file": "file",
    "s3": "s3",
    "gs": "gs",
    "az": "az",
    "http": "http",
    "https": "http",
}
_USER = re.compile(r"(?<=://)[^/?#\s]*@")
_QUERY = re.compile(r"(?P<address>[A-Za-z][A-Za-z0-9+.-]*://[^\s?]*)\?[^\s'\"`,)}\]]*")


def source_kind(uri: str) -> SourceKind:
    """The kind of place that a URI leads to; a path without a scheme is a local one.

    >>> source_kind("s3://bucket/7.mp4"), source_kind("/data/7.mp4")
    ('s3', 'file')

    Raises:
        UnsupportedError: Its scheme is not known.
    """
    scheme, found, _ = uri.partition("://")
    if not found:
        return "file"
    kind = _KINDS.get(scheme.lower())
    if kind is None:
        raise UnsupportedError(
            f"{scheme}:// sources are not offered, only {', '.join(_KINDS)}: {shown_uri(uri)}"
        )
    return kind


def split_object_uri(uri: str) -> tuple[str, str]:
    """Bucket (or container) and key; the key is taken as it stands, nothing is percent-decoded.

    >>> split_object_uri("s3://bucket/raw/a b%20.mp4")
    ('bucket', 'raw/a b%20.mp4')

    Raises:
        InputError: There is no bucket or no key, or a user name or password stands before it.
    """
    bucket, _, key = uri.partition("://")[2].partition("/")
    if "@" in bucket:
        raise InputError(
            f"credentials do not belong into an address, but into storage_options: "
            f"{shown_uri(uri)}"
        )
    if not bucket or not key:
        raise InputError(f"expected scheme://bucket/key, found {shown_uri(uri)}")
    return bucket, key


def stored_uri(uri: str) -> str:
    """What of a URI is stored: of a web address no user, no query and no fragment.

    >>> stored_uri("https://user:secret@host/7.mp4?signature=abc")
    'https://host/7.mp4'
    """
    if source_kind(uri) != "http":
        return uri
    parts = urlsplit(uri)
    return parts._replace(
        netloc=parts.netloc.rpartition("@")[2], query="", fragment=""
    ).geturl()


def shown_uri(uri: str) -> str:
    """What of a URI may stand in a message, whatever its scheme.

    >>> shown_uri("https://user:secret@host/7.mp4?signature=abc")
    'https://host/7.mp4'
    """
    return _USER.sub("", uri.partition("?")[0])


def without_secrets(text: str) -> str:
    """A message with every URI in it as `shown_uri` shows it.

    >>> without_secrets("no answer from 'https://user:secret@host/7.mp4?signature=abc'")
    "no answer from 'https://host/7.mp4'"
    """
    return _QUERY.sub(r"\g<address>", _USER.sub("", text))
