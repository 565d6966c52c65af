"""What DataFusion says of a rewritten query, in terms of the text as it was written."""

from __future__ import annotations

import re

from ..errors import ColumnNotFoundError, MareyError, QueryError, UnsupportedError
from .columns import INDEX, SOURCE, no_source
from .dtypes import FRAME_LIST, FRAMES
from .functions import FUNCTIONS, PUBLIC_NAMES, SECONDS_LIST, Parameter
from .near import near_names
from .sql_text import RewrittenSql, video_with_field
from .sql_tokens import TokenText

_POSITION = re.compile(r"Line: (\d+), Column: (\d+)")
_INTERNAL = re.compile(r"\b(?:" + "|".join(PUBLIC_NAMES) + r")\b")
_HANDLE = re.compile(r'Struct\("__marey_table": [^()]*\)')
_REQUEST = re.compile(r'Struct\("__marey_(read|remux)(?:_timed)?": (?:[^()]|\([^()]*\))*\)')
_NO_FIELD = re.compile(r"No field named (.+?)\.(?:\s|$)")
_VALID_FIELDS = re.compile(r"Valid fields are (.*?)\.?\s*$", re.DOTALL)
_PART = re.compile(r'"((?:[^"]|"")*)"|([^".\s]+)')
_SAME_NAME = re.compile(
    r"require unique expression names but the expression \"(?:.* AS )?(.*?)\" at position \d+ "
    r"and ",
    re.DOTALL,
)
_NOT_CAST = re.compile(r"Cannot cast string ('.*') to value of (\w+) type", re.DOTALL)
_NO_STRUCT_FIELD = re.compile(r"Field (\S+) not found in struct")
_PARSER = re.compile(r'^(?:ParserError|TokenizerError)\("(.*)"\)$', re.DOTALL)
_AT_POSITION = re.compile(r"^(.*?),? at Line: (\d+), Column: (\d+)$", re.DOTALL)
_WRONG_CALL = re.compile(
    r"to satisfy a call to '(\w+)' function: coercion from (.*?) to the signature"
)

_TYPES_BETWEEN = re.compile(r", (?![^(]*\))")
_NUMBER = re.compile(r"U?Int|Float|Decimal")
_TIME = re.compile(r"U?Int|Float|Decimal|Timestamp|Date")


def column_name(name: str) -> str:
    """What to call a column that DataFusion has named after the expression in it.

    >>> column_name("__marey_read_every(t.video,NULL,NULL,NULL)"), column_name("label")
    ('video_read', 'label')
    """
    outer = _INTERNAL.match(name)
    if outer and name[outer.end() :].startswith("(") and name.endswith(")"):
        return PUBLIC_NAMES[outer.group()]
    return shown_calls(name)


def restate(sql: RewrittenSql, message: str) -> str:
    """The message with the positions, functions and types of the text as written."""

    def position(found: re.Match[str]) -> str:
        line, column = sql.written_position(int(found.group(1)), int(found.group(2)))
        return f"Line: {line}, Column: {column}"

    message = _HANDLE.sub("video", _POSITION.sub(position, message))
    message = _REQUEST.sub(lambda found: f"video_{found.group(1)}", message)
    return public_names(message)


def plan_error(sql: RewrittenSql, message: str) -> MareyError:
    """The error of ours for a query that DataFusion does not plan.

    Args:
        sql: The query.
        message: The text of DataFusion's exception.
    """
    restated = restate(sql, message)
    wrong_call = _WRONG_CALL.search(restated)
    if wrong_call and wrong_call.group(1) in FUNCTIONS:
        return QueryError(_wrong_types(*wrong_call.groups()))
    if _REQUEST.search(_HANDLE.sub("video", message)):
        return made_later("what video_read and video_remux give")
    if "No field named" in restated:
        return _no_column(sql, restated)
    same = _SAME_NAME.search(message)
    if same:
        what = column_name(same.group(1))
        return QueryError(
            f"two columns of one SELECT are called {what!r}: name one of them with AS"
        )
    unlike = _NOT_CAST.search(restated)
    if unlike:
        return QueryError(
            f"the string {unlike.group(1)} is no {unlike.group(2)}: a string compares with "
            "strings, as in label = '3'; try_cast gives null for what is no number"
        )
    missing = _NO_STRUCT_FIELD.search(restated)
    if missing:
        return _no_struct_field(sql, missing.group(1))
    return QueryError(_parser_error(restated))


def finds_single_time(message: str) -> bool:
    """Whether DataFusion refuses a call for one time where a list of them is taken."""
    wrong_call = _WRONG_CALL.search(public_names(_HANDLE.sub("video", message)))
    return wrong_call is not None and any(
        parameter.dtype == SECONDS_LIST and _TIME.match(found)
        for parameter, found in _arguments(*wrong_call.groups())
    )


