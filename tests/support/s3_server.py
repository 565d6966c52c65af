"""An S3 endpoint on loopback: moto's, as a process of its own, with a log and a delay.

`GET /__log` gives the requests since the last call, `GET /__delay/30` adds 30 ms to each.
"""

from __future__ import annotations

import json
import socket
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

OPTIONS = {
    "aws_access_key_id": "user",
    "aws_secret_access_key": "hush-hush",
    "aws_region": "us-east-1",
    "allow_http": "true",
}


@dataclass(frozen=True)
class S3:
    """A running endpoint."""

    endpoint: str

    @property
    def options(self) -> dict[str, str]:
        return {**OPTIONS, "aws_endpoint": self.endpoint}

    def client(self) -> Any:
        import boto3

        return boto3.client(
            "s3",
            endpoint_url=self.endpoint,
            aws_access_key_id="user",
            aws_secret_access_key="hush-hush",
            region_name="us-east-1",
        )

    def log(self) -> list[dict[str, Any]]:
        """The requests since the last call."""
        log: list[dict[str, Any]] = json.loads(self._ask("/__log"))
        return log

    def delay(self, milliseconds: int) -> None:
        self._ask(f"/__delay/{milliseconds}")

    @contextmanager
    def denying(self) -> Iterator[None]:
        """Let the endpoint check credentials, which are those of nobody it knows."""
        self._check_credentials_after("0")
        try:
            yield
        finally:
            self._check_credentials_after("inf")

    def _check_credentials_after(self, requests: str) -> None:
        request = urllib.request.Request(
            f"{self.endpoint}/moto-api/reset-auth",
            requests.encode(),
            {"content-type": "text/plain"},
        )
        with urllib.request.urlopen(request, timeout=30) as answer:
            answer.read()

    def _ask(self, path: str) -> bytes:
        with urllib.request.urlopen(self.endpoint + path, timeout=30) as answer:
            body: bytes = answer.read()
        return body


@contextmanager
def s3_server() -> Iterator[S3]:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    process = subprocess.Popen(
        [sys.executable, "-W", "ignore", __file__, str(port)], stderr=subprocess.DEVNULL
    )
    server = S3(f"http://127.0.0.1:{port}")
    try:
        deadline = time.monotonic() + 60
        while True:
            try:
                server.log()
                break
            except OSError:
                if process.poll() is not None or time.monotonic() > deadline:
                    raise
                time.sleep(0.1)
        yield server
    finally:
        process.terminate()
        process.wait()


class _Counting:
    """moto's application, between a log and a delay."""

    def __init__(self) -> None:
        from moto.server import DomainDispatcherApplication, create_backend_app

        self._app: Any = DomainDispatcherApplication(create_backend_app)
        self._log: list[dict[str, Any]] = []
        self._lock = threading.Lock()
        self._delay = 0.0

    def __call__(
        self, environ: dict[str, Any], start_response: Callable[..., Any]
    ) -> Iterable[bytes]:
        path = environ["PATH_INFO"]
        if path.startswith("/__"):
            with self._lock:
                body = json.dumps(self._log).encode()
                if path.startswith("/__delay/"):
                    self._delay = int(path.rpartition("/")[2]) / 1000
                else:
                    self._log.clear()
            start_response("200 OK", [("content-length", str(len(body)))])
            return [body]
        begin = time.monotonic()
        time.sleep(self._delay)
        body = b"".join(self._app(environ, start_response))
        entry = {
            "method": environ["REQUEST_METHOD"],
            "path": path,
            "bytes": len(body),
            "begin": begin,
            "end": time.monotonic(),
        }
        with self._lock:
            self._log.append(entry)
        return [body]


if __name__ == "__main__":
    from werkzeug.serving import WSGIRequestHandler, run_simple

    class Quiet(WSGIRequestHandler):
        protocol_version = "HTTP/1.1"

        def log(self, type: str, message: str, *args: Any) -> None:
            pass

    run_simple("127.0.0.1", int(sys.argv[1]), _Counting(), threaded=True, request_handler=Quiet)
