"""A browser, and a page that shows it videos."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from marey.tests.browser.page import Site
from marey.tests.browser.webdriver import BROWSER, DRIVER, Chromium

_PAGE = (Path(__file__).parent / "page.html").read_bytes()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def __init__(self, files: dict[str, bytes], *arguments: object) -> None:
        self._files = files
        super().__init__(*arguments)  # type: ignore[arg-type]

    def do_GET(self) -> None:
        """The page, or a file or what is asked of it: players seek by ranges."""
        name = self.path.strip("/")
        data = _PAGE if not name else self._files.get(name)
        if data is None:
            self.send_error(404)
            return
        first, last = 0, len(data) - 1
        wanted = self.headers.get("Range", "")
        if wanted.startswith("bytes="):
            begin, _, end = wanted[6:].partition("-")
            first, last = int(begin), min(int(end or last), last)
        self.send_response(206 if wanted else 200)
        self.send_header("Content-Type", "video/mp4" if name else "text/html")
        self.send_header("Accept-Ranges", "bytes")
        self.send_header("Content-Length", str(last - first + 1))
        if wanted:
            self.send_header("Content-Range", f"bytes {first}-{last}/{len(data)}")
        self.end_headers()
        self.wfile.write(data[first : last + 1])

    def log_message(self, format: str, *arguments: object) -> None:
        """Nothing: tests are quiet."""


@pytest.fixture(scope="session")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """The page, open in a browser."""
    if not os.environ.get("MAREY_BROWSER"):
        pytest.skip("`make browser` runs these")
    if BROWSER is None or DRIVER is None:
        pytest.skip("needs a browser: Debian's chromium and chromium-driver")
    files: dict[str, bytes] = {}
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(_Handler, files)) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        with Chromium(tmp_path_factory.mktemp("profile")) as browser:
            url = f"http://127.0.0.1:{server.server_address[1]}/"
            browser.open(url)
            yield Site(browser, url, files)
        server.shutdown()
        thread.join()
