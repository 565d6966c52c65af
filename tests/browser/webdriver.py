"""A headless Chromium, led by its driver over loopback: three requests of W3C WebDriver."""

from __future__ import annotations

import json
import shutil
import subprocess
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Any, Self
from urllib.request import Request, urlopen

BROWSER = shutil.which("chromium")
DRIVER = shutil.which("chromedriver")
_FLAGS = (
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--autoplay-policy=no-user-gesture-required",
)
_PATIENCE_SECONDS = 120


class Chromium:
    """A browser with one page; a context manager."""

    def __init__(self, profile: Path) -> None:
        """Start it with a fresh profile in the folder `profile`."""
        assert DRIVER is not None
        assert BROWSER is not None
        self._driver = subprocess.Popen(
            [DRIVER, "--port=0"], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
        )
        try:
            self._base = f"http://127.0.0.1:{self._port()}/session"
            options = {"binary": BROWSER, "args": [*_FLAGS, f"--user-data-dir={profile}"]}
            wanted = {
                "alwaysMatch": {
                    "goog:chromeOptions": options,
                    "timeouts": {"script": _PATIENCE_SECONDS * 1000},
                }
            }
            session = self._ask("POST", "", {"capabilities": wanted})
            self._base += "/" + session["sessionId"]
        except BaseException:
            self._driver.kill()
            raise

    def open(self, url: str) -> None:
        """Load a page."""
        self._ask("POST", "/url", {"url": url})

    def run(self, script: str, *arguments: object) -> Any:
        """What the last argument of `script`, a function's body, is called with."""
        return self._ask("POST", "/execute/async", {"script": script, "args": arguments})

    def close(self) -> None:
        """End the browser and its driver."""
        with suppress(OSError):
            self._ask("DELETE", "", None)
        self._driver.terminate()
        self._driver.wait()
        assert self._driver.stdout is not None
        self._driver.stdout.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def _port(self) -> int:
        assert self._driver.stdout is not None
        for line in self._driver.stdout:
            if "successfully on port" in line:
                return int(line.rstrip(".\n").rpartition(" ")[2])
        raise OSError("the driver of Chromium ended before it was ready")

    def _ask(self, method: str, path: str, body: object) -> Any:
        data = None if body is None else json.dumps(body).encode()
        request = Request(self._base + path, data, method=method)
        with urlopen(request, timeout=_PATIENCE_SECONDS + 10) as answer:
            return json.load(answer)["value"]
