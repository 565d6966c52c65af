"""Datasets of recordings below one root: made, opened, dropped.

A dataset is a folder: `samples.lance` holds its samples, `layers/` what was added to them. It
exists once Lance has committed the first version of the samples.
"""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches
from pathlib import Path

from ...errors import TableExistsError, TableNotFoundError
from ..catalog import SAMPLES, Catalog
from ..folders import is_remote, remove_folder
from ..handle import Handle, translate_errors
from .commit import create_store
from .store import SampleStore


def samples_uri(catalog: Catalog, project: str, name: str) -> str:
    """Where the samples of a dataset are."""
    return f"{catalog.dataset_uri(project, name)}/{SAMPLES}"


def create_dataset(catalog: Catalog, project: str, name: str, *, exist_ok: bool) -> None:
    """Make an empty dataset.

    Raises:
        TableExistsError: It is there already, or a table of its name.
        InputError: A name cannot be.
    """
    uri = samples_uri(catalog, project, name)
    if catalog.has_table(project, name):
        raise TableExistsError(f"{project}.{name} is a table: a dataset needs another name")
    if not is_remote(uri):
        with translate_errors(f"create of {project}.{name}"):
            Path(uri).parent.mkdir(parents=True, exist_ok=True)
    if not create_store(uri, catalog.storage_options) and not exist_ok:
        raise TableExistsError(
            f"dataset {project}.{name} is there already: create_dataset(..., exist_ok=True) "
            "opens it, drop_dataset removes it"
        )


def open_samples(catalog: Catalog, project: str, name: str) -> SampleStore:
    """The samples of a dataset at their newest version.

    Raises:
        TableNotFoundError: There is no dataset of that name; the message offers near ones.
    """
    uri = samples_uri(catalog, project, name)
    try:
        handle = Handle(
            uri,
            storage_options=catalog.storage_options,
            cache_bytes=catalog.caches.lance_bytes,
        )
        return SampleStore(handle)
    except TableNotFoundError as error:
        offer = "" if is_remote(uri) else _near(name, catalog.datasets(project))
        raise TableNotFoundError(
            f"no dataset {project}.{name} in {catalog.root}{offer}"
        ) from error


def drop_dataset(catalog: Catalog, project: str, name: str) -> None:
    """Remove a dataset with its layers.

    Raises:
        TableNotFoundError: There is none of that name.
    """
    open_samples(catalog, project, name)
    uri = catalog.dataset_uri(project, name)
    if is_remote(uri):
        # Without versions it is gone, should this end before all of it is removed.
        remove_folder(f"{uri}/{SAMPLES}/_versions", catalog.storage_options)
    remove_folder(uri, catalog.storage_options)


def _near(name: str, names: Iterable[str]) -> str:
    known = list(names)
    near = get_close_matches(name, known, n=3) or known[:12]
    return f"; there is {', '.join(map(repr, near))}" if near else ": there is no dataset"
