"""What DataFusion says of a rewritten query, in terms of the text as it was written."""

from __future__ import annotations

import re

from ..errors import ColumnNotFoundError, MareyError, QueryError, UnsupportedError
from .functions import FUNCTIONS, PUBLIC_NAMES
from .sql_text import RewrittenSql

_POSITION = re.compile(r"Line: (\d+), Column: (\d+)")
_INTERNAL = re.compile(r"\b(?:" + "|".join(PUBLIC_NAMES) + r")\b")
_HANDLE = re.compile(r'Struct\("__marey_table": [^()]*\)')
_REQUEST = re.compile(r'Struct\("__marey_(read|remux)": (?:[^()]|\([^()]*\))*\)')
_WRONG_CALL = re.compile(
    r"to satisfy a call to '(\w+)' function: coercion from (.*?) to the signature"
)


def column_name(name: str) -> str:
    """What to call a column that DataFusion has named after the expression in it.

    >>> column_name("__marey_read_every(t.video,NULL,NULL,NULL)"), column_name("label")
    ('video_read', 'label')
    """
    outer = _INTERNAL.match(name)
    if outer and name[outer.end() :].startswith("(") and name.endswith(")"):
        return PUBLIC_NAMES[outer.group()]
    return _public_names(name)


def restate(sql: RewrittenSql, message: str) -> str:
    """The message with the positions, functions and types of the text as written."""

    def position(found: re.Match[str]) -> str:
        line, column = sql.written_position(int(found.group(1)), int(found.group(2)))
        return f"Line: {line}, Column: {column}"

    message = _HANDLE.sub("video", _POSITION.sub(position, message))
    message = _REQUEST.sub(lambda found: f"video_{found.group(1)}", message)
    return _public_names(message)


def plan_error(sql: RewrittenSql, message: str) -> MareyError:
    """The error of ours for a query that DataFusion does not plan.

    Args:
        sql: The query.
        message: The text of DataFusion's exception.
    """
    restated = restate(sql, message)
    wrong_call = _WRONG_CALL.search(restated)
    if wrong_call and wrong_call.group(1) in FUNCTIONS:
        name, found = wrong_call.groups()
        takes = ", ".join(f"{p.name} {p.type_name}" for p in FUNCTIONS[name].parameters)
        return QueryError(f"{name} takes ({takes}), found ({found})")
    if _REQUEST.search(_HANDLE.sub("video", message)):
        return UnsupportedError(
            "what video_read and video_remux give is made after the query has run: select it "
            f"whole, and work on the result ({restated})"
        )
    if "No field named" in restated:
        return ColumnNotFoundError(restated)
    return QueryError(restated)


def _public_names(text: str) -> str:
    return _INTERNAL.sub(lambda found: PUBLIC_NAMES[found.group()], text)
