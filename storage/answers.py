"""What the errors of object stores say, found in the texts of the libraries below: they have no
codes for it.
"""

from __future__ import annotations

import re

_STATUS = re.compile(r"status code: (\d{3})")
_CODE = re.compile(r"<Code>(\w{1,60})</Code>")
_NO_CREDENTIALS = ("169.254.169.254", "Failed to get AWS credentials")
"""The service that gives a machine of Amazon's its role is asked last; Lance words it so."""
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


def reason(text: str) -> str | None:
    """Why a store did not do what it was asked to; None if the text is of something else.

    Nothing of the answer stands in it but its status and its code: a store's answer repeats
    what the request was signed with.

    >>> reason("HTTP error: error sending request")
    'no answer, can it be reached from here?'
    >>> reason("error sending request ... Os { code: 111, kind: ConnectionRefused }")
    'no answer, the connection was refused'
    >>> reason("status code: 400 Bad Request: <Error><Code>ExpiredToken</Code></Error>")
    'the store answered with status 400, ExpiredToken'
    """
    if any(sign in text for sign in _NO_CREDENTIALS):
        return "no credentials in storage_options or the environment"
    if "NoSuchBucket" in text:
        return "there is no such bucket"
    if "HTTP error: builder error" in text:
        return 'http:// is not encrypted, storage_options allow it with "allow_http": "true"'
    if "redirect without LOCATION" in text:
        return "it lies in another region, is aws_region right?"
    if _NOT_SENT in text:
        return _no_answer(text)
    status = status_of(text)
    if status is None:
        return None
    found = _CODE.search(text)
    code = f", {found[1]}" if found else ""
    if status in (401, 403):
        return f"access is denied, are the storage options right? (status {status}{code})"
    return f"the store answered with status {status}{code}"


def _no_answer(text: str) -> str:
    for sign, why in _REASONS.items():
        if sign in text:
            return f"no answer, {why}"
    return "no answer, can it be reached from here?"
