"""A web server on loopback, with or without byte ranges, that can ask for a signature."""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import unquote, urlsplit


@dataclass
class Web:
    """What is served, and how."""

    address: str = ""
    files: dict[str, bytes] = field(default_factory=dict)
    """By decoded path."""
    changes: dict[str, int] = field(default_factory=dict)
    """How often a file was changed: part of its entity tag and of its time."""
    ranges: bool = True
    tags: bool = True
    secret: str = ""
    """The query that every request has to have, if there is one."""
    requests: list[tuple[str, str, str | None]] = field(default_factory=list)
    """Method, path and range."""


@contextmanager
def web_server() -> Iterator[Web]:
    web = Web()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            self._answer(body=True)

        def do_HEAD(self) -> None:
            self._answer(body=False)

        def log_message(self, *_: object) -> None:
            pass

        def _answer(self, *, body: bool) -> None:
            parts = urlsplit(self.path)
            wanted = self.headers.get("range")
            web.requests.append((self.command, self.path, wanted))
            path = unquote(parts.path)
            data = web.files.get(path)
            if web.secret and parts.query != web.secret:
                self._send(403, b"", {})
            elif data is None:
                self._send(404, b"", {})
            else:
                self._send_file(path, data, wanted, body=body)

        def _send_file(self, path: str, data: bytes, wanted: str | None, *, body: bool) -> None:
            changed = web.changes.get(path, 0)
            headers = {"last-modified": formatdate(1e9 + changed, usegmt=True)}
            if web.tags:
                headers["etag"] = f'"{changed}"'
            span = re.fullmatch(r"bytes=(\d+)-(\d+)", wanted or "")
            if span and web.ranges:
                start, end = int(span[1]), min(int(span[2]) + 1, len(data))
                if start >= len(data):
                    self._send(416, b"", {})
                    return
                headers["content-range"] = f"bytes {start}-{end - 1}/{len(data)}"
                self._send(206, data[start:end], headers, body=body)
            else:
                self._send(200, data, headers, body=body)

        def _send(
            self, status: int, data: bytes, headers: dict[str, str], *, body: bool = True
        ) -> None:
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.send_header("content-length", str(len(data)))
            self.end_headers()
            if body:
                self.wfile.write(data)

        def handle(self) -> None:
            with suppress(ConnectionError):  # who asked has heard enough
                super().handle()

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    web.address = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield web
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
