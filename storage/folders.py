"""Folders of tables, on this machine or in an object store: what is in one, and its end.

An object store has no folders, but keys with slashes in them: a folder is there as long as a
key begins with it, and it goes key by key.
"""

from __future__ import annotations

import os
import shutil
import uuid
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import obstore

from .handle import translate_errors
from .objects import object_failure
from .stores import Store, Stores

_DROPPED = ".dropped-"


def folder_names(uri: str, options: Mapping[str, str]) -> list[str]:
    """The names of the folders in one, sorted; none where it is not there.

    Args:
        uri: Of the folder.
        options: Storage options, for an object store.

    Raises:
        StorageError: It cannot be looked into.
    """
    if not is_remote(uri):
        with translate_errors(f"list of {uri}"):
            try:
                return sorted(entry.name for entry in os.scandir(uri) if entry.is_dir())
            except FileNotFoundError:
                return []
    store, prefix = _place(uri, options)
    try:
        found = obstore.list_with_delimiter(store, prefix)
    except Exception as error:
        raise object_failure(error, uri) from None
    return sorted(path.rpartition("/")[2] for path in found["common_prefixes"])


def last_written(uri: str, options: Mapping[str, str]) -> float:
    """When anything in a folder was last written to, in seconds since 1970; else 0."""
    if not is_remote(uri):
        with translate_errors(f"look at {uri}"):
            return max((path.stat().st_mtime for path in Path(uri).rglob("*")), default=0.0)
    times = [float(meta["last_modified"].timestamp()) for meta in _objects(uri, options)]
    return max(times, default=0.0)


def remove_folder(uri: str, options: Mapping[str, str]) -> None:
    """Remove a folder and all in it.

    On this machine one rename takes it away: a crash later leaves a folder that no name finds.
    In an object store a crash leaves what was not removed yet.

    Raises:
        StorageError: It cannot be removed.
    """
    if not is_remote(uri):
        dropped = Path(uri).with_name(f"{_DROPPED}{uuid.uuid4().hex}")
        with translate_errors(f"drop of {uri}"):
            Path(uri).rename(dropped)
            shutil.rmtree(dropped)
        return
    paths = [meta["path"] for meta in _objects(uri, options)]
    store, _ = _place(uri, options)
    try:
        if paths:
            obstore.delete(store, paths)
    except Exception as error:
        raise object_failure(error, uri) from None


def is_remote(uri: str) -> bool:
    """Whether a URI leads to an object store.

    >>> is_remote("s3://bucket/lake"), is_remote("/data/lake")
    (True, False)
    """
    return "://" in uri


def _objects(uri: str, options: Mapping[str, str]) -> Iterator[Mapping[str, Any]]:
    """What an object store says of each object below a folder."""
    store, prefix = _place(uri, options)
    try:
        for page in obstore.list(store, prefix):
            yield from page
    except Exception as error:
        raise object_failure(error, uri) from None


def _place(uri: str, options: Mapping[str, str]) -> tuple[Store, str]:
    store, key = Stores(options).find(f"{uri.rstrip('/')}/.")
    return store, key.removesuffix(".")
