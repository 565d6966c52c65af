"""Names near a misspelt one, for the errors that offer them."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches

from .dtypes import RESERVED_PREFIX


def near_names(name: str, names: Iterable[str]) -> str:
    """The end of a sentence that says a name is unknown.

    >>> near_names("labell", ["clip_id", "label", "video"])
    "; did you mean 'label'?"
    >>> near_names("zzz", ["clip_id", "label", "video"])
    "; there are 'clip_id', 'label', 'video'"
    """
    # A plan has columns of our own, which nobody asks for.
    known = [str(n) for n in names if not str(n).startswith(RESERVED_PREFIX)]
    folded: dict[str, str] = {}
    for n in known:
        folded.setdefault(n.lower(), n)
    found = [folded[n] for n in get_close_matches(name.lower(), folded, n=3, cutoff=0.6)]
    if found:
        return "; did you mean " + " or ".join(map(repr, found)) + "?"
    if not known:
        return "; there are none"
    more = f" and {len(known) - 12} more" if len(known) > 12 else ""
    return "; there are " + ", ".join(map(repr, known[:12])) + more
