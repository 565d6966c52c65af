"""Object stores that URIs lead to, made of storage options as they are needed.

Storage options are those that Lance takes, with the names of the `object_store` library, so
that a table and what its rows refer to are read with the same credentials. A name with a
provider's prefix (`aws_`, `google_`, `azure_`) goes to that provider only. What the options do
not say is taken from the environment: `AWS_ACCESS_KEY_ID` and so on, or the machine's role.
"""

from __future__ import annotations

import threading
from base64 import b64encode
from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Any
from urllib.parse import quote, unquote, urlsplit

from obstore.exceptions import UnknownConfigurationKeyError
from obstore.store import AzureStore, GCSStore, HTTPStore, S3Store

from ..errors import StorageError
from .addresses import SourceKind, source_kind, split_object_uri

Store = AzureStore | GCSStore | HTTPStore | S3Store

_PREFIXES: Mapping[SourceKind, str] = {"s3": "aws_", "gs": "google_", "az": "azure_"}
_CLIENT_OPTIONS = frozenset(
    {
        "allow_http",
        "allow_invalid_certificates",
        "connect_timeout",
        "http1_only",
        "http2_only",
        "pool_idle_timeout",
        "pool_max_idle_per_host",
        "proxy_ca_certificate",
        "proxy_excludes",
        "proxy_url",
        "randomize_addresses",
        "timeout",
        "user_agent",
    }
)
_RETRIES = "client_max_retries"
_RETRY_SECONDS = "client_retry_timeout"
_MOST_RETRIES = 3
_MOST_RETRY_SECONDS = 60
_MOST_STORES = 64


class Stores:
    """Stores by bucket or host; each keeps connections open, and they are shared by threads."""

    def __init__(self, options: Mapping[str, str]) -> None:
        self._options = {name.lower(): value for name, value in options.items()}
        self._lock = threading.Lock()
        self._open: dict[tuple[SourceKind, str], Store] = {}

    def find(self, uri: str) -> tuple[Store, str]:
        """The store that a URI leads to, and the path in it.

        Raises:
            InputError: The URI is not one of an object.
            StorageError: The options do not make a store.
            UnsupportedError: The URI's scheme is not known.
        """
        kind = source_kind(uri)
        if kind == "http":
            return self._find_http(uri)
        bucket, key = split_object_uri(uri)
        return self._store(kind, bucket), key

    def _find_http(self, uri: str) -> tuple[Store, str]:
        parts = urlsplit(uri)
        host = parts.netloc.rpartition("@")[2]
        path = unquote(parts.path).removeprefix("/")
        plain = "@" not in parts.netloc and not parts.query
        # The store encodes the path again: it must come out as it was given.
        faithful = quote("/" + path) == parts.path and "//" not in path and "/." not in path
        if plain and path and faithful:
            return self._store("http", f"{parts.scheme}://{host}"), path
        headers = {}
        if parts.username is not None:
            secret = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
            headers["authorization"] = f"Basic {b64encode(secret.encode()).decode()}"
        bare = parts._replace(netloc=host, fragment="").geturl()
        return self._make("http", bare, headers), ""

    def _store(self, kind: SourceKind, where: str) -> Store:
        with self._lock:
            store = self._open.get((kind, where))
            if store is None:
                if len(self._open) >= _MOST_STORES:
                    self._open.clear()
                store = self._open[kind, where] = self._make(kind, where, {})
            return store

    def _make(self, kind: SourceKind, where: str, headers: Mapping[str, str]) -> Store:
        client: dict[str, Any] = {
            name: value for name, value in self._options.items() if name in _CLIENT_OPTIONS
        }
        if headers:
            client["default_headers"] = dict(headers)
        settings: dict[str, Any] = {"client_options": client, "retry_config": self._retries()}
        try:
            match kind:
                case "s3":
                    config = self._config(kind, lambda c: S3Store("bucket", config=c))
                    return S3Store(where, config=config, **settings)
                case "gs":
                    config = self._config(kind, lambda c: GCSStore("bucket", config=c))
                    return GCSStore(where, config=config, **settings)
                case "az":
                    config = self._config(kind, lambda c: AzureStore("container", config=c))
                    return AzureStore(where, config=config, **settings)
                case _:
                    client.setdefault("allow_http", "true")
                    return HTTPStore.from_url(where, **settings)
        except Exception as error:  # its message may hold what the options say
            raise StorageError(
                f"the storage options do not open {kind}://: {type(error).__name__}"
            ) from None

    def _config(self, kind: SourceKind, make: Callable[[Any], object]) -> Any:
        """The options that a kind of store knows; Lance has some of its own."""
        other = tuple(prefix for name, prefix in _PREFIXES.items() if name != kind)
        known = {}
        for name, value in self._options.items():
            if name in _CLIENT_OPTIONS or name.startswith(other):
                continue
            try:
                make({name: value})
            except UnknownConfigurationKeyError:
                continue
            except Exception:
                pass  # known, and not enough or not right: the store itself says so
            known[name] = value
        return known

    def _retries(self) -> Any:
        return {
            "max_retries": int(self._options.get(_RETRIES, _MOST_RETRIES)),
            "retry_timeout": timedelta(
                seconds=int(self._options.get(_RETRY_SECONDS, _MOST_RETRY_SECONDS))
            ),
        }
