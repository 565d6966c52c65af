"""What the errors of object stores say, found in the texts of the libraries below: they have no
codes for it.
"""

from __future__ import annotations

import re

_STATUS = re.compile(r"status code: (\d{3})")
_NO_BUCKET = "NoSuchBucket"
_NOT_SENT = "error sending request"
_REASONS = {
    "ConnectionRefused": "the connection was refused",
    "dns error": "no host of that name was found",
    "certificate": "its certificate is not trusted",
    "Timeout": "it took too long",
    "TimedOut": "it took too long",
}


def status_of(text: str) -> int | None:
    """The status that a server answered with, if it did.

    >>> status_of("Server returned non-2xx status code: 503 Service Unavailable")
    503
    """
    found = _STATUS.search(text)
    return int(found[1]) if found else None


def is_no_bucket(text: str) -> bool:
    """Whether the bucket is not there."""
    return _NO_BUCKET in text


def no_answer(text: str) -> str | None:
    """That no server answered, and why if that is said; None if the text is of something else.

    >>> no_answer("HTTP error: error sending request")
    'no answer, can it be reached from here?'
    >>> no_answer("error sending request ... Os { code: 111, kind: ConnectionRefused }")
    'no answer, the connection was refused'
    """
    if _NOT_SENT not in text:
        return None
    for sign, reason in _REASONS.items():
        if sign in text:
            return f"no answer, {reason}"
    return "no answer, can it be reached from here?"
