"""A page that shows videos, as tests talk to it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import count
from typing import Any

from marey.tests.browser.webdriver import Chromium


@dataclass
class Site:
    """A page at `/` of a server on loopback, and files beside it."""

    browser: Chromium
    url: str
    files: dict[str, bytes]
    _numbers: Iterator[int] = field(default_factory=count)

    def load(self, file: bytes) -> Any:
        """Load a video, and wait until its first picture is there."""
        self.files.clear()
        name = f"{next(self._numbers)}.mp4"
        self.files[name] = file
        return self.call("load", name)

    def call(self, function: str, *arguments: object) -> Any:
        """What a function of the page promises."""
        script = (
            "const done = arguments[arguments.length - 1];"
            f"{function}(...Array.from(arguments).slice(0, -1))"
            ".then(value => done({value}), error => done({error: String(error.message)}));"
        )
        answer = self.browser.run(script, *arguments)
        assert "error" not in answer, answer["error"]
        return answer["value"]
