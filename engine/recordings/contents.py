"""Which entities a view of a dataset shows: paths with stars, and paths that are left out.

`/camera/*` is every entity right below `/camera`, `/camera/**` also `/camera` itself and all
that is below. A pattern behind a minus sign leaves out; of several that fit, the last counts.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from ...errors import InputError

_LONGEST = 4096


@dataclass(frozen=True, slots=True)
class Contents:
    """Patterns, in the order given; none: nothing."""

    patterns: tuple[str, ...]
    """As they were written."""

    def shows(self, entity: str) -> bool:
        """Whether an entity is shown.

        >>> Contents(("/**", "- /camera/left")).shows("/camera/left")
        False
        """
        if not self.patterns:
            return False
        shown = _split(self.patterns[0])[0]  # what begins by leaving out begins with all
        shown = not shown
        for pattern in self.patterns:
            includes, path = _split(pattern)
            if _expression(path).fullmatch(entity):
                shown = includes
        return shown


def read_contents(patterns: object) -> Contents:
    """The contents that some patterns name.

    Raises:
        InputError: They are no list of patterns, or one is none.
    """
    listed: Iterable[object] = [patterns] if isinstance(patterns, str) else patterns  # type: ignore[assignment]
    if not isinstance(listed, Sequence | set | frozenset):
        raise InputError(f"contents: expected a list of paths, got {type(patterns).__name__}")
    for pattern in listed:
        if not isinstance(pattern, str) or len(pattern) > _LONGEST:
            raise InputError(f"contents: expected a path such as '/camera/**', got {pattern!r}")
        if not _split(pattern)[1].startswith("/"):
            raise InputError(f"contents: a path begins with '/', got {pattern!r}")
    return Contents(tuple(str(pattern) for pattern in listed))


def _split(pattern: str) -> tuple[bool, str]:
    """Whether a pattern includes, and its path."""
    text = pattern.strip()
    if text[:1] in ("+", "-"):
        return text[0] == "+", text[1:].strip()
    return True, text


def _expression(path: str) -> re.Pattern[str]:
    """A pattern as a regular expression; each star stands for few characters, or for parts.

    >>> bool(_expression("/camera/**").fullmatch("/camera"))
    True
    """
    said = ""
    parts = path.split("/")[1:]
    for at, part in enumerate(parts):
        if part == "**":
            if not said.endswith("(?:/[^/]+)*"):  # two in a row say no more than one
                said += "(?:/[^/]+)*"
        elif part or at < len(parts) - 1:
            # Stars in a row say no more than one, and would take forever to fail.
            plain = re.sub(r"\*+", "*", part)
            said += "/" + "[^/]*".join(map(re.escape, plain.split("*")))
    return re.compile(said or "(?:/[^/]+)*", re.DOTALL)
