"""One version of one Lance dataset, opened where it is used; and Lance's errors as ours.

Lance runs threads, and a fork copies none of them: a dataset that is used on the other side of
one hangs or crashes now and then, even if it is opened anew there. So a `Handle` knows its
process and refuses another, and none is opened on the other side. It pickles by URI and
version: spawned workers open it for themselves.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import cached_property, partial
from typing import Any

import lance
import pyarrow as pa
from lance import LanceDataset
from lance.commit import CommitConflictError

from ..errors import (
    ConflictError,
    MareyError,
    NotFoundError,
    StorageError,
    TableNotFoundError,
    UnsupportedError,
)
from .addresses import without_secrets
from .answers import reason
from .commits import CommitStamp
from .schema import is_video, to_logical

StorageOptions = Mapping[str, str]

FORMAT = 2
"""Version of what we lay down in a dataset beside Lance's own format."""
FORMAT_KEY = "marey:format"
TABLE_ID_KEY = "marey:table-id"
KEY_COLUMNS_KEY = "marey:key-columns"

LANCE_ERRORS = (OSError, ValueError, RuntimeError, OverflowError)
"""What Lance raises where it cannot read a blob."""

_CACHE_BYTES = 8 << 20
# Lance ends its messages with the place in its own source.
_INNER_NAME = re.compile(r"LanceError\(\w+\): ")
_XML = re.compile(r":? <\?xml.*", re.DOTALL)
_OPENINGS = 8
_RUST_PLACE = re.compile(r",? (?:/[^\s,]+|[\w/.-]+)\.rs:\d+:\d+.*$", re.DOTALL)


_USERS: list[int] = []
"""The process that first opened a dataset; a fork copies the list. State of the module, as
Lance's threads are state of the process."""


class Handle:
    """A dataset at one version, with what its metadata says about the table."""

    def __init__(
        self,
        uri: str,
        *,
        version: int | None = None,
        storage_options: StorageOptions | None = None,
        cache_bytes: int = _CACHE_BYTES,
        session: Any | None = None,
    ) -> None:
        """Open a dataset.

        Args:
            uri: Where it is.
            version: The newest if None.
            storage_options: Names of `object_store`, for a URI of an object store.
            cache_bytes: What Lance may keep of the dataset's metadata.
            session: What Lance has kept of it already, instead.

        Raises:
            TableNotFoundError: There is none, or it is no table of ours.
            NotFoundError: It has no such version, or not any more.
        """
        self.uri = uri
        self.storage_options = dict(storage_options or {})
        self._cache_bytes = cache_bytes
        # Taken first: what is committed while it is opened must not go unseen.
        self._stamp = CommitStamp.of(uri) if version is None else None
        self._opened = self._open(version, session)
        self._process = os.getpid()
        self.version: int = self._opened.version

    def __reduce__(self) -> tuple[object, ...]:
        return _reopen, (self.uri, self.version, self.storage_options, self._cache_bytes)

    @property
    def is_newest(self) -> bool:
        """Whether nothing can have been committed since; False where that cannot be told."""
        return self._stamp is not None and CommitStamp.of(self.uri) == self._stamp

    def newest(self) -> Handle:
        """The same dataset at its newest version."""
        return self.at(None)

    def at(self, version: int | None) -> Handle:
        """The same dataset at another version, the newest if None.

        What Lance has read of it is not read again: to see that the newest version is the one
        that is known takes one request to an object store.
        """
        again = partial(
            Handle,
            self.uri,
            version=version,
            storage_options=self.storage_options,
            cache_bytes=self._cache_bytes,
        )
        opened = again(session=self.lance.session())
        # Of a table that was dropped and made again Lance's metadata has the same names.
        return opened if opened.table_id == self.table_id else again()

    def seen_again(self, opened: Handle) -> None:
        """The same version was found to be the newest when it was opened once more."""
        self._stamp = opened._stamp

    def check_process(self) -> None:
        """Refuse to be used on the other side of a fork.

        Raises:
            UnsupportedError: The process was forked after the dataset was opened.
        """
        if self._process != os.getpid():
            raise _forked(f"{self.uri} was opened")

    @property
    def lance(self) -> LanceDataset:
        """The open dataset, for reading: methods that write move its version."""
        self.check_process()
        return self._opened

    def reopen(self) -> LanceDataset:
        """The dataset opened once more, for methods that move its version."""
        return self._open(self.version, self.lance.session())

    @cached_property
    def stored_schema(self) -> pa.Schema:
        """The schema as Lance has it."""
        return self.lance.schema

    @cached_property
    def schema(self) -> pa.Schema:
        """The logical schema."""
        return to_logical(self.stored_schema)

    @cached_property
    def key_schema(self) -> pa.Schema:
        """The key columns, in the order in which they were declared."""
        return pa.schema([self.schema.field(name) for name in self._key_names])

    @cached_property
    def video_columns(self) -> tuple[str, ...]:
        """The names of the video columns."""
        return tuple(f.name for f in self.schema if is_video(f))

    @cached_property
    def table_id(self) -> str:
        """What tells this table from one that was dropped and made again under its name."""
        return self._metadata[TABLE_ID_KEY]

    @cached_property
    def _metadata(self) -> Mapping[str, str]:
        return self.lance.schema_metadata

    @cached_property
    def _key_names(self) -> list[str]:
        names: list[str] = json.loads(self._metadata[KEY_COLUMNS_KEY])
        return names

    def _open(self, version: int | None, session: Any | None) -> LanceDataset:
        if version is not None and (type(version) is not int or version < 1):
            raise NotFoundError(f"versions of {self.uri} count from 1, found {version!r}")
        _claim_process(self.uri)
        for left in reversed(range(_OPENINGS)):
            try:
                return self._open_once(version, session)
            except StorageError as error:
                # The newest version was found, and then removed by who had written a newer one.
                if version is not None or not left or "Not found" not in str(error):
                    raise
        raise AssertionError("the last attempt returns or raises")

    def _open_once(self, version: int | None, session: Any | None) -> LanceDataset:
        try:
            opened = lance.dataset(
                self.uri,
                version=version,
                storage_options=self.storage_options or None,
                session=session or self._new_session(),
            )
        except ValueError as error:
            if "was not found" not in str(error):
                raise StorageError(f"{self.uri}: {lance_message(error)}") from cause_of(error)
            if version is None:
                raise TableNotFoundError(f"no table at {self.uri}") from error
            raise NotFoundError(f"no version {version} of the table at {self.uri}") from error
        except (OSError, RuntimeError) as error:
            raise StorageError(f"{self.uri}: {lance_message(error)}") from cause_of(error)
        _check_format(self.uri, opened.schema_metadata)
        return opened

    def _new_session(self) -> Any:
        # No table has an index of Lance's but that of its row ids.
        index_bytes = self._cache_bytes // 4
        return lance.Session(  # type: ignore[attr-defined]  # exported, but not by name
            index_cache_size_bytes=index_bytes,
            metadata_cache_size_bytes=self._cache_bytes - index_bytes,
        )


