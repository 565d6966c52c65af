"""Videos that stay where they are, as a write sees them: read once, and then referred to."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from urllib.parse import unquote, urlsplit

from ..errors import InputError, SourceChangedError, SourceNotFoundError, StorageError
from ..storage.addresses import source_kind, stored_uri
from ..storage.files import file_tag
from ..storage.objects import Objects
from ..storage.schema import BlobReference, FileCopy
from ..video.source import FileReader, Reader


@dataclass(frozen=True, slots=True)
class OpenReference:
    """A file or an object that is being read."""

    uri: str
    """As it was given, with what may be secret in it."""
    reader: Reader
    """Its bytes."""
    tag: str
    """What tells its state."""
    objects: Objects
    """Reads objects."""

    def copy(self) -> FileCopy:
        """What to store of a local file whose bytes are to be copied."""
        return FileCopy(_path(self.uri), self.reader.size, self.tag)

    def finish(self) -> BlobReference:
        """What to store, once all is read.

        Raises:
            SourceChangedError: A local file is not what it was when it was opened.
            InputError: The address that would be stored does not lead to the same object.
        """
        kept = stored_uri(self.uri)
        if source_kind(self.uri) == "file":
            if _stat_tag(_path(self.uri)) != self.tag:
                raise SourceChangedError(f"it was changed while it was read: {self.uri}")
        elif kept != self.uri and not self._leads_here(kept):
            raise InputError(
                f"{kept} cannot be read without the part of the address that may be secret (a "
                "user, or what stands after '?'), which is not stored: refer to it as s3://, "
                "gs:// or az:// with storage_options, or store its bytes"
            )
        return BlobReference(kept, self.reader.size, self.tag)

    def _leads_here(self, uri: str) -> bool:
        try:
            plain = self.objects.open(uri)
        except (StorageError, SourceNotFoundError, InputError):
            return False
        return (plain.size, plain.tag) == (self.reader.size, self.tag)


@contextmanager
def open_reference(uri: str, objects: Objects) -> Iterator[OpenReference]:
    """A referenced video for the time of a write.

    Raises:
        SourceNotFoundError: It is not there.
        StorageError: It cannot be read.
        UnsupportedError: Its scheme is not known, or its server gives no ranges.
        InputError: It is empty, or the URI leads to no object.
    """
    if source_kind(uri) == "file":
        with FileReader(_path(uri)) as reader:
            yield OpenReference(uri, reader, _stat_tag(_path(uri)), objects)
    else:
        found = objects.open(uri)
        yield OpenReference(uri, found, found.tag, objects)


def is_distant(uri: str | None) -> bool:
    """Whether a URI leads off this machine."""
    return uri is not None and not uri.startswith("file://")


def _path(uri: str) -> str:
    return unquote(urlsplit(uri).path)


def _stat_tag(path: str) -> str:
    try:
        return file_tag(os.stat(path))
    except FileNotFoundError as error:
        raise SourceNotFoundError(f"no such file: {path!r}") from error
    except OSError as error:
        raise StorageError(f"cannot look at {path!r}: {error.strerror}") from error