def _wrong_types(name: str, found: str) -> str:
    takes = ", ".join(f"{p.name} {p.type_name}" for p in FUNCTIONS[name].parameters)
    given = _arguments(name, found)
    types = ", ".join(dtype for _, dtype in given) or found
    message = f"{name} takes ({takes}), found ({types})"
    for parameter, dtype in given:
        if parameter.dtype == FRAME_LIST and _NUMBER.match(dtype):
            message += f"; {parameter.name}: write [...] around a single one"
    return message


def _arguments(name: str, found: str) -> list[tuple[Parameter, str]]:
    """The parameters of a call with the types that DataFusion found for them."""
    types = _TYPES_BETWEEN.split(found)
    public = FUNCTIONS[name].parameters if name in FUNCTIONS else ()
    for _, parameters, _ in FUNCTIONS[name].variants() if public else ():
        if len(parameters) == len(types):
            own = zip(parameters, types, strict=True)
            return [(parameter, dtype) for parameter, dtype in own if parameter in public]
    return []


def made_later(what: str) -> UnsupportedError:
    """The error for a query that looks into frames or files that it is about to make."""
    return UnsupportedError(
        f"{what} is made after the query has run: select it whole, and work on the result; to "
        "count frames, count frame numbers, as in array_length(video_every(video, 5))"
    )


def _no_column(sql: RewrittenSql, message: str) -> ColumnNotFoundError:
    """No such column: near names out of the many that DataFusion lists."""
    found = _NO_FIELD.search(message)
    listed = _VALID_FIELDS.search(message)
    if found is None:
        return ColumnNotFoundError(message)
    given = _parts(found.group(1))
    known = [_parts(field)[-1] for field in listed.group(1).split(", ")] if listed else []
    in_index = f".{INDEX}." in given[-1]
    offered = [name for name in dict.fromkeys(known) if (f".{INDEX}." in name) == in_index]
    quote = any(name.lower() == given[-1].lower() for name in offered)
    how = " names with capitals stand in double quotes" if quote else ""
    if len(given) == 1 and given[0] in _PARAMETERS and _equals(sql, given[0]):
        how += f"; an argument is named as in {given[0]} => ..."
    return ColumnNotFoundError(
        f"no column {'.'.join(given)!r}{near_names(given[-1], offered)}{how}"
    )


_PARAMETERS = frozenset(p.name for function in FUNCTIONS.values() for p in function.parameters)


def _equals(sql: RewrittenSql, name: str) -> bool:
    """Whether a name and `=` begin what may be an argument."""
    text = TokenText(sql.given)
    return any(
        text.name(at) == name
        and text.is_symbol(text.before(at), ",", "(")
        and text.is_symbol(text.after(at), "=")
        for at in range(len(text))
    )


def _parts(name: str) -> list[str]:
    """The parts of a qualified name, without quotes.

    >>> _parts('c."video.index.width"')
    ['c', 'video.index.width']
    """
    return [quoted.replace('""', '"') or bare for quoted, bare in _PART.findall(name)] or [name]


def _no_struct_field(sql: RewrittenSql, name: str) -> MareyError:
    if name in FRAMES.names and sql.text != sql.given:
        return made_later(f"the field {name!r} of what video_read gives")
    if name == SOURCE:
        return no_source(name)
    if name == INDEX:
        return QueryError("name a field of the index of a video, as in video.index.width")
    video = video_with_field(sql, name)
    if video is not None:
        return ColumnNotFoundError(
            f"a video has no field {name!r}: what is known of it stands in its index, as in "
            f"{video}.{INDEX}.width"
        )
    return ColumnNotFoundError(f"no field {name!r} in the struct")


def _parser_error(message: str) -> str:
    """A parser's complaint, its position first as in errors of ours."""
    inner = _PARSER.match(message)
    if inner is None:
        return message
    text = inner.group(1).replace('\\"', '"')
    place = _AT_POSITION.match(text)
    if place is None:
        return text
    what, line, column = place.groups()
    return f"line {line}, column {column}: {what[:1].lower()}{what[1:]}"


def shown_calls(text: str) -> str:
    """Text of a plan with calls of our functions by their public names, without arguments.

    >>> shown_calls("__marey_read(t.video, make_array(Int64(0)), NULL) = NULL")
    'video_read(...) = NULL'
    """
    shown, at = "", 0
    for found in _INTERNAL.finditer(text):
        if found.start() < at:
            continue
        shown += text[at : found.start()] + PUBLIC_NAMES[found.group()]
        at = found.end()
        if text.startswith("(", at):
            shown += "(...)"
            at = _closing(text, at)
    return shown + text[at:]


def _closing(text: str, opening: int) -> int:
    """One past the bracket that closes the one here; the end where none does."""
    depth = 0
    for at in range(opening, len(text)):
        depth += {"(": 1, ")": -1}.get(text[at], 0)
        if not depth:
            return at + 1
    return len(text)


def public_names(text: str) -> str:
    """Text with our functions under the names that queries call them by."""
    return _INTERNAL.sub(lambda found: PUBLIC_NAMES[found.group()], text)