def _claim_process(uri: str) -> None:
    if not _USERS:
        _USERS.append(os.getpid())
    if _USERS[0] != os.getpid():
        raise _forked(f"{uri} cannot be opened: a table was opened")


def _forked(what: str) -> UnsupportedError:
    return UnsupportedError(
        f"{what} before this process was forked, and Lance's threads do not survive that: "
        "start workers with multiprocessing's 'spawn' method"
    )


def _reopen(
    uri: str, version: int | None, storage_options: StorageOptions, cache_bytes: int
) -> Handle:
    return Handle(
        uri, version=version, storage_options=storage_options, cache_bytes=cache_bytes
    )


def _check_format(uri: str, metadata: Mapping[str, str]) -> None:
    written = metadata.get(FORMAT_KEY)
    if written is None:
        raise TableNotFoundError(f"{uri} is a Lance dataset, but no table of Marey")
    if written != str(FORMAT):
        raise UnsupportedError(
            f"{uri} has table format {written}, this Marey reads format {FORMAT}"
        )


@contextmanager
def translate_errors(
    doing: str, *, bad_input: type[MareyError] = StorageError
) -> Iterator[None]:
    """Turn what Lance raises within the block into errors of ours.

    Args:
        doing: What is being done, for the message.
        bad_input: What it means when Lance refuses its input: there is a filter in it, say.
    """
    try:
        yield
    except MareyError:
        raise
    except (OSError, ValueError, RuntimeError, NotImplementedError, pa.ArrowException) as error:
        message = f"{doing}: {lance_message(error)}"
        if isinstance(error, CommitConflictError) or "commit conflict" in str(error):
            raise ConflictError(message) from cause_of(error)
        if "Invalid user input" in str(error):
            raise bad_input(message) from cause_of(error)
        raise StorageError(message) from cause_of(error)
    except BaseException as error:
        # A panic in Lance's own code derives from BaseException.
        if type(error).__name__ == "PanicException":
            raise StorageError(f"{doing}: {lance_message(error)}") from cause_of(error)
        raise


def lance_message(error: BaseException) -> str:
    """The message of an error of Lance, without the place in its source, its inner names, a
    store's whole answer, and secrets.
    """
    text = str(error)
    if (known := reason(text)) is not None:
        return known
    return without_secrets(_XML.sub("", _INNER_NAME.sub("", _RUST_PLACE.sub("", text))))


def cause_of(error: BaseException) -> BaseException | None:
    """What a traceback may show behind an error of ours: nothing of what a store answered,
    which repeats what the request was signed with, and no address with secrets in it.
    """
    text = str(error)
    return error if reason(text) is None and without_secrets(text) == text else None
